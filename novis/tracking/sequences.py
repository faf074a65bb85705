"""Sub-sequences of a video, tracked from the cache of the whole one (Fig. 1).

A clip sees its own frames alone, so a sequence's clips are those of the whole video that
lie within it: from a cache of all starts every stride, tracker and sequence length of at
least T frames follows without the network.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from novis.clips import sequences
from novis.errors import InputError
from novis.structures import ArrayLike, VideoPrediction


def cut_prediction(prediction: VideoPrediction, length: int) -> Iterator[tuple[VideoPrediction, slice]]:
    """The sequences of ``length`` frames of a video, each as a video of its own.

    Yields:
        The prediction, and the frames of the whole video that it is about.

    Raises:
        InputError: a clip is longer than a sequence.
    """
    video = prediction.video
    if length < min(prediction.clip_length, video.length):
        raise InputError(
            f"video {video.id}: sequences of {length} frames are shorter than a clip of "
            f"T={prediction.clip_length}; predict with a clip length of at most {length}"
        )
    for id_, frames in sequences(video.id, video.length, length):
        part = replace(video, id=id_, file_names=video.file_names[frames])
        yield replace(_clips_within(prediction, frames), video=part), frames


def _clips_within(prediction: VideoPrediction, frames: slice) -> VideoPrediction:
    last = max(frames.stop - prediction.clip_length, frames.start)
    inside = np.flatnonzero((prediction.starts >= frames.start) & (prediction.starts <= last))
    if not len(inside):
        raise InputError(
            f"video {prediction.video.id}: no clip of T={prediction.clip_length} lies within frames "
            f"{frames.start} to {frames.stop - 1}; predict with all starts"
        )
    clips = slice(int(inside[0]), int(inside[-1]) + 1)
    return replace(
        prediction,
        starts=prediction.starts[clips] - frames.start,
        class_logits=prediction.class_logits[clips],
        embeddings=prediction.embeddings[clips],
        overlap_embeddings=_Clips(prediction.overlap_embeddings, clips),
        mask_codes=_Clips(prediction.mask_codes, clips),
    )


class _Clips:
    """Some clips of an array whose first axis they are; nothing is read before it is indexed."""

    def __init__(self, array: ArrayLike, clips: slice) -> None:
        self._array = array
        self._first = clips.start
        self.shape = (clips.stop - clips.start, *array.shape[1:])

    def __getitem__(self, index: Any) -> np.ndarray:
        clip, *rest = index if isinstance(index, tuple) else (index,)
        return self._array[(int(clip) + self._first, *rest)]
