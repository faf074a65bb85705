import pytest
import torch
from torch import nn

from novis.engine.optimisation import ClipOptimWrapper, parameter_groups
from novis.model.registry import MODELS
from tests.engine.small_network import small_config


def group_of(groups, parameter):
    (group,) = [g for g in groups if any(p is parameter for p in g["params"])]
    return group["lr"], group["weight_decay"]


@pytest.fixture(scope="module")
def model():
    return MODELS.build(small_config().model)


def test_groups_follow_the_parents_recipe(model):
    groups = parameter_groups(model, 1.0, 0.05, 0.1)
    decoder = model.instance_decoder
    assert group_of(groups, decoder.class_embed.weight) == (1.0, 0.05)
    assert group_of(groups, decoder.query_feat.weight) == (1.0, 0.0)
    assert group_of(groups, decoder.temporal_encoding.tables[0].weight) == (1.0, 0.0)
    assert group_of(groups, decoder.decoder_norm.weight) == (1.0, 0.0)
    assert group_of(groups, decoder.decoder_norm.bias) == (1.0, 0.0)
    convolutions = [m for m in model.backbone.modules() if isinstance(m, nn.Conv2d)]
    norms = [m for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert group_of(groups, convolutions[0].weight) == (0.1, 0.05)
    assert group_of(groups, norms[0].weight) == (0.1, 0.0)


def test_the_pixel_decoders_level_embedding_decays_as_in_the_parent(model):
    groups = parameter_groups(model, 1.0, 0.05, 0.1)
    (level,) = [p for name, p in model.pixel_decoder.named_parameters() if "level_embed" in name]
    assert group_of(groups, level) == (1.0, 0.05)


def test_every_trainable_parameter_is_in_one_group(model):
    grouped = [id(p) for g in parameter_groups(model, 1.0, 0.05, 0.1) for p in g["params"]]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def wrapped(**settings):
    layer = nn.Linear(2, 1, bias=False)
    nn.init.ones_(layer.weight)
    return layer, ClipOptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.0), **settings)


def test_the_full_gradient_is_clipped():
    layer, wrapper = wrapped(max_norm=0.5)
    wrapper.backward(layer(torch.tensor([[3.0, 4.0]])).sum())
    wrapper.step()
    assert wrapper.gradient_norm == pytest.approx(5.0)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[1 - 0.3, 1 - 0.4]]))


def test_a_gradient_that_is_not_finite_changes_nothing_and_is_counted():
    layer, wrapper = wrapped()
    wrapper.backward(layer(torch.tensor([[1.0, 1.0]])).sum() * float("nan"))
    wrapper.step()
    assert wrapper.skipped_steps == 1
    torch.testing.assert_close(layer.weight.detach(), torch.ones(1, 2))


def test_bf16_reaches_the_forward_pass():
    layer, wrapper = wrapped(precision="bf16")
    with wrapper.optim_context(layer):
        assert layer(torch.ones(1, 2)).dtype == torch.bfloat16


def test_state_comes_back():
    layer, wrapper = wrapped()
    wrapper.backward(layer(torch.ones(1, 2)).sum() * float("inf"))
    wrapper.step()
    other = wrapped()[1]
    other.load_state_dict(wrapper.state_dict())
    assert other.skipped_steps == 1
