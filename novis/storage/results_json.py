"""``results.json``: predicted tracks in the official submission format, streamed both ways.

A list of {"video_id", "category_id", "score", "segmentations"}, the last one compressed
RLE or null for each frame of the video. One track a line, so that neither writing nor
reading needs memory that grows with the number of videos.
"""

import json
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from novis.errors import InputError
from novis.files import replacing
from novis.masks import first_broken
from novis.structures import RLE, Annotations, Track, Video

_READ_SIZE = 1 << 20
_WHITE_SPACE = re.compile(r"[ \t\n\r]*")
_KEYS = ("video_id", "category_id", "score", "segmentations")


class ResultsWriter:
    """Appends tracks to an open results file; see :func:`writing_results`."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.num_tracks = 0

    def write(self, track: Track) -> None:
        """Append one track."""
        entry = {
            "video_id": track.video_id,
            "category_id": track.category_id,
            "score": track.score,
            "segmentations": track.segmentations,
        }
        self._file.write(",\n" if self.num_tracks else "\n")
        self._file.write(json.dumps(entry, allow_nan=False, separators=(",", ":")))
        self.num_tracks += 1


@contextmanager
def writing_results(path: Path | str) -> Iterator[ResultsWriter]:
    """Write ``results.json`` track by track; it is there whole when the block ends well, else not.

    Raises:
        InputError: the disk is full or the folder cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w") as file:
        file.write("[")
        yield ResultsWriter(file)
        file.write("\n]\n")


def read_results(
    path: Path | str, annotations: Annotations | None = None, check_runs: bool = True
) -> Iterator[Track]:
    """Read and check a results file track by track, ours or anyone's.

    Args:
        path: the results file.
        annotations: of the same videos; ids, lengths and sizes are then checked against them.
        check_runs: False leaves it to the caller to find RLE with wrong run lengths.

    Raises:
        InputError: the file is missing or no JSON list of tracks; a track lacks a key, has
            a broken RLE, a score that is no finite number, or does not fit ``annotations``.
    """
    path = Path(path)
    videos = {video.id: video for video in annotations.videos} if annotations else None
    categories = {category.id for category in annotations.categories} if annotations else None
    for number, entry in enumerate(_entries(path)):
        place = f"{path}: track {number}"
        track = _track(entry, place, check_runs)
        if videos is not None and categories is not None:
            check_track(track, videos, categories, place)
        yield track


def check_results(path: Path | str, annotations: Annotations) -> int:
    """Check a results file against the annotation file of its videos; return its number of tracks.

    Raises:
        InputError: see :func:`read_results`.
    """
    return sum(1 for _ in read_results(path, annotations))


def check_track(track: Track, videos: Mapping[int, Video], categories: Collection[int], place: str) -> None:
    """See that a track fits its video: ids, number of frames, size of the masks.

    Args:
        track: a prediction.
        videos: those of the annotations, by id.
        categories: the ids of the annotations' categories.
        place: what to call the track in a complaint.

    Raises:
        InputError: it does not fit.
    """
    video = videos.get(track.video_id)
    if video is None:
        raise InputError(
            f"{place}: video {track.video_id} is not in the annotations, which have {len(videos)} videos; "
            "were the results made for another set?"
        )
    if track.category_id not in categories:
        raise InputError(f"{place}: category {track.category_id} is not in the annotations")
    if len(track.segmentations) != video.length:
        raise InputError(
            f"{place}: {len(track.segmentations)} segmentations, but video {video.id} has {video.length} "
            f"frames ('{video.name}'); give an RLE or null for each"
        )
    size = [video.height, video.width]
    sizes = [size if rle is None else rle["size"] for rle in track.segmentations]
    if sizes.count(size) < len(sizes):
        frame = next(frame for frame, found in enumerate(sizes) if found != size)
        raise InputError(
            f"{place}, frame {frame}: RLE of size {sizes[frame]}, but the frames of video {video.id} "
            f"('{video.name}') are {size} (height, width)"
        )


def write_submission_zip(
    results: Path | str, submission: Path | str, annotations: Annotations | None = None
) -> Counter[int]:
    """Zip a results file as benchmark servers want it: ``results.json`` at the root.

    Equal results give equal bytes.

    Args:
        results: the results file.
        submission: the zip to write.
        annotations: of the same videos; every track must fit them.

    Returns:
        The number of tracks of each video that has some, by its id.

    Raises:
        InputError: ``results`` is missing, broken or does not fit ``annotations``, or the
            disk is full.
    """
    tracks = Counter(track.video_id for track in read_results(results, annotations))
    member = zipfile.ZipInfo("results.json", date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o644 << 16
    with (
        replacing(submission) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        archive.open(member, "w", force_zip64=True) as target,
        Path(results).open("rb") as source,
    ):
        while block := source.read(_READ_SIZE):
            target.write(block)
    return tracks


def _entries(path: Path) -> Iterator[Any]:
    """The items of a JSON list, with little more than one of them in memory."""
    try:
        with path.open(encoding="utf-8") as file:
            yield from _items(file)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such results file") from error
    except (OSError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as results file ({error})") from error
    except ValueError as error:
        raise InputError(f"{path}: is no valid results file: {error}; it may be truncated") from error


def _items(file: TextIO) -> Iterator[Any]:
    text = _Text(file)
    text.expect("[", "a list of tracks must begin with '['")
    if text.peek() == "]":
        text.expect("]", "")
    else:
        while True:
            yield text.value()
            if text.peek() == "]":
                text.expect("]", "")
                break
            text.expect(",", "a ',' or ']' is missing after a track")
    if text.peek():
        raise ValueError("there is something behind the list")


class _Text:
    """A JSON text that is read piece by piece."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._buffer = ""
        self._position = 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no white space, or '' at the end."""
        while True:
            self._position = _WHITE_SPACE.match(self._buffer, self._position).end()
            if self._position < len(self._buffer):
                return self._buffer[self._position]
            if not self._read_more():
                return ""

    def expect(self, character: str, complaint: str) -> None:
        """Step over ``character``."""
        if self.peek() != character:
            raise ValueError(complaint)
        self._position += 1

    def value(self) -> Any:
        """The value that begins here."""
        self.peek()
        while True:
            try:
                value, self._position = self._decoder.raw_decode(self._buffer, self._position)
                return value
            except ValueError:
                # Cut off or wrong? Only more text tells.
                if not self._read_more():
                    raise

    def _read_more(self) -> bool:
        self._buffer = self._buffer[self._position :]
        self._position = 0
        # As much again as is waiting: a value of any size is then tried a few times only.
        more = self._file.read(max(_READ_SIZE, len(self._buffer)))
        self._buffer += more
        return bool(more)


def _track(entry: Any, place: str, check_runs: bool) -> Track:
    if not isinstance(entry, dict):
        raise InputError(f"{place} is a {type(entry).__name__}, not an object with {', '.join(_KEYS)}")
    absent = [key for key in _KEYS if key not in entry]
    if absent:
        raise InputError(f"{place} lacks the key '{absent[0]}'")
    for key in ("video_id", "category_id"):
        if type(entry[key]) is not int:
            raise InputError(f"{place}: '{key}' is {entry[key]!r}, not an integer")
    score = entry["score"]
    if type(score) not in (int, float) or not abs(score) <= sys.float_info.max:
        raise InputError(f"{place}: 'score' is {score!r}, not a finite number")
    segmentations = _segmentations(entry["segmentations"], place, check_runs)
    return Track(entry["video_id"], entry["category_id"], float(score), segmentations)


def _segmentations(value: Any, place: str, check_runs: bool) -> tuple[RLE | None, ...]:
    if not isinstance(value, list):
        raise InputError(f"{place}: 'segmentations' must be a list with an RLE or null for each frame")
    present = [frame for frame, rle in enumerate(value) if rle is not None]
    if not _are_rles([value[frame] for frame in present]):
        frame = next(frame for frame in present if not _are_rles([value[frame]]))
        raise InputError(
            f"{place}, frame {frame}: must be null or a compressed RLE "
            '{"size": [height, width], "counts": text}'
        )
    broken = first_broken([value[frame] for frame in present]) if check_runs else None
    if broken is not None:
        raise InputError(f"{place}, frame {present[broken[0]]}: the RLE {broken[1]}")
    return tuple(value)


def _are_rles(values: list[Any]) -> bool:
    """Whether all have the form of a compressed RLE; without a loop, for there are many."""
    if not set(map(type, values)) <= {dict}:
        return False
    sizes = [value.get("size") for value in values]
    if not set(map(type, sizes)) <= {list} or not set(map(len, sizes)) <= {2}:
        return False
    sides = [side for size in sizes for side in size]
    counts = [value.get("counts") for value in values]
    return set(map(type, sides)) <= {int} and min(sides, default=1) > 0 and set(map(type, counts)) <= {str}
