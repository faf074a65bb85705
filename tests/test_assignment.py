from itertools import permutations

import numpy as np
import pytest

from novis.assignment import assign


def best_total(cost):
    """The least total cost, by trying every assignment."""
    cost = cost if cost.shape[0] <= cost.shape[1] else cost.T
    rows = range(cost.shape[0])
    return min(sum(cost[rows, columns]) for columns in permutations(range(cost.shape[1]), len(rows)))


@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (1, 6)])
@pytest.mark.parametrize("seed", range(5))
def test_total_cost_is_the_least_of_all_assignments(shape, seed):
    cost = np.random.default_rng(seed).normal(size=shape)
    rows, columns = assign(cost)
    assert len(rows) == len(set(columns)) == min(shape)
    assert cost[rows, columns].sum() == pytest.approx(best_total(cost))


def test_rows_ascend_and_indices_are_integers():
    rows, columns = assign(np.random.default_rng(0).normal(size=(6, 4)))
    assert (np.diff(rows) > 0).all()
    assert rows.dtype == columns.dtype == np.int64


def test_row_of_nan_takes_what_sound_rows_leave():
    cost = np.array([[np.nan, np.nan, np.nan], [1.0, 5.0, 9.0], [1.0, 2.0, 9.0]])
    _, columns = assign(cost)
    assert list(columns) == [2, 0, 1]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_matrix_of_broken_costs_is_still_assigned(value):
    _, columns = assign(np.full((3, 3), value))
    assert sorted(columns) == [0, 1, 2]


def test_infinite_costs_are_avoided_and_do_not_blur_the_others():
    generator = np.random.default_rng(0)
    for _ in range(200):
        cost = 1 + 0.01 * generator.random((4, 4)).round(2)
        cost[generator.random((4, 4)) < 0.4] = np.inf
        taken = cost[assign(cost)]
        choices = [cost[range(4), columns] for columns in permutations(range(4))]
        fewest, least = min((np.isinf(c).sum(), c[np.isfinite(c)].sum()) for c in choices)
        assert np.isinf(taken).sum() == fewest
        assert taken[np.isfinite(taken)].sum() == pytest.approx(least, abs=1e-6)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_empty_side_gives_no_pairs(shape):
    rows, columns = assign(np.zeros(shape))
    assert rows.shape == columns.shape == (0,)
    assert rows.dtype == np.int64
