import re

import pytest
import torch
from torch.nn import functional as F

from novis.errors import InputError
from novis.model.official_weights import translate
from novis.model.registry import MODELS
from tests.model.networks import golden
from tests.model.official import model_settings, official_shapes, published_parameters

ALL = ["m2f_r50", "m2fv_r50", "m2f_swinl", "m2fv_swinl", "hf_r50"]
TABLE = "instance_decoder.temporal_encoding.tables.0.weight"
HEAD = {"instance_decoder.class_embed.weight", "instance_decoder.class_embed.bias"}


def build(settings):
    with torch.device("meta"):
        return MODELS.build(settings)


def on_meta(weights):
    return {
        name: torch.empty(shape, dtype=torch.int64 if integer else torch.float32, device="meta")
        for name, (shape, integer) in official_shapes(weights).items()
    }


@pytest.mark.parametrize("weights", ALL)
def test_every_official_tensor_is_used_or_dropped_for_a_reason(weights):
    official, network = on_meta(weights), build(model_settings(weights))
    translation = translate(official, network.state_dict())
    assert translation.afresh == (TABLE,)
    assert {name.rpartition(".")[2] for name in translation.dropped} <= {
        "empty_weight",
        "relative_position_index",
    }
    used = [tensor for name, tensor in official.items() if name not in translation.dropped]
    ours = dict(translation.state_dict)
    if weights != "hf_r50":
        ours = {name: tensor for name, tensor in ours.items() if "num_batches_tracked" not in name}
    assert sum(tensor.numel() for tensor in used) == sum(tensor.numel() for tensor in ours.values())
    network.load_state_dict(translation.state_dict | {TABLE: network.state_dict()[TABLE]}, assign=True)


@pytest.mark.parametrize("weights", ALL[:4])
def test_parameters_count_as_published_plus_the_temporal_encoding(weights):
    network = build(model_settings(weights))
    # The published ResNet's norms are frozen: not parameters but buffers.
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    count = sum(p.numel() for p in network.parameters()) - sum(2 * norm.num_features for norm in norms)
    assert count == published_parameters(weights) + 4 * 256


def test_class_head_of_other_classes_starts_afresh():
    own = build(model_settings("m2f_r50", num_classes=25)).state_dict()
    translation = translate(on_meta("m2f_r50"), own)
    assert set(translation.afresh) == {TABLE, *HEAD}
    reason = translation.dropped["sem_seg_head.predictor.class_embed.weight"]
    assert "80 classes" in reason and "25" in reason


def test_both_older_layouts_of_the_official_files_are_read():
    weights, own = on_meta("m2f_r50"), build(model_settings("m2f_r50")).state_dict()
    older = {
        name.replace("head.pixel_decoder.", "head.").replace(".query_feat.", ".static_query."): tensor
        for name, tensor in weights.items()
    }
    assert older.keys() != weights.keys()
    assert translate(older, own).state_dict.keys() == translate(weights, own).state_dict.keys()


def torchvision_names(weights):
    """A ResNet's tensors by torchvision's names, from detectron2's: its converter read backwards."""
    renamed = {}
    for name, tensor in weights.items():
        name = name.removeprefix("stem.")
        name = re.sub(r"^res(\d)", lambda match: f"layer{int(match[1]) - 1}", name)
        name = re.sub(r"(^|\.)conv(\d)\.norm\.", r"\1bn\2.", name)
        name = name.replace(".shortcut.norm.", ".downsample.1.").replace(".shortcut.", ".downsample.0.")
        renamed[name] = tensor
    return renamed


def backbone_of(weights):
    """The backbone's tensors, by the names that a file of a backbone alone gives them."""
    official = on_meta(weights).items()
    return {name.removeprefix("backbone."): t for name, t in official if name.startswith("backbone.")}


def test_imagenet_resnet_has_torchvisions_names_and_size():
    weights = torchvision_names(backbone_of("m2f_r50"))
    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.1.bias"} < weights.keys()
    assert {"layer4.2.conv3.weight", "layer3.5.bn2.weight", "layer2.0.downsample.0.weight"} < weights.keys()
    # torchvision: 25,557,032 parameters in all, 2,049,000 of them the classifier's; buffers beside them.
    buffers = sum(tensor.numel() for name, tensor in weights.items() if ".running_" in f".{name}")
    assert sum(tensor.numel() for tensor in weights.values()) - buffers == 25_557_032 - 2_049_000


@pytest.mark.parametrize("naming", ["torchvision", "detectron2"])
def test_imagenet_resnet_arrives_whole(naming):
    bare, own = backbone_of("m2f_r50"), build(model_settings("m2f_r50")).state_dict()
    if naming == "torchvision":
        counters = {
            f"{name[:-12]}num_batches_tracked": torch.tensor(1) for name in bare if "running_mean" in name
        }
        weights = torchvision_names(bare | counters)
        classifier = {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}
    else:
        weights, classifier = bare, {"stem.fc.weight": torch.zeros(1000, 2048)}
    translation = translate(weights | classifier, own)
    assert set(translation.dropped) == set(classifier)
    assert translation.part == "backbone."
    ours = {name for name in own if name.startswith("backbone.")}
    assert set(translation.state_dict) == ours
    assert set(translation.afresh) == set(own) - ours
    # The same tensors as under the names of a whole network, whose outputs are compared below.
    whole = translate(on_meta("m2f_r50"), own).state_dict
    assert all(translation.state_dict[name].shape == whole[name].shape for name in ours)


def test_torchvisions_names_lead_to_the_same_places_as_detectron2s():
    bare = {
        name: torch.full(tensor.shape, float(number))
        for number, (name, tensor) in enumerate(backbone_of("m2f_r50").items())
    }
    own = build(model_settings("m2f_r50")).state_dict()
    first, second = (translate(weights, own).state_dict for weights in (bare, torchvision_names(bare)))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_imagenet_swin_arrives_whole_and_its_stage_norms_start_afresh():
    own = build(model_settings("m2f_swinl")).state_dict()
    weights = {name: t for name, t in backbone_of("m2f_swinl").items() if not re.match(r"norm\d\.", name)}
    # Beside the features, the published file holds the classifier and what follows from the image's size.
    others = {
        "norm.weight": torch.zeros(1536),
        "head.weight": torch.zeros(21841, 1536),
        "layers.0.blocks.1.attn_mask": torch.zeros(64, 144, 144),
    }
    translation = translate(weights | others, own)
    indices = {name for name in weights if name.endswith("relative_position_index")}
    assert set(translation.dropped) == set(others) | indices
    ours = {name for name in own if name.startswith("backbone.")}
    norms = {name for name in ours if "hidden_states_norms" in name}
    assert len(norms) == 8
    assert set(translation.state_dict) == ours - norms


def test_a_tensor_missing_from_a_backbone_is_named():
    weights = torchvision_names(backbone_of("m2f_r50"))
    del weights["layer3.4.conv2.weight"]
    with pytest.raises(InputError, match=r"not among.*stages.2.layers.4.layer.1.convolution.weight"):
        translate(weights, build(model_settings("m2f_r50")).state_dict())


def test_order_of_the_file_does_not_count():
    weights, own = on_meta("m2f_r50"), build(model_settings("m2f_r50")).state_dict()
    backwards = dict(reversed(weights.items()))
    assert list(translate(backwards, own).state_dict) == list(translate(weights, own).state_dict)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.update({"sem_seg_head.predictor.extra": torch.zeros(1)}), "no place.*predictor.extra"),
        (lambda w: w.pop("backbone.res4.5.conv2.weight"), r"not among.*stages.2.layers.5.layer.1"),
        (
            lambda w: w.update({"sem_seg_head.mask_features.bias": torch.zeros(256)}),
            "claim a place.*mask_fea",
        ),
        (
            lambda w: w.update({"sem_seg_head.predictor.query_feat.weight": torch.zeros(200, 256)}),
            r"another shape.*query_feat.*\(200, 256\), here \(100, 256\)",
        ),
        (lambda w: w.pop("sem_seg_head.predictor.class_embed.bias"), "not among.*class_embed.bias"),
    ],
)
def test_tensor_that_does_not_add_up_is_named(change, message):
    weights, own = on_meta("m2f_r50"), build(model_settings("m2f_r50")).state_dict()
    change(weights)
    with pytest.raises(InputError, match=message):
        translate(weights, own)


def test_weights_of_another_backbone_are_refused():
    with pytest.raises(InputError, match=r"no place.*backbone\.patch_embed"):
        translate(on_meta("m2f_swinl"), build(model_settings("m2f_r50")).state_dict())


def test_weights_of_something_else_are_refused():
    with pytest.raises(InputError, match="no Mask2Former weights"):
        translate({"roi_heads.box.weight": torch.zeros(2)}, {})


def test_swin_gives_the_features_of_the_published_code():
    backbone = MODELS.build(
        {
            "type": "Backbone",
            "name": "swin",
            "embed_dim": 16,
            "depths": [2, 2, 2, 2],
            "num_heads": [2, 4, 8, 16],
            "window_size": 12,
        }
    ).eval()
    saved = golden("backbone_swin_small_io")
    _load_backbone(backbone, golden("backbone_swin_small_weights"))
    with torch.no_grad():
        maps = backbone(saved["in_a"])
    for stage, features in zip((2, 3, 4, 5), maps, strict=True):
        torch.testing.assert_close(features, saved[f"out_a_res{stage}"], rtol=1e-4, atol=1e-4)


def test_resnet_computes_what_its_official_names_say():
    weights = golden("backbone_r50_small_weights")
    channels = [weights[f"res{stage}.0.shortcut.weight"].shape[0] for stage in (2, 3, 4, 5)]
    backbone = MODELS.build(
        {
            "type": "Backbone",
            "name": "resnet",
            "embedding_size": weights["stem.conv1.weight"].shape[0],
            "hidden_sizes": channels,
            "depths": [3, 4, 6, 3],
            "layer_type": "bottleneck",
        }
    ).eval()
    _load_backbone(backbone, weights)
    images = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for ours, expected in zip(backbone(images), plain_resnet(images, weights), strict=True):
            torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def _load_backbone(backbone, official):
    """Translate a backbone alone; the dialect is told by a head that the network then lacks."""
    own = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    marker = {"sem_seg_head.predictor.decoder_norm.weight": torch.zeros(1)}
    weights = {f"backbone.{name}": tensor for name, tensor in official.items()}
    translated = translate(weights | marker, own | {"instance_decoder.decoder_norm.weight": torch.zeros(1)})
    backbone.load_state_dict(
        {
            name.removeprefix("backbone."): tensor
            for name, tensor in translated.state_dict.items()
            if name.startswith("backbone.")
        }
    )


def plain_resnet(images, weights):
    """A bottleneck ResNet written down from the official names: frozen norms, stride on the 3x3."""

    def normed(x, name, stride=1):
        kernel = weights[f"{name}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        scale, shift, mean, variance = (
            weights[f"{name}.norm.{part}"][:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    x = F.max_pool2d(normed(images, "stem.conv1", 2).relu(), 3, 2, 1)
    for stage, depth in zip((2, 3, 4, 5), (3, 4, 6, 3), strict=True):
        for block in range(depth):
            name, stride = f"res{stage}.{block}", 2 if stage > 2 and block == 0 else 1
            inner = normed(normed(x, f"{name}.conv1").relu(), f"{name}.conv2", stride).relu()
            shortcut = normed(x, f"{name}.shortcut", stride) if block == 0 else x
            x = (normed(inner, f"{name}.conv3") + shortcut).relu()
        yield x
