"""Frames on disk: reading one, and finding a data set in the folder layouts of the wild."""

import json
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from novis.errors import InputError
from novis.structures import Video

# The same split under the names that the data sets' own archives and later code bases give it.
_SPLIT_NAMES = {"valid": ("valid", "val"), "val": ("val", "valid")}

# Where the annotations of a split lie below the data set's folder, most specific first:
# YouTube-VIS as prepared for Mask2Former, its own archive of 2021, OVIS in three habits.
_ANNOTATION_FILES = (
    "{split}.json",
    "{split}/instances.json",
    "annotations_{split}.json",
    "annotations/{split}.json",
    "annotations/annotations_{split}.json",
    "annotations/instances_{split}_sub.json",
    "annotations/instances_{split}.json",
    "{split}/annotations.json",
    "instances_{split}.json",
)
_FRAME_FOLDERS = (
    "{split}/JPEGImages",
    "{split}",
    "{split}_all_frames/JPEGImages",
    "JPEGImages/{split}",
    "JPEGImages",
    "",
)

_FIRST_FILE_NAME = re.compile(rb'"file_names"\s*:\s*\[\s*("[^"\\\x00-\x1f]+")')
_MAX_VIDEOS_TRIED = 20

_JPEG_START, _JPEG_END, _JPEG_SCAN = b"\xff\xd8", b"\xff\xd9", b"\xff\xda"
_PNG_START, _PNG_END = b"\x89PNG", b"IEND"


@dataclass(frozen=True)
class DatasetFiles:
    """Where a data set lies: its annotation file, and the folder its file names are relative to."""

    annotations: Path
    frames: Path


def read_frame(root: Path | str, video: Video, index: int) -> np.ndarray:
    """Read frame ``index`` of ``video`` as (H, W, 3) uint8 RGB.

    Raises:
        InputError: the file is missing, truncated or no image, or its size is not the video's.
    """
    path = Path(root) / video.file_names[index]
    place = f"{path} (frame {index} of video {video.id})"
    image = read_image(path, place)
    if image.shape[:2] != (video.height, video.width):
        raise InputError(
            f"{place}: is {image.shape[1]} x {image.shape[0]} pixels, but its video is "
            f"{video.width} x {video.height}; all frames of a video must have the size of the annotations"
        )
    return image


def read_image(path: Path, place: str) -> np.ndarray:
    """Read an image file as (H, W, 3) uint8 RGB; ``place`` is what an error message calls it.

    Raises:
        InputError: the file is missing, truncated or no image.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{place}: no such file; unpack the frames again") from error
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror})") from error
    # OpenCV fills the missing part of a truncated JPEG with grey and says nothing.
    if _is_truncated(content):
        raise InputError(f"{place}: is truncated ({len(content)} bytes); get the file again")
    image = _decode(content)
    if image is None:
        raise InputError(f"{place}: is no readable image ({len(content)} bytes); get the file again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _decode(content: bytes) -> np.ndarray | None:
    """(H, W, 3) uint8 BGR, or nothing where OpenCV finds no image, or one that it thinks too large."""
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    except cv2.error:
        return None


def find_dataset(root: Path | str, split: str = "train") -> DatasetFiles:
    """Find a split of a data set below ``root``, in any of the layouts of YouTube-VIS and OVIS.

    The annotation file decides: the frames are where its first file name exists.

    Raises:
        InputError: the folder, the annotations or the frames are not there; the message lists
            what was looked for and where to get it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; name the folder of the data set. YouTube-VIS comes from "
            "youtube-vos.org/dataset/vis, OVIS from songbai.site/ovis"
        )
    annotations = _first_existing(root, split, _ANNOTATION_FILES)
    if annotations is None:
        raise InputError(
            f"{root}: no annotations of the split '{split}'; looked for {_listed(split, _ANNOTATION_FILES)}. "
            "Put the data set's JSON file at one of these places"
        )
    return DatasetFiles(annotations, _frames_folder(root, split, annotations))


def _frames_folder(root: Path, split: str, annotations: Path) -> Path:
    file_names = _first_file_names(annotations)
    # One missing frame must not hide the folder: the complaint about that frame comes on reading.
    for file_name in file_names:
        for candidate in _candidates(split, _FRAME_FOLDERS):
            if (root / candidate / file_name).is_file():
                return root / candidate
    wanted = file_names[0] if file_names else "the frames"
    raise InputError(
        f"{root}: the frames of {annotations.name} are not there; looked for {wanted} in "
        f"{_listed(split, _FRAME_FOLDERS)}. Unpack the archive with the frames of the split '{split}' there"
    )


def _first_file_names(annotations: Path) -> list[str]:
    """The first frames of the first videos, found without parsing some hundred megabytes."""
    with annotations.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = islice(_FIRST_FILE_NAME.finditer(content), _MAX_VIDEOS_TRIED)
            return [json.loads(match[1]) for match in found]


def _is_truncated(content: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end marker after the last scan."""
    if content.startswith(_JPEG_START):
        return content.rfind(_JPEG_END) < max(content.rfind(_JPEG_SCAN), 1)
    return content.startswith(_PNG_START) and _PNG_END not in content[-64:]


def _candidates(split: str, patterns: tuple[str, ...]) -> Iterator[str]:
    for name in _SPLIT_NAMES.get(split, (split,)):
        for pattern in patterns:
            yield pattern.format(split=name)


def _first_existing(root: Path, split: str, patterns: tuple[str, ...]) -> Path | None:
    paths = (root / candidate for candidate in _candidates(split, patterns))
    return next((path for path in paths if path.is_file()), None)


def _listed(split: str, patterns: tuple[str, ...]) -> str:
    return ", ".join(candidate or "the folder itself" for candidate in _candidates(split, patterns))
