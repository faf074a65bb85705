import pytest
from mmengine.registry import DefaultScope

from novis.errors import InputError
from novis.model.registry import MODELS, check_choice


@pytest.mark.parametrize("name", ["NOVIS", "Backbone", "PixelDecoder", "InstanceDecoder", "Criterion"])
def test_components_are_found_by_their_names(name):
    assert MODELS.get(name).__name__ == name


def test_components_are_found_while_a_runner_is_alive():
    DefaultScope.get_instance("test_registry", scope_name="mmengine")
    overlap = MODELS.build({"type": "OverlapEmbeddings", "query": "output"})
    assert overlap.query == "output"


@pytest.mark.parametrize("name", ["os.system", "mmengine.Linear", "torch.nn.Linear", "Conv2d"])
def test_what_is_not_registered_is_not_found(name):
    with pytest.raises(InputError, match=f"unknown component type '{name}'"):
        MODELS.get(name)


def test_a_misspelt_component_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'PixelDecoder'"):
        MODELS.build({"type": "PixelDecodr"})


def test_a_component_is_not_looked_for_in_another_scope():
    with pytest.raises(InputError, match="_scope_"):
        MODELS.build({"type": "OverlapEmbeddings", "_scope_": "mmengine"})


def test_a_choice_that_is_none_is_refused_with_what_can_be_chosen():
    check_choice("criterion", "dice_loss", "volumetric", ("per_frame", "volumetric"))
    with pytest.raises(InputError, match="criterion: dice_loss is 'cubic'; it must be one of per_frame, vol"):
        check_choice("criterion", "dice_loss", "cubic", ("per_frame", "volumetric"))
