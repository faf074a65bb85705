"""Dividing a training set into balanced folds, the same on every machine.

The official validation sets have no public ground truth, so ablations train on one part
of the training set and are evaluated on the other. Two folds drawn at random differ by
chance in rare categories and long videos; these are balanced by exchanging videos.
Everything is integer arithmetic and order by SHA-256, so no random generator's version,
hash seed or rounding can change a split.
"""

import hashlib
import itertools
import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from novis.data.annotations import OCCLUSION_LABELS, read_annotations
from novis.errors import InputError
from novis.files import replacing
from novis.structures import Annotations

_LOG = logging.getLogger(__name__)

# Squared deviations are divided by their row's total, in integers of this precision.
_PRECISION = 10**6
_MAX_SWEEPS = 20
# Exchanges end in a local optimum: the best of so many starts is taken.
_STARTS = 8


def split(
    annotations: Path, folds: int, seed: int, fold: int, train: Path, valid: Path, table: Path | None = None
) -> None:
    """Divide a training set into balanced folds, and write the videos of one of them.

    The same annotations, number of folds and seed give the same folds everywhere.

    Args:
        annotations: the data set's JSON file, with ground truth
        folds: number of folds
        seed: another seed gives other folds, as well balanced
        fold: whose videos are for validation; those of all others are for training
        train: text file to write, one video a line
        valid: text file to write, one video a line
        table: text file to write, the balance of the folds
    """
    if not 0 <= fold < folds:
        raise InputError(f"fold {fold} of {folds}: folds are counted from 0 to {folds - 1}")
    truth = read_annotations(annotations)
    parts = split_videos(truth, folds, seed)
    balance = balance_table(truth, parts)
    _LOG.info("%s", balance)
    write_names(train, [name for i, part in enumerate(parts) if i != fold for name in part])
    write_names(valid, parts[fold])
    if table is not None:
        with replacing(table) as temporary:
            temporary.write_text(balance)


def list_videos(annotations: Path, output: Path) -> None:
    """Write the names of all videos of a data set, one a line.

    Args:
        annotations: the data set's JSON file; its ground truth may be held back
        output: text file to write
    """
    write_names(output, list(dict.fromkeys(video.name for video in read_annotations(annotations).videos)))


def split_videos(annotations: Annotations, num_folds: int, seed: int) -> list[list[str]]:
    """Names of the videos of each fold, balanced over categories, video lengths and occlusion.

    The sizes of the folds differ by at most one; inside a fold videos keep the order of
    the file. Sequences that share a name (cut from one video) stay together.

    Raises:
        InputError: there is no ground truth, or there are fewer videos than folds.
    """
    names, _, counts = _video_counts(annotations)
    if not 2 <= num_folds <= len(names):
        raise InputError(
            f"{annotations.source}: {len(names)} videos cannot be divided into {num_folds} folds; "
            "ask for at least 2 folds and at most one for each video"
        )
    best = min(
        (_balanced(names, counts, num_folds, f"{seed}.{start}") for start in range(_STARTS)),
        key=lambda found: found[0],
    )
    return [[names[i] for i in sorted(fold)] for fold in best[1]]


def balance_table(annotations: Annotations, folds: Sequence[Sequence[str]]) -> str:
    """What each fold holds, as text: videos, frames, lengths, occlusion, instances a category."""
    names, titles, counts = _video_counts(annotations)
    row_of = {name: row for row, name in enumerate(names)}
    columns = [counts[[row_of[name] for name in fold]].sum(axis=0) for fold in folds]
    width = max(map(len, titles)) + 2
    header = "".join(f"{f'fold {i}':>10}" for i in range(len(folds)))
    lines = [f"{'':{width}}{header}{'all':>10}"]
    for row, title in enumerate(titles):
        values = [int(column[row]) for column in columns]
        if sum(values):
            lines.append(f"{title:{width}}" + "".join(f"{value:>10}" for value in [*values, sum(values)]))
    return "\n".join(lines) + "\n"


def read_names(path: Path | str) -> list[str]:
    """The names of videos of a text file, one a line; empty lines and ``#`` comments are skipped.

    Raises:
        InputError: the file is missing, unreadable, empty, or names a video twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of video names ({error})") from error
    names = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(f'{path}: names the video "{repeated[0]}" twice; leave one out')
    if not names:
        raise InputError(f"{path}: names no video")
    return names


def write_names(path: Path | str, names: Sequence[str]) -> None:
    """Write names of videos for :func:`read_names`."""
    with replacing(path) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")


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
    names: Sequence[str], counts: np.ndarray, num_folds: int, salt: str
) -> tuple[int, list[list[int]]]:
    """Deal the videos in an order drawn from ``salt``, then exchange until no exchange helps.

    Returns the distance from equal folds, and the videos of each. The distance is the sum
    over folds and rows of squared deviation from an equal share, divided by the row's
    total: what is rare weighs as much as what is frequent.
    """
    order = sorted(range(len(names)), key=lambda i: hashlib.sha256(f"{salt}:{names[i]}".encode()).digest())
    members = [order[fold::num_folds] for fold in range(num_folds)]
    totals = counts.sum(axis=0)
    weights = _PRECISION // np.maximum(totals, 1)
    sums = np.array([counts[fold].sum(axis=0) for fold in members])
    pairs = list(itertools.combinations(range(num_folds), 2))
    for _ in range(_MAX_SWEEPS):
        exchanges = [_exchange(members[a], members[b], sums[a], sums[b], counts, weights) for a, b in pairs]
        if not any(exchanges):
            break
    return int((((num_folds * sums - totals) ** 2) @ weights).sum()), members


def _exchange(
    first: list[int],
    second: list[int],
    first_sum: np.ndarray,
    second_sum: np.ndarray,
    counts: np.ndarray,
    weights: np.ndarray,
) -> bool:
    """For each video of one fold, exchange it with the best one of the other, if that helps."""
    exchanged = False
    for i, video in enumerate(first):
        change = counts[second] - counts[video]
        # Half the growth of the squared deviations of both folds; equal shares cancel out.
        growth = (change * (first_sum - second_sum + change)) @ weights
        j = int(growth.argmin())
        if growth[j] < 0:
            first[i], second[j] = second[j], video
            first_sum += change[j]
            second_sum -= change[j]
            exchanged = True
    return exchanged
