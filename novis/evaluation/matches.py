"""The outcome of matching, compact enough to keep: all that AP and AR need.

Saved beside the metrics, it lets AP be recomputed for any multiset of videos, which is
what a bootstrap over videos asks for, without touching a mask again.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from novis.errors import InputError
from novis.evaluation.matching import IGNORED, IOU_THRESHOLDS, TRUE_POSITIVE
from novis.files import replacing


@dataclass(frozen=True)
class Matches:
    """D predictions on V videos with K categories, judged at T IoU thresholds.

    Predictions are sorted by category, then by descending score, then by video.

    Attributes:
        video_ids: (V,) int64, ascending.
        category_ids: (K,) int64, ascending.
        instances: (K, V) int64, the number of instances that count.
        videos, categories: (D,) int32 positions in ``video_ids`` and ``category_ids``.
        scores: (D,) float64.
        ranks: (D,) int32, position by score within the video (or frame) and category.
        true_positives: (T, D) bool.
        ignored: (T, D) bool, predictions that count neither way.
    """

    video_ids: np.ndarray
    category_ids: np.ndarray
    instances: np.ndarray
    videos: np.ndarray
    categories: np.ndarray
    scores: np.ndarray
    ranks: np.ndarray
    true_positives: np.ndarray
    ignored: np.ndarray

    def of_category(self, category: int) -> slice:
        """Where the predictions of the category at this position lie."""
        first, last = np.searchsorted(self.categories, [category, category + 1])
        return slice(int(first), int(last))

    def of_video(self, video: int) -> "Matches":
        """What there is for the video at this position, as if it were the only one."""
        chosen = np.flatnonzero(self.videos == video)
        return replace(
            self,
            video_ids=self.video_ids[[video]],
            instances=self.instances[:, [video]],
            videos=np.zeros(len(chosen), np.int32),
            categories=self.categories[chosen],
            scores=self.scores[chosen],
            ranks=self.ranks[chosen],
            true_positives=self.true_positives[:, chosen],
            ignored=self.ignored[:, chosen],
        )

    def save(self, path: Path | str) -> None:
        """Write an ``.npz`` file, whole or not at all."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path | str) -> "Matches":
        """Read what :meth:`save` wrote.

        Raises:
            InputError: there is no such file, or it is none of ours.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as archive:
                return cls(**{field.name: archive[field.name] for field in fields(cls)})
        except FileNotFoundError as error:
            raise InputError(f"{path}: no such file of matches; run `novis evaluate --matches`") from error
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise InputError(f"{path}: is no file of matches ({error}); evaluate again") from error


@dataclass(frozen=True)
class Group:
    """The predictions of one category in one video.

    Attributes:
        video, category: positions among the ids.
        scores: (D,) float64; equal ones stay in this order.
        ranks: (D,) int32, position by score within the video (or frame).
        outcome: (R, T, D) int8 of :mod:`novis.evaluation.matching`.
        instances: (R,) int64, the number of instances that count in each range.
    """

    video: int
    category: int
    scores: np.ndarray
    ranks: np.ndarray
    outcome: np.ndarray
    instances: np.ndarray


def gather(
    groups: Iterable[Group], video_ids: Sequence[int], category_ids: Sequence[int], ranges: Sequence[str]
) -> dict[str, Matches]:
    """Join groups, given in order of their videos, into one :class:`Matches` for each range."""
    groups = list(groups)
    instances = np.zeros((len(ranges), len(category_ids), len(video_ids)), np.int64)
    for group in groups:
        instances[:, group.category, group.video] += group.instances
    counts = [len(group.scores) for group in groups]
    categories = np.repeat(np.array([group.category for group in groups], np.int32), counts)
    scores = np.concatenate([np.empty(0), *(group.scores for group in groups)])
    outcome = np.concatenate(
        [np.empty((len(ranges), len(IOU_THRESHOLDS), 0), np.int8), *(group.outcome for group in groups)],
        axis=-1,
    )
    # Stable, so that equal scores keep the order of their videos, as in the reference.
    order = np.lexsort((-scores, categories))
    shared = {
        "video_ids": np.array(video_ids, np.int64),
        "category_ids": np.array(category_ids, np.int64),
        "videos": np.repeat(np.array([group.video for group in groups], np.int32), counts)[order],
        "categories": categories[order],
        "scores": scores[order],
        "ranks": np.concatenate([np.empty(0, np.int32), *(group.ranks for group in groups)])[order],
    }
    return {
        name: Matches(
            **shared,
            instances=instances[r],
            true_positives=outcome[r][:, order] == TRUE_POSITIVE,
            ignored=outcome[r][:, order] == IGNORED,
        )
        for r, name in enumerate(ranges)
    }
