import json

import pytest

from novis.engine.speed import speed
from novis.errors import InputError
from novis.model.novis import NOVIS


def arguments(toy_dataset, checkpoint, output, **changes):
    return {
        "checkpoint": checkpoint,
        "annotations": toy_dataset.annotation_file,
        "frames": toy_dataset.frames,
        "output": output,
        "clip_length": 3,
        "stride": 2,
        "min_size": 48,
        "settings": {"kind": "overlap_embed"},
    } | changes


def test_frames_a_second_are_those_of_the_chosen_videos(toy_dataset, checkpoint, tmp_path):
    speed(**arguments(toy_dataset, checkpoint, tmp_path / "speed.json", num_videos=2))
    record = json.loads((tmp_path / "speed.json").read_text())
    # The first and the last of four videos of 8, 5, 1 and 3 frames.
    assert record["videos"] == ["video_1", "video_4"]
    assert record["num_frames"] == 8 + 3
    assert record["fps"] == pytest.approx(11 / record["seconds"])
    assert record["batch"] == 1
    assert record["latency_frames"] == {"first": 1, "settled": 2}
    assert record["hardware"]["device"]
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]


def test_a_video_as_one_clip_has_no_latency_of_frames(toy_dataset, checkpoint, tmp_path, monkeypatch):
    encoded = []
    original = NOVIS.frame_features

    def watch(self, frames, *rest):
        encoded.append(len(frames))
        return original(self, frames, *rest)

    monkeypatch.setattr(NOVIS, "frame_features", watch)
    (tmp_path / "short.txt").write_text("video_4\n")
    changes = {"clip_length": "video", "stride": 1, "settings": {"kind": "identity"}}
    changes["videos"] = tmp_path / "short.txt"
    speed(**arguments(toy_dataset, checkpoint, tmp_path / "speed.json", **changes))
    record = json.loads((tmp_path / "speed.json").read_text())
    assert record["latency_frames"] is None
    assert record["num_frames"] == 3
    assert encoded == [3, 3], "the frames of the video, once to warm up and once for the clock"


def test_no_videos_are_no_measurement(toy_dataset, checkpoint, tmp_path):
    with pytest.raises(InputError, match="num_videos=0"):
        speed(**arguments(toy_dataset, checkpoint, tmp_path / "speed.json", num_videos=0))
