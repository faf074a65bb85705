"""From matches to named numbers: what ``metrics.json`` holds."""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from novis.evaluation.matches import Matches
from novis.evaluation.matching import IOU_THRESHOLDS
from novis.evaluation.precision import average_precision, mean, recall
from novis.structures import Annotations

_IOU_50, _IOU_75 = 0, 5


def summarise(matches: Mapping[str, Matches], annotations: Annotations) -> dict[str, Any]:
    """The benchmark's numbers and their break-down, as fractions; None where undefined.

    ``AP``, ``AP50``, ``AP75``, ``AR1``, ``AR10``, ``AR100`` and, for each range,
    ``AP_RANGE`` and ``AR_RANGE``; ``per_iou`` and ``per_category`` give AP by threshold and
    by category; ``categories`` and ``videos`` are rows with more about each.

    Args:
        matches: one for each range; "all" is the one that AP itself and the break-down use.
        annotations: for the names of categories and videos.
    """
    everything = matches["all"]
    ap = average_precision(everything)
    numbers = {"AP": _number(mean(ap)), **_at_thresholds(ap)}
    numbers |= {f"AP_{name}": _number(mean(average_precision(m))) for name, m in _parts(matches)}
    numbers |= {f"AR{n}": _number(mean(recall(everything, n))) for n in (1, 10, 100)}
    numbers |= {f"AR_{name}": _number(mean(recall(m, 100))) for name, m in _parts(matches)}
    categories = _categories(everything, ap, annotations)
    return {
        **numbers,
        "per_iou": {
            f"{threshold:.2f}": _number(mean(ap[:, :, [t]])) for t, threshold in enumerate(IOU_THRESHOLDS)
        },
        "per_category": _by_name(categories),
        "categories": categories,
        "videos": _videos(everything, annotations),
        "num_videos": len(everything.video_ids),
        "num_instances": int(everything.instances.sum()),
        "num_predictions": len(everything.scores),
    }


def _parts(matches: Mapping[str, Matches]) -> list[tuple[str, Matches]]:
    return [(name, m) for name, m in matches.items() if name != "all"]


def _categories(matches: Matches, ap: np.ndarray, annotations: Annotations) -> list[dict[str, Any]]:
    names = {category.id: category.name for category in annotations.categories}
    ar = recall(matches, 10)
    return [
        {
            "id": id_,
            "name": names[id_],
            "AP": _number(mean(ap[:, [k]])),
            **_at_thresholds(ap[:, [k]]),
            "AR10": _number(mean(ar[:, [k]])),
            "num_instances": int(matches.instances[k].sum()),
        }
        for k, id_ in enumerate(matches.category_ids.tolist())
    ]


def _by_name(categories: list[dict[str, Any]]) -> dict[str, float | None]:
    """AP by the category's name, with its id where several share one."""
    times = Counter(row["name"] for row in categories)
    return {
        row["name"] if times[row["name"]] == 1 else f"{row['name']} ({row['id']})": row["AP"]
        for row in categories
    }


def _videos(matches: Matches, annotations: Annotations) -> list[dict[str, Any]]:
    """Each video scored as if it were alone: categories without an instance in it are left out."""
    names = {video.id: video.name for video in annotations.videos}
    rows = []
    for v, id_ in enumerate(matches.video_ids.tolist()):
        ap = average_precision(matches.of_video(v))
        rows.append(
            {
                "id": id_,
                "name": names[id_],
                "AP": _number(mean(ap)),
                **_at_thresholds(ap),
                "num_instances": int(matches.instances[:, v].sum()),
                "num_predictions": int((matches.videos == v).sum()),
            }
        )
    return rows


def _at_thresholds(ap: np.ndarray) -> dict[str, float | None]:
    return {"AP50": _number(mean(ap[:, :, [_IOU_50]])), "AP75": _number(mean(ap[:, :, [_IOU_75]]))}


def _number(values: np.ndarray) -> float | None:
    value = float(values[0])
    return None if math.isnan(value) else value
