"""Predicted tracks over every frame of a video, as a film or as pictures."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from novis.errors import InputError
from novis.files import replacing
from novis.structures import Track
from novis.visualisation.drawing import instance_colours
from novis.visualisation.overlays import best_of_each, draw_layers, layers_of

# VP8 in WebM: of what the wheels of OpenCV can write, browsers play VP8 and VP9, and VP9 takes them eight
# times as long. They have no encoder of H.264 or AV1, and no browser plays MPEG-4 part 2.
FILM_ENDING = ".webm"
_CODEC = "VP80"


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
    """Write frames (H, W, 3) uint8 RGB as a film that browsers play, whole or not at all.

    The format holds even sides only: an odd last row or column is repeated.

    Args:
        path: ends in :data:`FILM_ENDING`.
        frames: of one size.
        frame_rate: frames a second.

    Raises:
        InputError: OpenCV cannot write films here.
    """
    first = next(frames)
    rows, columns = (side % 2 for side in first.shape[:2])
    height, width = first.shape[0] + rows, first.shape[1] + columns
    with replacing(path) as temporary:
        with _without_remarks():
            code = cv2.VideoWriter_fourcc(*_CODEC)
            writer = cv2.VideoWriter(str(temporary), code, frame_rate, (width, height))
        if not writer.isOpened():
            raise InputError(
                f"{path}: OpenCV can write no film of {width} x {height} pixels here; "
                "ask for the frames instead"
            )
        try:
            for frame in _with(first, frames):
                even = cv2.copyMakeBorder(frame, 0, rows, 0, columns, cv2.BORDER_REPLICATE)
                writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
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


@contextmanager
def _without_remarks() -> Iterator[None]:
    """Keep from the terminal that OpenCV knows VP8 by another tag than WebM; it then takes WebM's."""
    terminal = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
