import dataclasses
import re

import numpy as np
import pytest

from novis.data.shapes import ShapesImages, ShapesSettings, render_video
from novis.errors import InputError

SMALL = ShapesSettings(frame_size=(48, 64), num_frames=12, num_instances=(3, 4))

OTHER_VALUES = {
    "frame_size": (48, 80),
    "num_frames": 10,
    "frame_step": 1.5,
    "num_categories": 2,
    "num_instances": (5, 5),
    "sparseness": 4,
    "object_size": (0.6, 0.7),
    "speed": 0.1,
    "unevenness": 0.0,
    "crowding": 0.0,
    "leaving": 0.9,
    "occlusion": 1.0,
    "look_alikes": 1.0,
    "similarity": 1.0,
    "texture_tie": 0.0,
    "rotation": 1.0,
    "scale_change": 0.6,
    "deformation": 0.5,
    "camera_motion": 0.6,
    "clutter": 20.0,
    "noise": 60,
    "min_visible_area": 200,
}


def test_lists_of_a_config_become_tuples_and_missing_keys_keep_their_defaults():
    settings = ShapesSettings.from_config({"frame_size": [64, 96], "speed": 0, "object_size": [0.5, 1]})
    assert settings == ShapesSettings(frame_size=(64, 96), speed=0.0, object_size=(0.5, 1.0))


def test_an_unknown_key_names_the_nearest():
    with pytest.raises(InputError, match=r"'oclusion'.*'occlusion'"):
        ShapesSettings.from_config({"oclusion": 0.5})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_frames", 0),
        ("num_frames", 3.5),
        ("num_frames", True),
        ("num_frames", "36"),
        ("frame_size", 96),
        ("frame_size", [96, 160, 3]),
        ("frame_size", [8, 160]),
        ("num_instances", [6, 2]),
        ("num_categories", 9),
        ("speed", -0.1),
        ("speed", float("nan")),
        ("occlusion", 1.01),
        ("jpeg_quality", 0),
    ],
)
def test_a_value_of_wrong_type_or_range_is_refused_by_name(key, value):
    with pytest.raises(InputError, match=key):
        ShapesSettings.from_config({key: value})


def test_every_field_is_documented():
    documented = re.findall(r"^        (\w+):", ShapesSettings.__doc__, re.MULTILINE)
    assert documented == [field.name for field in dataclasses.fields(ShapesSettings)]


def content(settings):
    """All pixels and masks of two videos and a few images."""
    images = ShapesImages(settings, seed=0)
    arrays = [array for index in range(4) for array in images.image(index)]
    for index in range(2):
        frames, instances = render_video(settings, 0, index)
        arrays += [frames, *(instance.masks for instance in instances)]
    return b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)


@pytest.fixture(scope="module")
def small_content():
    return content(SMALL)


def test_every_setting_but_the_quality_of_the_files_is_tried_below():
    names = {field.name for field in dataclasses.fields(ShapesSettings)}
    assert names == {*OTHER_VALUES, "jpeg_quality"}


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_every_setting_changes_what_is_seen(name, small_content):
    assert content(dataclasses.replace(SMALL, **{name: OTHER_VALUES[name]})) != small_content
