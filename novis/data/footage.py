"""A video of one's own: a video file, or a folder of frames, read in order and as a stream."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from novis.data.frames import read_image
from novis.errors import InputError
from novis.structures import Video

_LOG = logging.getLogger(__name__)

_FRAME_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
_DIGITS = re.compile(r"(\d+)")


class Footage(Protocol):
    """Frames in order.

    Attributes:
        video: number and size of the frames.
        frame_rate: frames a second, None where nothing says.
    """

    video: Video
    frame_rate: float | None

    def frames(self) -> Iterator[np.ndarray]:
        """The frames from the first to the last, (H, W, 3) uint8 RGB; as often as asked for."""
        ...


def open_footage(path: Path) -> Footage:
    """Open a video file or a folder of frames.

    The number of frames is counted, not believed: a video file is decoded once for it.

    Raises:
        InputError: there is nothing, it is neither, or it holds no frame that can be read.
    """
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise InputError(f"{path}: no such video file or folder of frames")
    return _open_file(path)


@dataclass(frozen=True)
class FrameFolder:
    """A folder of frames, in the order of the numbers in their names."""

    folder: Path
    video: Video
    frame_rate: float | None = None

    def frames(self) -> Iterator[np.ndarray]:
        """See :class:`Footage`.

        Raises:
            InputError: a frame cannot be read, or is of another size than the first.
        """
        for index, name in enumerate(self.video.file_names):
            place = f"{self.folder / name} (frame {index})"
            yield _of_size(read_image(self.folder / name, place), self.video, place)


@dataclass(frozen=True)
class VideoFile:
    """A video file of any format that OpenCV's FFmpeg decodes."""

    path: Path
    video: Video
    frame_rate: float | None

    def frames(self) -> Iterator[np.ndarray]:
        """See :class:`Footage`.

        Raises:
            InputError: the file ends before its last frame, or its frames change their size.
        """
        index = -1
        for index, frame in enumerate(_decode(self.path)):
            yield _of_size(frame, self.video, f"{self.path} (frame {index})")
        if index + 1 != self.video.length:
            raise InputError(
                f"{self.path}: {index + 1} frames now and {self.video.length} when it was opened; "
                "was it changed meanwhile?"
            )


def _open_folder(folder: Path) -> FrameFolder:
    names = [path.name for path in folder.iterdir() if path.suffix.lower() in _FRAME_ENDINGS]
    if not names:
        raise InputError(
            f"{folder}: holds no frames (looked for files that end in {', '.join(_FRAME_ENDINGS)})"
        )
    names.sort(key=_by_number)
    height, width = read_image(folder / names[0], f"{folder / names[0]} (frame 0)").shape[:2]
    return FrameFolder(folder, Video(1, width, height, tuple(names)))


def _open_file(path: Path) -> VideoFile:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    rate, promised = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    found, first = capture.read()
    if not found:
        raise InputError(
            f"{path}: no frame of it can be decoded; give a video file (MP4, WebM, AVI, MOV, ...) or a "
            "folder of frames"
        )
    length = 1
    while capture.grab():
        length += 1
    capture.release()
    if length < promised:
        _LOG.warning("%s: promises %d frames, %d can be decoded; is it truncated?", path, promised, length)
    height, width = first.shape[:2]
    names = tuple(f"{path.stem}/{index:06}.jpg" for index in range(length))
    return VideoFile(path, Video(1, width, height, names), rate if 0 < rate < float("inf") else None)


def _decode(path: Path) -> Iterator[np.ndarray]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        while True:
            found, frame = capture.read()
            if not found:
                return
            yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _of_size(frame: np.ndarray, video: Video, place: str) -> np.ndarray:
    if frame.shape[:2] != (video.height, video.width):
        raise InputError(
            f"{place}: is {frame.shape[1]} x {frame.shape[0]} pixels, but the first frame is "
            f"{video.width} x {video.height}; all frames of a video must have one size"
        )
    return frame


def _by_number(name: str) -> list[tuple[int, str]]:
    """A key that puts frame_10 behind frame_9."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]
