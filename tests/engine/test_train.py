"""The stage train, with its validation, on the toy data set and on images beside it."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from novis.data.coco_clips import ClipMixture
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


def test_progress_is_told_in_one_line_and_nothing_goes_to_standard_output(
    toy_dataset, tmp_path, caplog, capfd
):
    config = write_small_config(tmp_path / "config.json", iterations=2, **{"training.log_interval": 1})
    with caplog.at_level("INFO"):
        train(config, toy_dataset.annotation_file, toy_dataset.frames, tmp_path / "checkpoint.pth")
    lines = [line for line in caplog.messages if re.match(r"iteration \d/2: loss [\d.]+ \(class ", line)]
    assert [line[: len("iteration 1/2")] for line in lines] == ["iteration 1/2", "iteration 2/2"]
    assert re.search(r", \d+\.\d\d s an iteration \(.* for data\).*, 0:00:00 left$", lines[-1])
    assert capfd.readouterr().out == ""


def test_scalars_for_tensorboard_are_written(toy_dataset, tmp_path):
    config = write_small_config(tmp_path / "config.json", iterations=1)
    train(config, toy_dataset.annotation_file, toy_dataset.frames, tmp_path / "checkpoint.pth")
    assert list((tmp_path / "work").rglob("events.out.tfevents*"))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_frame_stops_the_training_with_its_name(toy_dataset, tmp_path, workers):
    frames = tmp_path / "frames"
    shutil.copytree(toy_dataset.frames, frames)
    for path in (frames / "video_2").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    config = write_small_config(tmp_path / "config.json")
    with pytest.raises(InputError, match=r"video_2.*img_\d+\.jpg") as caught:
        train(config, toy_dataset.annotation_file, frames, tmp_path / "c.pth", workers=workers)
    assert "Traceback" not in str(caught.value)


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


@pytest.fixture(scope="module")
def coco(tmp_path_factory):
    """Options of two images in COCO's layout, one object of category 44 in each."""
    folder = tmp_path_factory.mktemp("coco")
    for number in (1, 2):
        picture = np.full((60, 80, 3), 40 * number, np.uint8)
        picture[20:40, 30:60] = 200
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
    box = [30, 20, 60, 20, 60, 40, 30, 40]
    content = {
        "images": [{"id": n, "width": 80, "height": 60, "file_name": f"{n}.jpg"} for n in (1, 2)],
        "categories": [{"id": 44, "name": "bottle"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": 44, "segmentation": [box], "iscrowd": 0} for n in (1, 2)
        ],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    (folder / "map.json").write_text(json.dumps({"category_ids": {"44": 7}}))
    return {
        "images": folder,
        "image_annotations": folder / "instances.json",
        "category_map": str(folder / "map.json"),
    }


class Reader:
    """What a training reads of a mixture; reading number ``fail_at`` fails."""

    def __init__(self, monkeypatch, fail_at=None):
        self.samples, self.fail_at = [], fail_at
        self.original = ClipMixture.__getitem__
        monkeypatch.setattr(ClipMixture, "__getitem__", lambda mixture, draw: self.read(mixture, draw))

    def read(self, mixture, draw):
        if len(self.samples) == self.fail_at:
            raise KeyboardInterrupt
        self.samples.append(self.original(mixture, draw))
        return self.samples[-1]

    @property
    def names(self):
        return [sample["name"] for sample in self.samples]


def train_mixture(toy_dataset, folder, coco, **changes):
    config = write_small_config(folder / "config.json", iterations=4, **changes)
    train(config, toy_dataset.annotation_file, toy_dataset.frames, folder / "checkpoint.pth", **coco)
    return read_checkpoint(folder / "checkpoint.pth")["state_dict"]


def test_clips_are_of_videos_and_of_images(toy_dataset, tmp_path, coco, monkeypatch):
    with monkeypatch.context() as patched:
        reader = Reader(patched)
        train_mixture(toy_dataset, tmp_path, coco)
    images = [sample for sample in reader.samples if sample["name"] in ("1.jpg", "2.jpg")]
    assert 0 < len(images) < len(reader.samples) == 16
    # Category 44 of the images is 7 of the videos, the second of theirs.
    assert {label for sample in images for label in sample["labels"].tolist()} == {1}
    assert all(len(sample["frames"]) == 2 for sample in reader.samples)


def test_mixing_weights_decide_how_often_images_come(toy_dataset, tmp_path, coco, monkeypatch):
    reader = Reader(monkeypatch)
    train_mixture(toy_dataset, tmp_path, coco, **{"training.mixing_weights": [0.0, 1.0]})
    assert set(reader.names) == {"1.jpg", "2.jpg"}


def test_an_interrupted_mixture_ends_with_the_same_weights(toy_dataset, tmp_path, coco, monkeypatch):
    (tmp_path / "whole").mkdir()
    (tmp_path / "interrupted").mkdir()
    with monkeypatch.context() as patched:
        reader = Reader(patched)
        whole = train_mixture(toy_dataset, tmp_path / "whole", coco)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        Reader(patched, fail_at=9)
        train_mixture(toy_dataset, tmp_path / "interrupted", coco)
    with monkeypatch.context() as patched:
        later = Reader(patched)
        again = train_mixture(toy_dataset, tmp_path / "interrupted", coco)
    assert later.names == reader.names[8:]
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


@pytest.mark.parametrize("changed", ["annotations", "videos", "image_annotations", "category_map"])
def test_a_training_does_not_go_on_with_other_data(toy_dataset, tmp_path, coco, monkeypatch, changed):
    config = write_small_config(tmp_path / "config.json", iterations=4)
    files = {"annotations": toy_dataset.annotation_file} | coco
    del files["images"]
    files = {name: shutil.copy(path, tmp_path / f"{name}.json") for name, path in files.items()}
    files["videos"] = tmp_path / "videos.txt"
    files["videos"].write_text("video_1\nvideo_2\n")
    options = coco | files | {"config": config, "frames": toy_dataset.frames, "output": tmp_path / "c.pth"}
    options["category_map"] = str(files["category_map"])
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        Reader(patched, fail_at=9)
        train(**options)
    content = Path(files[changed]).read_text()
    # A file counts by its bytes, a map by what it says.
    Path(files[changed]).write_text(content.replace('"44": 7', '"44": 3') + "\n")
    with pytest.raises(InputError, match=r"state\.pth: is the state of a training with .* other data"):
        train(**options)


def test_images_without_a_category_map_are_refused(toy_dataset, tmp_path, coco):
    with pytest.raises(InputError, match="--images, --image-annotations and --category-map go together"):
        train_mixture(toy_dataset, tmp_path, {**coco, "category_map": None})


def test_weights_of_a_mixture_that_is_none_are_refused(toy_dataset, tmp_path):
    with pytest.raises(InputError, match="do not fit 1 data sets"):
        train_mixture(toy_dataset, tmp_path, {}, **{"training.mixing_weights": [1.0, 0.75]})
