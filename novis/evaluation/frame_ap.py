"""AP of masks within single frames (Fig. 4): mask quality, whatever the linking.

Every frame of every video is an image of its own, scored as COCO scores instance
segmentation. A track is a prediction in each frame in which it has a mask, with the
track's category and score; a missing or empty mask is no prediction.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from novis.evaluation.matches import Group, Matches, gather
from novis.evaluation.matching import IGNORED, UNMATCHED, match
from novis.evaluation.pairing import Pairing
from novis.structures import Annotations

MAX_MASKS = 100

# Pixels of the mask in its frame, COCO's sizes; both ends belong to a range.
AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
RANGES = tuple(AREA_RANGES)


def match_frames(annotations: Annotations, pairings: Iterable[Pairing]) -> dict[str, Matches]:
    """Match the masks of each frame; one :class:`Matches` for each of RANGES.

    At most MAX_MASKS masks of a frame and category count, those of highest score. The
    videos remain the unit of a bootstrap: frames of one video are not independent.
    """
    category_ids = sorted(category.id for category in annotations.categories)
    video_ids = sorted(video.id for video in annotations.videos)
    positions = {id_: position for position, id_ in enumerate(category_ids)}
    groups = (group for pairing in pairings for group in _match_video(pairing, positions))
    return gather(groups, video_ids, category_ids, RANGES)


def _match_video(pairing: Pairing, positions: dict[int, int]) -> Iterator[Group]:
    overlaps = pairing.overlaps
    crowd = np.array([instance.is_crowd for instance in pairing.instances], bool)
    all_ious = overlaps.frame_ious(crowd)
    for category, rows, columns in pairing.categories():
        areas, truth_areas = overlaps.track_areas[rows].T, overlaps.instance_areas[columns].T
        ranks = (areas > 0).cumsum(1, dtype=np.int32) - 1
        counted = (areas > 0) & (ranks < MAX_MASKS)
        ious = np.where(counted[:, :, None], all_ious[:, rows[:, None], columns], -1.0)
        ignored = _outside(truth_areas) | crowd[columns]
        outcome = match(ious, ignored, crowd[columns])
        excused = (outcome == UNMATCHED) & _outside(areas)[:, :, None, :]
        outcome = np.where(excused, np.int8(IGNORED), outcome)
        frames, predictions = counted.nonzero()
        yield Group(
            video=pairing.position,
            category=positions[category],
            scores=pairing.scores[rows][predictions],
            ranks=ranks[frames, predictions],
            outcome=outcome[frames, :, :, predictions].transpose(1, 2, 0),
            instances=((truth_areas > 0)[:, None, :] & ~ignored).sum((0, 2)),
        )


def _outside(areas: np.ndarray) -> np.ndarray:
    """For (F, N) areas, (F, R, N) bool: is a mask outside AREA_RANGES?"""
    return np.stack([(areas < low) | (areas > high) for low, high in AREA_RANGES.values()], axis=1)
