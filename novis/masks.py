"""Run-length encoded masks: between arrays and COCO's compressed RLE, checked and in batches.

Everything inside the package is compressed RLE, ``{"size": [height, width], "counts": str}``.
The two other forms that annotation files hold, integer lists and polygons, are turned
into it on reading. pycocotools decodes whatever it is given and writes past its buffers
where the runs of a broken RLE exceed the mask, so nothing from a file is decoded before
:func:`first_broken` has passed it.
"""

import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from novis.structures import RLE

# Longest side of a mask: beyond it, pycocotools' 32-bit run lengths are at risk.
MAX_SIDE = 32768

# The longest run of the longest mask.
MAX_RUN = MAX_SIDE**2

# pycocotools.mask.area overflows on a longer list.
_MOST_AREAS = 255

# A number is a string of five-bit digits, low ones first; a character above the first 32
# says that more follow. Seven digits hold every run length below 2**34.
_FIRST_CHARACTER = 48
_CONTINUED = _FIRST_CHARACTER + 32
_BEYOND = _FIRST_CHARACTER + 64
_MAX_DIGITS = 7
# The last digit of a number is signed: 0..15 and -16..-1, here as bytes of two's complement.
_SIGNED_DIGITS = bytes((((c - _FIRST_CHARACTER) ^ 16) - 16) % 256 for c in range(256))
_CONTINUED_CHARACTERS = bytes(range(_CONTINUED, _BEYOND))
# Strings are checked in batches of about this many characters, which stay in the processor's cache.
_BATCH_CHARACTERS = 1 << 18


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
    parts = (list(rles[first : first + _MOST_AREAS]) for first in range(0, len(rles), _MOST_AREAS))
    return np.concatenate([np.zeros(0, np.int64), *(coco_mask.area(part) for part in parts)]).astype(np.int64)


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
    if isinstance(segmentation, dict):
        return _compressed_runs(segmentation, height, width)
    if isinstance(segmentation, list):
        return _compressed_polygons(segmentation, height, width)
    raise ValueError(f"is a {type(segmentation).__name__}, neither null, RLE nor polygons")


def counts_of(runs: np.ndarray) -> str:
    """The count string of the run lengths of a mask, (n,) integers in 0..MAX_RUN, background first."""
    rle = {"size": [1, int(runs.sum())], "counts": runs}
    return coco_mask.frPyObjects([rle], *rle["size"])[0]["counts"].decode("ascii")


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
    """Run lengths of n count strings, background first.

    Returns:
        All runs one after the other, int32, and the n + 1 offsets at which each string's begin.

    Raises:
        ValueError: a string is empty or no run-length code. Whether the runs suit a mask
            is not looked at.
    """
    if not counts:
        return np.zeros(0, np.int32), np.zeros(1, np.int64)
    text = "".join(counts).encode("ascii")
    codes = np.frombuffer(text, np.uint8)
    ends = np.fromiter(map(len, counts), np.int64, len(counts)).cumsum()
    if not all(counts) or codes.min() < _FIRST_CHARACTER or codes.max() >= _BEYOND:
        raise ValueError("no run-length code")
    if codes[ends - 1].max() >= _CONTINUED:
        raise ValueError("no run-length code: its last number is cut off")
    continued = np.flatnonzero(codes >= _CONTINUED)
    # One pass drops all but the last digit of each number and gives that its sign.
    values = np.frombuffer(text.translate(_SIGNED_DIGITS, _CONTINUED_CHARACTERS), np.int8).astype(np.int32)
    _add_low_digits(values, codes[continued], continued)
    offsets = np.concatenate(([0], ends - np.searchsorted(continued, ends)))
    _undo_differences(values, offsets)
    return values, offsets


def _as_text(rle: Mapping[str, Any]) -> RLE:
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def _compressed_runs(rle: Mapping[str, Any], height: int, width: int) -> RLE:
    if rle.get("size") != [height, width]:
        raise ValueError(
            f"has size {reprlib.repr(rle.get('size'))}, but the frames are {[height, width]} (height, width)"
        )
    counts = rle.get("counts")
    if isinstance(counts, str):
        return {"size": [height, width], "counts": counts}
    if not isinstance(counts, list) or not set(map(type, counts)) <= {int}:
        raise ValueError('has "counts" that are neither a string nor a list of integers')
    if not counts or min(counts) < 0 or sum(counts) != height * width:
        raise ValueError(_wrong_sum(sum(counts), height, width, bool(counts) and min(counts) < 0))
    return {"size": [height, width], "counts": counts_of(np.array(counts))}


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
    try:
        return _first_wrong_sum(rles)
    except ValueError:
        position = next(i for i, rle in enumerate(rles) if not _is_code(rle["counts"]))
    # The strings before this one are sound enough for their sums to be checked.
    return _first_wrong_sum(rles[:position]) or (position, "has counts that are no run-length code")


def _is_code(counts: str) -> bool:
    try:
        run_lengths([counts])
    except ValueError:
        return False
    return True


def _first_wrong_sum(rles: Sequence[RLE]) -> tuple[int, str] | None:
    if not rles:
        return None
    runs, offsets = run_lengths([rle["counts"] for rle in rles])
    expected = np.array([rle["size"][0] * rle["size"][1] for rle in rles])
    sums = np.add.reduceat(runs, offsets[:-1])
    # No run may exceed the mask either: a sum of such ones could wrap around to the right number.
    if runs.min() >= 0 and runs.max() <= expected.min() and np.array_equal(sums, expected):
        return None
    lowest = np.minimum.reduceat(runs, offsets[:-1])
    highest = np.maximum.reduceat(runs, offsets[:-1])
    wrong = np.flatnonzero((sums != expected) | (lowest < 0) | (highest > expected))
    if not len(wrong):
        return None
    position = int(wrong[0])
    height, width = rles[position]["size"]
    return position, _wrong_sum(int(sums[position]), height, width, bool(lowest[position] < 0))


def _wrong_sum(total: int, height: int, width: int, negative: bool) -> str:
    if negative:
        return "has counts with a negative run"
    return f"has runs that sum to {total}, not to {height} x {width} = {height * width}"


def _add_low_digits(values: np.ndarray, codes: np.ndarray, positions: np.ndarray) -> None:
    """Complete the numbers of more than one digit, of which ``values`` holds the last one.

    Args:
        values: (n,) all numbers of the text, changed in place.
        codes: (m,) the characters that are not the last of their number.
        positions: (m,) where they stand in the text.
    """
    if not len(codes):
        return
    # Of the characters before one of these, all but those in ``positions`` ended a number.
    numbers = positions - np.arange(len(positions))
    first = np.append(0, np.flatnonzero(numbers[1:] != numbers[:-1]) + 1)
    digits = np.append(first[1:], len(numbers)) - first
    if digits.max() >= _MAX_DIGITS:
        raise ValueError("no run-length code: a number is too long")
    places = np.arange(len(numbers)) - np.repeat(first, digits)
    low = np.add.reduceat((codes.astype(np.int64) - _CONTINUED) << (5 * places), first)
    chosen = numbers[first]
    complete = (values[chosen].astype(np.int64) << (5 * digits)) + low
    if np.abs(complete).max() > np.iinfo(np.int32).max:
        raise ValueError("no run-length code: a number is too large")
    values[chosen] = complete


def _undo_differences(values: np.ndarray, offsets: np.ndarray) -> None:
    """Turn numbers into runs in place: from its fourth on, a string holds differences to the last but one.

    Every second number is a chain to be summed up. Both chains run through all strings;
    taking off what a chain has reached lets it begin anew.
    """
    starts = offsets[:-1]
    third = starts[offsets[1:] - starts > 2]
    # The third number stands for itself, though its chain began with the first.
    values[third + 2] -= values[third]
    for parity in (0, 1):
        chain = values[parity::2]
        bounds = (offsets + 1 - parity) // 2
        begins = bounds[:-1][bounds[1:] > bounds[:-1]]
        if len(begins) > 1:
            reached = np.add.reduceat(chain, begins, dtype=chain.dtype)
            chain[begins[1:]] -= reached[:-1]
        np.cumsum(chain, out=chain)
