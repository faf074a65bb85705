"""How far predicted and annotated masks overlap: exact pixel counts, frame by frame.

Masks are never painted. A track is a sorted list of positions at which its masks begin
and end, in a timeline of all pixels of all frames. Merging two such lists gives the
outline of where exactly one of the two masks is, hence the intersection.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novis.errors import InputError
from novis.masks import compressed, first_broken, run_lengths
from novis.structures import RLE, Instance, Track

# Tracks traced at once: enough to keep NumPy busy, few enough to stay in the processor's cache.
_BATCH = 8

Masks = Sequence[RLE | None]


@dataclass(frozen=True)
class Outline:
    """The masks of one track.

    Attributes:
        areas: (F,) int64, pixels of each frame's mask, 0 where there is none.
        edges: (E,) int64, ascending: where foreground begins and ends, counted column by
            column through all frames, and each frame's own end, so that every frame has
            an odd number of edges. The array may be shared by several tracks.
        starts: (F + 1,) int64, where the edges of each frame lie.
        spans: (2, F) int64, first and last edge of each mask; the last is before the first
            where there is no mask.
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
        first = (
            self.starts[frames] + other.starts[frames] - self.starts[near[0]] - other.starts[near[0]]
        ) // 2
        either = np.add.reduceat(in_one_only, first)
        counts[frames] = (self.areas[frames] + other.areas[frames] - either) // 2
        return counts

    def _part(self, frames: slice) -> slice:
        """Where the edges of successive frames lie."""
        return slice(self.starts[frames.start], self.starts[frames.stop])


@dataclass(frozen=True)
class Overlaps:
    """Pixel counts of D predicted tracks and G instances of a video of F frames.

    Attributes:
        track_areas: (D, F) int64, 0 where a track has no mask.
        instance_areas: (G, F) int64, 0 where an instance is absent.
        intersections: (D, G, F) int32; counted only for pairs of one category.
    """

    track_areas: np.ndarray
    instance_areas: np.ndarray
    intersections: np.ndarray

    def track_ious(self) -> np.ndarray:
        """Spatio-temporal IoU, (D, G) float64: all intersections over all unions, 0 for two empty tracks.

        A frame without a mask counts as an empty mask, as in the YouTube-VIS benchmark.
        """
        return _ratio(
            self.intersections.sum(2, dtype=np.int64),
            self.track_areas.sum(1)[:, None],
            self.instance_areas.sum(1)[None],
        )

    def frame_ious(self, crowd: np.ndarray) -> np.ndarray:
        """IoU within each frame, (F, D, G) float64, -1 where either mask is missing or empty.

        For ``crowd`` (G,) instances it is the share of the prediction that they cover, as in COCO.
        """
        tracks, instances = self.track_areas.T[:, :, None], self.instance_areas.T[:, None, :]
        both = self.intersections.transpose(2, 0, 1)
        ious = _ratio(both, tracks, np.where(crowd, both, instances))
        return np.where((tracks > 0) & (instances > 0), ious, -1.0)


def measure(tracks: Sequence[Track], instances: Sequence[Instance], num_frames: int) -> Overlaps:
    """Count the pixels of a video's masks and of the intersections of tracks with instances.

    Raises:
        InputError: see :func:`trace`.
    """
    sizes = (rle["size"] for one in (*tracks, *instances) for rle in one.segmentations if rle is not None)
    height, width = next(sizes, (1, 1))
    truth = trace([instance.segmentations for instance in instances], height, width)
    categories = np.array([instance.category_id for instance in instances])
    areas = np.zeros((len(tracks), num_frames), np.int64)
    intersections = np.zeros((len(tracks), len(instances), num_frames), np.int32)
    for first in range(0, len(tracks), _BATCH):
        some = tracks[first : first + _BATCH]
        found = trace([track.segmentations for track in some], height, width)
        for row, (track, outline) in enumerate(zip(some, found, strict=True), first):
            areas[row] = outline.areas
            for column in np.flatnonzero(categories == track.category_id):
                intersections[row, column] = outline.intersections(truth[column])
    instance_areas = np.array([outline.areas for outline in truth], np.int64)
    return Overlaps(areas, instance_areas.reshape(len(instances), num_frames), intersections)


def trace(tracks: Sequence[Masks], height: int, width: int) -> list[Outline]:
    """The outlines of tracks of one video, in frames of ``height`` x ``width`` pixels.

    Raises:
        InputError: a mask's runs do not describe a mask of that size.
    """
    pixels = height * width
    absent = compressed({"size": [height, width], "counts": [pixels]}, height, width)
    rles = [rle or absent for masks in tracks for rle in masks]
    try:
        runs, offsets = run_lengths([rle["counts"] for rle in rles])
    except ValueError as error:
        raise _broken(rles) from error
    edges = runs.cumsum()
    frame_ends = np.arange(1, len(rles) + 1) * pixels
    if len(runs) and (runs.min() < 0 or runs.max() > pixels or (edges[offsets[1:] - 1] != frame_ends).any()):
        raise _broken(rles)
    full = np.diff(offsets) % 2 == 0
    if full.any():
        # A mask that reaches the last pixel has no background run behind it: add an empty one.
        edges = np.insert(edges, offsets[1:][full], frame_ends[full])
        offsets = offsets + np.concatenate(([0], full.cumsum()))
    return _split(edges, offsets, pixels, [len(masks) for masks in tracks])


def _split(edges: np.ndarray, starts: np.ndarray, pixels: int, lengths: Sequence[int]) -> list[Outline]:
    """Outlines of tracks of ``lengths`` frames each, from the edges of all their masks."""
    areas = _areas(edges, starts, pixels)
    there = areas > 0
    spans = np.stack([edges[starts[:-1]], edges[np.where(there, starts[1:] - 2, 0)]])
    outlines, first = [], 0
    for length in lengths:
        last = first + length
        span = np.where(there[first:last], spans[:, first:last] - first * pixels, [[0], [-1]])
        part = starts[first : last + 1]
        outlines.append(Outline(areas[first:last], edges, part, span, first * pixels))
        first = last
    return outlines


def _areas(edges: np.ndarray, starts: np.ndarray, pixels: int) -> np.ndarray:
    """Foreground pixels of each mask.

    Every second gap between edges is foreground where a mask starts at an even place, and
    background where it starts at an odd one: its first gap then lies astride its start.
    """
    gaps = np.zeros(len(edges) // 2 + 1, np.int64)
    np.subtract(edges[1::2], edges[: len(edges) // 2 * 2 : 2], out=gaps[:-1])
    begins = starts[:-1]
    sums = np.add.reduceat(gaps, begins // 2) if len(begins) else gaps[:0]
    # The sum over no gap at all is one that numpy gets wrong.
    return np.where(np.diff(starts) == 1, 0, np.where(begins % 2 == 0, sums, pixels - sums))


def _broken(rles: Sequence[RLE]) -> InputError:
    found = first_broken(rles)
    reason = found[1] if found else "has not the size of the other masks of its video"
    return InputError(f"a mask {reason}")


def _ratio(intersection: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    union = first + second - intersection
    return np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
