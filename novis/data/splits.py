"""Dividing a training set into balanced parts, the same on every machine.

The official validation sets have no public ground truth, so ablations train on one part
of the training set and are evaluated on the other: either every fold in turn, or one
video in so many that is held out. Parts drawn at random differ by chance in rare
categories and long videos; these are balanced (:mod:`novis.data.balancing`).
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from novis.data.annotations import read_annotations
from novis.data.balancing import balance_table, divided
from novis.errors import InputError
from novis.files import replacing
from novis.structures import Annotations

_LOG = logging.getLogger(__name__)


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
    _report(truth, {f"fold {i}": part for i, part in enumerate(parts)}, table)
    write_names(train, [name for i, part in enumerate(parts) if i != fold for name in part])
    write_names(valid, parts[fold])


def hold_out(
    annotations: Path, one_in: int, seed: int, train: Path, valid: Path, table: Path | None = None
) -> None:
    """Hold out a balanced part of a training set for validation.

    The same annotations, share and seed give the same parts everywhere.

    Args:
        annotations: the data set's JSON file, with ground truth
        one_in: one video in so many is held out
        seed: another seed gives other parts, as well balanced
        train: text file to write, one video a line
        valid: text file to write, one video a line
        table: text file to write, the balance of the parts
    """
    truth = read_annotations(annotations)
    parts = dict(zip(("train", "valid"), held_out_videos(truth, one_in, seed), strict=True))
    _report(truth, parts, table)
    write_names(train, parts["train"])
    write_names(valid, parts["valid"])


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
    if not 2 <= num_folds <= len({video.name for video in annotations.videos}):
        raise InputError(
            f"{annotations.source}: {len(annotations.videos)} videos cannot be divided into {num_folds} "
            "folds; ask for at least 2 folds and at most one for each video"
        )
    return divided(annotations, (1,) * num_folds, seed)


def held_out_videos(annotations: Annotations, one_in: int, seed: int) -> list[list[str]]:
    """Names of the videos to train on, and of those held out: one in ``one_in``, balanced alike.

    Raises:
        InputError: there is no ground truth, or there are fewer videos than ``one_in``.
    """
    if not 2 <= one_in <= len({video.name for video in annotations.videos}):
        raise InputError(
            f"{annotations.source}: one video in {one_in} cannot be held out of {len(annotations.videos)}; "
            "ask for one in 2 at most, and in the number of videos at least"
        )
    return divided(annotations, (one_in - 1, 1), seed)


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


def _report(annotations: Annotations, parts: Mapping[str, Sequence[str]], table: Path | None) -> None:
    balance = balance_table(annotations, parts)
    _LOG.info("%s", balance)
    if table is not None:
        with replacing(table) as temporary:
            temporary.write_text(balance)
