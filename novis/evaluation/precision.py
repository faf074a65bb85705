"""Average precision and recall of matched predictions, for one or many weightings of the videos.

A weighting says how often each video occurs: all ones for the data set itself, a draw
with replacement for a bootstrap. B weightings are handled at once.
"""

import numpy as np

from novis.evaluation.matches import Matches

# The recalls at which COCO reads the precision curve.
RECALLS = np.linspace(0.0, 1.0, 101)


def average_precision(matches: Matches, weights: np.ndarray | None = None) -> np.ndarray:
    """AP at 101 recall points, (B, K, T) float64; NaN where a category has no instance.

    Precision is made monotonous from the right, then read at each recall; recalls that
    are never reached read 0.

    Args:
        matches: the judged predictions.
        weights: (B, V) whole numbers, how often each video occurs; default once each (B = 1).
    """
    weights = _checked(matches, weights)
    totals = weights @ matches.instances.T
    result = np.full((*totals.shape, len(matches.true_positives)), np.nan)
    for k in np.flatnonzero(totals.any(0)):
        result[:, k] = _category_precision(matches, matches.of_category(k), weights, totals[:, k])
    result[totals == 0] = np.nan
    return result


def recall(matches: Matches, max_predictions: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Recall of the best ``max_predictions`` of each video and category, (B, K, T); NaN as above."""
    weights = _checked(matches, weights)
    totals = weights @ matches.instances.T
    result = np.full((*totals.shape, len(matches.true_positives)), np.nan)
    found = matches.true_positives & (matches.ranks < max_predictions)
    for k in np.flatnonzero(totals.any(0)):
        chosen = matches.of_category(k)
        hits = weights[:, matches.videos[chosen]] @ found[:, chosen].T.astype(weights.dtype)
        np.divide(hits, totals[:, k, None], out=result[:, k], where=totals[:, k, None] > 0)
    return result


def mean(values: np.ndarray) -> np.ndarray:
    """Mean over the categories that have instances, then over thresholds: (B, K, T) to (B,).

    NaN where no category has any.
    """
    defined = ~np.isnan(values[:, :, 0])
    sums = np.where(defined, values.mean(2), 0.0).sum(1)
    return np.divide(sums, defined.sum(1), out=np.full(len(values), np.nan), where=defined.any(1))


def _checked(matches: Matches, weights: np.ndarray | None) -> np.ndarray:
    if weights is None:
        return np.ones((1, len(matches.video_ids)), np.int64)
    if weights.ndim != 2 or weights.shape[1] != len(matches.video_ids):
        raise ValueError(f"weights of shape {weights.shape} for {len(matches.video_ids)} videos")
    return weights


def _category_precision(
    matches: Matches, chosen: slice, weights: np.ndarray, totals: np.ndarray
) -> np.ndarray:
    """AP of one category, (B, T), from its predictions in order of their scores.

    Precision only rises at a true positive, so the curve is looked at there alone. A video
    that occurs c times makes c such steps at once; the last is the highest of them.
    """
    right, ignored = matches.true_positives[:, chosen], matches.ignored[:, chosen]
    steps = np.flatnonzero(right.any(0))
    if not len(steps):
        return np.zeros((len(weights), len(right)))
    occurrences = weights[:, None, matches.videos[chosen]]
    hits = right[:, steps]
    found = (occurrences[:, :, steps] * hits).cumsum(2)
    seen = occurrences.cumsum(2)[:, :, steps]
    if ignored.any():
        seen = seen - (occurrences * ignored).cumsum(2)[:, :, steps]
    # Where a higher threshold denies the hit, or no video has it, the curve does not rise.
    rises = hits & (occurrences[:, :, steps] > 0)
    precision = np.divide(found, seen, out=np.zeros(found.shape), where=rises)
    return _area_under(precision, found, totals)


def _area_under(precision: np.ndarray, found: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Mean over RECALLS of the highest precision at that recall or beyond, (B, T).

    Args:
        precision: (B, T, P) at each of P steps.
        found: (B, T, P) true positives so far.
        totals: (B,) number of instances.
    """
    envelope = np.maximum.accumulate(precision[:, :, ::-1], axis=2)[:, :, ::-1]
    reached = np.searchsorted(RECALLS, found / np.maximum(totals, 1)[:, None, None], side="right")
    reached[:, :, 1:] -= reached[:, :, :-1].copy()
    return (reached * envelope).sum(2) / len(RECALLS)
