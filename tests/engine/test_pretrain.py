"""Pre-training: on generated images, and on annotated ones. ``NOVIS_VIS_SAMPLE`` names a folder with
``coco_train2017_mini``: a few of COCO's images and their instances.json.
"""

import json
import os
from pathlib import Path

import pytest
import torch

from novis.data.coco_clips import CocoClipDataset
from novis.data.shapes import ShapesImages, ShapesSettings
from novis.engine.checkpoints import read_checkpoint, write_checkpoint
from novis.engine.pretrain import EndlessSchedule, GeneratedImages, pretrain, pretrain_images
from novis.engine.train import train
from novis.errors import InputError
from novis.model.registry import MODELS
from tests.data.toy_images import draw_toy_images
from tests.engine.small_network import small_config, write_small_config

SAMPLE = os.environ.get("NOVIS_VIS_SAMPLE")
JITTER = {"jitter": {"size": 64}, "crop": None, "short_sides": []}
STILL = {"clip_length": 1, "temporal_encoding": "none", "training.augmentation": JITTER}


def test_every_image_is_seen_once():
    schedule = EndlessSchedule(3)
    assert [index for iteration in range(4) for index in schedule[iteration]] == list(range(12))


def test_an_image_is_a_clip_of_one_frame():
    source = ShapesImages(ShapesSettings(frame_size=(32, 64)), 3)
    sample = GeneratedImages(source)[5]
    frame, labels, masks = source.image(5)
    assert sample["frames"].shape == (1, 3, 32, 64)
    torch.testing.assert_close(sample["frames"][0].permute(1, 2, 0), torch.from_numpy(frame))
    assert sample["masks"].shape == (len(labels), 1, *masks.shape[1:])


def test_a_network_is_pretrained_on_images_of_the_settings(tmp_path):
    config = write_small_config(
        tmp_path / "config.json", clip_length=1, temporal_encoding="none", iterations=1
    )
    settings = {"frame_size": [32, 64], "num_categories": 4}
    pretrain(config, tmp_path / "checkpoint.pth", seed=3, settings=settings, half=True)
    content = read_checkpoint(tmp_path / "checkpoint.pth")
    assert content["state_dict"]["instance_decoder.query_feat.weight"].dtype == torch.float16
    meta = content["meta"]
    assert [c["name"] for c in meta["categories"]] == ["disc", "triangle", "cross", "star"]


@pytest.mark.parametrize("other", [{"seed": 4}, {"settings": {"frame_size": [32, 64], "noise": 9}}])
def test_a_pretraining_does_not_go_on_with_other_images(tmp_path, monkeypatch, other):
    config = write_small_config(tmp_path / "config.json", clip_length=1, temporal_encoding="none")
    options = {"config": config, "output": tmp_path / "checkpoint.pth", "seed": 3}
    options["settings"] = {"frame_size": [32, 64]}
    read = GeneratedImages.__getitem__

    def interrupted(images, index):
        if index == 9:
            raise KeyboardInterrupt
        return read(images, index)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(GeneratedImages, "__getitem__", interrupted)
        pretrain(**options)
    with pytest.raises(InputError, match=r"state\.pth: is the state of a training with .* other data"):
        pretrain(**options | other)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return draw_toy_images(tmp_path_factory.mktemp("images"))


def pretrained(folder, images, init=None, **changes):
    config = write_small_config(folder / "config.json", **STILL | changes)
    pretrain_images(config, images, images / "instances.json", folder / "checkpoint.pth", init=init)
    return read_checkpoint(folder / "checkpoint.pth")


def mask_losses(folder):
    """The mean mask loss of the first and of the last ten of a training's iterations."""
    (log,) = folder.rglob("vis_data/scalars.json")
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    losses = [entry["loss_mask"] for entry in entries if "loss_mask" in entry]
    return sum(losses[:10]) / 10, sum(losses[-10:]) / 10


def test_a_network_learns_from_annotated_images(tmp_path, images):
    content = pretrained(tmp_path, images, iterations=40, milestones=[30])
    meta = content["meta"]
    assert [category["id"] for category in meta["categories"]] == [1, 18, 44]
    assert len(content["state_dict"]["instance_decoder.class_embed.bias"]) == 4
    assert meta["incidents"]["skipped_steps"] == 0
    before, after = mask_losses(tmp_path)
    assert after < 0.8 * before


def test_an_interrupted_pretraining_ends_with_the_same_weights(tmp_path, images, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "interrupted").mkdir()
    whole = pretrained(tmp_path / "whole", images)["state_dict"]
    names, original = [], CocoClipDataset.__getitem__

    def interrupted(dataset, draw):
        if len(names) == 13:
            raise KeyboardInterrupt
        sample = original(dataset, draw)
        names.append(sample["name"])
        return sample

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(CocoClipDataset, "__getitem__", interrupted)
        pretrained(tmp_path / "interrupted", images)
    # The images with objects come in turns; that without is never read.
    assert set(names) == {f"{number:012}.jpg" for number in range(1, 6)}
    again = pretrained(tmp_path / "interrupted", images)["state_dict"]
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


def test_it_starts_from_a_backbone_and_videos_start_from_it(tmp_path, images, toy_dataset):
    network = MODELS.build(small_config(**STILL).model)
    torch.manual_seed(0)
    own = network.state_dict()
    backbone = {
        name: torch.full_like(tensor, 0.5) for name, tensor in own.items() if name.startswith("backbone.")
    }
    meta = {"part": "backbone.", "afresh": [name for name in own if name not in backbone]}
    write_checkpoint(tmp_path / "backbone.pth", {"state_dict": backbone, "meta": meta})
    # Above 0, but nothing in float32.
    still = {"training.learning_rate": 1e-60, "iterations": 1}
    first = pretrained(tmp_path, images, init=tmp_path / "backbone.pth", **still)["state_dict"]
    kernels = [name for name in backbone if name.endswith("convolution.weight")]
    assert all(torch.equal(first[name], backbone[name]) for name in kernels)

    (tmp_path / "videos").mkdir()
    config = write_small_config(tmp_path / "videos" / "config.json", **still)
    output = tmp_path / "videos" / "checkpoint.pth"
    train(config, toy_dataset.annotation_file, toy_dataset.frames, output, init=tmp_path / "checkpoint.pth")
    second = read_checkpoint(output)["state_dict"]
    name = "instance_decoder.query_feat.weight"
    assert torch.equal(second[name], first[name])
    # The categories and the temporal encoding are the videos' own.
    assert second["instance_decoder.class_embed.weight"].shape[0] == 3 + 1
    assert "instance_decoder.temporal_encoding.tables.0.weight" in second.keys() - first.keys()


def test_images_that_are_not_there_are_named(tmp_path, images):
    with pytest.raises(InputError, match=r"nowhere.000000000\d+\.jpg"):
        config = write_small_config(tmp_path / "config.json", **STILL)
        pretrain_images(config, tmp_path / "nowhere", images / "instances.json", tmp_path / "c.pth")


@pytest.mark.skipif(not SAMPLE, reason="NOVIS_VIS_SAMPLE names no folder with the real sample")
def test_a_network_learns_from_real_images(tmp_path):
    folder = Path(SAMPLE) / "coco_train2017_mini"
    config = write_small_config(tmp_path / "config.json", **STILL, iterations=40, milestones=[30])
    pretrain_images(config, folder / "images", folder / "instances.json", tmp_path / "checkpoint.pth")
    meta = read_checkpoint(tmp_path / "checkpoint.pth")["meta"]
    assert len(meta["categories"]) == 80
    assert meta["incidents"]["skipped_steps"] == 0
    before, after = mask_losses(tmp_path)
    assert after < 0.8 * before
