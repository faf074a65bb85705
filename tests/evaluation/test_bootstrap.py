import dataclasses

import numpy as np
import pytest

from novis.errors import InputError
from novis.evaluation import bootstrap
from novis.evaluation.bootstrap import paired_bootstrap
from novis.evaluation.matches import gather
from novis.evaluation.matching import TRUE_POSITIVE, UNMATCHED
from novis.evaluation.precision import average_precision, mean
from tests.evaluation.test_matches import group


def result(seed, quality, num_videos=40, first_id=1):
    """One instance a video, found with probability ``quality``; confident when found."""
    rng = np.random.default_rng(seed)
    found = rng.random(num_videos) < quality
    groups = [
        group(v, 0, [rng.random() + hit], [TRUE_POSITIVE if hit else UNMATCHED])
        for v, hit in enumerate(found)
    ]
    return gather(groups, range(first_id, first_id + num_videos), [1], ["all"])["all"]


def ap(matches):
    return float(mean(average_precision(matches))[0])


def test_a_result_does_not_differ_from_itself():
    same = result(0, 0.5)
    difference = paired_bootstrap([[(same, same)]], 200)
    assert (difference.difference, difference.low, difference.high, difference.p) == (0, 0, 0, 1)


def test_a_clear_difference_holds():
    good, bad = result(1, 0.9), result(2, 0.3)
    difference = paired_bootstrap([[(good, bad)]], 500)
    assert difference.first == ap(good)
    assert difference.second == ap(bad)
    assert difference.difference == ap(good) - ap(bad)
    assert 0 < difference.low < difference.difference < difference.high
    assert difference.p == pytest.approx(2 / 501)


def test_the_other_way_round_all_signs_change():
    good, bad = result(1, 0.7), result(2, 0.6)
    forth, back = (paired_bootstrap([[pair]], 300) for pair in ((good, bad), (bad, good)))
    assert (back.low, back.high) == pytest.approx((-forth.high, -forth.low))
    assert back.p == forth.p


def test_pairing_takes_out_what_both_results_share():
    """Two results that fail on the same videos differ by one video: a narrow interval."""
    rng = np.random.default_rng(0)
    found = rng.random(60) < 0.5
    scores = rng.random(60) + found
    better = found.copy()
    better[np.flatnonzero(~found)[:4]] = True
    results = [
        gather(
            [group(v, 0, [scores[v]], [TRUE_POSITIVE if hit else UNMATCHED]) for v, hit in enumerate(hits)],
            range(60),
            [1],
            ["all"],
        )["all"]
        for hits in (better, found)
    ]
    paired = paired_bootstrap([[tuple(results)]], 500)
    shuffled = dataclasses.replace(results[1], videos=rng.permutation(results[1].videos))
    unpaired = paired_bootstrap([[(results[0], shuffled)]], 500)
    assert paired.difference == pytest.approx(unpaired.difference)
    assert paired.high - paired.low < 0.6 * (unpaired.high - unpaired.low)
    assert paired.low > 0


def test_the_interval_covers_the_truth_as_often_as_it_says():
    """Equal quality: 0 lies outside the interval in about one of twenty trials."""
    outside = 0
    for trial in range(100):
        pair = (result(2 * trial, 0.5), result(2 * trial + 1, 0.5))
        difference = paired_bootstrap([[pair]], 100)
        outside += not difference.low <= 0 <= difference.high
    assert 1 <= outside <= 13


def test_every_draw_is_the_ap_of_a_multiset_of_videos():
    good, bad = result(3, 0.6, 5), result(4, 0.5, 5)
    difference = paired_bootstrap([[(good, bad)]], 4, seed=9)
    draws = np.random.default_rng(9).multinomial(5, [0.2] * 5, size=4)
    expected = [ap_of(good, draw) - ap_of(bad, draw) for draw in draws]
    assert (difference.low, difference.high) == pytest.approx(tuple(np.percentile(expected, [2.5, 97.5])))


def ap_of(matches, draw):
    return float(mean(average_precision(matches, draw[None]))[0])


def test_folds_are_resampled_apart_and_count_equally():
    small, large = (result(5, 1.0, 4), result(6, 0.0, 4)), (result(7, 0.5, 40, 100), result(8, 0.5, 40, 100))
    difference = paired_bootstrap([[small], [large]], 300)
    assert difference.first == pytest.approx((1 + ap(large[0])) / 2)
    assert difference.difference == pytest.approx((1 + ap(large[0]) - ap(large[1])) / 2)
    # The small fold says 1 in every draw, so the large one alone scatters.
    alone = paired_bootstrap([[large]], 300)
    assert difference.high - difference.low == pytest.approx((alone.high - alone.low) / 2, rel=0.25)


def test_seeds_of_a_fold_share_every_draw():
    """A result beside its own mirror image: their mean does not scatter if the draw is shared."""
    good, bad = result(1, 0.8), result(2, 0.4)
    difference = paired_bootstrap([[(good, bad), (bad, good)]], 200)
    assert (difference.low, difference.high) == pytest.approx((0, 0), abs=1e-12)


def test_equal_seeds_give_equal_numbers():
    pair = (result(1, 0.6), result(2, 0.5))
    assert paired_bootstrap([[pair]], 100, seed=3) == paired_bootstrap([[pair]], 100, seed=3)
    assert paired_bootstrap([[pair]], 100, seed=3) != paired_bootstrap([[pair]], 100, seed=4)


def test_portions_change_nothing(monkeypatch):
    pair = (result(1, 0.6), result(2, 0.5))
    whole = paired_bootstrap([[pair]], 100)
    monkeypatch.setattr(bootstrap, "_PORTION", 100)
    assert paired_bootstrap([[pair]], 100) == whole


@pytest.mark.parametrize("name", ["video_ids", "category_ids", "instances"])
def test_results_on_different_ground_truth_are_not_compared(name):
    first = result(1, 0.6)
    other = dataclasses.replace(first, **{name: getattr(first, name) + 1})
    with pytest.raises(InputError, match=f"different ground truth \\({name} differ\\)"):
        paired_bootstrap([[(first, other)]], 10)


@pytest.mark.parametrize("folds", [[], [[]]])
def test_nothing_to_compare_is_an_error(folds):
    with pytest.raises(InputError, match="nothing to compare"):
        paired_bootstrap(folds)


def test_undefined_ap_is_an_error():
    nothing = gather([group(0, 0, [0.5], [UNMATCHED], 0)], [1], [1], ["all"])["all"]
    with pytest.raises(InputError, match="AP is undefined"):
        paired_bootstrap([[(nothing, nothing)]], 10)
