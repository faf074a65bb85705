import math

import numpy as np
import pytest

from novis.data.shapes.motion import Leg, Trajectory
from novis.data.shapes.scene import Actor, Camera, Fixture, Oscillation, Pose
from novis.data.shapes.silhouettes import CATEGORIES, bar
from novis.data.shapes.textures import Texture

STILL = Oscillation(0.0, 1.0, 0.0)
TEXTURE = Texture(np.zeros((256, 256), np.uint8), np.zeros((256, 1, 3), np.uint8), 1.0, (0, 0))
# From (10, 20) to (50, 20) in times 0 to 4, away until 6, then back at (0, 0).
TRAJECTORY = Trajectory(
    0.0, (Leg(0.0, 4.0, (10.0, 20.0), (50.0, 20.0)), Leg(6.0, 8.0, (0.0, 0.0), (9.0, 0.0))), ()
)


def test_an_oscillation_swings_about_zero():
    swing = Oscillation(3.0, math.pi / 2, 0.0)
    assert [swing.at(time) for time in (0, 1, 2, 3)] == pytest.approx([0, 3, 0, -3], abs=1e-9)


def test_an_actor_has_no_pose_while_it_is_away():
    actor = Actor(2, TEXTURE, 10.0, TRAJECTORY, STILL, 0.0, STILL, STILL)
    assert actor.silhouette is CATEGORIES["cross"]
    assert actor.pose(2.0) == Pose(30.0, 20.0, 0.0, 10.0, 10.0)
    assert actor.pose(5.0) is None
    assert actor.pose(6.0) == Pose(0.0, 0.0, 0.0, 10.0, 10.0)


def test_an_actor_turns_grows_and_is_squashed():
    peak = math.pi / 2
    actor = Actor(
        label=0,
        texture=TEXTURE,
        radius=10.0,
        trajectory=TRAJECTORY,
        angle=Oscillation(0.5, 0.0, peak),
        spin=0.1,
        growth=Oscillation(0.2, 0.0, peak),
        squash=Oscillation(0.25, 0.0, peak),
    )
    pose = actor.pose(2.0)
    assert pose.angle == pytest.approx(0.1 * 2 + 0.5)
    assert (pose.scale_x, pose.scale_y) == pytest.approx((12 * 1.25, 12 * 0.75))


def test_a_camera_adds_its_oscillations_and_rounds_to_whole_pixels():
    peak = math.pi / 2
    slow, fast = Oscillation(5.0, 0.0, peak), Oscillation(1.6, 0.0, peak)
    assert Camera((slow, fast), (fast, STILL)).corner(3.0) == (7, 2)


def test_what_a_fixture_can_cover_is_its_narrower_side():
    assert Fixture(bar(0.2, 1.0), TEXTURE, Pose(0.0, 0.0, 0.0, 50.0, 50.0)).cover == pytest.approx(10.0)
