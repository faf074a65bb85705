import json

import numpy as np
import pytest

from novis.evaluation.metrics import summarise
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import match_tracks
from novis.structures import Annotations, Category
from tests.evaluation.builders import annotations, box, instance, random_scene, track, video


def score(truth, tracks):
    return summarise(match_tracks(truth, pair(truth, tracks)), truth)


def test_the_parts_make_up_the_whole():
    scene = random_scene(0)
    metrics = score(scene.annotations, scene.tracks)
    assert np.mean(list(metrics["per_iou"].values())) == pytest.approx(metrics["AP"])
    assert metrics["per_iou"]["0.50"] == metrics["AP50"]
    assert metrics["per_iou"]["0.75"] == metrics["AP75"]
    defined = [value for value in metrics["per_category"].values() if value is not None]
    assert np.mean(defined) == pytest.approx(metrics["AP"])
    assert [row["AP"] for row in metrics["categories"]] == list(metrics["per_category"].values())
    for rows in (metrics["categories"], metrics["videos"]):
        assert sum(row["num_instances"] for row in rows) == metrics["num_instances"]
    assert sum(row["num_predictions"] for row in metrics["videos"]) == metrics["num_predictions"]


def test_a_video_is_scored_as_if_it_were_alone():
    scene = random_scene(5)
    truth = scene.annotations
    for row in score(truth, scene.tracks)["videos"]:
        alone = Annotations(
            "alone",
            truth.categories,
            tuple(v for v in truth.videos if v.id == row["id"]),
            tuple(i for i in truth.instances if i.video_id == row["id"]),
        )
        metrics = score(alone, [t for t in scene.tracks if t.video_id == row["id"]])
        assert row["name"] == f"video_{row['id']}"
        assert {name: row[name] for name in ("AP", "AP50", "AP75")} == pytest.approx(
            {name: metrics[name] for name in ("AP", "AP50", "AP75")}
        )


def test_two_categories_of_one_name_stay_two():
    mask = [box(0, 0, 4, 5)]
    truth = annotations([video(1, 1)], [instance(1, 1, 1, mask), instance(2, 1, 2, mask)])
    truth = Annotations("truth", (Category(1, "cat"), Category(2, "cat")), truth.videos, truth.instances)
    assert score(truth, [track(1, 1, 0.5, mask)])["per_category"] == {"cat (1)": 1.0, "cat (2)": 0.0}


def test_the_metrics_are_plain_json():
    scene = random_scene(6)
    metrics = score(scene.annotations, scene.tracks)
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics
