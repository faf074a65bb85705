"""AP and AR of tracks, as the YouTube-VIS and OVIS benchmarks define them.

A track is right if its spatio-temporal IoU with an instance reaches a threshold. The
definitions, down to ties and crowds, are those of the benchmarks' public evaluators. What
these leave open is settled here: areas are counted from the masks, not read from the file;
tracks that do not fit their video are refused, never cut short; an instance without
occlusion labels belongs to no occlusion group.
"""

import math
from collections.abc import Iterable, Iterator

import numpy as np

from novis.errors import InputError
from novis.evaluation.matches import Group, Matches, gather
from novis.evaluation.matching import IGNORED, UNMATCHED, match
from novis.evaluation.overlaps import Overlaps
from novis.evaluation.pairing import Pairing
from novis.structures import Annotations, Instance

MAX_TRACKS = 100

# Pixels of the mean visible mask; both ends belong to a range.
AREA_RANGES = {
    "all": (0.0, 1e10),
    "small": (0.0, 128.0**2),
    "medium": (128.0**2, 256.0**2),
    "large": (256.0**2, 1e10),
}

# Mean over the half of the frames with the worst occlusion; both ends belong to a range.
OCCLUSION_RANGES = {"light": (0.0, 0.25), "medium": (0.25, 0.5), "heavy": (0.5, 1.0)}
OCCLUSION_LEVELS = {"no_occlusion": 0.0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}

RANGES = (*AREA_RANGES, *(f"occlusion_{name}" for name in OCCLUSION_RANGES))


def match_tracks(annotations: Annotations, pairings: Iterable[Pairing]) -> dict[str, Matches]:
    """Match the tracks of all videos; one :class:`Matches` for each of RANGES.

    At most MAX_TRACKS tracks of a video and category count, those of highest score.
    """
    category_ids = sorted(category.id for category in annotations.categories)
    video_ids = sorted(video.id for video in annotations.videos)
    positions = {id_: position for position, id_ in enumerate(category_ids)}
    groups = (group for pairing in pairings for group in _match_video(pairing, positions))
    return gather(groups, video_ids, category_ids, RANGES)


def occlusion_score(instance: Instance) -> float:
    """How occluded an instance is, in 0..1: the mean level of the worse half of its frames.

    NaN where the annotation says nothing, so that it falls into none of OCCLUSION_RANGES.

    Raises:
        InputError: a level is none of OCCLUSION_LEVELS.
    """
    labels = [label for label in instance.occlusion or () if label is not None]
    unknown = [label for label in labels if label not in OCCLUSION_LEVELS]
    if unknown:
        raise InputError(
            f"instance {instance.id} of video {instance.video_id}: occlusion '{unknown[0]}' is none of "
            f"{', '.join(OCCLUSION_LEVELS)}"
        )
    levels = sorted((OCCLUSION_LEVELS[label] for label in labels), reverse=True)
    worst = levels[: math.ceil(len(levels) / 2)]
    return sum(worst) / len(worst) if worst else math.nan


def _match_video(pairing: Pairing, positions: dict[int, int]) -> Iterator[Group]:
    overlaps = pairing.overlaps
    ious = overlaps.track_ious()
    ignored, outside = _ignored_instances(pairing, overlaps), _outside_areas(overlaps.track_areas)
    crowd = np.array([instance.is_crowd for instance in pairing.instances], bool)
    for category, rows, columns in pairing.categories():
        rows = rows[:MAX_TRACKS]
        outcome = match(ious[None, rows[:, None], columns], ignored[None, :, columns], crowd[columns])[0]
        # A wrong track of another size than the range asks for is no mistake within it.
        excused = np.zeros((len(RANGES), 1, len(rows)), bool)
        excused[: len(AREA_RANGES), 0] = outside[:, rows]
        yield Group(
            video=pairing.position,
            category=positions[category],
            scores=pairing.scores[rows],
            ranks=np.arange(len(rows), dtype=np.int32),
            outcome=np.where((outcome == UNMATCHED) & excused, np.int8(IGNORED), outcome),
            instances=(~ignored[:, columns]).sum(1),
        )


def _ignored_instances(pairing: Pairing, overlaps: Overlaps) -> np.ndarray:
    """Crowds and what lies outside each of RANGES, (R, G) bool."""
    occlusion = np.array([occlusion_score(instance) for instance in pairing.instances], float)
    outside_occlusion = [
        ~((occlusion >= low) & (occlusion <= high)) for low, high in OCCLUSION_RANGES.values()
    ]
    crowd = np.array([instance.is_crowd for instance in pairing.instances], bool)
    return np.concatenate([_outside_areas(overlaps.instance_areas), outside_occlusion]).astype(bool) | crowd


def _outside_areas(areas: np.ndarray) -> np.ndarray:
    """For (N, F) areas, (4, N) bool: is the mean over the frames with a mask outside AREA_RANGES?"""
    means = areas.sum(1) / np.maximum((areas > 0).sum(1), 1)
    return np.array([(means < low) | (means > high) for low, high in AREA_RANGES.values()])
