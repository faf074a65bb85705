import torch

from novis.data.shapes import ShapesImages, ShapesSettings
from novis.engine.checkpoints import read_checkpoint
from novis.engine.pretrain import EndlessSchedule, GeneratedImages, pretrain
from tests.engine.small_network import write_small_config


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
