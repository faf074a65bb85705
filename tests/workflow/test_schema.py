"""What the configuration's schema says twice, it says as the package does."""

import inspect
from typing import get_args, get_type_hints

import yaml

from novis.model.overlap import OverlapEmbeddings
from tests.paths import ROOT

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def test_readings_are_the_settings_of_the_overlap_embeddings():
    reading = SCHEMA["properties"]["readings"]["additionalProperties"]
    known = {name: list(get_args(hint)) for name, hint in get_type_hints(OverlapEmbeddings.__init__).items()}
    settings = list(inspect.signature(OverlapEmbeddings).parameters)
    assert {name: rule["enum"] for name, rule in reading["properties"].items()} == {
        name: known[name] for name in settings
    }
    assert reading["additionalProperties"] is False
