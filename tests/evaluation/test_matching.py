import numpy as np
import pytest

from novis.evaluation.matching import IGNORED, IOU_THRESHOLDS, TRUE_POSITIVE, UNMATCHED, match


def outcome(ious, ignored=None, crowd=None, thresholds=(0.5,)):
    """What becomes of each prediction of one frame, at one threshold and in one range."""
    ious = np.array(ious, float)[None]
    num_instances = ious.shape[2]
    ignored = np.zeros(num_instances, bool) if ignored is None else np.array(ignored, bool)
    crowd = np.zeros(num_instances, bool) if crowd is None else np.array(crowd, bool)
    return match(ious, ignored[None, None], crowd, np.array(thresholds))[0, 0, 0].tolist()


def test_thresholds_are_ten_from_half_to_almost_one():
    assert IOU_THRESHOLDS.tolist() == pytest.approx([0.5 + 0.05 * step for step in range(10)])


def test_the_first_prediction_takes_the_instance_and_the_second_goes_without():
    assert outcome([[0.6], [0.9]]) == [TRUE_POSITIVE, UNMATCHED]


def test_a_prediction_takes_its_best_free_instance():
    """The second prediction's favourite is gone, so it takes what is left."""
    assert outcome([[0.9, 0.6], [0.8, 0.7]]) == [TRUE_POSITIVE, TRUE_POSITIVE]
    assert outcome([[0.9, 0.6], [0.8, 0.4]]) == [TRUE_POSITIVE, UNMATCHED]


@pytest.mark.parametrize("num_equal", [2, 3, 17, 40])
def test_of_equal_instances_the_last_is_taken(num_equal):
    """So it is gone for a second prediction that has no other."""
    first = [0.7] * num_equal + [0.1] * 3
    only = {place: [0.9 * (place == i) for i in range(num_equal + 3)] for place in (0, num_equal - 1)}
    assert outcome([first, only[num_equal - 1]]) == [TRUE_POSITIVE, UNMATCHED]
    assert outcome([first, only[0]]) == [TRUE_POSITIVE, TRUE_POSITIVE]


def test_a_regular_instance_goes_before_a_better_ignored_one():
    assert outcome([[0.9, 0.6]], ignored=[True, False]) == [TRUE_POSITIVE]
    assert outcome([[0.9, 0.4]], ignored=[True, False]) == [IGNORED]


def test_an_ignored_instance_is_used_up_but_a_crowd_is_not():
    assert outcome([[0.9], [0.8]], ignored=[True]) == [IGNORED, UNMATCHED]
    assert outcome([[0.9], [0.8]], ignored=[True], crowd=[True]) == [IGNORED, IGNORED]


def test_an_iou_of_one_passes_a_threshold_of_one():
    assert outcome([[1.0]], thresholds=(1.0,)) == [TRUE_POSITIVE]


def test_negative_ious_never_match():
    assert outcome([[-1.0]], thresholds=(0.0,)) == [UNMATCHED]


def test_frames_ranges_and_thresholds_do_not_touch_each_other():
    """All at once is the same as one by one."""
    rng = np.random.default_rng(0)
    ious = rng.choice([-1.0, 0.3, 0.55, 0.55, 0.72, 0.98], size=(4, 6, 5))
    ignored, crowd = rng.random((4, 3, 5)) < 0.4, rng.random(5) < 0.2
    together = match(ious, ignored, crowd)
    assert together.shape == (4, 3, 10, 6)
    for frame, range_, threshold in np.ndindex(4, 3, 10):
        alone = match(ious[[frame]], ignored[[frame]][:, [range_]], crowd, IOU_THRESHOLDS[[threshold]])
        assert together[frame, range_, threshold].tolist() == alone[0, 0, 0].tolist()


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 3, 0), (2, 0, 0)])
def test_nothing_to_match(shape):
    frames, predictions, instances = shape
    result = match(np.zeros(shape), np.zeros((frames, 1, instances), bool), np.zeros(instances, bool))
    assert result.shape == (frames, 1, 10, predictions)
    assert not result.any()
