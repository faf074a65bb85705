import hashlib
import logging
import pickle

import numpy as np
import pytest
import torch
from mmengine.config import Config
from transformers import Mask2FormerConfig, Mask2FormerForUniversalSegmentation, ResNetConfig, SwinConfig

from novis.engine.checkpoints import initialise, read_checkpoint
from novis.engine.convert import convert
from novis.engine.weight_files import read_weights
from novis.errors import InputError
from novis.files import write_json
from novis.model.official_weights import translate
from novis.model.registry import MODELS
from tests.model.official import model_file, model_settings, official_shapes

STAGES = ["stage1", "stage2", "stage3", "stage4"]
SWIN = {"embed_dim": 16, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 4, 8], "window_size": 4}
RESNET = {
    "embedding_size": 8,
    "hidden_sizes": [32, 64, 96, 128],
    "depths": [1, 2, 1, 1],
    "layer_type": "bottleneck",
}


def numbered(weights, dtype):
    """A different constant for every official tensor, and for each third of a fused one."""
    arrays = {}
    for number, (name, (shape, integer)) in enumerate(official_shapes(weights).items(), start=1):
        array = np.full(shape, number, np.int64 if integer else dtype)
        if "in_proj_" in name or ".qkv." in name:
            third = len(array) // 3
            array[third : 2 * third] += 700
            array[2 * third :] += 1400
        arrays[name] = array
    return arrays


@pytest.mark.parametrize("weights", ["m2f_r50", "m2fv_r50"])
def test_official_resnet_file_arrives_whole(tmp_path, weights):
    # Integers up to 2048 are exact in float16, which halves the file.
    arrays = numbered(weights, np.float16)
    source = tmp_path / "model_final.pkl"
    source.write_bytes(pickle.dumps({"model": arrays, "__author__": "someone"}, protocol=2))
    report = convert(source, model_file(weights), tmp_path / "start.pth")
    content = read_checkpoint(tmp_path / "start.pth")

    ours = {name: t for name, t in content["state_dict"].items() if "num_batches_tracked" not in name}
    assert all(tensor.min() == tensor.max() for tensor in ours.values())
    used = {name: array for name, array in arrays.items() if name not in report.dropped}
    sizes = {
        float(part.flat[0]): part.size
        for name, array in used.items()
        for part in (np.array_split(array, 3) if "in_proj_" in name else [array])
    }
    assert {float(tensor.flatten()[0]): tensor.numel() for tensor in ours.values()} == sizes
    assert len(sizes) == len(ours) == report.num_written - 53
    assert content["meta"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert content["meta"]["source"] == "model_final.pkl"
    assert len(content["meta"]["dropped"]) == len(report.dropped) == (3 if weights == "m2f_r50" else 1)


@pytest.mark.parametrize("weights", ["m2f_swinl", "m2fv_swinl"])
def test_official_swin_file_arrives_whole(tmp_path, weights):
    # Each tensor is one number repeated by its strides: a small file of 215 million parameters.
    tensors = {
        name: torch.full((1,), float(number)).expand(shape) if not integer else torch.zeros(shape, dtype=int)
        for number, (name, (shape, integer)) in enumerate(official_shapes(weights).items(), start=1)
    }
    torch.save({"model": tensors, "iteration": 1}, tmp_path / "model_final.pth")
    with torch.device("meta"):
        own = MODELS.build(model_settings(weights)).state_dict()
    translation = translate(read_weights(tmp_path / "model_final.pth"), own)
    assert translation.afresh == ("instance_decoder.temporal_encoding.tables.0.weight",)
    assert all(name.endswith(("empty_weight", "relative_position_index")) for name in translation.dropped)
    sizes = dict.fromkeys((float(tensors[name].flatten()[0]) for name in tensors), 0)
    for tensor in translation.state_dict.values():
        sizes[float(tensor.flatten()[0])] += tensor.numel()
    for name, tensor in tensors.items():
        if name not in translation.dropped:
            assert sizes[float(tensor.flatten()[0])] == tensor.numel(), name


def transformers_network(backbone):
    """Mask2Former of the transformers library, small, every tensor random."""
    config = Mask2FormerConfig(
        backbone_config=(
            SwinConfig(**SWIN, out_features=STAGES)
            if backbone == "swin"
            else ResNetConfig(**RESNET, out_features=STAGES)
        ),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=48,
        dim_feedforward=40,
        encoder_layers=2,
        decoder_layers=5,
        num_attention_heads=8,
        num_queries=9,
        num_labels=6,
    )
    network = Mask2FormerForUniversalSegmentation(config).eval()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(std=0.3, generator=generator)
        if name.endswith("running_var"):
            tensor.abs_().add_(0.5)
    return network


def our_settings(backbone):
    return {
        "type": "NOVIS",
        "backbone": {"type": "Backbone", "name": backbone, **(SWIN if backbone == "swin" else RESNET)},
        "pixel_decoder": {
            "type": "PixelDecoder",
            "dim": 32,
            "mask_dim": 32,
            "num_layers": 2,
            "feedforward_dim": 48,
        },
        "instance_decoder": {
            "type": "InstanceDecoder",
            "num_classes": 6,
            "clip_length": 2,
            "num_queries": 9,
            "num_layers": 4,
            "dim": 32,
            "mask_dim": 32,
            "feedforward_dim": 40,
        },
    }


@pytest.fixture
def small_model(tmp_path):
    """A model file of the small network with a backbone of this name."""

    def written(backbone):
        path = tmp_path / "model.json"
        write_json(path, {"model": our_settings(backbone), "training": {}})
        return path

    return written


@pytest.mark.parametrize("backbone", ["swin", "resnet"])
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_of_transformers_predict_the_same_here(tmp_path, small_model, backbone, kind):
    theirs = transformers_network(backbone)
    if kind == "safetensors":
        theirs.save_pretrained(tmp_path)
        source = tmp_path / "model.safetensors"
    else:
        source = tmp_path / "pytorch_model.bin"
        torch.save(theirs.state_dict(), source)
    report = convert(source, small_model(backbone), tmp_path / "start.pth")
    assert report.afresh == ("instance_decoder.temporal_encoding.tables.0.weight",)

    ours = MODELS.build(our_settings(backbone)).eval()
    # The classes are the same by construction; a training would start their head afresh.
    assert set(report.afresh) < set(initialise(ours, tmp_path / "start.pth"))
    ours.load_state_dict(read_checkpoint(tmp_path / "start.pth")["state_dict"], strict=False)
    frames = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = theirs(pixel_values=frames)
        output = ours.decode(ours.frame_features(frames), num_clips=2)
    torch.testing.assert_close(output.class_logits, expected.class_queries_logits, rtol=1e-3, atol=1e-3)
    masks = expected.masks_queries_logits
    torch.testing.assert_close(
        output.mask_logits[:, :, 0], masks, rtol=1e-3, atol=1e-3 * masks.abs().max().item()
    )


def torchvision_resnet():
    """A ResNet of the sizes above by torchvision's names, every tensor random."""
    shapes = {}

    def convolution(name, norm, *shape):
        shapes[f"{name}.weight"] = shape
        shapes.update(
            {f"{norm}.{part}": shape[:1] for part in ("weight", "bias", "running_mean", "running_var")}
        )

    convolution("conv1", "bn1", 8, 3, 7, 7)
    before = 8
    for stage, (depth, width) in enumerate(zip(RESNET["depths"], RESNET["hidden_sizes"], strict=True), 1):
        for block in range(depth):
            name, inner = f"layer{stage}.{block}", width // 4
            convolution(f"{name}.conv1", f"{name}.bn1", inner, before, 1, 1)
            convolution(f"{name}.conv2", f"{name}.bn2", inner, inner, 3, 3)
            convolution(f"{name}.conv3", f"{name}.bn3", width, inner, 1, 1)
            if block == 0:
                convolution(f"{name}.downsample.0", f"{name}.downsample.1", width, before, 1, 1)
            before = width
    generator = torch.Generator().manual_seed(0)
    return {name: torch.rand(shape, generator=generator) for name, shape in shapes.items()}


def test_a_network_starts_from_the_weights_of_a_backbone(tmp_path, small_model):
    weights = torchvision_resnet()
    torch.save(weights | {"fc.weight": torch.zeros(10, 128)}, tmp_path / "resnet.pth")
    report = convert(tmp_path / "resnet.pth", small_model("resnet"), tmp_path / "start.pth")
    assert set(report.dropped) == {"fc.weight"}
    ours = MODELS.build(our_settings("resnet"))
    before = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    afresh = set(initialise(ours, tmp_path / "start.pth"))
    backbone = {name for name in before if name.startswith("backbone.")}
    assert afresh == before.keys() - backbone
    after = ours.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in afresh)
    # Each tensor of the file is in the backbone, once.
    sums = sorted(float(t.sum()) for name, t in after.items() if name in backbone and t.is_floating_point())
    assert sums == pytest.approx(sorted(float(tensor.sum()) for tensor in weights.values()))


def test_a_backbone_of_another_depth_is_refused(tmp_path, small_model):
    weights = torchvision_resnet()
    del weights["layer2.1.conv1.weight"]
    torch.save(weights, tmp_path / "resnet.pth")
    with pytest.raises(InputError, match=r"not among the weights: .*stages\.1\.layers\.1\.layer\.0"):
        convert(tmp_path / "resnet.pth", small_model("resnet"), tmp_path / "start.pth")


def test_a_checkpoint_of_a_backbone_must_hold_all_of_it(tmp_path, small_model):
    torch.save(torchvision_resnet(), tmp_path / "resnet.pth")
    convert(tmp_path / "resnet.pth", small_model("resnet"), tmp_path / "start.pth")
    content = read_checkpoint(tmp_path / "start.pth")
    del content["state_dict"]["backbone.network.embedder.embedder.convolution.weight"]
    torch.save(content, tmp_path / "start.pth")
    with pytest.raises(InputError, match=r"no weights for 1 tensors, first 'backbone\.network\.embedder"):
        initialise(MODELS.build(our_settings("resnet")), tmp_path / "start.pth")


def test_class_head_of_other_classes_is_dropped_and_said_so(tmp_path, small_model, caplog):
    torch.save(transformers_network("swin").state_dict(), tmp_path / "weights.bin")
    model = small_model("swin")
    settings = Config.fromfile(str(model)).to_dict()
    settings["model"]["instance_decoder"]["num_classes"] = 3
    write_json(model, settings)
    with caplog.at_level(logging.INFO):
        report = convert(tmp_path / "weights.bin", model, tmp_path / "start.pth")
    assert "class_predictor.weight" in report.dropped
    assert "for 6 classes, the network has 3" in caplog.text
    meta = read_checkpoint(tmp_path / "start.pth")["meta"]
    assert any(line.startswith("class_predictor.weight: for 6 classes") for line in meta["dropped"])


def test_weights_that_do_not_fit_leave_no_checkpoint(tmp_path, small_model):
    torch.save(transformers_network("swin").state_dict(), tmp_path / "weights.bin")
    with pytest.raises(InputError, match=r"weights\.bin for .*model\.json: .*no place in the network"):
        convert(tmp_path / "weights.bin", small_model("resnet"), tmp_path / "start.pth")
    assert not (tmp_path / "start.pth").exists()


def test_damaged_download_is_told_by_the_digits_in_its_name(tmp_path, small_model):
    source = tmp_path / "model_final_3c8ec9.pkl"
    source.write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"MD5 starts with .* not with 3c8ec9"):
        convert(source, small_model("swin"), tmp_path / "start.pth")


def test_damaged_download_of_torchvision_is_told_too(tmp_path, small_model):
    source = tmp_path / "resnet50-0676ba61.pth"
    source.write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"SHA256 starts with .* not with 0676ba61"):
        convert(source, small_model("resnet"), tmp_path / "start.pth")


def test_official_download_with_the_right_digits_is_read(tmp_path, small_model):
    weights = {name: t.numpy() for name, t in transformers_network("swin").state_dict().items()}
    content = pickle.dumps({"model": weights})
    source = tmp_path / f"model_final_{hashlib.md5(content).hexdigest()[:6]}.pkl"
    source.write_bytes(content)
    assert convert(source, small_model("swin"), tmp_path / "start.pth").num_read == len(weights)
