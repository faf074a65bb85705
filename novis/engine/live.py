"""Network and tracker together on one video as it plays, timed from decoded frames to masks."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from novis.clips import latency
from novis.engine.hardware import describe_hardware, synchronise
from novis.engine.precision import Precision
from novis.engine.streaming import FRAMES_PER_BATCH, VideoPlan, VideoStream
from novis.structures import Video
from novis.tracking.clip_window import prediction_of
from novis.tracking.settings import TrackerSettings
from novis.tracking.stream import num_held_clips, track_stream
from novis.tracking.video import TrackedVideo


class Stopwatch:
    """Counts the seconds of a device's work, those of its pauses apart.

    Args:
        device: waited for wherever the clock is read, so that no work escapes it.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._begin = self._now()
        self._paused = 0.0

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Do not count what happens in this block."""
        begin = self._now()
        yield
        self._paused += self._now() - begin

    @property
    def seconds(self) -> float:
        """Seconds so far without the pauses."""
        return self._now() - self._begin - self._paused

    def _now(self) -> float:
        synchronise(self._device)
        return time.perf_counter()


def live_stream(
    model: torch.nn.Module, precision: Precision, stride: int | None, batch: int = 1
) -> VideoStream:
    """A stream that decodes ``batch`` clips at once, and encodes the frames that one brings.

    Without a stride (each video is one clip) nothing waits for single frames, and they are
    encoded a few at a time.
    """
    frames = FRAMES_PER_BATCH if stride is None else stride
    return VideoStream(model, precision, frames_per_batch=frames * batch, clips_per_batch=batch)


@dataclass(frozen=True)
class Linking:
    """How the clips of a running video become tracks.

    Attributes:
        settings: of the tracker, see :func:`novis.tracking.stream.track_stream`.
        stride: S.
        top_k: tracks to keep.
        category_ids: in the order of the class logits.
    """

    settings: TrackerSettings
    stride: int
    top_k: int
    category_ids: Sequence[int]


def track_clips(
    stream: VideoStream,
    plan: VideoPlan,
    video: Video,
    read: Callable[[int], np.ndarray],
    linking: Linking,
    scratch: Path,
) -> TrackedVideo:
    """Segment and track one video, every frame once, memory constant in its length.

    Args:
        stream: of the network.
        plan: of the video, at the stride.
        video: its length and size.
        read: gives frame i as (H, W, 3) uint8 RGB; asked in order.
        linking: makes tracks of the clips.
        scratch: a folder for what cannot be decided before the end.
    """
    prediction = prediction_of(
        stream.clips(plan, read),
        video,
        plan.clip_length,
        plan.input_size,
        plan.padded_size,
        plan.starts,
        plan.overlap_lengths,
        num_held_clips(linking.settings),
    )
    return track_stream(
        prediction, linking.settings, linking.stride, linking.top_k, linking.category_ids, scratch
    )


def track_live(
    stream: VideoStream,
    plan: VideoPlan,
    video: Video,
    frames: Iterator[np.ndarray],
    linking: Linking,
    scratch: Path,
) -> tuple[TrackedVideo, float]:
    """:func:`track_clips` by the clock, with a bar that shows how far it is.

    Args:
        stream, plan, video, linking, scratch: as there.
        frames: (H, W, 3) uint8 RGB, in order.

    Returns:
        The tracks, and the seconds from decoded frames to the masks of the best tracks.
    """
    watch = Stopwatch(stream.device)
    with tqdm(total=video.length, unit="frame", mininterval=1, disable=None) as progress:

        def read(index: int) -> np.ndarray:
            with watch.pause():
                progress.update()
                return next(frames)

        tracked = track_clips(stream, plan, video, read, linking, scratch)
    return tracked, watch.seconds


def warm_up(stream: VideoStream, plan: VideoPlan, frame: np.ndarray, stride: int) -> int:
    """Run the first clips of a plan on copies of one frame; return how many clips that were.

    Libraries load, memory is laid out and kernels are chosen for these sizes before any
    clock runs.
    """
    starts = tuple(start for start in plan.starts if start in (0, stride))
    num_frames = min(plan.num_frames, starts[-1] + plan.clip_length)
    return sum(1 for _ in stream.clips(replace(plan, num_frames=num_frames, starts=starts), lambda _: frame))


def speed_record(
    stream: VideoStream,
    num_frames: int,
    seconds: float,
    plan: VideoPlan,
    stride: int | None,
    num_warm_up: int,
) -> dict[str, object]:
    """Frames a second and all that they depend on.

    Args:
        stream: that was timed.
        num_frames: of all videos.
        seconds: from decoded frames to the masks of the best tracks, of all videos.
        plan: of one of the videos.
        stride: S; None where each video is one clip, whose latency is as long as itself.
        num_warm_up: clips that ran before the clock.
    """
    return {
        "fps": num_frames / seconds,
        "num_frames": num_frames,
        "seconds": seconds,
        "batch": stream.clips_per_batch,
        "warm_up_clips": num_warm_up,
        "precision": stream.precision,
        "input_size": list(plan.input_size),
        "latency_frames": None if stride is None else asdict(latency(plan.clip_length, stride)),
        "hardware": describe_hardware(stream.device),
    }
