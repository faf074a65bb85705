"""AP and AR once more, slowly: painted masks and plain loops, written from the definitions alone.

The definitions are those of the public evaluators of YouTube-VIS, OVIS and COCO as the
literature and their documentation give them. Nothing here is shared with the package.
"""

import math

import numpy as np
import pytest

# The public evaluators compare with these very floats; 0.35 is not the 36th of the recalls.
THRESHOLDS = np.linspace(0.5, 0.95, 10).tolist()
RECALLS = np.linspace(0, 1, 101).tolist()
TRACK_SIZES = {"all": (0, 1e10), "small": (0, 128**2), "medium": (128**2, 256**2), "large": (256**2, 1e10)}
FRAME_SIZES = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
GROUPS = {"occlusion_light": (0, 0.25), "occlusion_medium": (0.25, 0.5), "occlusion_heavy": (0.5, 1)}
LEVEL = {"no_occlusion": 0, "slight_occlusion": 0.25, "severe_occlusion": 0.75}


def score_tracks(scene, max_tracks=100, sizes=TRACK_SIZES):
    """{(name, range, maximum): value or None} for AP (maximum 100), AR at 1, 10 and 100."""
    units = [
        (
            [drawn for drawn in scene.truth if drawn.video_id == id_],
            [drawn for drawn in scene.predictions if drawn.video_id == id_],
        )
        for id_ in sorted(video.id for video in scene.videos)
    ]
    return _score(units, scene.categories, sizes, GROUPS, track_iou, track_area, max_tracks)


def score_frames(scene, max_masks=100):
    """The same for every frame as an image of its own."""
    units = []
    for video in sorted(scene.videos, key=lambda video: video.id):
        for frame in range(video.length):
            units.append(
                tuple(
                    [
                        _at(drawn, frame)
                        for drawn in side
                        if drawn.video_id == video.id and _is_there(drawn.masks[frame])
                    ]
                    for side in (scene.truth, scene.predictions)
                )
            )
    return _score(units, scene.categories, FRAME_SIZES, {}, frame_iou, track_area, max_masks)


def _is_there(mask):
    return mask is not None and mask.any()


def _at(drawn, frame):
    return type(drawn)(
        drawn.video_id, drawn.category, [drawn.masks[frame]], drawn.score, drawn.crowd, drawn.occlusion
    )


def track_iou(prediction, truth):
    both = either = 0
    for first, second in zip(prediction.masks, truth.masks, strict=True):
        first = np.zeros((1, 1), bool) if first is None else first
        second = np.zeros((1, 1), bool) if second is None else second
        both += int((first & second).sum())
        either += int((first | second).sum())
    return both / either if either else 0.0


def frame_iou(prediction, truth):
    both = int((prediction.masks[0] & truth.masks[0]).sum())
    if truth.crowd:
        return both / int(prediction.masks[0].sum())
    return both / int((prediction.masks[0] | truth.masks[0]).sum())


def track_area(drawn):
    areas = [int(mask.sum()) for mask in drawn.masks if _is_there(mask)]
    return sum(areas) / len(areas) if areas else 0


def occlusion(drawn):
    if drawn.occlusion is None:
        return None
    worst = sorted(LEVEL[label] for label in drawn.occlusion)[::-1]
    worst = worst[: math.ceil(len(worst) / 2)]
    return sum(worst) / len(worst)


def _score(units, categories, sizes, groups, iou, area, most):
    ious = {
        (id(prediction), id(instance)): iou(prediction, instance)
        for truth, predictions in units
        for prediction in predictions
        for instance in truth
        if prediction.category == instance.category
    }

    def in_size(name, drawn):
        low, high = sizes[name]
        return low <= area(drawn) <= high

    def in_group(name, drawn):
        degree = occlusion(drawn)
        return degree is not None and groups[name][0] <= degree <= groups[name][1]

    result = {}
    for name in (*sizes, *groups):
        test = in_size if name in sizes else in_group
        sized = name in sizes
        precisions, recalls = [], {1: [], 10: [], 100: []}
        for category in categories:
            for threshold in THRESHOLDS:
                judged, total = [], 0
                for truth, predictions in units:
                    own = [drawn for drawn in truth if drawn.category == category]
                    ranked = [drawn for drawn in predictions if drawn.category == category]
                    ranked.sort(key=lambda drawn: -drawn.score)
                    excused = [drawn for drawn in ranked if sized and not in_size(name, drawn)]
                    counted = [drawn for drawn in own if not drawn.crowd and test(name, drawn)]
                    total += len(counted)
                    judged += _judge(ranked[:most], own, counted, excused, ious, threshold)
                if total:
                    precisions.append(_average_precision(judged, total))
                    for maximum, values in recalls.items():
                        hits = sum(verdict == "hit" and rank < maximum for _, rank, verdict in judged)
                        values.append(hits / total)
        result["AP", name, 100] = sum(precisions) / len(precisions) if precisions else None
        for maximum, values in recalls.items():
            result["AR", name, maximum] = sum(values) / len(values) if values else None
    return result


def _judge(ranked, own, counted, excused, ious, threshold):
    """(score, rank, verdict) of each prediction of one category in one unit."""
    taken, judged = set(), []
    for rank, prediction in enumerate(ranked):
        partner = None
        for candidates in (counted, [drawn for drawn in own if all(drawn is not c for c in counted)]):
            best = min(threshold, 1 - 1e-10)
            for drawn in candidates:
                if id(drawn) in taken and not drawn.crowd:
                    continue
                if ious[id(prediction), id(drawn)] >= best:
                    best, partner = ious[id(prediction), id(drawn)], drawn
            if partner is not None:
                break
        if partner is not None:
            taken.add(id(partner))
            verdict = "hit" if any(partner is drawn for drawn in counted) else "ignored"
        else:
            verdict = "ignored" if any(prediction is drawn for drawn in excused) else "miss"
        judged.append((prediction.score, rank, verdict))
    return judged


def _average_precision(judged, total):
    hits = misses = 0
    curve = []
    for _, _, verdict in sorted(judged, key=lambda one: -one[0]):
        hits += verdict == "hit"
        misses += verdict == "miss"
        curve.append((hits / total, hits / (hits + misses) if hits + misses else 0.0))
    readings = []
    for point in RECALLS:
        readings.append(max((precision for recall, precision in curve if recall >= point), default=0.0))
    return sum(readings) / 101


def assert_equal(metrics, expected):
    """Compare what ``summarise`` gives with what is computed here."""
    for (name, range_, maximum), value in expected.items():
        if range_ == "all":
            key = name if name == "AP" else f"AR{maximum}"
        elif maximum == 100:
            key = f"{name}_{range_}"
        else:
            continue
        assert metrics[key] == (None if value is None else pytest.approx(value, abs=1e-12)), key
