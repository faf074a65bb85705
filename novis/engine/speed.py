"""The stage ``speed``: frames a second of network and tracker, as tables state them."""

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.splits import read_names
from novis.engine.checkpoints import load_model, read_checkpoint
from novis.engine.fit import use_threads
from novis.engine.live import live_stream, speed_record, track_live, warm_up
from novis.engine.precision import Precision
from novis.engine.predict import parse_clip_length
from novis.engine.streaming import plan_for
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
    tracker = TrackerSettings.from_dict(settings)
    category_ids = [category["id"] for category in content["meta"]["categories"]]
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    places = np.linspace(0, len(truth.videos) - 1, min(num_videos, len(truth.videos))).round().astype(int)
    chosen = [truth.videos[place] for place in places]
    length = parse_clip_length(clip_length)
    step = None if length is None else stride
    stream = live_stream(model, precision, step)
    plans = [plan_for(model, video, length, stride, min_size) for video in chosen]
    num_warm_up = warm_up(stream, plans[0], read_frame(frames, chosen[0], 0), stride)
    seconds = 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for video, plan in zip(chosen, plans, strict=True):
            images = _frames(frames, video)
            _, spent = track_live(
                stream, plan, video, images, stride, tracker, top_k, category_ids, Path(scratch)
            )
            seconds += spent
    num_frames = sum(video.length for video in chosen)
    record = speed_record(stream, num_frames, seconds, plans[0], step, num_warm_up)
    about = {
        "videos": [video.name for video in chosen],
        "clip_length": clip_length,
        "stride": stride,
        "min_size": min_size,
        "top_k": top_k,
        "tracker": asdict(tracker),
        "checkpoint_sha256": sha256(checkpoint),
        "code": stage_code("speed"),
    }
    write_json(output, record | about, indent=2)
    _LOG.info("%s: %.2f frames a second on %s", output, record["fps"], record["hardware"]["device"])


def _frames(root: Path, video: Video) -> Iterator[np.ndarray]:
    return (read_frame(root, video, index) for index in range(video.length))
