import pytest
from mmengine.registry import DefaultScope

from novis.model.registry import MODELS


@pytest.mark.parametrize("name", ["NOVIS", "Backbone", "PixelDecoder", "InstanceDecoder", "Criterion"])
def test_components_are_found_by_their_names(name):
    assert MODELS.get(name).__name__ == name


def test_components_are_found_while_a_runner_is_alive():
    DefaultScope.get_instance("test_registry", scope_name="mmengine")
    overlap = MODELS.build({"type": "OverlapEmbeddings", "query": "output"})
    assert overlap.query == "output"
