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

Masks = Sequence[RLE | None]


@dataclass(frozen=True)
class Outline:
    """The masks of one track.

    Attributes:
        areas: (F,) int64, pixels of each frame's mask, 0 where there is none.
        edges: (E,) int64, ascending. For each frame the positions at which foreground
            begins and ends, counted column by column through all frames, and the frame's
            own end, so that every frame has an odd number of edges.
        counts: (F,) int64, the number of edges of each frame.
        origin: the position of the first frame's first pixel.
    """

    areas: np.ndarray
    edges: np.ndarray
    counts: np.ndarray
    origin: int

    def intersections(self, other: "Outline") -> np.ndarray:
        """Pixels in common with another track of the same video, (F,) int64."""
        edges = np.concatenate((self.edges, other.edges))
        edges[len(self.edges) :] += self.origin - other.origin
        # Both parts are sorted already: a stable sort merges them in linear time.
        edges.sort(kind="stable")
        # The frames' ends coincide, so each frame is a whole number of pairs.
        in_one_only = edges[1::2] - edges[0::2]
        first = (self.counts + other.counts).cumsum()[:-1] // 2
        either = np.add.reduceat(in_one_only, np.concatenate(([0], first)))
        return (self.areas + other.areas - either) // 2


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
    sides = [[track.segmentations for track in tracks], [instance.segmentations for instance in instances]]
    present = (rle["size"] for side in sides for masks in side for rle in masks if rle is not None)
    height, width = next(present, (1, 1))
    found, truth = (trace(side, height, width) for side in sides)
    intersections = [
        intersect(outline, truth, [instance.category_id == track.category_id for instance in instances])
        for track, outline in zip(tracks, found, strict=True)
    ]
    return Overlaps(
        stack_areas(found, num_frames),
        stack_areas(truth, num_frames),
        np.array(intersections, np.int32).reshape(len(tracks), len(instances), num_frames),
    )


def intersect(outline: Outline, others: Sequence[Outline], chosen: Sequence[bool]) -> np.ndarray:
    """Pixels that a track has in common with each of G others, (G, F) int32; 0 for those not chosen."""
    counts = np.zeros((len(others), len(outline.areas)), np.int32)
    for row in np.flatnonzero(chosen):
        counts[row] = outline.intersections(others[row])
    return counts


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
    counts = np.diff(offsets)
    full = counts % 2 == 0
    if full.any():
        # A mask that reaches the last pixel has no background run behind it: add an empty one.
        edges = np.insert(edges, offsets[1:][full], frame_ends[full])
        counts = counts + full
    return _split(edges, counts, pixels, [len(masks) for masks in tracks])


def stack_areas(outlines: Sequence[Outline], num_frames: int) -> np.ndarray:
    """Areas of N outlines, (N, F) int64."""
    return np.array([outline.areas for outline in outlines], np.int64).reshape(len(outlines), num_frames)


def _split(edges: np.ndarray, counts: np.ndarray, pixels: int, lengths: Sequence[int]) -> list[Outline]:
    """Outlines of tracks of ``lengths`` frames each, from the edges of all their masks."""
    starts = counts.cumsum() - counts
    areas = _areas(edges, starts, counts, pixels)
    stops = np.append(starts, len(edges))
    outlines, first = [], 0
    for length in lengths:
        last = first + length
        part = slice(stops[first], stops[last])
        outlines.append(Outline(areas[first:last], edges[part], counts[first:last], first * pixels))
        first = last
    return outlines


def _areas(edges: np.ndarray, starts: np.ndarray, counts: np.ndarray, pixels: int) -> np.ndarray:
    """Foreground pixels of each mask.

    Every second gap between edges is foreground where a mask starts at an even place, and
    background where it starts at an odd one: its first gap then lies astride its start.
    """
    gaps = np.zeros(len(edges) // 2 + 1, np.int64)
    np.subtract(edges[1::2], edges[: len(edges) // 2 * 2 : 2], out=gaps[:-1])
    sums = np.add.reduceat(gaps, starts // 2) if len(starts) else gaps[:0]
    # The sum over no gap at all is one that numpy gets wrong.
    return np.where(counts == 1, 0, np.where(starts % 2 == 0, sums, pixels - sums))


def _broken(rles: Sequence[RLE]) -> InputError:
    found = first_broken(rles)
    reason = found[1] if found else "has not the size of the other masks of its video"
    return InputError(f"a mask {reason}")


def _ratio(intersection: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    union = first + second - intersection
    return np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
