import numpy as np
import pytest

from novis.evaluation.matches import gather
from novis.evaluation.matching import IGNORED, TRUE_POSITIVE, UNMATCHED
from novis.evaluation.pairing import pair
from novis.evaluation.precision import average_precision, mean, recall
from novis.evaluation.video_ap import match_tracks
from novis.structures import Annotations, Instance, Track, Video
from tests.evaluation.builders import random_scene
from tests.evaluation.test_matches import group


def one_category(scores, verdicts, instances):
    return gather([group(0, 0, scores, verdicts, instances)], [1], [1], ["all"])["all"]


@pytest.mark.parametrize(
    ("verdicts", "instances", "expected"),
    [
        ([TRUE_POSITIVE], 1, 1.0),
        ([UNMATCHED], 1, 0.0),
        ([UNMATCHED, TRUE_POSITIVE], 1, 1 / 2),
        ([TRUE_POSITIVE, UNMATCHED], 1, 1.0),
        # Recalls 0 to 0.5 are 51 of 101 points.
        ([TRUE_POSITIVE], 2, 51 / 101),
        # Precision rises from 1/2 to 2/3: the curve is made monotonous from the right.
        ([UNMATCHED, TRUE_POSITIVE, TRUE_POSITIVE], 2, 2 / 3),
        ([TRUE_POSITIVE, UNMATCHED, UNMATCHED, TRUE_POSITIVE], 4, (26 * 1 + 25 / 2) / 101),
        ([IGNORED, TRUE_POSITIVE, IGNORED], 1, 1.0),
        ([], 3, 0.0),
    ],
)
def test_curves_worked_out_by_hand(verdicts, instances, expected):
    scores = np.linspace(0.9, 0.1, len(verdicts))
    ap = average_precision(one_category(scores, verdicts, instances))
    assert ap.shape == (1, 1, 10)
    assert ap[0, 0].tolist() == pytest.approx([expected] * 10, abs=1e-15)


def test_recall_counts_the_best_predictions_of_each_video():
    groups = [
        group(0, 0, [0.9, 0.8], [UNMATCHED, TRUE_POSITIVE], 2),
        group(1, 0, [0.3, 0.2], [TRUE_POSITIVE, TRUE_POSITIVE], 2),
    ]
    matches = gather(groups, [1, 2], [1], ["all"])["all"]
    assert recall(matches, 1)[0, 0].tolist() == [1 / 4] * 10
    assert recall(matches, 100)[0, 0].tolist() == [3 / 4] * 10


def test_a_category_without_instances_is_undefined():
    matches = one_category([0.5], [UNMATCHED], 0)
    assert np.isnan(average_precision(matches)).all()
    assert np.isnan(recall(matches, 10)).all()
    assert np.isnan(mean(average_precision(matches))).all()


def test_the_mean_leaves_out_undefined_categories_of_each_weighting():
    values = np.array([[[1.0, 0.5], [np.nan, np.nan]], [[0.0, 0.0], [1.0, 1.0]]])
    assert mean(values).tolist() == [0.75, 0.5]


def copied(scene, times):
    """Each video as often as ``times`` says, with ids of its own, and its tracks with it."""
    truth, tracks = scene.annotations, scene.tracks
    videos, instances, copies = [], [], []
    for video in sorted(truth.videos, key=lambda video: video.id):
        for copy in range(times[video.id]):
            id_ = 100 * video.id + copy
            videos.append(Video(id_, video.width, video.height, video.file_names))
            for i in truth.instances:
                if i.video_id == video.id:
                    number = len(instances) + 1
                    instances.append(Instance(number, id_, i.category_id, i.segmentations, i.is_crowd))
            copies += [
                Track(id_, t.category_id, t.score, t.segmentations) for t in tracks if t.video_id == video.id
            ]
    return Annotations("copied", truth.categories, tuple(videos), tuple(instances)), copies


@pytest.mark.parametrize("seed", range(10))
def test_weights_are_as_good_as_copies_of_the_videos(seed):
    scene = random_scene(700 + seed, distinct_scores=True)
    truth = scene.annotations
    matches = match_tracks(truth, pair(truth, scene.tracks))["all"]
    weights = np.random.default_rng(seed).multinomial(4, [0.25] * 4, size=3)
    ap, ar = average_precision(matches, weights), recall(matches, 1, weights)
    for row, weighting in enumerate(weights):
        times = dict(zip(matches.video_ids.tolist(), weighting.tolist(), strict=True))
        truth, tracks = copied(scene, times)
        again = match_tracks(truth, pair(truth, tracks))["all"]
        assert ap[row].ravel().tolist() == pytest.approx(
            average_precision(again)[0].ravel().tolist(), abs=1e-12, nan_ok=True
        )
        assert ar[row].ravel().tolist() == pytest.approx(
            recall(again, 1)[0].ravel().tolist(), abs=1e-12, nan_ok=True
        )


def test_one_video_alone_is_a_weighting_of_one():
    scene = random_scene(4)
    truth = scene.annotations
    matches = match_tracks(truth, pair(truth, scene.tracks))["all"]
    weighted = average_precision(matches, np.eye(4, dtype=np.int64))
    for video in range(4):
        alone = average_precision(matches.of_video(video))[0]
        assert alone.ravel().tolist() == pytest.approx(weighted[video].ravel().tolist(), nan_ok=True)


def test_weights_of_the_wrong_shape_are_refused():
    with pytest.raises(ValueError, match="weights of shape"):
        average_precision(one_category([0.5], [UNMATCHED], 1), np.ones((1, 2), int))
