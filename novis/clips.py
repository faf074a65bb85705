"""The clip plan: which frames each clip covers, what adjacent clips share, where a video is cut.

Sampling, prediction, tracking and evaluation all ask this module, so they cannot disagree.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from novis.errors import InputError

# No video is as long: what keeps the ids of two videos' sub-sequences apart.
_FRAMES_PER_ID = 100_000


class Sequence(NamedTuple):
    """A sub-sequence that counts as a video (Fig. 1): its id, and its frames in the whole video."""

    id: int
    frames: slice


def clip_starts(num_frames: int, clip_length: int, stride: int) -> list[int]:
    """First frame of every clip of a video (Sec. 4.2).

    Clips start at 0, S, 2S, ...; the last one slides back to end on the last frame,
    so its overlap with its predecessor may exceed T - S. A video shorter than T has
    the single start 0 (see :func:`clip_frames` for its padding).

    Raises:
        InputError: S is not in 1..T, or a length is below 1.
    """
    if num_frames < 1 or clip_length < 1:
        raise InputError(f"clip length T={clip_length} over {num_frames} frames: both must be at least 1")
    if not 1 <= stride <= clip_length:
        raise InputError(
            f"stride S={stride} with clip length T={clip_length}: S must lie in 1..T, "
            "a larger stride would skip frames"
        )
    last = max(num_frames - clip_length, 0)
    starts = list(range(0, last + 1, stride))
    if starts[-1] != last:
        starts.append(last)
    return starts


def clip_frames(start: int, clip_length: int, num_frames: int) -> np.ndarray:
    """Frame index of each of a clip's T slots, shape (T,), int64.

    A video shorter than T is padded as a palindrome: 0 1 2 1 0 1 ... for three
    frames. Only the first ``num_frames`` slots of such a clip carry results.
    """
    if num_frames >= clip_length:
        return np.arange(start, start + clip_length)
    period = max(2 * (num_frames - 1), 1)
    position = np.arange(clip_length) % period
    return np.minimum(position, period - position) if num_frames > 1 else np.zeros(clip_length, int)


def overlap_length(previous_start: int, start: int, clip_length: int) -> int:
    """Number of frames that two clips of length T share: the tau of Eq. 1."""
    return max(previous_start + clip_length - start, 0)


@dataclass(frozen=True)
class Latency:
    """Frames that must be seen after a frame before something can be said about it.

    Attributes:
        first: at worst, until the first clip that covers it is complete.
        settled: at worst, until the last clip that covers it is complete.
    """

    first: int
    settled: int


def latency(clip_length: int, stride: int) -> Latency:
    """Latency of clips of T frames at stride S, once the first clip is there (docs/method.md).

    Only T = S = 1 is online in the strict sense.
    """
    return Latency(first=stride - 1, settled=clip_length - 1)


def overlap_lengths(num_frames: int, clip_length: int, stride: int) -> list[int]:
    """All overlap lengths above 0 that occur between adjacent clips of a video, ascending."""
    starts = clip_starts(num_frames, clip_length, stride)
    return sorted({overlap_length(a, b, clip_length) for a, b in pairwise(starts)} - {0})


def sequences(video_id: int, num_frames: int, length: int) -> list[Sequence]:
    """The sub-sequences of T' frames that a video is cut into, in order (Fig. 1).

    They lie end to end; like the last clip, the last one slides back to end on the last
    frame, so every one has T' frames and holds clips of any T up to T' without padding. A
    video of at most T' frames is one sequence. The id names video and first frame: frame 16
    of video 12 begins sequence 1200016.

    Raises:
        InputError: T' is below 1, or the video has too many frames for such ids.
    """
    if length < 1:
        raise InputError(f"sequences of {length} frames: the length must be at least 1")
    if num_frames >= _FRAMES_PER_ID:
        raise InputError(f"video {video_id}: {num_frames} frames are too many to be cut into sequences")
    length = min(length, num_frames)
    starts = clip_starts(num_frames, length, length)
    return [Sequence(video_id * _FRAMES_PER_ID + start, slice(start, start + length)) for start in starts]
