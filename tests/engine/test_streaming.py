import numpy as np
import pytest
import torch

from novis.clips import clip_frames, overlap_length
from novis.engine import streaming
from novis.engine.streaming import VideoStream, plan_video
from novis.errors import InputError
from novis.model.registry import MODELS
from novis.structures import encode_logits
from tests.engine.small_network import small_config


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return MODELS.build(small_config(clip_length=3).model).eval()


def video(num_frames, seed=0):
    return np.random.default_rng(seed).integers(0, 255, (num_frames, 40, 60, 3), np.uint8)


def plan(num_frames, clip_length=3, stride=None):
    return plan_video(num_frames, 40, 60, clip_length, stride, 40, 32)


def clips(model, frames, chosen):
    return list(VideoStream(model).clips(chosen, lambda index: frames[index]))


def test_a_plan_names_sizes_starts_and_overlaps():
    found = plan_video(11, 720, 1280, 4, 3, 360, 32)
    assert (found.input_size, found.padded_size) == ((360, 640), (384, 640))
    assert found.starts == (0, 3, 6, 7)
    assert found.overlap_lengths == (1, 3)


def test_a_plan_of_all_starts_has_every_overlap():
    assert plan(6).starts == (0, 1, 2, 3)
    assert plan(6).overlap_lengths == (1, 2)
    assert plan(3).overlap_lengths == ()


@pytest.mark.parametrize(
    ("num_frames", "stride"), [(10, None), (10, 2), (11, 3), (7, 1), (3, 2), (2, 2), (1, 1)]
)
def test_the_stream_gives_what_the_network_says_of_each_clip_alone(model, num_frames, stride):
    frames, chosen = video(num_frames), plan(num_frames, stride=stride)
    records = clips(model, frames, chosen)
    assert [record.start for record in records] == list(chosen.starts)
    for record in records:
        alone = frames[clip_frames(record.start, 3, num_frames)]
        with torch.inference_mode():
            output = model([torch.from_numpy(alone).permute(0, 3, 1, 2)])
        np.testing.assert_allclose(record.class_logits, output.class_logits[0], rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(record.embeddings, output.embeddings[0], rtol=1e-3, atol=1e-4)
        expected = encode_logits(output.mask_logits[0].numpy()).astype(int)
        assert np.abs(record.mask_codes - expected).max() <= 1


def test_overlap_embeddings_belong_to_the_shared_frames(model):
    frames, chosen = video(8), plan(8, stride=2)
    record = clips(model, frames, chosen)[1]
    length = overlap_length(0, 2, 3)
    assert chosen.overlap_lengths == (length, 2)
    with torch.inference_mode():
        inputs = model.data_preprocessor.batch([torch.from_numpy(frames[2:5]).permute(0, 3, 1, 2)])
        features = model.frame_features(inputs)
        output = model.decode(features)
        head = model.overlap_embeddings(features, output, slice(0, length))[0]
        tail = model.overlap_embeddings(features, output, slice(3 - length, 3))[0]
    np.testing.assert_allclose(record.overlap_embeddings[0, 0], head, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(record.overlap_embeddings[1, 0], tail, rtol=1e-3, atol=1e-4)


def test_every_frame_is_read_and_encoded_once(model, monkeypatch):
    frames, read, encoded = video(9), [], []
    original = model.frame_features
    monkeypatch.setattr(
        model, "frame_features", lambda x, sizes: encoded.append(len(x)) or original(x, sizes)
    )
    list(VideoStream(model).clips(plan(9), lambda index: read.append(index) or frames[index]))
    assert read == list(range(9))
    assert sum(encoded) == 9


def test_memory_does_not_grow_with_the_video(model, monkeypatch):
    held = []
    original = VideoStream._decode

    def watch(self, chosen, starts, window):
        held.append(len(window))
        return original(self, chosen, starts, window)

    monkeypatch.setattr(VideoStream, "_decode", watch)
    clips(model, video(60), plan(60, stride=2))
    bound = 3 + 2 * streaming.CLIPS_PER_BATCH + streaming.FRAMES_PER_BATCH
    assert max(held) <= bound


def test_a_network_that_gives_no_finite_numbers_is_told(model):
    torch.manual_seed(0)
    broken = MODELS.build(small_config(clip_length=3).model).eval()
    torch.nn.init.constant_(broken.instance_decoder.class_embed.bias, float("nan"))
    with pytest.raises(InputError, match="no finite numbers for the clip at frame 0"):
        clips(broken, video(4), plan(4))


def test_an_unknown_precision_is_refused(model):
    with pytest.raises(InputError, match="unknown precision 'half'"):
        VideoStream(model, "half")


@pytest.mark.parametrize("min_size", [31, 0, -360])
def test_a_short_side_that_the_network_cannot_take_is_refused(min_size):
    with pytest.raises(InputError, match=f"a short side of {min_size} pixels: the network needs at least 32"):
        plan_video(11, 720, 1280, 4, 3, min_size, 32)
