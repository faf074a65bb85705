"""Training as a whole: interrupted and resumed, it ends with the same weights, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from novis.data.shapes import ShapesImages, ShapesSettings
from novis.engine.checkpoints import read_checkpoint
from novis.engine.fit import STATE, fit
from novis.engine.pretrain import EndlessSchedule, GeneratedImages
from novis.errors import InputError
from novis.structures import Category
from tests.engine.small_network import small_config, write_small_config

CATEGORIES = [Category(number, name) for number, name in enumerate("abcdef", 1)]


class Images(GeneratedImages):
    """Generated images; reading number ``fail_at`` of this process fails."""

    def __init__(self, fail_at=None):
        super().__init__(ShapesImages(ShapesSettings(frame_size=(32, 64)), 3))
        self.read, self.fail_at = [], fail_at

    def __getitem__(self, index):
        if len(self.read) == self.fail_at:
            raise KeyboardInterrupt
        self.read.append(index)
        return super().__getitem__(index)


def run(folder, images, **changes):
    config = small_config(clip_length=1, temporal_encoding="none", **changes)
    folder.mkdir(exist_ok=True)
    fit(config, CATEGORIES, images, EndlessSchedule(4), folder / "checkpoint.pth", work=folder / "work")
    return read_checkpoint(folder / "checkpoint.pth")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return run(tmp_path_factory.mktemp("whole"), Images())


def equal(first, second):
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


def test_an_interrupted_training_ends_with_the_same_weights(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Images(fail_at=11))
    images = Images()
    again = run(tmp_path, images)
    assert equal(again["state_dict"], whole["state_dict"])
    assert images.read[0] == 8, "the samples of finished iterations are not read again"


def test_the_checkpoint_tells_where_it_comes_from(whole, tmp_path):
    meta = whole["meta"]
    assert meta["iterations"] == 6
    assert meta["categories"][0] == {"id": 1, "name": "a"}
    assert meta["config"]["model"]["instance_decoder"]["num_classes"] == 6
    assert len(meta["code"]) == 16


def test_the_state_of_another_configuration_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Images(fail_at=9))
    with pytest.raises(
        InputError, match=r"state\.pth: is the state of a training with another configuration"
    ):
        run(tmp_path, Images(), seed=5)


def test_a_truncated_state_is_named(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Images(fail_at=9))
    state = tmp_path / "work" / STATE
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"state\.pth: is no readable checkpoint"):
        run(tmp_path, Images())


def test_a_batch_that_cannot_be_divided_is_refused(tmp_path):
    with pytest.raises(InputError, match="a batch of 4 clips cannot be divided"):
        run(tmp_path, Images(), **{"training.micro_batch": 3})


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    class Second(Images):
        def __getitem__(self, index):
            with pytest.raises(InputError, match="another process trains in this folder"):
                run(tmp_path, Images())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Second())


def pretraining(folder):
    config = write_small_config(
        folder / "config.json", clip_length=1, temporal_encoding="none", iterations=30
    )
    command = [
        sys.executable,
        "-m",
        "novis.cli",
        "pretrain",
        "--config",
        config,
        "--seed",
        "3",
        "--threads",
        "1",
    ]
    return [
        *map(str, command),
        "--output",
        str(folder / "checkpoint.pth"),
        "--settings",
        "frame_size=[32,64]",
    ]


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, "training ended before it was to be killed"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_continued_to_the_same_weights(tmp_path, number):
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(pretraining(tmp_path / "whole"), check=True, capture_output=True, env=environment)
    command = pretraining(tmp_path / "killed")
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    wait_for(tmp_path / "killed" / "work" / STATE, process)
    process.send_signal(number)
    # Told to stop, it says "try again later"; killed, it says nothing.
    assert process.wait() == (75 if number == signal.SIGTERM else -signal.SIGKILL)
    assert not (tmp_path / "killed" / "checkpoint.pth").exists()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    first, second = (read_checkpoint(tmp_path / name / "checkpoint.pth") for name in ("whole", "killed"))
    assert equal(first["state_dict"], second["state_dict"])
    assert json.loads((tmp_path / "killed" / "training.json").read_text())["iterations"] == 30
