"""Does a difference of AP hold? A paired bootstrap over videos.

Many steps in a table are smaller than the chance of which videos happen to be in the
set. Both results are scored on the same videos, drawn with replacement many times; how
the difference scatters says what it is worth.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from novis.errors import InputError
from novis.evaluation.matches import Matches
from novis.evaluation.precision import average_precision, mean

# Resamples are worked through in portions: about so many (resample, threshold, prediction).
_PORTION = 8_000_000


@dataclass(frozen=True)
class Difference:
    """How much AP the first of two results is ahead of the second, as fractions.

    Attributes:
        first, second: AP of either, the mean over folds.
        difference: first - second.
        low, high: ends of the 95 % interval of the difference (percentiles of the resamples).
        p: two-sided probability of a difference this far from 0 if there were none.
        num_resamples: how many times the videos were drawn.
    """

    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float
    num_resamples: int


def paired_bootstrap(
    folds: Sequence[Sequence[tuple[Matches, Matches]]], num_resamples: int = 2000, seed: int = 0
) -> Difference:
    """Compare two results by AP, resampling the videos within each fold.

    The AP of a fold is the mean over its runs (seeds), which share every draw; the AP
    of the whole is the mean over folds. In a draw, a category without any instance is
    left out of the mean, as in the data set itself; a draw without any is left out whole.

    Args:
        folds: for each fold its runs, each a pair of matches of the same videos.
        num_resamples: draws with replacement.
        seed: of the draws; equal seeds give equal numbers.

    Raises:
        InputError: there is nothing to compare, a pair was scored on different videos or
            ground truth, or AP is undefined.
    """
    if not folds or not all(folds):
        raise InputError("nothing to compare: a fold has no pair of matches")
    for runs in folds:
        _check_paired(runs)
    observed = np.mean([_scores(runs, _once(runs)) for runs in folds], axis=0)
    if np.isnan(observed).any():
        raise InputError("AP is undefined: no category has an instance in these videos")
    random = np.random.default_rng(seed)
    draws = np.mean([_scores(runs, _draw(runs, num_resamples, random)) for runs in folds], axis=0)
    differences = (draws[0] - draws[1])[~np.isnan(draws).any(0)]
    low, high = np.percentile(differences, [2.5, 97.5])
    first, second = observed[:, 0].tolist()
    return Difference(
        first, second, first - second, float(low), float(high), _two_sided(differences), len(differences)
    )


def _check_paired(runs: Sequence[tuple[Matches, Matches]]) -> None:
    reference = runs[0][0]
    for matches in (side for pair in runs for side in pair):
        for name in ("video_ids", "category_ids", "instances"):
            if not np.array_equal(getattr(matches, name), getattr(reference, name)):
                raise InputError(
                    f"two results of one fold were scored against different ground truth ({name} differ); "
                    "evaluate both on the same videos of the same annotations"
                )


def _once(runs: Sequence[tuple[Matches, Matches]]) -> np.ndarray:
    return np.ones((1, len(runs[0][0].video_ids)), np.int64)


def _draw(
    runs: Sequence[tuple[Matches, Matches]], num_resamples: int, random: np.random.Generator
) -> np.ndarray:
    """How often each video is drawn, (B, V) int64; every row sums to V."""
    num_videos = len(runs[0][0].video_ids)
    return random.multinomial(num_videos, np.full(num_videos, 1 / num_videos), size=num_resamples)


def _scores(runs: Sequence[tuple[Matches, Matches]], weights: np.ndarray) -> np.ndarray:
    """AP of both sides under (B, V) weights, the mean over runs: (2, B)."""
    return np.mean([[_ap(side, weights) for side in pair] for pair in runs], axis=0)


def _ap(matches: Matches, weights: np.ndarray) -> np.ndarray:
    return np.concatenate([mean(average_precision(matches, part)) for part in _portions(matches, weights)])


def _portions(matches: Matches, weights: np.ndarray) -> Iterator[np.ndarray]:
    size = max(1, _PORTION // max(matches.true_positives.size, 1))
    for first in range(0, len(weights), size):
        yield weights[first : first + size]


def _two_sided(differences: np.ndarray) -> float:
    """Twice the share of draws on the rarer side of 0, the observed data counted as one of them."""
    rarer = min((differences <= 0).sum(), (differences >= 0).sum())
    return min(1.0, 2 * float(rarer + 1) / (len(differences) + 1))
