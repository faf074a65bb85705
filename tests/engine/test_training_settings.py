import json
from pathlib import Path

import pytest
import yaml

from novis.engine.training_settings import load_training
from novis.errors import InputError
from tests.engine.small_network import small_config, write_small_config

MODELS = sorted((Path(__file__).parents[2] / "config" / "models").glob("*.py"))


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_every_model_file_is_one_of_a_training(path):
    assert load_training(path).training.iterations > 0


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("training.micro_batch", 0, "a whole number from 1 on"),
        ("training.batch_size", "8", "a whole number from 1 on"),
        ("training.iterations", 10.5, "a whole number from 1 on"),
        ("training.seed", -1, "a whole number from 0 on"),
        ("training.save_interval", True, "a whole number from 1 on"),
        ("training.milestones", 3, "a list of whole numbers"),
        ("training.milestones", [3, "5"], "a list of whole numbers"),
        ("training.learning_rate", 0, "a number above 0"),
        ("training.learning_rate", "1e-4", "a number above 0"),
        ("training.weight_decay", None, "a number from 0 on"),
        ("training.mixing_weights", [1, -1], "a list of numbers from 0 on, or None"),
        ("training.augmentation", 360, "a mapping"),
        ("model.instance_decoder.clip_length", 0, "a whole number from 1 on"),
        ("model.instance_decoder", None, "a whole number from 1 on"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_what_it_must_be(tmp_path, key, value, words):
    path = write_small_config(tmp_path / "config.json", **{key: value})
    with pytest.raises(InputError, match=rf"config\.json: {key}.* is .*; it must be {words}"):
        load_training(path)


def test_an_unknown_precision_is_refused(tmp_path):
    with pytest.raises(InputError, match="unknown precision 'float16'"):
        load_training(write_small_config(tmp_path / "config.json", **{"training.precision": "float16"}))


def test_a_missing_key_is_named(tmp_path):
    content = small_config().to_dict()
    del content["training"]["max_norm"]
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"training lacks 'max_norm', a number above 0"):
        load_training(tmp_path / "config.json")


def test_a_configuration_of_the_workflow_is_none_of_a_training(tmp_path):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"name": "full", "studies": {}}))
    with pytest.raises(InputError, match=r"config\.yaml: has no section 'model'"):
        load_training(tmp_path / "config.yaml")
