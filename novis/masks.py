"""Run-length encoded masks: between arrays and COCO's compressed RLE, checked and in batches.

Everything inside the package is compressed RLE, ``{"size": [height, width], "counts": str}``.
The two other forms that annotation files hold, integer lists and polygons, are turned
into it on reading. pycocotools decodes whatever it is given and writes past its buffers
where the runs of a broken RLE exceed the mask, so nothing from a file is decoded before
:func:`first_broken` has passed it.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from novis.structures import RLE

# Longest side of a mask: beyond it, pycocotools' 32-bit run lengths are at risk.
MAX_SIDE = 32768

_FIRST_CHARACTER = 48
_CONTINUES = 32
_SIGN = 16
# Seven characters of five bits hold every run length below 2**34.
_MAX_DIGITS = 7
# Strings are checked in batches of about this many characters, which stay in the processor's cache.
_BATCH_CHARACTERS = 1 << 16


def encode(masks: np.ndarray) -> list[RLE]:
    """Compressed RLEs of ``masks`` (n, h, w), bool or uint8 in {0, 1}."""
    columns = np.asfortranarray(masks.transpose(1, 2, 0)).view(np.uint8)
    return [_as_text(rle) for rle in coco_mask.encode(columns)]


def decode(rles: Sequence[RLE]) -> np.ndarray:
    """Masks of n RLEs of one size as (n, h, w) bool; RLEs from files must have been checked."""
    if not rles:
        return np.zeros((0, 0, 0), bool)
    return np.ascontiguousarray(coco_mask.decode(list(rles)).transpose(2, 0, 1)).view(bool)


def areas(rles: Sequence[RLE]) -> np.ndarray:
    """Number of foreground pixels of each RLE, (n,) int64."""
    return np.asarray(coco_mask.area(list(rles)), np.int64).reshape(-1)


def boxes(rles: Sequence[RLE]) -> np.ndarray:
    """Tight boxes x, y, width, height in pixels, (n, 4) float64; zeros for an empty mask."""
    return np.asarray(coco_mask.toBbox(list(rles)), np.float64).reshape(-1, 4)


def compressed(segmentation: Any, height: int, width: int) -> RLE | None:
    """The compressed RLE of one ``segmentation`` entry of an annotation file.

    Args:
        segmentation: None or an empty list (absent), a list of polygons
            ``[x0, y0, x1, y1, ...]``, or an RLE with integer or string counts.
        height: of the video's frames, in pixels.
        width: of the video's frames, in pixels.

    String counts are only checked to be a string: :func:`first_broken` checks many at once.

    Raises:
        ValueError: with the reason alone; the caller knows the place.
    """
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, Mapping):
        return _compressed_runs(segmentation, height, width)
    if isinstance(segmentation, list):
        return _compressed_polygons(segmentation, height, width)
    raise ValueError(f"is a {type(segmentation).__name__}, neither null, RLE nor polygons")


def first_broken(rles: Sequence[RLE]) -> tuple[int, str] | None:
    """Position of, and reason against, the first RLE whose counts do not describe its mask.

    An RLE is whole when its string parses and its runs, none negative, sum to height x width.
    """
    start = 0
    for stop in _batches(rles):
        broken = _first_broken_of_batch(rles[start:stop])
        if broken is not None:
            return start + broken[0], broken[1]
        start = stop
    return None


def run_lengths(counts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Run lengths of n well-formed count strings, background first.

    Returns:
        All runs one after the other, int64, and the n + 1 offsets at which each string's begin.
    """
    codes = np.frombuffer("".join(counts).encode("ascii"), np.uint8) - np.uint8(_FIRST_CHARACTER)
    ends = np.flatnonzero(codes < _CONTINUES)
    values = _signed_numbers(codes, ends)
    string_ends = np.cumsum([len(text) for text in counts])
    offsets = np.concatenate(([0], np.searchsorted(ends, string_ends)))
    index = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    # From the fourth run on, a string holds the difference to the run before the last.
    for parity in (0, 1):
        _accumulate(values, np.flatnonzero((index % 2 == parity) & (index > 0)), offsets)
    return values, offsets


def _as_text(rle: Mapping[str, Any]) -> RLE:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _compressed_runs(rle: Mapping[str, Any], height: int, width: int) -> RLE:
    if rle.get("size") != [height, width]:
        raise ValueError(f"has size {rle.get('size')}, but the frames are {[height, width]} (height, width)")
    counts = rle.get("counts")
    if isinstance(counts, str):
        return {"size": [height, width], "counts": counts}
    if not isinstance(counts, list) or not set(map(type, counts)) <= {int}:
        raise ValueError('has "counts" that are neither a string nor a list of integers')
    if not counts or min(counts) < 0 or sum(counts) != height * width:
        raise ValueError(_wrong_sum(sum(counts), height, width, bool(counts) and min(counts) < 0))
    return _as_text(coco_mask.frPyObjects([{"size": [height, width], "counts": counts}], height, width)[0])


def _compressed_polygons(polygons: list[Any], height: int, width: int) -> RLE:
    # pycocotools allocates memory for every pixel of an outline, far outside too.
    limit = 2 * max(height, width)
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError("is no list of polygons with at least three points x, y each")
        if not set(map(type, polygon)) <= {int, float}:
            raise ValueError("has a polygon with coordinates that are no numbers")
        if not all(-limit <= value <= limit for value in polygon):
            raise ValueError(f"has a polygon far outside the frame of {width} x {height}")
    parts = coco_mask.frPyObjects(polygons, height, width)
    return _as_text(parts[0] if len(parts) == 1 else coco_mask.merge(parts))


def _batches(rles: Sequence[RLE]) -> Iterator[int]:
    characters = 0
    for position, rle in enumerate(rles, start=1):
        characters += len(rle["counts"])
        if characters >= _BATCH_CHARACTERS or position == len(rles):
            yield position
            characters = 0


def _first_broken_of_batch(rles: Sequence[RLE]) -> tuple[int, str] | None:
    counts = [rle["counts"] for rle in rles]
    if _well_formed(counts):
        return _first_wrong_sum(rles)
    position = next(i for i, text in enumerate(counts) if not _well_formed([text]))
    # The strings before this one are sound enough for their sums to be checked.
    return _first_wrong_sum(rles[:position]) or (position, "has counts that are no run-length code")


def _well_formed(counts: Sequence[str]) -> bool:
    """Whether all characters are the code's, no number is too long, and each string ends with one."""
    text = "".join(counts)
    if not all(counts) or not text.isascii():
        return False
    codes = np.frombuffer(text.encode("ascii"), np.uint8) - np.uint8(_FIRST_CHARACTER)
    is_end = codes < _CONTINUES
    last = np.cumsum([len(string) for string in counts]) - 1
    if codes.max() >= 2 * _CONTINUES or not is_end[last].all():
        return False
    return int(np.diff(np.flatnonzero(is_end), prepend=-1).max()) <= _MAX_DIGITS


def _first_wrong_sum(rles: Sequence[RLE]) -> tuple[int, str] | None:
    if not rles:
        return None
    runs, offsets = run_lengths([rle["counts"] for rle in rles])
    sums = np.add.reduceat(runs, offsets[:-1])
    lowest = np.minimum.reduceat(runs, offsets[:-1])
    expected = np.array([rle["size"][0] * rle["size"][1] for rle in rles])
    wrong = np.flatnonzero((sums != expected) | (lowest < 0))
    if not len(wrong):
        return None
    position = int(wrong[0])
    height, width = rles[position]["size"]
    return position, _wrong_sum(int(sums[position]), height, width, bool(lowest[position] < 0))


def _wrong_sum(total: int, height: int, width: int, negative: bool) -> str:
    if negative:
        return "has counts with a negative run"
    return f"has runs that sum to {total}, not to {height} x {width} = {height * width}"


def _signed_numbers(codes: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The numbers of a code of five bits a character, low bits first, that end at ``ends``."""
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    values = (codes[starts] % _CONTINUES).astype(np.int64)
    for digit in range(1, int(lengths.max())):
        longer = np.flatnonzero(lengths > digit)
        values[longer] |= (codes[starts[longer] + digit] % _CONTINUES).astype(np.int64) << (5 * digit)
    negative = (codes[ends] & _SIGN) > 0
    return values - np.where(negative, np.int64(1) << (5 * lengths), 0)


def _accumulate(values: np.ndarray, chosen: np.ndarray, offsets: np.ndarray) -> None:
    """Replace the ``chosen`` differences by their running sums, begun anew with every string."""
    sums = np.cumsum(values[chosen])
    first = np.searchsorted(chosen, offsets)
    before = np.concatenate(([0], sums))[first[:-1]]
    values[chosen] = sums - np.repeat(before, np.diff(first))
