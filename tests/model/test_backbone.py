import re

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from novis.errors import InputError
from novis.model.backbone import Backbone
from tests.model.networks import golden, randomise

SMALL_RESNET = {"embedding_size": 8, "hidden_sizes": [16, 32, 48, 64], "depths": [1, 2, 1, 1]}
SMALL_SWIN = {"embed_dim": 16, "depths": [2, 2, 2, 2], "num_heads": [2, 4, 8, 16], "window_size": 12}


def resnet(**settings):
    return randomise(Backbone("resnet", **SMALL_RESNET, **settings))


def official_swin_names(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published names and fused matrices in the library's terms."""
    renamed = {}
    for name, tensor in weights.items():
        name = re.sub(r"^norm(\d)", lambda m: f"hidden_states_norms.stage{int(m[1]) + 1}", name)
        name = name.replace("patch_embed.proj", "swin.embeddings.patch_embeddings.projection")
        name = name.replace("patch_embed.norm", "swin.embeddings.norm")
        name = re.sub(r"^layers", "swin.encoder.layers", name)
        name = name.replace(".norm1.", ".layernorm_before.").replace(".norm2.", ".layernorm_after.")
        name = name.replace("attn.proj", "attention.o_proj")
        name = name.replace("attn.relative", "attention.relative_position_bias.relative")
        if "attn.qkv" in name:
            thirds = zip("qkv", tensor.chunk(3), strict=True)
            renamed |= {name.replace("attn.qkv", f"attention.{letter}_proj"): part for letter, part in thirds}
        else:
            renamed[name] = tensor
    return renamed


def convolution_and_norm(x: Tensor, layer: dict[str, Tensor], stride: int = 1) -> Tensor:
    padding = layer["convolution.weight"].shape[-1] // 2
    x = F.conv2d(x, layer["convolution.weight"], stride=stride, padding=padding)
    scale = layer["normalization.weight"] / (layer["normalization.running_var"] + 1e-5).sqrt()
    shift = layer["normalization.bias"] - layer["normalization.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def rendered_resnet(weights: dict[str, Tensor], depths: list[int], x: Tensor) -> list[Tensor]:
    """ResNet v1.5 with affine norms, written out: the stride of a stage sits on its first 3x3."""

    def part(prefix):
        return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}

    x = F.max_pool2d(convolution_and_norm(x, part("network.embedder.embedder."), 2).relu(), 3, 2, 1)
    maps = []
    for stage, depth in enumerate(depths):
        for block in range(depth):
            name = f"network.encoder.stages.{stage}.layers.{block}."
            stride = 2 if stage and not block else 1
            inner = convolution_and_norm(x, part(f"{name}layer.0.")).relu()
            inner = convolution_and_norm(inner, part(f"{name}layer.1."), stride).relu()
            inner = convolution_and_norm(inner, part(f"{name}layer.2."))
            shortcut = part(f"{name}shortcut.")
            x = (inner + (convolution_and_norm(x, shortcut, stride) if shortcut else x)).relu()
        maps.append(x)
    return maps


@pytest.mark.parametrize("image", ["a", "b"])
def test_swin_equals_the_published_code(image):
    backbone = Backbone("swin", **SMALL_SWIN, drop_path_rate=0.3).eval()
    weights = official_swin_names(golden("backbone_swin_small_weights"))
    backbone.network.load_state_dict(weights)
    expected = golden("backbone_swin_small_io")
    with torch.no_grad():
        maps = backbone(expected[f"in_{image}"])
    for level, values in enumerate(maps, start=2):
        torch.testing.assert_close(values, expected[f"out_{image}_res{level}"], atol=1e-4, rtol=0)


def test_resnet_strides_on_the_3x3_convolution_and_norms_are_affine():
    backbone = resnet(frozen_batch_norm=True)
    for name, buffer in backbone.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_()
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    frames = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps, expected = backbone(frames), rendered_resnet(backbone.state_dict(), [1, 2, 1, 1], frames)
    for ours, theirs in zip(maps, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "settings"), [("resnet", SMALL_RESNET), ("swin", SMALL_SWIN)])
def test_maps_have_strides_4_to_32(name, settings):
    backbone = Backbone(name, **settings)
    maps = backbone(torch.randn(1, 3, 96, 160))
    assert [tuple(values.shape[1:]) for values in maps] == [
        (channels, 96 // stride, 160 // stride)
        for channels, stride in zip(backbone.out_channels, (4, 8, 16, 32), strict=True)
    ]


def test_official_sizes():
    large = {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12}
    with torch.device("meta"):
        r50, swin_l = Backbone("resnet"), Backbone("swin", **large)
    assert r50.out_channels == (256, 512, 1024, 2048)
    assert swin_l.out_channels == (192, 384, 768, 1536)
    assert sum(p.numel() for p in r50.parameters()) == 23_508_032
    assert sum(p.numel() for p in swin_l.parameters()) == 195_201_204


def test_frozen_batch_norm_keeps_statistics_and_parameters_while_training():
    frozen, free = resnet(frozen_batch_norm=True).train(), resnet().train()
    for backbone in (frozen, free):
        backbone(torch.randn(2, 3, 64, 64))[-1].sum().backward()
    moved = {name: buffer.abs().max().item() > 0 for name, buffer in free.named_buffers() if "mean" in name}
    assert all(moved.values())
    assert all(buffer.abs().max() == 0 for name, buffer in frozen.named_buffers() if "mean" in name)
    for name, parameter in frozen.named_parameters():
        assert (parameter.grad is None) == ("normalization" in name)


@pytest.mark.parametrize(("name", "settings"), [("resnet", SMALL_RESNET), ("swin", SMALL_SWIN)])
def test_first_stages_can_be_frozen(name, settings):
    backbone = Backbone(name, frozen_stages=2, **settings).train()
    backbone(torch.randn(1, 3, 64, 64))[-1].sum().backward()
    stem, first, second, *_ = backbone.parts()
    assert not any(module.training for part in (stem, first) for module in part.modules())
    assert all(parameter.grad is None for part in (stem, first) for parameter in part.parameters())
    assert all(module.training for module in second.modules())
    assert all(parameter.grad is not None for parameter in second.parameters())


@pytest.mark.parametrize(("name", "settings"), [("resnet", SMALL_RESNET), ("swin", SMALL_SWIN)])
def test_recomputed_activations_give_the_same_gradients(name, settings):
    gradients = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        backbone = Backbone(name, activation_checkpointing=checkpointing, frozen_batch_norm=True, **settings)
        randomise(backbone).train()
        backbone(torch.randn(1, 3, 64, 64))[-1].square().mean().backward()
        gradients.append([p.grad for p in backbone.parameters() if p.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 10
    assert all(map(torch.equal, *gradients))


def test_checkpointing_runs_blocks_again_in_the_backward_pass():
    backbone = resnet(activation_checkpointing=True).train()
    calls = []
    backbone.network.encoder.stages[0].layers[0].layer.register_forward_hook(lambda *_: calls.append(1))
    backbone(torch.randn(1, 3, 64, 64))[-1].sum().backward()
    assert len(calls) == 2


def test_unknown_network_is_refused():
    with pytest.raises(InputError, match="convnext"):
        Backbone("convnext")
