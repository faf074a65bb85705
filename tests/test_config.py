import json
from pathlib import Path

import pytest
import yaml

from novis import config
from novis.errors import InputError

ROOT = Path(__file__).parents[1]
MODEL_FILES = sorted((ROOT / "config" / "models").glob("*.py"))

SMALL = """
model = dict(instance_decoder=dict(clip_length=4, temporal_encoding=dict(kind="learned", init_std=1.0)))
training = dict(seed=0, iterations=10)
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.py"
    path.write_text(SMALL)
    return path


def test_switches_reach_the_place_that_uses_them(small):
    resolved = config.load(small, {"clip_length": 8, "temporal_encoding": "none", "training.iterations": 3})
    assert resolved.model.instance_decoder.clip_length == 8
    assert resolved.model.instance_decoder.temporal_encoding == {"kind": "none", "init_std": 1.0}
    assert resolved.training.iterations == 3


@pytest.mark.parametrize(
    ("key", "hint"), [("clip_lenght", "clip_length"), ("training.iteration", "training.iterations")]
)
def test_a_misspelt_key_names_the_nearest(small, key, hint):
    with pytest.raises(InputError, match=rf"no key '{key}' to set; did you mean '{hint}'"):
        config.load(small, {key: 1})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.py: no such"):
        config.load(tmp_path / "none.py")


@pytest.mark.parametrize("text", ["model = dict(", "_base_ = ['base.py']\nmodel = dict(a=dict(b=1))"])
def test_a_broken_file_is_named(tmp_path, text):
    (tmp_path / "base.py").write_text("model = dict(a=None)")
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(InputError, match=r"broken\.py: is no mmengine configuration"):
        config.load(tmp_path / "broken.py")


@pytest.mark.parametrize(
    ("text", "section"), [("training = dict()", "model"), ("model = dict()\ntraining = 3", "training")]
)
def test_a_file_that_is_no_model_file_is_named(tmp_path, text, section):
    (tmp_path / "other.py").write_text(text)
    with pytest.raises(InputError, match=rf"other\.py: has no section '{section}'"):
        config.load(tmp_path / "other.py")


def test_a_resolved_configuration_resolves_to_itself(small, tmp_path):
    config.configure(small, tmp_path / "resolved.json", {"clip_length": 2})
    assert config.load(tmp_path / "resolved.json").to_dict() == json.loads(
        (tmp_path / "resolved.json").read_text()
    )


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
def test_every_variant_resolves_in_every_model_file(path):
    variants = yaml.safe_load((ROOT / "config" / "common.yaml").read_text())["variants"]
    assert {"novis", "mask2former_vis", "minvis"} <= set(variants)
    for settings in variants.values():
        resolved = config.load(path, settings).model
        assert resolved.criterion.dice_loss == settings["dice_loss"]
        assert resolved.instance_decoder.temporal_encoding.kind == settings["temporal_encoding"]


@pytest.mark.parametrize("path", MODEL_FILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("switch", config.SWITCHES)
def test_every_switch_is_there_in_every_model_file(path, switch):
    config.load(path, {switch: 1})
