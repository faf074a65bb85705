"""Masks as sorted positions of their edges: areas and intersections without painting a pixel.

All pixels of a video are one timeline, column by column and frame by frame. A track is
the list of positions at which its masks begin and end. Merging two such lists gives the
outline of where exactly one of the two masks is, hence what they have in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novis.errors import InputError
from novis.masks import compressed, first_broken, run_lengths
from novis.structures import RLE

Masks = Sequence[RLE | None]


@dataclass(frozen=True)
class Outline:
    """The masks of one track.

    Attributes:
        areas: (F,) int64, pixels of each frame's mask, 0 where there is none.
        edges: (E,) int32 or int64, ascending: where foreground begins and ends, counted
            column by column through all frames, and each frame's own end, so that every
            frame has an odd number of edges. The array may be shared by several tracks.
        starts: (F + 1,) int64, where the edges of each frame lie.
        spans: (2, F) int64, first and last edge of each mask; the last is -1 where there
            is no mask.
        origin: the position of the first frame's first pixel; spans count from there.
    """

    areas: np.ndarray
    edges: np.ndarray
    starts: np.ndarray
    spans: np.ndarray
    origin: int

    def intersections(self, other: "Outline") -> np.ndarray:
        """Pixels in common with another track of the same video, (F,) int64."""
        counts = np.zeros(len(self.areas), np.int64)
        near = np.flatnonzero((self.spans[0] < other.spans[1]) & (other.spans[0] < self.spans[1]))
        if not len(near):
            return counts
        frames = slice(near[0], near[-1] + 1)
        own, others = self.edges[self._part(frames)], other.edges[other._part(frames)]
        edges = np.concatenate((own, others))
        edges[len(own) :] += self.origin - other.origin
        # Both parts are sorted already: a stable sort merges them in linear time.
        edges.sort(kind="stable")
        # The frames' ends coincide, so each frame is a whole number of pairs.
        in_one_only = edges[1::2] - edges[0::2]
        starts = self.starts[frames] + other.starts[frames]
        either = np.add.reduceat(in_one_only, (starts - starts[0]) // 2)
        counts[frames] = (self.areas[frames] + other.areas[frames] - either) // 2
        return counts

    def _part(self, frames: slice) -> slice:
        """Where the edges of successive frames lie."""
        return slice(self.starts[frames.start], self.starts[frames.stop])


def trace(tracks: Sequence[Masks], height: int, width: int) -> list[Outline]:
    """The outlines of tracks of one video, equally long, in frames of ``height`` x ``width`` pixels.

    Raises:
        InputError: a mask's runs do not describe a mask of that size.
    """
    pixels = height * width
    absent = compressed({"size": [height, width], "counts": [pixels]}, height, width)["counts"]
    counts = [absent if rle is None else rle["counts"] for masks in tracks for rle in masks]
    if not counts:
        return []
    try:
        runs, starts = run_lengths(counts)
    except ValueError as error:
        raise _broken(tracks) from error
    frame_ends = np.arange(1, len(counts) + 1) * pixels
    edges = runs.cumsum(dtype=np.int32 if frame_ends[-1] <= np.iinfo(np.int32).max else np.int64)
    # Seen as unsigned, a negative run is a very long one.
    if runs.view(np.uint32).max() > pixels or (edges[starts[1:] - 1] != frame_ends).any():
        raise _broken(tracks)
    full = (starts[1:] - starts[:-1]) % 2 == 0
    if full.any():
        # A mask that reaches the last pixel has no background run behind it: add an empty one.
        edges = np.insert(edges, starts[1:][full], frame_ends[full])
        starts = starts + np.concatenate(([0], full.cumsum()))
    return _split(edges, starts, pixels, len(tracks))


def _split(edges: np.ndarray, starts: np.ndarray, pixels: int, num_tracks: int) -> list[Outline]:
    """The outlines of equally long tracks, from the edges of all their masks."""
    areas = _areas(edges, starts, pixels).reshape(num_tracks, -1)
    num_frames = areas.shape[1]
    origins = np.arange(num_tracks) * num_frames * pixels
    spans = np.stack([edges[starts[:-1]], edges[np.maximum(starts[1:] - 2, 0)]])
    spans = spans.reshape(2, num_tracks, num_frames) - origins[:, None]
    spans[1][areas == 0] = -1
    return [
        Outline(
            areas[track],
            edges,
            starts[track * num_frames : (track + 1) * num_frames + 1],
            spans[:, track],
            int(origins[track]),
        )
        for track in range(num_tracks)
    ]


def _areas(edges: np.ndarray, starts: np.ndarray, pixels: int) -> np.ndarray:
    """Foreground pixels of each mask.

    Every second gap between edges is foreground where a mask starts at an even place, and
    background where it starts at an odd one: its first gap then lies astride its start.
    """
    gaps = np.empty(len(edges) // 2 + 1, edges.dtype)
    gaps[-1] = 0
    np.subtract(edges[1::2], edges[: len(edges) // 2 * 2 : 2], out=gaps[:-1])
    begins = starts[:-1]
    sums = np.add.reduceat(gaps, begins // 2, dtype=gaps.dtype)
    # The sum over no gap at all is one that numpy gets wrong.
    return np.where(starts[1:] - begins == 1, 0, np.where(begins % 2 == 0, sums, pixels - sums))


def _broken(tracks: Sequence[Masks]) -> InputError:
    present = [(frame, rle) for masks in tracks for frame, rle in enumerate(masks) if rle is not None]
    found = first_broken([rle for _, rle in present])
    if found is None:
        return InputError("the masks are not all of one size")
    return InputError(f"the mask of frame {present[found[0]][0]} {found[1]}")
