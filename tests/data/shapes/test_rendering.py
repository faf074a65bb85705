import math

import cv2
import numpy as np
import pytest

from novis.data.shapes import CATEGORY_NAMES, ShapesSettings
from novis.data.shapes.composition import draw_scene
from novis.data.shapes.motion import Leg, Trajectory
from novis.data.shapes.rendering import render_frames
from novis.data.shapes.scene import Actor, Camera, Fixture, Oscillation, Pose, Scene
from novis.data.shapes.seeding import Purpose, random_stream
from novis.data.shapes.silhouettes import CATEGORIES, bar
from novis.data.shapes.textures import Texture, colour_table, texture_bank

SETTINGS = ShapesSettings(frame_size=(64, 96), noise=0)
STILL = Oscillation(0.0, 1.0, 0.0)


def texture(kind="clouds", dark=(0, 0, 0), light=(255, 255, 255), texels=40.0):
    return Texture(texture_bank()[kind][0], colour_table(np.array(dark), np.array(light)), texels, (0, 0))


def actor(name, centre, radius=12.0, velocity=(0.0, 0.0), angle=0.0, pattern=None):
    end = (centre[0] + 10 * velocity[0], centre[1] + 10 * velocity[1])
    trajectory = Trajectory(0.0, (Leg(0.0, 10.0, centre, end),), ())
    spin = Oscillation(angle, 1.0, math.pi / 2)
    label = CATEGORY_NAMES.index(name)
    return Actor(label, pattern or texture(), radius, trajectory, spin, 0.0, STILL, STILL)


def scene(*actors, occluders=(), patches=(), camera=(0.0, 0.0)):
    ground = (texture(dark=(90, 90, 90), light=(160, 150, 140), texels=1.0),) * 2
    x, y = (Oscillation(offset, 0.0, math.pi / 2) for offset in camera)
    world = (Camera((x,), (y,)), ground, tuple(patches), tuple(occluders))
    return Scene(SETTINGS, 10.0, *world, actors, (0, 0))


def signed_distance(name, centre, radius, angle, shape):
    """Distance of each pixel's centre from the outline, above 0 inside, by brute force."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]]) * radius
    contours = [(contour @ turn + centre).astype(np.float32) for contour in CATEGORIES[name]]
    result = np.zeros(shape)
    for y, x in np.ndindex(*shape):
        outer, *holes = [cv2.pointPolygonTest(contour, (x, y), True) for contour in contours]
        result[y, x] = min([outer, *(-hole for hole in holes)])
    return result


@pytest.mark.parametrize("name", CATEGORY_NAMES)
def test_a_mask_is_what_lies_inside_the_outline(name):
    frame = render_frames(scene(actor(name, (40.3, 30.6), 14.0, angle=0.4)), [0.0])[0]
    distance = signed_distance(name, (40.3, 30.6), 14.0, 0.4, (64, 96))
    assert (frame.owners[distance > 0.5] == 1).all()
    assert (frame.owners[distance < -0.5] == 0).all()
    assert frame.full_areas.tolist() == [int((frame.owners == 1).sum())]


def test_the_later_actor_and_the_occluder_are_in_front_and_full_areas_ignore_both():
    back, front = actor("disc", (40.0, 30.0)), actor("disc", (50.0, 30.0))
    pole = Fixture(bar(3.0, 40.0), texture(), Pose(32.0, 30.0, 0.0, 1.0, 1.0))
    alone = render_frames(scene(back), [0.0])[0]
    frame = render_frames(scene(back, front, occluders=[pole]), [0.0])[0]
    assert frame.owners[30, 45] == 2
    assert frame.owners[30, 36] == 1
    assert frame.owners[30, 32] == 0
    assert frame.full_areas[0] == alone.full_areas[0] == (alone.owners == 1).sum()
    assert (frame.owners == 1).sum() < 0.6 * frame.full_areas[0]


def test_through_the_hole_of_a_ring_the_one_behind_is_seen():
    frame = render_frames(scene(actor("disc", (40, 30), 8.0), actor("ring", (40, 30), 24.0)), [0.0])[0]
    assert frame.owners[30, 40] == 1
    assert frame.owners[30, 40 + 18] == 2


def test_an_actor_across_the_border_counts_inside_only_and_one_outside_not_at_all():
    frame = render_frames(scene(actor("disc", (0.0, 30.0)), actor("disc", (-30.0, 30.0))), [0.0])[0]
    whole = render_frames(scene(actor("disc", (40.0, 30.0))), [0.0])[0].full_areas[0]
    assert frame.full_areas[0] == pytest.approx(whole / 2, rel=0.1)
    assert frame.full_areas[1] == 0
    assert not (frame.owners == 2).any()


def test_a_texture_moves_with_its_actor():
    moving = actor("disc", (30.0, 30.0), 16.0, velocity=(3.0, 2.0), pattern=texture("checks"))
    first, second = render_frames(scene(moving), [0.0, 5.0])
    assert np.array_equal(first.image[22:38, 22:38], second.image[32:48, 37:53])
    assert np.ptp(first.image[22:38, 22:38]) > 100


def test_occluders_and_patches_stand_in_the_world_that_the_camera_passes_over():
    red, blue = texture(dark=(255, 0, 0), light=(255, 0, 0)), texture(dark=(0, 0, 255), light=(0, 0, 255))
    pole = Fixture(bar(3.0, 5.0), red, Pose(40.0, 30.0, 0.0, 1.0, 1.0))
    patch = Fixture(bar(3.0, 5.0), blue, Pose(70.0, 50.0, 0.0, 1.0, 1.0))
    here = render_frames(scene(occluders=[pole], patches=[patch]), [0.0])[0].image
    there = render_frames(scene(occluders=[pole], patches=[patch], camera=(12.0, -7.0)), [0.0])[0].image
    assert here[30, 40].tolist() == there[30 + 7, 40 - 12].tolist() == [255, 0, 0]
    assert here[50, 70].tolist() == there[50 + 7, 70 - 12].tolist() == [0, 0, 255]
    # The ground moves with them: what both frames see is the same.
    assert np.array_equal(here[:-7, 12:], there[7:, :-12])


def test_colours_are_those_of_the_table_in_rgb():
    frame = render_frames(
        scene(actor("disc", (40, 30), pattern=texture("grain", (200, 0, 0), (255, 0, 90)))), [0.0]
    )[0]
    red, green, blue = frame.image[30, 40].tolist()
    assert red >= 200
    assert green == 0
    assert blue <= 90


def random_scene(**settings):
    return draw_scene(ShapesSettings(**settings), random_stream(0, Purpose.VIDEO, 0))


def test_a_frame_is_the_same_alone_and_among_others():
    whole = random_scene(noise=0)
    among = render_frames(whole, [0.0, 5.0, 20.0])[2]
    alone = render_frames(whole, [20.0])[0]
    assert np.array_equal(among.image, alone.image)
    assert np.array_equal(among.owners, alone.owners)


def test_the_number_of_threads_changes_nothing():
    before = cv2.getNumThreads()
    images = []
    try:
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            images.append(render_frames(random_scene(frame_size=(200, 320)), [0.0, 9.0])[1].image)
    finally:
        cv2.setNumThreads(before)
    assert np.array_equal(*images)


def test_noise_stays_within_its_bound_and_differs_from_frame_to_frame():
    clean = render_frames(random_scene(noise=0), [0.0, 0.0])
    noisy = render_frames(random_scene(noise=9), [0.0, 0.0])
    first, second = (n.image.astype(int) - c.image for n, c in zip(noisy, clean, strict=True))
    assert np.abs(first).max() <= 9
    assert np.abs(first).max() >= 7
    assert abs(first.mean()) < 0.6
    assert not np.array_equal(first, second)
