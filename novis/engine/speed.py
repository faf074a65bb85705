"""The stage ``speed``: frames a second of network and tracker, as tables state them."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.splits import read_names
from novis.engine.checkpoints import load_model, read_checkpoint
from novis.engine.fit import use_threads
from novis.engine.live import Linking, live_stream, speed_record, track_live, warm_up
from novis.engine.precision import Precision
from novis.engine.predict import parse_clip_length
from novis.engine.streaming import VideoPlan, VideoStream, plan_for
from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import sha256, write_json
from novis.structures import Video
from novis.tracking.settings import TrackerSettings

_LOG = logging.getLogger(__name__)


def speed(
    checkpoint: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    clip_length: str | int,
    stride: int,
    min_size: int,
    settings: dict[str, Any],
    top_k: int = 10,
    videos: Path | None = None,
    num_videos: int = 5,
    overlap: dict[str, Any] | None = None,
    precision: Precision = "fp32",
    threads: int | None = None,
) -> None:
    """Measure frames a second from decoded frames to the masks of the best tracks, one clip at a time.

    The first clips run once before the clock does. Decoding images is not counted.

    Args:
        checkpoint: made by 'novis train'
        annotations: the data set's JSON file
        frames: the folder that its file names start from
        output: the JSON to write, with the hardware's name
        clip_length: T of the test, or 'video'
        stride: S, from 1 to T
        min_size: short side of the network's input, pixels
        settings: of the tracker, such as kind=overlap_embed
        top_k: tracks to keep of each video
        videos: a file that names the videos; all of them without it
        num_videos: of these, so many at even distances in the list are run
        overlap: other settings of the overlap embeddings than those of the training, as for 'novis predict'
        precision: of the network's forward pass
        threads: CPU threads of the network
    """
    if num_videos < 1 or top_k < 1:
        raise InputError(f"num_videos={num_videos} and top_k={top_k} must be at least 1")
    use_threads(threads)
    content = read_checkpoint(checkpoint)
    model = load_model(checkpoint, content, overlap)
    category_ids = [category["id"] for category in content["meta"]["categories"]]
    linking = Linking(TrackerSettings.from_dict(settings), stride, top_k, category_ids)
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    length = parse_clip_length(clip_length)
    plans = {v: plan_for(model, v, length, stride, min_size) for v in _spread(truth.videos, num_videos)}
    step = None if length is None else stride
    record = _time(live_stream(model, precision, step), plans, frames, linking, step)
    about = {
        "videos": [video.name for video in plans],
        "clip_length": clip_length,
        "stride": stride,
        "min_size": min_size,
        "top_k": top_k,
        "tracker": asdict(linking.settings),
        "checkpoint_sha256": sha256(checkpoint),
        "code": stage_code("speed"),
    }
    write_json(output, record | about, indent=2)
    _LOG.info("%s: %.2f frames a second on %s", output, record["fps"], record["hardware"]["device"])


def _spread(videos: Sequence[Video], count: int) -> list[Video]:
    """``count`` videos at even distances, or all."""
    places = np.linspace(0, len(videos) - 1, min(count, len(videos))).round().astype(int)
    return [videos[place] for place in places]


def _time(
    stream: VideoStream, plans: Mapping[Video, VideoPlan], frames: Path, linking: Linking, step: int | None
) -> dict[str, Any]:
    """Run the videos, the first clips of the first once more before the clock."""
    first, plan = next(iter(plans.items()))
    num_warm_up = warm_up(stream, plan, read_frame(frames, first, 0), linking.stride)
    seconds = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for video, own in plans.items():
            seconds += track_live(stream, own, video, _frames(frames, video), linking, Path(scratch))[1]
    num_frames = sum(video.length for video in plans)
    return speed_record(stream, num_frames, seconds, plan, step, num_warm_up)


def _frames(root: Path, video: Video) -> Iterator[np.ndarray]:
    return (read_frame(root, video, index) for index in range(video.length))
