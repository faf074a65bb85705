import time

import numpy as np
import pytest
import torch

from novis.data.frames import read_frame
from novis.engine.checkpoints import load_model, read_checkpoint
from novis.engine.live import Linking, Stopwatch, live_stream, speed_record, track_live, warm_up
from novis.engine.streaming import VideoStream, plan_for, plan_video
from novis.structures import Video
from novis.tracking.settings import TrackerSettings
from novis.tracking.video import track_video
from tests.engine.memory import predict_video

CATEGORY_IDS = [3, 7, 8]


@pytest.fixture(scope="module")
def model(checkpoint):
    return load_model(checkpoint, read_checkpoint(checkpoint))


def frames_of(toy_dataset, video):
    return (read_frame(toy_dataset.frames, video, index) for index in range(video.length))


@pytest.mark.parametrize("kind", ["heuristic", "overlap_embed"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_a_running_video_has_the_tracks_of_the_whole_prediction(toy_dataset, model, kind, stride, tmp_path):
    settings = TrackerSettings(kind)
    for video in toy_dataset.annotations.videos:
        whole = predict_video(VideoStream(model), video, toy_dataset.frames, 3, stride, 48)
        expected = track_video(whole, settings, stride, 4, CATEGORY_IDS)
        # Batches of the same size, since other ones differ in the last bits.
        stream, plan = VideoStream(model), plan_for(model, video, 3, stride, 48)
        frames = frames_of(toy_dataset, video)
        linking = Linking(settings, stride, 4, CATEGORY_IDS)
        found, _ = track_live(stream, plan, video, frames, linking, tmp_path)
        assert found.tracks == expected.tracks
        assert found.counts == expected.counts


def test_memory_does_not_grow_with_the_video(model, tmp_path, monkeypatch):
    held = []
    original = VideoStream._decode

    def watch(self, plan, starts, window):
        held.append(len(window))
        return original(self, plan, starts, window)

    monkeypatch.setattr(VideoStream, "_decode", watch)
    frame = np.zeros((32, 32, 3), np.uint8)
    video = Video(1, 32, 32, tuple(map(str, range(40))))
    plan, stream = plan_video(40, 32, 32, 3, 2, 32, 32), live_stream(model, "fp32", 2)
    frames = (frame for _ in range(40))
    settings = TrackerSettings("overlap_embed")
    track_live(stream, plan, video, frames, Linking(settings, 2, 4, CATEGORY_IDS), tmp_path)
    assert max(held) <= 3 + 2
    assert not list(tmp_path.iterdir())


def test_what_a_frame_takes_to_decode_is_not_counted():
    watch = Stopwatch(torch.device("cpu"))
    begin = time.perf_counter()
    with watch.pause():
        time.sleep(0.05)
    assert watch.seconds + 0.05 <= time.perf_counter() - begin
    assert watch.seconds < watch.seconds


def test_clips_are_decoded_one_at_a_time(model):
    stream = live_stream(model, "fp32", stride=2)
    assert (stream.clips_per_batch, stream.frames_per_batch) == (1, 2)


def test_frames_of_a_video_that_is_one_clip_are_encoded_a_few_at_a_time(model):
    stream = live_stream(model, "fp32", stride=None)
    assert (stream.clips_per_batch, stream.frames_per_batch) == (1, 4)


@pytest.mark.parametrize(
    ("num_frames", "stride", "expected"), [(9, 2, 2), (9, 3, 2), (3, 1, 1), (1, 1, 1), (4, 3, 1)]
)
def test_the_first_two_clips_warm_up(model, num_frames, stride, expected):
    plan = plan_video(num_frames, 64, 64, 3, stride, 64, 32)
    frame = np.zeros((64, 64, 3), np.uint8)
    assert warm_up(live_stream(model, "fp32", stride), plan, frame, stride) == expected


def test_a_speed_names_hardware_batch_and_latency(model):
    plan = plan_video(9, 32, 32, 3, 2, 32, 32)
    record = speed_record(live_stream(model, "fp32", 2), 30, 2.0, plan, 2, 1)
    assert record["fps"] == 15
    assert record["batch"] == 1
    assert record["latency_frames"] == {"first": 1, "settled": 2}
    assert record["hardware"]["torch"] == torch.__version__
    assert speed_record(live_stream(model, "fp32", None), 30, 2.0, plan, None, 1)["latency_frames"] is None
