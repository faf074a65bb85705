"""Training as a whole: interrupted and resumed, it ends with the same weights, bit for bit."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

import novis.engine.fit as engine_fit
from novis.data.shapes import ShapesImages, ShapesSettings
from novis.engine.checkpoints import read_checkpoint
from novis.engine.fit import STATE, TrainingData, fit, use_threads
from novis.engine.pretrain import EndlessSchedule, GeneratedImages
from novis.errors import InputError
from novis.experiment import VERSIONS
from novis.structures import Category
from tests.engine.small_network import small_config, write_small_config

CATEGORIES = [Category(number, name) for number, name in enumerate("abcdef", 1)]


class Images(GeneratedImages):
    """Generated images. Reading number ``fail_at`` of a process fails; all are noted in ``journal``."""

    def __init__(self, fail_at=None, journal=None):
        super().__init__(ShapesImages(ShapesSettings(frame_size=(32, 64)), 3))
        self.read, self.fail_at, self.journal = [], fail_at, journal

    def __getitem__(self, index):
        if len(self.read) == self.fail_at:
            raise KeyboardInterrupt
        self.read.append(index)
        if self.journal:
            with self.journal.open("a") as file:
                file.write(f"{index}\n")
        return super().__getitem__(index)


def run(folder, images, settings=None, options=None, **changes):
    config = small_config(clip_length=1, temporal_encoding="none", **changes)
    folder.mkdir(exist_ok=True)
    data = TrainingData(CATEGORIES, images, EndlessSchedule(4), settings=settings or {})
    fit(config, data, folder / "checkpoint.pth", work=folder / "work", **(options or {}))
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


def test_other_processes_read_each_sample_once_and_none_of_finished_iterations(tmp_path, whole):
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Images(fail_at=11))
    journal = tmp_path / "journal.txt"
    again = run(tmp_path, Images(journal=journal), options={"workers": 1})
    assert equal(again["state_dict"], whole["state_dict"])
    assert [int(line) for line in journal.read_text().split()] == list(range(8, 24))


def test_a_training_that_has_diverged_is_no_success(tmp_path):
    with pytest.raises(InputError, match="the last 3 steps had no finite gradient"):
        run(tmp_path, Images(), **{"training.learning_rate": 1e30})
    assert not (tmp_path / "checkpoint.pth").exists()


def test_the_checkpoint_tells_where_it_comes_from(whole, tmp_path):
    meta = whole["meta"]
    assert meta["iterations"] == 6
    assert meta["categories"][0] == {"id": 1, "name": "a"}
    assert meta["config"]["model"]["instance_decoder"]["num_classes"] == 6
    assert len(meta["code"]) == 16


def interrupt(folder, **changes):
    with pytest.raises(KeyboardInterrupt):
        run(folder, Images(fail_at=9), **changes)


REFUSED = r"state\.pth: is the state of a training with another configuration, version or other data"


def test_the_state_of_another_configuration_is_refused(tmp_path):
    interrupt(tmp_path)
    with pytest.raises(InputError, match=REFUSED):
        run(tmp_path, Images(), seed=5)


def test_the_state_of_other_data_is_refused(tmp_path):
    interrupt(tmp_path, settings={"seed": 3})
    with pytest.raises(InputError, match=REFUSED):
        run(tmp_path, Images(), settings={"seed": 4})


def test_the_state_of_another_version_of_the_training_is_refused(tmp_path, monkeypatch):
    interrupt(tmp_path)
    monkeypatch.setitem(VERSIONS, "train", VERSIONS["train"] + 1)
    with pytest.raises(InputError, match=REFUSED):
        run(tmp_path, Images())


def test_a_finished_training_starts_over(tmp_path, whole):
    """Nothing of it is left that another configuration, or other code, could take for its own."""
    run(tmp_path, Images(), seed=5)
    assert not (tmp_path / "work" / STATE).exists()
    images = Images()
    again = run(tmp_path, images)
    assert len(images.read) == 6 * 4
    assert equal(again["state_dict"], whole["state_dict"])


def test_a_training_killed_after_its_weights_are_written_is_finished_once_more(tmp_path, whole, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(engine_fit, "write_json", lambda *_, **__: sys.exit(1))
        with pytest.raises(SystemExit):
            run(tmp_path, Images())
    images = Images()
    assert equal(run(tmp_path, images)["state_dict"], whole["state_dict"])
    assert images.read == []


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


def test_numbers_of_processes_and_threads_that_cannot_be_are_refused(tmp_path):
    with pytest.raises(InputError, match="--workers -1: must be at least 0"):
        run(tmp_path, Images(), options={"workers": -1})
    for threads in (0, -1):
        with pytest.raises(InputError, match=f"--threads {threads}: must be at least 1"):
            use_threads(threads)
    use_threads(None)


def test_a_work_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "work").write_text("")
    with pytest.raises(InputError, match=r"work: cannot be written"):
        run(tmp_path, Images())


def test_two_trainings_in_one_folder_are_refused(tmp_path):
    class Second(Images):
        def __getitem__(self, index):
            with pytest.raises(InputError, match="another process trains in this folder"):
                run(tmp_path, Images())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, Second())


def pretraining(folder, *options):
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
        *options,
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


@pytest.mark.slow
def test_a_signal_to_the_whole_group_of_processes_is_the_trainings_own_affair(tmp_path):
    command = pretraining(tmp_path, "--workers", "1")
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )
    wait_for(tmp_path / "work" / STATE, process)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait() == 75
    said = (tmp_path / "log.txt").read_text()
    assert "told to stop: saved after iteration" in said
    assert "Traceback" not in said
