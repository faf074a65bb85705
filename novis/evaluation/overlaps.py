"""How far predicted and annotated masks overlap: exact pixel counts, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pycocotools import mask as rle

from novis.structures import RLE, Instance, Track

# pycocotools.mask.area overflows on a longer list.
_MOST_AREAS = 255

Masks = Sequence[Sequence[RLE | None]]


@dataclass(frozen=True)
class Overlaps:
    """Pixel counts of D predicted tracks and G instances of a video of F frames.

    Attributes:
        track_areas: (D, F) int64, 0 where a track has no mask.
        instance_areas: (G, F) int64, 0 where an instance is absent.
        intersections: (F, D, G) int64; counted only for pairs of one category.
    """

    track_areas: np.ndarray
    instance_areas: np.ndarray
    intersections: np.ndarray

    def track_ious(self) -> np.ndarray:
        """Spatio-temporal IoU, (D, G) float64: all intersections over all unions, 0 for two empty tracks.

        A frame without a mask counts as an empty mask, as in the YouTube-VIS benchmark.
        """
        return _ratio(
            self.intersections.sum(0), self.track_areas.sum(1)[:, None], self.instance_areas.sum(1)[None]
        )

    def frame_ious(self, crowd: np.ndarray) -> np.ndarray:
        """IoU within each frame, (F, D, G) float64, -1 where either mask is missing or empty.

        For ``crowd`` (G,) instances it is the share of the prediction that they cover, as in COCO.
        """
        tracks, instances = self.track_areas.T[:, :, None], self.instance_areas.T[:, None, :]
        ious = _ratio(self.intersections, tracks, np.where(crowd, self.intersections, instances))
        return np.where((tracks > 0) & (instances > 0), ious, -1.0)


def measure(tracks: Sequence[Track], instances: Sequence[Instance], num_frames: int) -> Overlaps:
    """Count the pixels of a video's masks and of the intersections that can matter.

    Only tracks whose category has an instance in this video are intersected.
    All RLE must be valid and of one size: pycocotools does not check it.
    """
    predicted = [track.segmentations for track in tracks]
    annotated = [instance.segmentations for instance in instances]
    track_areas, instance_areas = _areas(predicted, num_frames), _areas(annotated, num_frames)
    categories = {instance.category_id for instance in instances}
    relevant = np.array([track.category_id in categories for track in tracks], dtype=bool)
    intersections = np.zeros((num_frames, len(tracks), len(instances)), np.int64)
    for frame in np.flatnonzero(track_areas[relevant].any(0) & instance_areas.any(0)):
        rows = np.flatnonzero(relevant & (track_areas[:, frame] > 0))
        columns = np.flatnonzero(instance_areas[:, frame])
        intersections[frame, rows[:, None], columns] = _intersect(
            [predicted[row][frame] for row in rows],
            [annotated[column][frame] for column in columns],
            track_areas[rows, frame],
        )
    return Overlaps(track_areas, instance_areas, intersections)


def _areas(masks: Masks, num_frames: int) -> np.ndarray:
    areas = np.zeros((len(masks), num_frames), np.int64)
    places = [(i, f) for i, frames in enumerate(masks) for f, mask in enumerate(frames) if mask is not None]
    for first in range(0, len(places), _MOST_AREAS):
        some = places[first : first + _MOST_AREAS]
        rows, columns = np.array(some).T
        areas[rows, columns] = rle.area([masks[i][f] for i, f in some])
    return areas


def _intersect(predicted: list[RLE], annotated: list[RLE], predicted_areas: np.ndarray) -> np.ndarray:
    """Intersections (D, G) of one frame's masks, in pixels.

    The crowd variant of pycocotools' IoU is intersection / area of the prediction. One
    rounding error of 2^-53 on a quotient of integers below 2^32 leaves the product with
    the area far closer than 0.5 to the integer it came from, so rounding is exact.
    """
    covered = rle.iou(predicted, annotated, [True] * len(annotated))
    return np.rint(covered * predicted_areas[:, None]).astype(np.int64)


def _ratio(intersection: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    union = first + second - intersection
    return np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
