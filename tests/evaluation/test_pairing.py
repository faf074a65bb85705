import dataclasses
import math

import pytest

from novis.errors import InputError
from novis.evaluation import overlaps
from novis.evaluation.metrics import summarise
from novis.evaluation.overlaps import measure
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import match_tracks
from tests.evaluation.builders import annotations, box, instance, random_scene, rle, track, video

MASK = box(0, 0, 4, 5)
TRUTH = annotations([video(7, 2), video(3, 1)], [instance(1, 7, 1, [MASK, None])])


def test_tracks_come_to_their_videos_best_score_first_equal_ones_in_order():
    tracks = [
        track(7, 1, 0.5, [MASK, None]),
        track(3, 2, 0.1, [MASK]),
        track(7, 2, 0.9, [None, None]),
        track(7, 2, 0.5, [MASK, MASK]),
    ]
    first, second = pair(TRUTH, tracks)
    assert [pairing.video.id for pairing in (first, second)] == [3, 7]
    assert [pairing.position for pairing in (first, second)] == [0, 1]
    assert first.scores.tolist() == [0.1]
    assert second.scores.tolist() == [0.9, 0.5, 0.5]
    assert second.track_categories.tolist() == [2, 1, 2]
    assert second.overlaps.track_areas.tolist() == [[0, 0], [20, 0], [20, 20]]
    assert second.overlaps.intersections.tolist() == [[[0, 0]], [[20, 0]], [[0, 0]]]
    assert [instance.id for instance in second.instances] == [1]


def test_measuring_in_passing_is_measuring_at_once(monkeypatch):
    monkeypatch.setattr(overlaps, "_BATCH", 7)
    scene = random_scene(1)
    truth = scene.annotations
    for paired in pair(truth, scene.tracks):
        id_, length = paired.video.id, paired.video.length
        own = sorted((t for t in scene.tracks if t.video_id == id_), key=lambda t: -t.score)
        at_once = measure(own, [i for i in truth.instances if i.video_id == id_], length)
        for name in ("track_areas", "instance_areas", "intersections"):
            assert getattr(paired.overlaps, name).tolist() == getattr(at_once, name).tolist()


def test_the_order_of_videos_in_the_results_does_not_matter():
    scene = random_scene(2, distinct_scores=True)
    truth = scene.annotations
    by_video = sorted(scene.tracks, key=lambda t: t.video_id)
    scores = [summarise(match_tracks(truth, pair(truth, t)), truth) for t in (scene.tracks, by_video)]
    assert scores[0] == scores[1]


def test_categories_go_with_the_positions_of_their_tracks_and_instances():
    tracks = [track(7, 2, 0.9, [MASK, None]), track(7, 1, 0.8, [MASK, None])]
    paired = pair(TRUTH, tracks)[1]
    seen = [(id_, rows.tolist(), columns.tolist()) for id_, rows, columns in paired.categories()]
    assert seen == [(1, [1], [0]), (2, [0], [])]


GOOD = track(7, 1, 0.5, [MASK, None])
BROKEN = {"size": [12, 10], "counts": "abc"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"video_id": 4}, "video 4 is not in the annotations"),
        ({"category_id": 9}, "category 9 is not in the annotations"),
        ({"segmentations": (None,)}, "1 segmentations, but video 7 has 2 frames"),
        ({"segmentations": (None,) * 3}, "3 segmentations, but video 7 has 2 frames"),
        ({"segmentations": (None, rle(box(0, 0, 2, 2, (10, 12))))}, r"frame 1: RLE of size \[10, 12\]"),
        ({"segmentations": (None, BROKEN)}, "the mask of frame 1 has"),
        ({"score": math.nan}, "score nan is no finite number"),
    ],
)
def test_a_track_that_does_not_fit_is_named(change, message):
    bad = dataclasses.replace(GOOD, **change)
    with pytest.raises(InputError, match=f"^results: track 2[:,].*{message}"):
        pair(TRUTH, [GOOD, GOOD, bad, GOOD])


def test_annotations_without_ground_truth_are_refused():
    with pytest.raises(InputError, match=r"truth.json: holds no ground truth"):
        pair(annotations([video(1, 1)], None), [])
