import math

import numpy as np
import pytest

from novis.data.shapes import ShapesSettings
from novis.data.shapes.composition import draw_scene
from novis.data.shapes.seeding import Purpose, random_stream
from novis.data.shapes.textures import KINDS, texture_bank


def scenes(count, **settings):
    return [
        draw_scene(ShapesSettings(**settings), random_stream(1, Purpose.VIDEO, index))
        for index in range(count)
    ]


def closest_meeting(scene):
    """Least distance, over pairs of actors, between their places at a meeting time of one of them."""
    distances = []
    for one in scene.actors:
        time = one.trajectory.meeting_time
        here = one.trajectory.position(time)
        places = [other.trajectory.position(time) for other in scene.actors if other is not one]
        distances += [math.dist(here, place) for place in places if place]
    return min(distances)


def test_crowded_instances_cross_at_the_same_time():
    crowded = [closest_meeting(scene) for scene in scenes(10, crowding=1.0)]
    assert max(crowded) < 0.2 * 96
    loose = [closest_meeting(scene) for scene in scenes(30, crowding=0.0, num_instances=(2, 2))]
    assert np.mean(loose) > 0.3 * 96


def test_look_alikes_share_category_and_pattern_and_at_full_similarity_their_colours():
    for scene in scenes(5, look_alikes=1.0, similarity=1.0):
        assert len({actor.label for actor in scene.actors}) == 1
        assert len({actor.texture.colours.tobytes() for actor in scene.actors}) == 1
    half = scenes(20, look_alikes=1.0, similarity=0.5)
    none = scenes(20, look_alikes=1.0, similarity=0.0)
    assert 0 < colour_distance(half) < 0.8 * colour_distance(none)


def colour_distance(drawn):
    """Mean difference, in grey levels, between the colours of a scene's first two actors."""
    tables = [[actor.texture.colours.astype(int) for actor in scene.actors[:2]] for scene in drawn]
    return np.mean([np.abs(first - second).mean() for first, second in tables])


@pytest.mark.parametrize(("tie", "least", "most"), [(1.0, 1.0, 1.0), (0.0, 0.0, 0.35)])
def test_the_texture_tie_sets_how_often_a_category_wears_its_own_kind(tie, least, most):
    kind_of = {pattern.tobytes(): kind for kind in KINDS for pattern in texture_bank()[kind]}
    own = [
        kind_of[actor.texture.pattern.tobytes()] == KINDS[actor.label]
        for scene in scenes(15, texture_tie=tie)
        for actor in scene.actors
    ]
    assert least <= np.mean(own) <= most


def test_numbers_of_instances_and_categories_keep_to_their_ranges():
    drawn = scenes(40, num_instances=(2, 4), num_categories=3)
    assert {len(scene.actors) for scene in drawn} == {2, 3, 4}
    assert {actor.label for scene in drawn for actor in scene.actors} == {0, 1, 2}


def test_occlusion_sets_the_number_of_occluders():
    assert not any(scene.occluders for scene in scenes(5, occlusion=0.0))
    assert all(3 <= len(scene.occluders) <= 5 for scene in scenes(10, occlusion=1.0))


def test_the_camera_keeps_to_its_amplitude():
    corners = [scene.camera.corner(t) for scene in scenes(10, camera_motion=0.1) for t in range(36)]
    assert 8 < max(abs(x) for x, _ in corners) <= 16
    assert {scene.camera.corner(5.0) for scene in scenes(3, camera_motion=0.0)} == {(0, 0)}


def longest_stay(scene, step=0.5):
    """Longest time that an actor stays in the middle of one occluder."""
    longest = 0.0
    for actor in scene.actors:
        for fixture in scene.occluders:
            stay = 0.0
            for time in np.arange(0, scene.duration, step):
                x, y = scene.camera.corner(time)
                place = actor.trajectory.position(time)
                near = place and math.dist(place, (fixture.pose.x - x, fixture.pose.y - y)) < 1.5
                stay = stay + step if near else 0.0
                longest = max(longest, stay)
    return longest


def test_instances_hide_behind_occluders_that_are_wide_enough():
    wide = scenes(15, occlusion=1.0, object_size=(0.2, 0.3), camera_motion=0.05, leaving=0.0)
    assert sum(longest_stay(scene) >= 2 for scene in wide) >= 4
    large = scenes(15, occlusion=1.0, object_size=(0.9, 1.0), camera_motion=0.05, leaving=0.0)
    assert not any(longest_stay(scene) >= 2 for scene in large)
