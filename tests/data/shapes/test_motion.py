import math
from itertools import pairwise

import numpy as np
import pytest

from novis.data.shapes import ShapesSettings
from novis.data.shapes.motion import _PACES, Leg, draw_trajectory

HEIGHT, WIDTH = 96, 160
RADIUS = 20.0
DURATION = 35.0


def draw(seed, meeting=(10.0, (80.0, 48.0)), spots=lambda time: [], **settings):
    rng = np.random.default_rng(seed)
    return draw_trajectory(rng, ShapesSettings(**settings), RADIUS, meeting, DURATION, spots)


def path(trajectory):
    return [trajectory.position(time) for time in np.arange(0, DURATION + 0.01, 0.25)]


@pytest.mark.parametrize("pace", range(len(_PACES)))
def test_a_leg_begins_and_ends_at_its_ends_and_never_turns_back(pace):
    leg = Leg(2.0, 12.0, (10.0, 20.0), (110.0, 20.0), pace, swing=9.0)
    assert leg.position(2.0) == pytest.approx((10.0, 20.0))
    assert leg.position(12.0) == pytest.approx((110.0, 20.0))
    along = [leg.position(time)[0] for time in np.linspace(2, 12, 41)]
    assert along == sorted(along)


def test_a_stop_and_go_leg_stands_still_half_way():
    leg = Leg(0.0, 10.0, (0.0, 0.0), (100.0, 0.0), pace=4)
    assert leg.position(4.0) == pytest.approx((50.0, 0.0))
    assert leg.position(6.0) == pytest.approx((50.0, 0.0))


def test_a_swinging_leg_deviates_sideways_by_its_swing():
    # A way along (3, 4) / 5: sideways is (-4, 3) / 5.
    leg = Leg(0.0, 8.0, (0.0, 0.0), (60.0, 80.0), swing=10.0)
    assert leg.position(2.0) == pytest.approx((15.0 - 8.0, 20.0 + 6.0))
    assert leg.position(6.0) == pytest.approx((45.0 + 8.0, 60.0 - 6.0))


@pytest.mark.parametrize("seed", range(5))
def test_trajectories_given_one_meeting_cross_there(seed):
    assert draw(seed).position(10.0) == pytest.approx((80.0, 48.0))


@pytest.mark.parametrize("seed", range(10))
def test_motion_is_continuous_but_for_returns_from_outside(seed):
    positions = path(draw(seed, speed=0.05))
    for before, after in pairwise(positions):
        if before and after:
            assert math.dist(before, after) < 0.25 * 6 * 0.05 * WIDTH


def outside_by(point):
    """Distance beyond the frame's border, below 0 inside."""
    x, y = point
    return max(-x, x - WIDTH, -y, y - HEIGHT)


def test_instances_leave_wholly_and_return_elsewhere():
    jumps = []
    for seed in range(10):
        away_since = None
        for before, after in pairwise(path(draw(seed, leaving=0.6, unevenness=0.0))):
            # The ends of the legs lie between two samples, at most one sample's way from them.
            if before and not after:
                assert outside_by(before) > RADIUS - 3
                away_since = before
            if after and not before:
                assert outside_by(after) > RADIUS - 3
                jumps += [math.dist(away_since, after)] if away_since else []
    assert len(jumps) > 5
    assert min(jumps) > RADIUS


def test_nobody_leaves_where_leaving_is_zero():
    for seed in range(10):
        assert all(p and 0 <= p[0] <= WIDTH for p in path(draw(seed, leaving=0.0, unevenness=0.0)))


def test_speed_sets_the_way_covered():
    def way(speed):
        total = 0.0
        for seed in range(20):
            positions = path(draw(seed, speed=speed, leaving=0.0, unevenness=0.0))
            total += sum(math.dist(a, b) for a, b in pairwise(positions))
        return total / 20 / WIDTH / DURATION

    assert way(0.02) == pytest.approx(0.02, rel=0.15)
    assert way(0.06) == pytest.approx(0.06, rel=0.15)


def test_an_instance_stays_behind_a_hiding_spot_that_moves():
    spot = lambda time: (40.0 + 2 * time, 30.0)  # noqa: E731
    trajectory = draw(3, spots=lambda time: [spot(time)], leaving=0.0, occlusion=1.0)
    times = np.arange(0, DURATION, 0.25)
    behind = [math.dist(trajectory.position(time), spot(time)) < 0.5 for time in times]
    assert sum(behind) >= 8


def test_a_standing_instance_is_possible():
    positions = path(draw(0, speed=0.0, leaving=0.0, unevenness=0.0))
    assert max(math.dist(p, (80.0, 48.0)) for p in positions) < 1.0
