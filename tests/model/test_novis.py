from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from transformers import (
    Mask2FormerConfig,
    Mask2FormerForUniversalSegmentation,
    ResNetConfig,
    SwinConfig,
)

from novis.errors import InputError
from novis.model.official_weights import translate
from novis.model.registry import MODELS
from novis.model.structures import ClipOutput, ClipTarget
from tests.model.networks import random_frames, randomise, small_network

MODEL_FILES = Path(__file__).parents[2] / "config" / "models"
STAGES = ["stage1", "stage2", "stage3", "stage4"]
SWIN_T = {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7}
SWIN_L = {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48], "window_size": 12}


def build(name, backbone=None, **decoder):
    config = Config.fromfile(MODEL_FILES / f"{name}.py", lazy_import=False)
    model = {**config.model.to_dict(), **({"backbone": backbone} if backbone else {})}
    model["instance_decoder"] = {**model["instance_decoder"], **decoder}
    return MODELS.build(model)


def random_target(num_frames, height=60, width=90, num_classes=3):
    masks = torch.zeros(2, num_frames, height, width, dtype=torch.bool)
    masks[0, :, 5:30, 10:40] = True
    masks[1, 0, 35:55, 50:80] = True
    return ClipTarget(torch.tensor([0, num_classes - 1]), masks)


def assert_equals_transformers(backbone, ours):
    """Class and mask logits of all ten heads, for two frames as clips of one frame.

    In float64: in float32 a mask logit that rounding pushes across zero changes an
    attention mask in either network.
    """
    config = Mask2FormerConfig(
        backbone_config=backbone, num_queries=len(ours.instance_decoder.query_feat.weight), num_labels=80
    )
    theirs = randomise(Mask2FormerForUniversalSegmentation(config)).eval().double()
    ours.eval().double().load_state_dict(translate(theirs.state_dict(), ours.state_dict()).state_dict)
    frames = ours.data_preprocessor.batch([random_frames(1, seed=i) for i in range(2)]).double()
    with torch.no_grad():
        expected = theirs(frames, output_auxiliary_logits=True)
        output = ours.decode(ours.frame_features(frames), 2, auxiliary=True)
    heads = [
        (head["class_queries_logits"], head["masks_queries_logits"]) for head in expected.auxiliary_logits
    ]
    heads.append((expected.class_queries_logits, expected.masks_queries_logits))
    for (classes, masks), layer in zip(heads[-10:], output.layers, strict=True):
        assert masks.abs().max() > 1
        torch.testing.assert_close(layer.class_logits, classes, atol=1e-6, rtol=0)
        torch.testing.assert_close(layer.mask_logits[:, :, 0], masks, atol=1e-6, rtol=0)


def test_r50_equals_transformers_at_full_size():
    ours = build("novis_r50", num_classes=80, temporal_encoding={"kind": "none"})
    assert_equals_transformers(ResNetConfig(out_features=STAGES), ours)


def test_swin_t_equals_transformers_at_full_size():
    backbone = {"type": "Backbone", "name": "swin", **SWIN_T}
    ours = build("novis_swin_l", backbone, num_classes=80, temporal_encoding={"kind": "none"})
    assert_equals_transformers(SwinConfig(**SWIN_T, out_features=STAGES), ours)


@pytest.mark.slow
def test_swin_l_equals_transformers_at_full_size():
    ours = build("novis_swin_l", num_classes=80, temporal_encoding={"kind": "none"})
    assert_equals_transformers(SwinConfig(**SWIN_L, out_features=STAGES), ours)


@pytest.mark.parametrize(("name", "size"), [("novis_r50", 44_023_377), ("novis_swin_l", 215_521_989)])
def test_official_sizes_and_a_row_of_256_for_each_frame(name, size):
    with torch.device("meta"):
        network = build(name, num_classes=80, clip_length=6)
    assert sum(parameter.numel() for parameter in network.parameters()) == size + 6 * 256


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("novis_r50", 44),
        ("novis_r101", 63),
        ("novis_swin_t", 47),
        ("novis_swin_s", 69),
        ("novis_swin_b", 107),
        ("novis_swin_l", 216),
    ],
)
def test_every_backbones_network_has_the_size_that_the_parents_paper_names(name, millions):
    with torch.device("meta"):
        network = build(name, num_classes=80, temporal_encoding={"kind": "none"})
    assert round(sum(parameter.numel() for parameter in network.parameters()) / 1e6) == millions


def test_every_parameter_of_the_small_network_learns():
    clips = [random_frames(4, seed=i) for i in range(2)]
    targets = [random_target(4, 64, 96) for _ in clips]
    network = build("novis_shapes").train()
    losses = network(clips, targets, "loss")
    sum(losses.values()).backward()
    assert torch.isfinite(torch.stack(list(losses.values()))).all()
    learning = {name: p for name, p in network.named_parameters() if p.requires_grad}
    assert {name.split(".")[0] for name in learning} == {"backbone", "pixel_decoder", "instance_decoder"}
    for name, parameter in learning.items():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_predictions_are_for_padded_frames():
    network = small_network()
    output = network([random_frames(2, 56, 80)])
    assert isinstance(output, ClipOutput)
    assert output.class_logits.shape == (1, 20, 4)
    assert output.mask_logits.shape == (1, 20, 2, 16, 24)
    assert output.embeddings.shape == (1, 20, 64)
    assert output.auxiliary == ()


def test_losses_supervise_every_layer_on_padded_targets():
    network = small_network()
    seen = {}
    network.criterion.forward = lambda layers, targets: seen.update(layers=layers, targets=targets) or {}
    network([random_frames(2, 56, 80)], [random_target(2, 56, 80)], "loss")
    assert len(seen["layers"]) == 4
    assert seen["targets"][0].masks.shape == (2, 2, 64, 96)


@torch.no_grad()
def test_batch_size_changes_nothing_for_frames_of_equal_size():
    network = small_network()
    clips = [random_frames(3, seed=i) for i in range(3)]
    together = network(clips)
    for i, clip in enumerate(clips):
        alone = network([clip])
        torch.testing.assert_close(together.embeddings[i], alone.embeddings[0], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(together.mask_logits[i], alone.mask_logits[0], atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_frame_features_can_be_kept_between_clips():
    network = small_network()
    frames = network.data_preprocessor.batch([random_frames(5)])
    features = network.frame_features(frames)
    late = network.decode(features[2:])
    alone = network.decode(network.frame_features(frames[2:]))
    torch.testing.assert_close(late.embeddings, alone.embeddings, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_edge_embeddings_are_overlap_embeddings_of_both_ends():
    network = small_network()
    features = network.frame_features(network.data_preprocessor.batch([random_frames(8)]))
    output = network.decode(features, 2)
    edges = network.edge_embeddings(features, output, [1, 3])
    assert edges.shape == (2, 2, 2, 20, 64)
    for i, length in enumerate([1, 3]):
        for end, frames in enumerate([slice(0, length), slice(4 - length, 4)]):
            torch.testing.assert_close(edges[:, end, i], network.overlap_embeddings(features, output, frames))
    assert network.edge_embeddings(features, output, []).shape == (2, 2, 0, 20, 64)


@torch.no_grad()
def test_padding_is_attended_unless_it_is_masked():
    frames = small_network().data_preprocessor.batch([random_frames(2, 40, 72)])
    embeddings = []
    for mask_padding in (False, True):
        network = small_network(mask_padding=mask_padding, temporal_encoding={"kind": "none"})
        embeddings.append(network.decode(network.frame_features(frames, [(40, 72)] * 2)).embeddings)
        whole = network.decode(network.frame_features(frames)).embeddings
        assert torch.allclose(embeddings[-1], whole, atol=1e-5) != mask_padding
    assert not torch.allclose(*embeddings, atol=1e-2)


def test_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="predict"):
        small_network()([random_frames(1)], mode="predict")


def test_longer_clips_than_trained_on_are_refused():
    with pytest.raises(InputError, match="6 frames"):
        small_network()([random_frames(6)])


@torch.no_grad()
def test_mixed_precision_stays_near_full_precision():
    network = small_network()
    clip = [random_frames(2)]
    exact = network(clip)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = network(clip)
        features = network.frame_features(network.data_preprocessor.batch(clip))
        edges = network.edge_embeddings(features, mixed, [1])
    assert torch.isfinite(edges).all()
    cosine = torch.cosine_similarity(mixed.embeddings, exact.embeddings, dim=-1)
    assert cosine.min() > 0.9
