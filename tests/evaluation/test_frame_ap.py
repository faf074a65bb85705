import pytest

from novis.evaluation import frame_ap
from novis.evaluation.frame_ap import match_frames
from novis.evaluation.metrics import summarise
from novis.evaluation.pairing import pair
from tests.evaluation.brute_force import assert_equal, score_frames
from tests.evaluation.builders import annotations, box, instance, perfect, random_scene, track, video
from tests.evaluation.images import image_stats


def score(truth, tracks):
    return summarise(match_frames(truth, pair(truth, tracks)), truth)


@pytest.mark.parametrize("seed", range(10))
def test_random_videos_score_frame_by_frame_as_with_pycocotools(seed):
    """Crowds, absent and empty masks, equal scores and COCO's three sizes among them."""
    scene = random_scene(400 + seed, shape=(130, 110))
    frames = sorted((video.id, frame) for video in scene.videos for frame in range(video.length))
    expected = image_stats(scene, frames)
    metrics = score(scene.annotations, scene.tracks)
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_random_videos_score_as_by_brute_force(seed):
    scene = random_scene(500 + seed, shape=(50, 40))
    assert_equal(score(scene.annotations, scene.tracks), score_frames(scene))


@pytest.mark.parametrize("most", [1, 2])
def test_only_the_best_masks_of_a_frame_count(most, monkeypatch):
    """A track without a mask in a frame takes no other track's place there."""
    monkeypatch.setattr(frame_ap, "MAX_MASKS", most)
    scene = random_scene(600, distinct_scores=True)
    assert_equal(score(scene.annotations, scene.tracks), score_frames(scene, max_masks=most))


@pytest.mark.parametrize(
    ("height", "width", "ranges"),
    [
        (31, 33, ["small"]),
        (32, 32, ["small", "medium"]),
        (25, 41, ["medium"]),
        (95, 97, ["medium"]),
        (96, 96, ["medium", "large"]),
        (13, 709, ["large"]),
    ],
)
def test_sizes_are_those_of_coco(height, width, ranges):
    """32^2 = 1,024 and 96^2 = 9,216 pixels belong to both ranges."""
    truth = annotations(
        [video(1, 1, (100, 710))], [instance(1, 1, 1, [box(0, 0, height, width, (100, 710))])]
    )
    metrics = score(truth, perfect(truth))
    assert [name for name in ("small", "medium", "large") if metrics[f"AP_{name}"] is not None] == ranges


def test_linking_does_not_matter():
    left = [box(0, column, 3, 2) for column in (0, 2, 4, 6)]
    right = [box(5, column, 3, 2) for column in (6, 4, 2, 0)]
    truth = annotations([video(1, 4)], [instance(1, 1, 1, left), instance(2, 1, 1, right)])
    swapped = [track(1, 1, 0.9, left[:2] + right[2:]), track(1, 1, 0.8, right[:2] + left[2:])]
    assert score(truth, swapped)["AP"] == score(truth, perfect(truth))["AP"] == 1


def test_a_frame_without_a_mask_is_no_prediction():
    """Two of three frames found, nothing wrong: recalls up to 2/3 (67 of 101) are reached."""
    masks = [box(0, 0, 4, 5)] * 3
    truth = annotations([video(1, 3)], [instance(1, 1, 1, masks)])
    assert score(truth, [track(1, 1, 0.5, [*masks[:2], None])])["AP"] == pytest.approx(67 / 101)


def test_instances_are_counted_in_every_frame_where_they_are_visible():
    masks = [box(0, 0, 4, 5), None, box(0, 0, 4, 5)]
    truth = annotations([video(1, 3)], [instance(1, 1, 1, masks)])
    assert score(truth, [])["num_instances"] == 2
