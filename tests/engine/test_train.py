"""The stages train, predict and validation on the toy data set."""

import numpy as np
import pytest

from novis.engine.checkpoints import read_checkpoint
from novis.engine.train import train
from novis.errors import InputError
from tests.engine.small_network import write_small_config


def test_a_network_is_trained_on_the_named_videos(toy_dataset, tmp_path, caplog):
    (tmp_path / "train.txt").write_text("video_1\nvideo_2\n")
    (tmp_path / "valid.txt").write_text("video_4\n")
    config = write_small_config(tmp_path / "config.json", iterations=2, **{"training.validation_interval": 2})
    with caplog.at_level("INFO"):
        train(
            config,
            toy_dataset.annotation_file,
            toy_dataset.frames,
            tmp_path / "checkpoint.pth",
            videos=tmp_path / "train.txt",
            validation_videos=tmp_path / "valid.txt",
        )
    content = read_checkpoint(tmp_path / "checkpoint.pth")
    assert [c["name"] for c in content["meta"]["categories"]] == ["flat", "tall", "square"]
    assert len(content["state_dict"]["instance_decoder.class_embed.bias"]) == 4
    assert all(np.isfinite(tensor.float().numpy()).all() for tensor in content["state_dict"].values())
    assert "iteration 2: validation" in caplog.text


def test_scalars_for_tensorboard_are_written(toy_dataset, tmp_path):
    config = write_small_config(tmp_path / "config.json", iterations=1)
    train(config, toy_dataset.annotation_file, toy_dataset.frames, tmp_path / "checkpoint.pth")
    assert list((tmp_path / "work").rglob("events.out.tfevents*"))


def test_a_video_that_the_data_set_does_not_hold_is_named(toy_dataset, tmp_path):
    (tmp_path / "train.txt").write_text("video_9\n")
    config = write_small_config(tmp_path / "config.json")
    with pytest.raises(InputError, match="video_9"):
        train(
            config,
            toy_dataset.annotation_file,
            toy_dataset.frames,
            tmp_path / "c.pth",
            videos=tmp_path / "train.txt",
        )
