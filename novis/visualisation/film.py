"""Predicted tracks over every frame of a video, as a film or as pictures."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from novis.errors import InputError
from novis.files import replacing
from novis.structures import Track
from novis.visualisation.drawing import instance_colours
from novis.visualisation.overlays import best_of_each, draw_layers, layers_of

# MPEG-4: every build of OpenCV can write it.
_CODEC = "mp4v"


def overlay_frames(
    frames: Iterable[np.ndarray], tracks: Sequence[Track], categories: Mapping[int, str], min_score: float
) -> Iterator[np.ndarray]:
    """Each frame with the tracks drawn over it; a track keeps its colour.

    Args:
        frames: (H, W, 3) uint8 RGB, in order.
        tracks: of the video; those below ``min_score`` are left out, and of several with the
            same masks all but the best.
        categories: names by category id.
        min_score: least score.
    """
    shown = best_of_each(tracks, min_score)
    layers = layers_of(shown, instance_colours(len(shown)), categories)
    for index, frame in enumerate(frames):
        yield draw_layers(frame, layers, index)


def write_film(path: Path, frames: Iterator[np.ndarray], frame_rate: float) -> None:
    """Write frames (H, W, 3) uint8 RGB as an MP4 film, whole or not at all.

    An odd last row or column is left out, which the format cannot hold.

    Raises:
        InputError: OpenCV cannot write films here.
    """
    first = next(frames)
    height, width = (side - side % 2 or side for side in first.shape[:2])
    with replacing(path) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter_fourcc(*_CODEC), frame_rate, (width, height))
        if not writer.isOpened():
            raise InputError(
                f"{path}: OpenCV can write no film of {width} x {height} pixels here; "
                "ask for the frames instead"
            )
        try:
            for frame in _with(first, frames):
                writer.write(np.ascontiguousarray(frame[:height, :width, ::-1]))
        finally:
            writer.release()


def write_pictures(folder: Path, frames: Iterable[np.ndarray]) -> int:
    """Write frames as ``folder/000000.jpg`` and so on; return how many."""
    count = 0
    for count, frame in enumerate(frames, start=1):
        with replacing(folder / f"{count - 1:06}.jpg") as temporary:
            Image.fromarray(frame).save(temporary, format="JPEG", quality=92)
    return count


def _with(first: np.ndarray, others: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    yield first
    yield from others
