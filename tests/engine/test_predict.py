import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch

from novis.data.frames import read_frame
from novis.data.subsequences import subsequences
from novis.engine import predict as module
from novis.engine.checkpoints import load_model, write_checkpoint
from novis.engine.predict import parse_clip_length, parse_starts, predict
from novis.engine.stopping import Interrupted
from novis.engine.streaming import VideoStream
from novis.errors import InputError
from novis.model.registry import MODELS
from novis.storage.clip_cache import ClipCache
from novis.storage.shards import merge
from novis.tracking.sequences import cut_prediction
from novis.tracking.track import track
from tests.engine.conftest import CATEGORIES
from tests.engine.memory import predict_video
from tests.engine.small_network import small_config


def arguments(toy_dataset, checkpoint, output, **changes):
    return {
        "checkpoint": checkpoint,
        "annotations": toy_dataset.annotation_file,
        "frames": toy_dataset.frames,
        "output": output,
        "clip_length": 3,
        "min_size": 48,
    } | changes


def contents(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(
            lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
        )
    return found


def assert_same_content(first, second):
    one, two = contents(first), contents(second)
    assert one.keys() == two.keys()
    assert one
    for name in one:
        np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_the_cache_holds_what_memory_holds(toy_dataset, checkpoint, tmp_path):
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "clips.h5"))
    model = load_model(checkpoint, torch.load(checkpoint, weights_only=True))
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert cache.video_ids == tuple(v.id for v in toy_dataset.annotations.videos)
        for video in toy_dataset.annotations.videos:
            cached = cache.prediction(video.id)
            memory = predict_video(VideoStream(model), video, toy_dataset.frames, 3, None, 48)
            for name in ("starts", "class_logits", "embeddings", "overlap_embeddings", "mask_codes"):
                np.testing.assert_array_equal(getattr(cached, name)[()], getattr(memory, name), err_msg=name)


def test_videos_of_one_frame_or_shorter_than_a_clip_are_predicted(toy_dataset, checkpoint, tmp_path):
    assert sorted(v.length for v in toy_dataset.annotations.videos)[0] == 1
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "clips.h5"))
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert all(cache.prediction(i).class_logits.shape[0] >= 1 for i in cache.video_ids)


def test_strided_clips_are_those_of_all_starts(toy_dataset, checkpoint, tmp_path):
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "all.h5"))
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "some.h5", starts="every2"))
    with ClipCache(tmp_path / "all.h5") as every, ClipCache(tmp_path / "some.h5") as some:
        full, part = every.prediction(1), some.prediction(1)
        places = np.searchsorted(full.starts, part.starts)
        assert part.starts.tolist() == [0, 2, 4, 5]
        # Batches of clips differ, and with them the last bits.
        np.testing.assert_allclose(part.class_logits, full.class_logits[places], rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def offline_checkpoint(tmp_path_factory):
    """A network that takes clips of any length."""
    changes = {"temporal_encoding": "sine_3d", "model.instance_decoder.num_classes": 3}
    config = small_config(clip_length=2, **changes)
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("offline") / "checkpoint.pth"
    meta = {"config": config.to_dict(), "categories": CATEGORIES}
    write_checkpoint(path, {"state_dict": MODELS.build(config.model).state_dict(), "meta": meta})
    return path


def test_offline_each_video_is_one_clip_of_its_own_length(toy_dataset, offline_checkpoint, tmp_path):
    predict(**arguments(toy_dataset, offline_checkpoint, tmp_path / "clips.h5", clip_length="video"))
    model = load_model(offline_checkpoint, torch.load(offline_checkpoint, weights_only=True))
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert cache.attributes["clip_length"] == "video"
        for video in toy_dataset.annotations.videos:
            found = cache.prediction(video.id)
            assert found.clip_length == video.length
            assert found.starts.tolist() == [0]
            frames = [read_frame(toy_dataset.frames, video, index) for index in range(video.length)]
            clip = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
            with torch.inference_mode():
                whole = model([clip])
            np.testing.assert_allclose(found.class_logits, whole.class_logits, rtol=1e-4, atol=1e-5)


def test_offline_tracks_span_the_video_whatever_links_them(toy_dataset, offline_checkpoint, tmp_path):
    predict(**arguments(toy_dataset, offline_checkpoint, tmp_path / "clips.h5", clip_length="video"))
    texts = []
    for kind in ("identity", "overlap_embed"):
        track(tmp_path / "clips.h5", tmp_path / f"{kind}.json", {"kind": kind}, stride=1, top_k=3)
        texts.append((tmp_path / f"{kind}.json").read_text())
    assert texts[0] == texts[1]
    lengths = {video.id: video.length for video in toy_dataset.annotations.videos}
    assert all(len(t["segmentations"]) == lengths[t["video_id"]] for t in json.loads(texts[0]))


def test_whole_videos_are_refused_by_a_learned_temporal_encoding(toy_dataset, checkpoint, tmp_path):
    with pytest.raises(InputError, match="clips of 8 frames for a network trained on 3"):
        predict(**arguments(toy_dataset, checkpoint, tmp_path / "clips.h5", clip_length="video"))


def test_sequences_of_a_full_cache_are_what_is_predicted_of_them_alone(toy_dataset, checkpoint, tmp_path):
    cut = tmp_path / "cut.json"
    subsequences(toy_dataset.annotation_file, 4, cut)
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "whole.h5"))
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "cut.h5", annotations=cut))
    with ClipCache(tmp_path / "whole.h5") as whole, ClipCache(tmp_path / "cut.h5") as alone:
        parts = [part for i in whole.video_ids for part, _ in cut_prediction(whole.prediction(i), 4)]
        assert [part.video.id for part in parts] == list(alone.video_ids)
        for part in parts:
            other = alone.prediction(part.video.id)
            assert part.video == other.video
            np.testing.assert_array_equal(part.starts, other.starts)
            # Batches of clips differ, and with them the last bits.
            np.testing.assert_allclose(part.class_logits, other.class_logits, rtol=1e-4, atol=1e-5)
            # One clip alone overlaps with none.
            for clip in range(len(part.starts)) if len(part.starts) > 1 else ():
                ours, theirs = part.overlap_embeddings[clip, 0, 0], other.overlap_embeddings[clip, 0, 0]
                np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_overlap_embeddings_can_be_read_otherwise_than_in_training(toy_dataset, checkpoint, tmp_path):
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "own.h5"))
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "other.h5", overlap={"query": "output"}))
    with ClipCache(tmp_path / "own.h5") as own, ClipCache(tmp_path / "other.h5") as other:
        assert json.loads(other.attributes["config"])["model"]["overlap"]["query"] == "output"
        first, second = own.prediction(1), other.prediction(1)
        np.testing.assert_array_equal(first.embeddings, second.embeddings)
        assert not np.allclose(first.overlap_embeddings[0, 0], second.overlap_embeddings[0, 0])


def test_an_unknown_reading_is_named(toy_dataset, checkpoint, tmp_path):
    with pytest.raises(InputError, match="unknown setting 'qery'; did you mean 'query'"):
        predict(**arguments(toy_dataset, checkpoint, tmp_path / "clips.h5", overlap={"qery": "output"}))


@pytest.mark.parametrize("clip_length", ["whole", "0", "-2", "2.5", 0])
def test_unknown_clip_lengths_are_refused(clip_length):
    with pytest.raises(InputError, match="must be a number of frames, or 'video'"):
        parse_clip_length(clip_length)


def test_a_test_clip_longer_than_those_of_training_is_refused(toy_dataset, checkpoint, tmp_path):
    with pytest.raises(InputError, match="clips of 4 frames for a network trained on 3"):
        predict(**arguments(toy_dataset, checkpoint, tmp_path / "clips.h5", clip_length=4))
    assert not (tmp_path / "clips.h5").exists()


def test_weights_without_a_configuration_are_refused_by_name(toy_dataset, tmp_path):
    write_checkpoint(tmp_path / "bare.pth", {"state_dict": {}, "meta": {}})
    for options in ({}, {"overlap": {"query": "output"}}):
        with pytest.raises(InputError, match=r"bare\.pth: holds weights to start a training from"):
            predict(**arguments(toy_dataset, tmp_path / "bare.pth", tmp_path / "clips.h5", **options))


@pytest.mark.parametrize("starts", ["some", "every", "everyx", "2"])
def test_unknown_starts_are_refused(starts):
    with pytest.raises(InputError, match="must be 'all', or 'every' and a stride"):
        parse_starts(starts)


def test_shards_of_the_videos_merge_into_the_cache_of_all(toy_dataset, checkpoint, tmp_path):
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "whole.h5"))
    shards = [tmp_path / f"{number}of2.h5" for number in (1, 2)]
    for number, path in enumerate(shards, 1):
        predict(**arguments(toy_dataset, checkpoint, path, shard=f"{number}/2"))
    # Of 8, 5, 1 and 3 frames: the longest alone has nearly half.
    with ClipCache(shards[0]) as first, ClipCache(shards[1]) as second:
        assert (first.video_ids, second.video_ids) == ((1, 3), (2, 4))
    merge(shards, tmp_path / "merged.h5")
    assert_same_content(tmp_path / "merged.h5", tmp_path / "whole.h5")
    with ClipCache(tmp_path / "merged.h5") as merged, ClipCache(tmp_path / "whole.h5") as whole:
        assert merged.attributes == whole.attributes


@pytest.mark.slow
def test_a_killed_prediction_goes_on_at_the_next_video(toy_dataset, checkpoint, tmp_path):
    chosen = arguments(toy_dataset, checkpoint, tmp_path / "killed.h5", threads=1)
    pairs = [word for name, value in chosen.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "novis.cli", "predict", *pairs]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    partial = tmp_path / "killed.h5.partial.commit"
    while not partial.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "killed.h5").exists()
    again = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert "4 videos" in again.stderr
    whole = [*command[:3], *command[3:]]
    whole[whole.index(str(tmp_path / "killed.h5"))] = str(tmp_path / "whole.h5")
    subprocess.run(whole, check=True, capture_output=True, env=environment)
    assert_same_content(tmp_path / "killed.h5", tmp_path / "whole.h5")


def test_a_prediction_that_is_told_to_stop_ends_after_the_video(
    toy_dataset, checkpoint, tmp_path, monkeypatch
):
    chosen = arguments(toy_dataset, checkpoint, tmp_path / "told.h5", threads=1)
    write, handler = module._write, signal.getsignal(signal.SIGTERM)

    def be_told_and_write(*words):
        os.kill(os.getpid(), signal.SIGTERM)
        write(*words)

    monkeypatch.setattr(module, "_write", be_told_and_write)
    try:
        for _ in toy_dataset.annotations.videos:
            with pytest.raises(Interrupted):
                predict(**chosen)
            assert not (tmp_path / "told.h5").exists()
    finally:
        signal.signal(signal.SIGTERM, handler)
    predict(**chosen)
    monkeypatch.undo()
    predict(**chosen | {"output": tmp_path / "whole.h5"})
    assert_same_content(tmp_path / "told.h5", tmp_path / "whole.h5")


def test_frames_on_the_nodes_own_disk_are_predicted_the_same(toy_dataset, checkpoint, tmp_path):
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "here.h5"))
    predict(**arguments(toy_dataset, checkpoint, tmp_path / "there.h5", scratch=tmp_path / "scratch"))
    assert_same_content(tmp_path / "here.h5", tmp_path / "there.h5")
    assert len(list((tmp_path / "scratch").rglob("*.jpg"))) == 8 + 5 + 1 + 3


def interrupt_after_first_video(monkeypatch, **options):
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        patched.setattr(module.Told, "stop_if_told", lambda told: (_ for _ in ()).throw(Interrupted()))
        predict(**options)


def test_a_prediction_goes_on_with_corrected_annotations_as_if_it_began(
    toy_dataset, checkpoint, tmp_path, monkeypatch
):
    content = json.loads(toy_dataset.annotation_file.read_text())
    content["videos"][0]["file_names"].reverse()
    corrected = tmp_path / "corrected.json"
    corrected.write_text(json.dumps(content))
    interrupt_after_first_video(
        monkeypatch, **arguments(toy_dataset, checkpoint, tmp_path / "clips.h5", annotations=corrected)
    )
    for name in ("clips.h5", "whole.h5"):
        predict(**arguments(toy_dataset, checkpoint, tmp_path / name))
    assert_same_content(tmp_path / "clips.h5", tmp_path / "whole.h5")


def test_a_prediction_of_other_videos_holds_no_more_than_these(
    toy_dataset, checkpoint, tmp_path, monkeypatch
):
    for name, videos in {"a.txt": "video_1\nvideo_2\n", "b.txt": "video_3\nvideo_4\n"}.items():
        (tmp_path / name).write_text(videos)
    options = arguments(toy_dataset, checkpoint, tmp_path / "clips.h5")
    interrupt_after_first_video(monkeypatch, **options, videos=tmp_path / "a.txt")
    predict(**options, videos=tmp_path / "b.txt")
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert cache.video_ids == (3, 4)
