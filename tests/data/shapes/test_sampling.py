import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest

from novis.data.shapes import ShapesImages, ShapesSettings, generate, generate_images, render_video, sampling
from novis.data.shapes.composition import draw_scene
from novis.data.shapes.sampling import occlusion_level
from novis.data.shapes.seeding import Purpose, random_stream

SMALL = ShapesSettings(frame_size=(48, 64), num_frames=8)


def test_occlusion_levels_follow_the_thresholds_of_ovis():
    assert occlusion_level(96, 100) == "no_occlusion"
    assert occlusion_level(95, 100) == "slight_occlusion"
    assert occlusion_level(51, 100) == "slight_occlusion"
    assert occlusion_level(50, 100) == "severe_occlusion"
    assert occlusion_level(1, 100) == "severe_occlusion"
    assert occlusion_level(0, 100) is None


def test_a_video_depends_on_seed_and_index_alone():
    frames, instances = render_video(SMALL, 5, 2)
    render_video(SMALL, 5, 0)
    again, instances_again = render_video(SMALL, 5, 2)
    assert np.array_equal(frames, again)
    for one, other in zip(instances, instances_again, strict=True):
        assert np.array_equal(one.masks, other.masks)
    assert not np.array_equal(frames, render_video(SMALL, 5, 3)[0])
    assert not np.array_equal(frames, render_video(SMALL, 6, 2)[0])


@pytest.mark.parametrize("index", range(4))
def test_masks_are_disjoint_and_occlusion_is_none_exactly_where_they_are_empty(index):
    frames, instances = render_video(ShapesSettings(min_visible_area=20), 0, index)
    assert frames.shape == (36, 96, 160, 3)
    assert sum(instance.masks.astype(int) for instance in instances).max() == 1
    for instance in instances:
        areas = instance.masks.sum(axis=(1, 2))
        assert areas.any()
        assert not ((areas > 0) & (areas < 20)).any()
        assert [level is None for level in instance.occlusion] == (areas == 0).tolist()


def test_a_frame_step_of_two_leaves_out_every_other_frame():
    fine = ShapesSettings(frame_size=(48, 64), num_frames=9, noise=0)
    coarse = dataclasses.replace(fine, num_frames=5, frame_step=2)
    assert np.array_equal(render_video(fine, 0, 0)[0][::2], render_video(coarse, 0, 0)[0])


def test_images_come_in_any_order_with_disjoint_masks_and_labels_in_range():
    images = ShapesImages(SMALL, seed=4)
    first = [images.image(index) for index in range(20)]
    for index in reversed(range(20)):
        frame, labels, masks = images.image(index)
        assert all(np.array_equal(a, b) for a, b in zip((frame, labels, masks), first[index], strict=True))
        assert frame.shape == (48, 64, 3)
        assert frame.dtype == np.uint8
        assert labels.dtype == np.int64
        assert masks.shape == (len(labels), 48, 64)
        assert masks.dtype == bool
        assert masks.sum(axis=0).max(initial=0) <= 1
        assert masks.any(axis=(1, 2)).all()
        assert set(labels.tolist()) <= set(range(6))


def test_an_image_without_instances_has_empty_arrays():
    images = ShapesImages(dataclasses.replace(SMALL, min_visible_area=10_000), seed=0)
    _, labels, masks = images.image(0)
    assert labels.shape == (0,)
    assert masks.shape == (0, 48, 64)


def test_a_clip_is_a_run_of_consecutive_frames_of_one_scene():
    settings = ShapesSettings(noise=0, speed=0.02, camera_motion=0.05)
    frames, labels, masks = ShapesImages(settings, seed=0).clip(3, 4)
    assert frames.shape == (4, 96, 160, 3)
    assert masks.shape == (len(labels), 4, 96, 160)
    scene = draw_scene(settings, rng := random_stream(0, Purpose.CLIP, 3))
    start = rng.uniform(0, scene.duration - 3)
    expected = sampling.render_frames(scene, [start, start + 1, start + 2, start + 3])
    assert np.array_equal(frames, np.stack([frame.image for frame in expected]))


def test_a_clip_may_be_as_long_as_a_video_or_longer():
    assert ShapesImages(SMALL, seed=0).clip(0, 12)[0].shape == (12, 48, 64, 3)


def test_images_and_clips_share_no_random_stream_with_any_video(monkeypatch, tmp_path):
    used = []

    def recorded(seed, purpose, index):
        used.append((seed, purpose, index))
        return random_stream(seed, purpose, index)

    monkeypatch.setattr(sampling, "random_stream", recorded)
    generate(SMALL, tmp_path / "videos", 3, seed=0)
    videos, used[:] = set(used), []
    generate_images(SMALL, tmp_path / "images", 3, seed=0)
    source = ShapesImages(SMALL, seed=0)
    for index in range(3):
        source.image(index)
        source.clip(index, 2)
    assert len(videos) == 3
    assert len(set(used)) == 6
    assert not videos & set(used)


@pytest.fixture(scope="module")
def default_scenes():
    settings = ShapesSettings()
    scenes = [draw_scene(settings, random_stream(0, Purpose.VIDEO, index)) for index in range(16)]
    times = range(settings.num_frames)
    return [(scene, sampling.render_frames(scene, times)) for scene in scenes]


def visible_and_full(frames, index):
    visible = np.array([(frame.owners == index + 1).sum() for frame in frames])
    return visible, np.array([frame.full_areas[index] for frame in frames])


def test_by_default_half_of_what_is_in_the_frame_is_occluded_and_some_hidden_for_frames(default_scenes):
    shares, longest = [], 0
    for scene, frames in default_scenes:
        for index in range(len(scene.actors)):
            visible, full = visible_and_full(frames, index)
            shares += (visible[full > 0] / full[full > 0]).tolist()
            run = 0
            for hidden in (full > 0) & (visible == 0):
                run = run + 1 if hidden else 0
                longest = max(longest, run)
    shares = np.array(shares)
    assert 0.4 < (shares <= 0.95).mean() < 0.7
    assert 0.1 < (shares <= 0.5).mean() < 0.4
    assert longest >= 3


def test_by_default_instances_cross_the_frame_and_some_leave_and_come_back(default_scenes):
    ways, returns = [], []
    for scene, frames in default_scenes:
        for index, actor in enumerate(scene.actors):
            points = [actor.trajectory.position(time) for time in range(36)]
            steps = [math.dist(a, b) for a, b in pairwise(points) if a and b]
            ways.append(sum(steps) / 160)
            inside = np.flatnonzero(visible_and_full(frames, index)[1])
            returns.append(len(inside) > 1 and np.diff(inside).max() > 1)
    assert np.mean(ways) > 1.4
    assert 0.2 < np.mean(returns) < 0.6
