"""How far predicted tracks and annotated instances overlap: exact pixel counts, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novis.evaluation.outlines import trace
from novis.structures import Instance, Track

# Masks traced at once: enough to keep NumPy busy, few enough to stay in the processor's cache.
_BATCH = 480


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


class Truth:
    """The instances of a video, ready for tracks to be measured against them.

    Args:
        instances: the G instances.
        num_frames: F, of the video.
        height: of all masks, pixels.
        width: of all masks, pixels.

    Raises:
        InputError: an instance's mask is broken.
    """

    def __init__(self, instances: Sequence[Instance], num_frames: int, height: int, width: int) -> None:
        self._frame_size = (height, width)
        self._categories = np.array([instance.category_id for instance in instances])
        self._outlines = trace([instance.segmentations for instance in instances], height, width)
        areas = np.array([outline.areas for outline in self._outlines], np.int64)
        self._areas = areas.reshape(len(instances), num_frames)

    def measure(self, tracks: Sequence[Track]) -> Overlaps:
        """Count the pixels of some tracks and of what they have in common with the instances.

        Raises:
            InputError: a track's mask is broken.
        """
        num_instances, num_frames = self._areas.shape
        areas = np.zeros((len(tracks), num_frames), np.int64)
        intersections = np.zeros((len(tracks), num_instances, num_frames), np.int32)
        step = batch_size(num_frames)
        for first in range(0, len(tracks), step):
            some = tracks[first : first + step]
            found = trace([track.segmentations for track in some], *self._frame_size)
            for row, (track, outline) in enumerate(zip(some, found, strict=True), first):
                areas[row] = outline.areas
                for column in np.flatnonzero(self._categories == track.category_id):
                    intersections[row, column] = outline.intersections(self._outlines[column])
        return Overlaps(areas, self._areas, intersections)


def batch_size(num_frames: int) -> int:
    """How many tracks of a video are best measured at once."""
    return max(_BATCH // num_frames, 1)


def measure(tracks: Sequence[Track], instances: Sequence[Instance], num_frames: int) -> Overlaps:
    """Count the pixels of a video's masks and of what tracks and instances have in common.

    Raises:
        InputError: a mask is broken, or has another size than the rest.
    """
    sizes = (rle["size"] for one in (*tracks, *instances) for rle in one.segmentations if rle is not None)
    return Truth(instances, num_frames, *next(sizes, (1, 1))).measure(tracks)


def _ratio(intersection: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    union = first + second - intersection
    return np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)
