import re

import pytest
import torch
from torch import nn

from novis.engine.optimisation import MAX_SKIPPED, ClipOptimWrapper, parameter_groups
from novis.errors import InputError
from novis.model.official_weights import translate
from novis.model.registry import MODELS
from tests.engine.small_network import small_config
from tests.model.official import model_settings, official_shapes


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


@pytest.mark.parametrize("weights", ["m2fv_r50", "m2fv_swinl"])
def test_rates_and_decays_follow_from_the_official_names(weights):
    settings = model_settings(weights)
    with torch.device("meta"):
        model = MODELS.build(settings)
    # A number for each official tensor, found again under our names; no memory behind the tensors.
    numbered = {
        name: torch.full((1,), float(number)).expand(shape) if not integer else torch.zeros(shape, dtype=int)
        for number, (name, (shape, integer)) in enumerate(official_shapes(weights).items(), 1)
    }
    official_of = {float(tensor.flatten()[0]): name for name, tensor in numbered.items()}
    ours = translate(numbered, model.state_dict()).state_dict
    groups = parameter_groups(model, 1.0, 0.05, 0.1)
    exempt = re.compile(r"norm|\.input_proj\.\d\.1\.|relative_position_bias_table|predictor\.(query_|level_)")
    checked = 0
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and name in ours:
            official = official_of[float(ours[name].flatten()[0])]
            rate = 0.1 if official.startswith("backbone.") else 1.0
            assert group_of(groups, parameter) == (rate, 0.0 if exempt.search(official) else 0.05), official
            checked += 1
    assert checked > 300


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


def test_a_training_that_only_skips_ends_with_a_message():
    layer, wrapper = wrapped(max_skipped=3)

    def step(loss):
        wrapper.zero_grad()
        wrapper.backward(layer(torch.ones(1, 2)).sum() * loss)
        wrapper.step()

    for loss in (float("nan"), float("inf"), 1.0, float("nan"), float("nan")):
        step(loss)
    again = wrapped(max_skipped=3)[1]
    again.load_state_dict(wrapper.state_dict())
    with pytest.raises(InputError, match=r"the last 3 steps had no finite gradient .*learning_rate"):
        step(float("nan"))
    # A resumed training has not forgotten how many there were.
    again.optimizer.param_groups[0]["params"][0].grad = torch.full((1, 2), float("nan"))
    with pytest.raises(InputError, match="the last 3 steps"):
        again.step()


def test_the_scale_of_fp16_is_found_before_a_training_counts_as_failed():
    layer, wrapper = wrapped(precision="fp16")
    while wrapper.state_dict()["scaler"]["scale"] > 1:
        wrapper.backward(layer(torch.ones(1, 2)).sum() * float("inf"))
        wrapper.step()
    assert wrapper.skipped_steps < MAX_SKIPPED / 3 + 1


def test_an_unknown_precision_is_refused():
    with pytest.raises(InputError, match="float16"):
        wrapped(precision="float16")


def test_bf16_reaches_the_forward_pass():
    layer, wrapper = wrapped(precision="bf16")
    with wrapper.optim_context(layer):
        assert layer(torch.ones(1, 2)).dtype == torch.bfloat16


def test_fp16_scales_the_loss_and_clips_the_true_gradient():
    layer, wrapper = wrapped(precision="fp16", max_norm=0.0125)
    with wrapper.optim_context(layer):
        output = layer(torch.tensor([[0.3, 0.4]]))
    assert output.dtype == torch.float16
    # Beyond 65504 even the scale itself overflows.
    wrapper.backward(output.float().sum() / 4)
    assert layer.weight.grad.abs().max() > 1000, "the loss is scaled, lest small gradients vanish"
    wrapper.step()
    assert wrapper.gradient_norm == pytest.approx(0.125, rel=1e-3)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.9925, 0.99]]), atol=1e-5, rtol=0)


def test_an_overflow_of_fp16_is_skipped_counted_and_lowers_the_scale():
    layer, wrapper = wrapped(precision="fp16")
    before = wrapper.state_dict()["scaler"]["scale"]
    wrapper.backward(layer(torch.tensor([[1.0, 1.0]])).sum() * 1e38)
    wrapper.step()
    assert wrapper.skipped_steps == 1
    torch.testing.assert_close(layer.weight.detach(), torch.ones(1, 2))
    assert wrapper.state_dict()["scaler"]["scale"] == before / 2


def test_state_comes_back():
    layer, wrapper = wrapped()
    wrapper.backward(layer(torch.ones(1, 2)).sum() * float("inf"))
    wrapper.step()
    other = wrapped()[1]
    other.load_state_dict(wrapper.state_dict())
    assert other.skipped_steps == 1
