"""Greedy matching of predictions to ground truth, as COCO and YouTube-VIS define it.

One routine serves both: a track is matched once in its video, a per-frame mask once in
each of F frames. It runs over all frames, all R ranges (of area or occlusion) and all T
IoU thresholds at once; only the predictions take turns, in order of their scores.
"""

import numpy as np

# Exactly the numbers of the reference: np.arange would be off in the last digit.
IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)

UNMATCHED, TRUE_POSITIVE, IGNORED = 0, 1, 2


def match(
    ious: np.ndarray,
    ignored: np.ndarray,
    crowd: np.ndarray,
    thresholds: np.ndarray = IOU_THRESHOLDS,
) -> np.ndarray:
    """Match D predictions, best score first, to G instances.

    A prediction takes the free instance of highest IoU at or above the threshold; among
    equal ones the last. An ignored instance is taken only where no regular one is to be
    had. Crowds are never used up.

    Args:
        ious: (F, D, G) float64, negative where a pair cannot match.
        ignored: (F, R, G) bool, instances that do not count in a range.
        crowd: (G,) bool, instances that may be matched any number of times.
        thresholds: (T,) IoU thresholds.

    Returns:
        (F, R, T, D) int8 of UNMATCHED, TRUE_POSITIVE, or IGNORED where the match is an
        ignored instance.
    """
    num_frames, num_predictions, num_instances = ious.shape
    num_ranges, num_thresholds = ignored.shape[1], len(thresholds)
    outcome = np.full((num_frames, num_ranges, num_thresholds, num_predictions), UNMATCHED, np.int8)
    contenders = np.flatnonzero((ious >= thresholds.min()).any(axis=(0, 2)))
    if not len(contenders):
        return outcome
    free = np.ones((num_frames, num_ranges, num_thresholds, num_instances), bool)
    preference = _preference(ious)
    bonus = np.where(ignored, 0, num_instances)[:, :, None, :]
    for d in contenders:
        within = (ious[:, d, None, None, :] >= thresholds[:, None]) & (free | crowd)
        choice = np.where(within, preference[:, d, None, None, :] + bonus, -1)
        best = choice.max(-1)
        matched = best >= 0
        outcome[..., d] = np.where(best >= num_instances, TRUE_POSITIVE, IGNORED) * matched
        # No two instances have the same rank, so only one is the best.
        free &= (choice != best[..., None]) | ~matched[..., None]
    return outcome


def _preference(ious: np.ndarray) -> np.ndarray:
    """Rank of each instance in the eyes of each prediction: 0 is the worst, ties go to the last."""
    return ious.argsort(axis=-1, kind="stable").argsort(axis=-1)
