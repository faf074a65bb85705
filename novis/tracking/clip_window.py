"""The clips of a video while they come: a prediction of which only the last few clips are held."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from novis.structures import Video, VideoPrediction


class Clip(Protocol):
    """What the network says about one clip: one row of each array of a :class:`VideoPrediction`."""

    class_logits: np.ndarray
    embeddings: np.ndarray
    overlap_embeddings: np.ndarray
    mask_codes: np.ndarray


class ClipWindow:
    """The last clips of a stream, which is read on as far as it is asked for.

    Args:
        clips: in order of their starts.
        size: how many are held.
    """

    def __init__(self, clips: Iterator[Clip], size: int) -> None:
        self._clips = clips
        self._size = size
        self._held: dict[int, Clip] = {}
        self._next = 0

    def __getitem__(self, position: int) -> Clip:
        """The clip at a position.

        Raises:
            IndexError: it is no longer held, or the stream ends before it.
        """
        while self._next <= position:
            try:
                self._held[self._next] = next(self._clips)
            except StopIteration:
                raise IndexError(f"clip {position}: the stream has only {self._next}") from None
            self._held.pop(self._next - self._size, None)
            self._next += 1
        if position not in self._held:
            raise IndexError(f"clip {position}: only the last {self._size} of {self._next} are held")
        return self._held[position]


class _Field:
    """One array of a prediction, its clips taken from a window."""

    def __init__(self, window: ClipWindow, name: str, num_clips: int) -> None:
        self._window = window
        self._name = name
        self._num_clips = num_clips

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the whole array; reads the first clip."""
        return self._num_clips, *getattr(self._window[0], self._name).shape

    def __getitem__(self, index: Any) -> np.ndarray:
        clip, *rest = index if isinstance(index, tuple) else (index,)
        return getattr(self._window[int(clip)], self._name)[tuple(rest)]


def prediction_of(
    clips: Iterator[Clip],
    video: Video,
    clip_length: int,
    input_size: tuple[int, int],
    padded_size: tuple[int, int],
    starts: Sequence[int],
    overlap_lengths: Sequence[int],
    num_held: int,
) -> VideoPrediction:
    """A video's prediction of which the last ``num_held`` clips can be read, in order.

    For the other arguments see :class:`VideoPrediction`.
    """
    window = ClipWindow(clips, num_held)
    names = ("class_logits", "embeddings", "overlap_embeddings", "mask_codes")
    return VideoPrediction(
        video=video,
        clip_length=clip_length,
        input_size=input_size,
        padded_size=padded_size,
        starts=np.asarray(starts, np.int64),
        overlap_lengths=np.asarray(overlap_lengths, np.int64),
        **{name: _Field(window, name, len(starts)) for name in names},
    )
