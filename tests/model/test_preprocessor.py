import pytest
import torch

from novis.model.preprocessor import FramePreprocessor
from novis.model.structures import ClipTarget


def test_frames_are_normalised_then_padded_right_and_below_with_zeros():
    clip = torch.randint(0, 256, (2, 3, 30, 40), dtype=torch.uint8)
    frames = FramePreprocessor().batch([clip])
    assert frames.shape == (2, 3, 32, 64)
    expected = (clip[1, 2].float() - 103.53) / 57.375
    torch.testing.assert_close(frames[1, 2, :30, :40], expected)
    assert frames[:, :, 30:].abs().max() == 0
    assert frames[..., 40:].abs().max() == 0


def test_clips_of_different_size_share_the_largest():
    clips = [torch.zeros(2, 3, 33, 20, dtype=torch.uint8), torch.zeros(2, 3, 20, 65, dtype=torch.uint8)]
    frames = FramePreprocessor().batch(clips)
    assert frames.shape == (4, 3, 64, 96)
    assert (frames[:2, :, :33, :20] != 0).all()
    assert (frames[2:, :, 20:] == 0).all()


def test_clips_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"\[2, 3\] frames"):
        FramePreprocessor().batch([torch.zeros(n, 3, 32, 32, dtype=torch.uint8) for n in (2, 3)])


def test_targets_travel_to_the_device_with_the_frames():
    target = ClipTarget(torch.tensor([1]), torch.ones(1, 2, 4, 4, dtype=torch.bool), "clip")
    preprocessor = FramePreprocessor().to("meta")
    data = preprocessor({"inputs": [torch.zeros(1)], "targets": [target]}, True)
    assert data["inputs"][0].is_meta
    assert data["targets"][0].masks.is_meta
    assert data["targets"][0].name == "clip"


def test_nothing_is_stored_in_a_checkpoint():
    assert not FramePreprocessor().state_dict()
