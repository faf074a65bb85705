"""Balanced parts of a set of videos, by exchanging videos between parts drawn at random.

Everything is integer arithmetic and order by SHA-256, so no random generator's version,
hash seed or rounding can change a part.
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from novis.data.annotations import OCCLUSION_LABELS
from novis.errors import InputError
from novis.structures import Annotations

# Squared deviations are divided by their row's total, in integers of this precision.
_PRECISION = 10**6
_MAX_SWEEPS = 20
# Exchanges end in a local optimum: the best of so many starts is taken.
_STARTS = 8


def divided(annotations: Annotations, shares: Sequence[int], seed: int) -> list[list[str]]:
    """Names of the videos of parts whose sizes are to each other as ``shares``.

    Parts are balanced over categories, video lengths and occlusion. Inside a part videos keep
    the order of the file.

    Raises:
        InputError: there is no ground truth.
    """
    names, _, counts = _video_counts(annotations)
    best = min(
        (_balanced(names, counts, shares, f"{seed}.{start}") for start in range(_STARTS)),
        key=lambda found: found[0],
    )
    return [[names[i] for i in sorted(part)] for part in best[1]]


def balance_table(annotations: Annotations, parts: Mapping[str, Sequence[str]]) -> str:
    """What each part holds, as text: videos, frames, lengths, occlusion, instances a category.

    Args:
        annotations: of the whole set.
        parts: the names of the videos of each part, by what it is called.
    """
    names, titles, counts = _video_counts(annotations)
    row_of = {name: row for row, name in enumerate(names)}
    columns = [counts[[row_of[name] for name in part]].sum(axis=0) for part in parts.values()]
    width = max(map(len, titles)) + 2
    lines = [f"{'':{width}}" + "".join(f"{name:>10}" for name in (*parts, "all"))]
    for row, title in enumerate(titles):
        values = [int(column[row]) for column in columns]
        if sum(values):
            lines.append(f"{title:{width}}" + "".join(f"{value:>10}" for value in [*values, sum(values)]))
    return "\n".join(lines) + "\n"


def _video_counts(annotations: Annotations) -> tuple[list[str], list[str], np.ndarray]:
    """Names (V,), titles (F,) and int64 counts (V, F) of everything that is to be balanced."""
    if annotations.instances is None:
        raise InputError(f"{annotations.source}: holds no ground truth, folds cannot be balanced")
    names = list(dict.fromkeys(video.name for video in annotations.videos))
    position = {name: row for row, name in enumerate(names)}
    row_of = {video.id: position[video.name] for video in annotations.videos}
    counters = [Counter({"videos": 1}) for _ in names]
    bins = _length_bins([video.length for video in annotations.videos])
    for video in annotations.videos:
        title = next(title for title, longest in bins if video.length <= longest)
        counters[row_of[video.id]].update({"frames": video.length, title: 1})
    title_of = {category.id: f"instances: {category.name}" for category in annotations.categories}
    for instance in annotations.instances:
        counter = counters[row_of[instance.video_id]]
        counter[title_of[instance.category_id]] += 1
        counter.update(f"masks: {label}" for label in instance.occlusion or () if label)
    occlusions = [f"masks: {label}" for label in OCCLUSION_LABELS]
    titles = [
        "videos",
        "frames",
        *(title for title, _ in bins),
        *occlusions,
        *dict.fromkeys(title_of.values()),
    ]
    return names, titles, np.array([[counter[title] for title in titles] for counter in counters], np.int64)


def _length_bins(lengths: Sequence[int]) -> list[tuple[str, int]]:
    """Up to four bins of about equally many videos: title and longest length."""
    ordered = sorted(lengths)
    longest = sorted({ordered[(len(ordered) * quarter - 1) // 4] for quarter in range(1, 5)})
    shortest = [ordered[0], *(length + 1 for length in longest)]
    return [(f"videos of {a} to {b} frames", b) for a, b in zip(shortest, longest, strict=False)]


def _balanced(
    names: Sequence[str], counts: np.ndarray, shares: Sequence[int], salt: str
) -> tuple[int, list[list[int]]]:
    """Deal the videos in an order drawn from ``salt``, then exchange until no exchange helps.

    Returns the distance from the shares, and the videos of each part. The distance is the sum
    over parts and rows of squared deviation from the part's share, divided by the row's
    total: what is rare weighs as much as what is frequent.
    """
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(f"{salt}:{names[i]}".encode()).digest())
    owners = np.resize(np.repeat(np.arange(len(shares)), shares), len(order))
    members = [[order[i] for i in np.flatnonzero(owners == part)] for part in range(len(shares))]
    totals = counts.sum(axis=0)
    exchanges = _Exchanges(counts, _PRECISION // np.maximum(totals, 1), sum(shares))
    sums = np.array([counts[part].sum(axis=0) for part in members])
    # Deviations from the shares, as integers: in units of the sum of the shares.
    deviations = sum(shares) * sums - np.outer(shares, totals)
    pairs = list(itertools.combinations(range(len(shares)), 2))
    for _ in range(_MAX_SWEEPS):
        helped = [exchanges.between(members[a], members[b], deviations[a], deviations[b]) for a, b in pairs]
        if not any(helped):
            break
    return int((deviations**2 @ exchanges.weights).sum()), members


class _Exchanges:
    """Exchanges of videos between parts.

    Args:
        counts: (V, F) what each video has of each row, int64.
        weights: (F,) of the rows.
        unit: of the deviations.
    """

    def __init__(self, counts: np.ndarray, weights: np.ndarray, unit: int) -> None:
        self.weights = weights
        self._counts = counts
        self._unit = unit
        self._squares = counts**2 @ weights

    def between(self, first: list[int], second: list[int], over: np.ndarray, under: np.ndarray) -> bool:
        """For each video of one part, exchange it with the best one of the other, if that helps.

        ``over`` and ``under`` (F,) are the deviations of the two parts; all four are changed in place.
        """
        counts, squares = self._counts[second], self._squares[second]
        exchanged = False
        for i, video in enumerate(first):
            own = self._counts[video]
            # Of the growth of both squared deviations, (change * (over - under + unit * change)) @ weights,
            # what depends on the other video is one product of a matrix and a vector.
            growth = self._unit * squares + counts @ (self.weights * (over - under - 2 * self._unit * own))
            j = int(growth.argmin())
            if growth[j] + (own * (self._unit * own - over + under)) @ self.weights < 0:
                change = counts[j] - own
                over += self._unit * change
                under -= self._unit * change
                first[i], second[j] = second[j], video
                counts[j], squares[j] = own, self._squares[video]
                exchanged = True
        return exchanged
