import math

import numpy as np
import pytest

from novis.evaluation import video_ap
from novis.evaluation.metrics import summarise
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import AREA_RANGES, match_tracks, occlusion_score
from novis.structures import Track
from tests.evaluation.brute_force import assert_equal, score_tracks
from tests.evaluation.builders import annotations, box, instance, perfect, random_scene, track, video
from tests.evaluation.images import image_stats

BIG = (300, 280)


def score(truth, tracks):
    return summarise(match_tracks(truth, pair(truth, tracks)), truth)


@pytest.mark.parametrize("seed", range(25))
def test_small_random_videos_score_as_by_brute_force(seed, monkeypatch):
    # Sizes that rectangles of a few pixels have.
    sizes = {"all": (0.0, 1e10), "small": (0.0, 20.0), "medium": (20.0, 50.0), "large": (50.0, 1e10)}
    monkeypatch.setattr(video_ap, "AREA_RANGES", sizes)
    scene = random_scene(seed)
    metrics = score(scene.annotations, scene.tracks)
    assert_equal(metrics, score_tracks(scene, sizes=sizes))


@pytest.mark.parametrize("seed", range(3))
def test_random_videos_of_real_size_score_as_by_brute_force(seed):
    scene = random_scene(100 + seed, shape=BIG, max_frames=2)
    assert_equal(score(scene.annotations, scene.tracks), score_tracks(scene))


@pytest.mark.parametrize("most", [1, 2])
def test_only_the_best_tracks_of_a_video_and_category_count(most, monkeypatch):
    monkeypatch.setattr(video_ap, "MAX_TRACKS", most)
    scene = random_scene(200, distinct_scores=True)
    assert_equal(score(scene.annotations, scene.tracks), score_tracks(scene, max_tracks=most))


@pytest.mark.parametrize("seed", range(8))
def test_videos_of_one_frame_score_as_images_do_with_pycocotools(seed):
    scene = random_scene(300 + seed, shape=BIG, num_videos=6, max_frames=1, crowds=False, gaps=False)
    expected = image_stats(scene, sorted((video.id, 0) for video in scene.videos), AREA_RANGES)
    metrics = score(scene.annotations, scene.tracks)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def two_crossing():
    """Two instances that go from side to side of a video of four frames."""
    left = [box(0, column, 3, 2) for column in (0, 2, 4, 6)]
    right = [box(5, column, 3, 2) for column in (6, 4, 2, 0)]
    truth = annotations([video(1, 4)], [instance(1, 1, 1, left), instance(2, 1, 1, right)])
    return truth, left, right


def test_perfect_tracks_score_one():
    truth, _, _ = two_crossing()
    metrics = score(truth, perfect(truth))
    assert (metrics["AP"], metrics["AP50"], metrics["AP75"], metrics["AR10"]) == (1, 1, 1, 1)
    assert metrics["AR1"] == 0.5
    assert metrics["AP_large"] is None


def test_swapped_identities_score_nothing():
    """Half of one instance and half of the other: an IoU of 1/3 with either."""
    truth, left, right = two_crossing()
    swapped = [track(1, 1, 0.9, left[:2] + right[2:]), track(1, 1, 0.8, right[:2] + left[2:])]
    assert score(truth, swapped)["AP"] == 0


def test_precision_is_read_at_101_recalls():
    """Right, wrong, right: precision 1 for recalls up to 0.5 (51 of them), then 2/3 (50)."""
    truth, left, right = two_crossing()
    nowhere = [box(9, 0, 2, 2)] * 4
    tracks = [track(1, 1, 0.7, right), track(1, 1, 0.9, left), track(1, 1, 0.8, nowhere)]
    assert score(truth, tracks)["AP"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)


@pytest.mark.parametrize(("columns", "thresholds"), [(1, 0), (2, 1), (3, 6), (4, 10)])
def test_an_iou_equal_to_the_threshold_is_enough(columns, thresholds):
    """IoU 1/4, 2/4, 3/4 and 4/4 pass none, 0.50, 0.50 to 0.75, and all ten thresholds."""
    truth = annotations([video(1, 1)], [instance(1, 1, 1, [box(0, 0, 5, 4)])])
    metrics = score(truth, [track(1, 1, 0.5, [box(0, 0, 5, columns)])])
    assert metrics["AP"] == pytest.approx(thresholds / 10, abs=1e-12)


def test_frames_without_a_mask_count_as_empty_masks():
    """Three of four frames found: an IoU of 3/4; a frame too many: 4/5."""
    masks = [box(0, 0, 4, 5)] * 4
    truth = annotations([video(1, 5)], [instance(1, 1, 1, [*masks, None])])
    assert score(truth, [track(1, 1, 0.5, [*masks[:3], None, None])])["AP"] == pytest.approx(0.6)
    assert score(truth, [track(1, 1, 0.5, [*masks, masks[0]])])["AP"] == pytest.approx(0.7)


def test_an_empty_mask_is_as_good_as_none():
    scene = random_scene(7)
    filled = [
        Track(t.video_id, t.category_id, t.score, tuple(r or _empty(t) for r in t.segmentations))
        for t in scene.tracks
        if any(t.segmentations)
    ]
    bare = [t for t in scene.tracks if any(t.segmentations)]
    assert score(scene.annotations, filled) == score(scene.annotations, bare)


def _empty(like):
    size = next(r for r in like.segmentations if r)["size"]
    return instance(0, 0, 0, [np.zeros(size, bool)]).segmentations[0]


def test_predictions_in_videos_without_ground_truth_are_false():
    """Ranked above the right one, the wrong one halves the precision everywhere."""
    mask = [box(0, 0, 4, 5)]
    truth = annotations([video(1, 1), video(2, 1)], [instance(1, 1, 1, mask)])
    tracks = [track(2, 1, 0.9, mask), track(1, 1, 0.8, mask)]
    assert score(truth, tracks)["AP"] == pytest.approx(0.5)


def test_categories_without_ground_truth_are_left_out():
    truth, left, _ = two_crossing()
    tracks = [*perfect(truth), track(1, 2, 1.0, left)]
    metrics = score(truth, tracks)
    assert metrics["AP"] == 1
    assert metrics["per_category"] == {"category 1": 1.0, "category 2": None}


@pytest.mark.parametrize(
    ("height", "width", "ranges"),
    [
        (127, 129, ["small"]),
        (128, 128, ["small", "medium"]),
        (113, 145, ["medium"]),
        (255, 257, ["medium"]),
        (256, 256, ["medium", "large"]),
        (241, 272, ["large"]),
    ],
)
def test_a_mean_area_on_a_limit_belongs_to_both_ranges(height, width, ranges):
    """128^2 = 16,384 and 256^2 = 65,536 pixels; frames without a mask do not count."""
    masks = [box(0, 0, height, width, BIG), None]
    truth = annotations([video(1, 2, BIG)], [instance(1, 1, 1, masks)])
    metrics = score(truth, perfect(truth))
    assert [name for name in ("small", "medium", "large") if metrics[f"AP_{name}"] == 1] == ranges
    assert [name for name in ("small", "medium", "large") if metrics[f"AP_{name}"] is not None] == ranges


def test_no_predictions_score_zero():
    truth, _, _ = two_crossing()
    metrics = score(truth, [])
    assert (metrics["AP"], metrics["AR100"], metrics["num_predictions"]) == (0, 0, 0)


def test_no_instance_at_all_leaves_everything_undefined():
    metrics = score(annotations([video(1, 1)], []), [track(1, 1, 0.5, [box(0, 0, 2, 2)])])
    assert metrics["AP"] is None
    assert metrics["AR10"] is None


def test_a_crowd_takes_any_number_of_predictions_and_none_is_false():
    crowd, single = [box(0, 0, 4, 5)], [box(6, 0, 4, 5)]
    truth = annotations([video(1, 1)], [instance(1, 1, 1, crowd, is_crowd=True), instance(2, 1, 1, single)])
    tracks = [track(1, 1, 0.9, crowd), track(1, 1, 0.8, crowd), track(1, 1, 0.7, single)]
    assert score(truth, tracks)["AP"] == 1
    assert score(truth, tracks)["num_instances"] == 1


def test_equal_scores_keep_the_order_of_videos_by_id():
    """The reference goes through videos by id, however the file orders them."""
    mask, other = [box(0, 0, 4, 5)], [box(6, 0, 4, 5)]
    truth = annotations([video(2, 1), video(1, 1)], [instance(1, 1, 1, mask)])
    assert score(truth, [track(2, 1, 0.5, other), track(1, 1, 0.5, mask)])["AP"] == 1


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["no_occlusion"], 0.0),
        (["severe_occlusion", "no_occlusion"], 0.75),
        (["slight_occlusion", "severe_occlusion", "no_occlusion"], 0.5),
        ([None, "slight_occlusion", None, "no_occlusion", "no_occlusion"], 0.125),
        ([None, None], math.nan),
    ],
)
def test_occlusion_is_the_mean_of_the_worse_half_of_the_labelled_frames(labels, expected):
    masks = [box(0, 0, 2, 2)] * len(labels)
    assert occlusion_score(instance(1, 1, 1, masks, occlusion=tuple(labels))) == pytest.approx(
        expected, nan_ok=True
    )


def test_instances_without_labels_are_in_no_occlusion_group():
    truth, _, _ = two_crossing()
    metrics = score(truth, perfect(truth))
    assert metrics["AP_occlusion_light"] is None
    assert metrics["AP_occlusion_heavy"] is None


def test_a_long_frame_count_and_a_large_frame_do_not_overflow():
    """4,000 frames of 1080 x 1920 pixels are more than 32 bits can count."""
    frames = 4000
    masks = [box(0, 0, 1080, 1920, (1080, 1920))] * 2
    rles = instance(1, 1, 1, masks).segmentations
    truth = annotations([video(1, frames, (1080, 1920))], [instance(1, 1, 1, [])])
    whole = truth.instances[0].__class__(1, 1, 1, rles[:1] * frames)
    truth = annotations(truth.videos, [whole])
    assert score(truth, [Track(1, 1, 0.5, rles[:1] * (frames - 1) + (None,))])["AP"] == 1
