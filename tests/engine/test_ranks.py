"""Who is which rank; and that several ranks compute what one process does."""

import json
import re
import signal
import subprocess
import sys

import pytest
import torch
from torch import nn

from novis.engine import ranks
from novis.engine.ranks import Place, joined, parallel, place
from novis.errors import InputError
from tests.engine.processes import Ranks, environment
from tests.engine.small_network import SMALL, write_small_config

SRUN = {
    "SLURM_PROCID": "3",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-09,12],login",
    "SLURM_STEP_NUM_NODES": "4",
    "SLURM_JOB_ID": "5100",
    "SLURM_STEP_ID": "2",
}


def test_torchrun_says_which_rank_a_process_is():
    said = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "MASTER_ADDR": "n1", "MASTER_PORT": "29400"}
    assert place(said) == Place(5, 8, 1, "n1", 29400)
    assert place(SRUN | said) == Place(5, 8, 1, "n1", 29400), "torchrun within a step counts"


def test_srun_says_which_rank_a_process_is():
    here = place(SRUN)
    assert (here.rank, here.num_ranks, here.local_rank, here.address) == (3, 8, 1, "gpu07")
    assert 20000 <= here.port < 32000
    assert place(SRUN | {"SLURM_JOB_ID": "5101"}).port != here.port


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("n1", "n1"), ("n1,n2", "n1"), ("a-[3-4]-b,c", "a-3-b"), ("r[1-2]n[05,07]", "r1n05"), ("n[10]", "n10")],
)
def test_ranks_meet_on_the_first_node(nodes, first):
    assert place(SRUN | {"SLURM_STEP_NODELIST": nodes}).address == first


def test_ranks_of_one_node_meet_at_home_unless_told_otherwise():
    assert place(SRUN | {"SLURM_STEP_NUM_NODES": "1"}).address == "127.0.0.1"
    assert place(SRUN | {"MASTER_ADDR": "10.0.0.7", "MASTER_PORT": "4000"}).address == "10.0.0.7"
    assert place(SRUN | {"MASTER_PORT": "4000"}).port == 4000


def test_the_script_of_a_job_of_many_tasks_is_one_process():
    assert place({"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0"}) == Place()
    assert place({}) == Place()


@pytest.mark.parametrize("missing", ["SLURM_PROCID", "SLURM_LOCALID", "SLURM_STEP_NODELIST"])
def test_incomplete_variables_are_named(missing):
    with pytest.raises(InputError, match=missing):
        place({name: value for name, value in SRUN.items() if name != missing})


def test_another_number_of_ranks_than_asked_for_is_refused():
    advice = r"--ranks 2, but 1 started; .*torchrun --nproc-per-node 2"
    with pytest.raises(InputError, match=advice), joined(2):
        pytest.fail("the block was entered")


def test_alone_all_is_as_without_ranks():
    model = nn.Linear(1, 1)
    with joined(1):
        assert parallel(model) is model
        assert ranks.total([1.5, 2.0]) == [1.5, 2.0]
        assert not ranks.any_rank(False)


def test_two_ranks_on_one_gpu_are_refused():
    with pytest.raises(InputError, match=r"ranks 1 and 2 have the same GPU \(b\)"):
        ranks._refuse_shared(["a", "b", "b"])
    ranks._refuse_shared(["a", "b"])


def test_a_batch_norm_that_learns_is_refused(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    with pytest.raises(InputError, match="'1' is a batch norm that learns"):
        parallel(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))


@pytest.fixture(scope="module")
def training(toy_dataset, tmp_path_factory):
    """Starts a training of the toy data set by some ranks, in a folder."""
    root = tmp_path_factory.mktemp("ranks")
    changes = {
        "training.batch_size": 8,
        "training.micro_batch": 1,
        "training.validation_interval": 4,
        "model.backbone": SMALL["model.backbone"] | {"frozen_batch_norm": True},
    }
    config = write_small_config(root / "config.json", **changes)
    (root / "valid.txt").write_text("video_2\nvideo_4\n")

    def start(name, count):
        command = [
            *("-m", "novis.cli", "train", "--config", config, "--annotations", toy_dataset.annotation_file),
            *("--frames", toy_dataset.frames, "--validation-videos", root / "valid.txt", "--threads", "1"),
            *("--ranks", count, "--output", root / name / "checkpoint.pth"),
        ]
        return root / name, Ranks(count, command, root / name)

    return start


@pytest.fixture(scope="module")
def alone(training):
    folder, process = training("alone", 1)
    assert process.finish() == [0], process.said()
    return folder


def losses(folder):
    """Every loss of every iteration, by (iteration, name), over all attempts.

    mmengine logs the mean over the last ten iterations of the process.
    """
    found = {}
    for path in sorted(folder.glob("work/*/vis_data/scalars.json")):
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        sums = dict.fromkeys(name for entry in entries for name in entry if "loss" in name)
        for count, entry in enumerate((e for e in entries if "loss" in e), 1):
            for name in sums:
                found[entry["step"], name] = count * entry[name] - (sums[name] or 0.0)
                sums[name] = count * entry[name]
    return found


def validation(folder):
    return re.findall("iteration (4: validation .*)", (folder / "rank0.log").read_text())


def assert_same_training(folder, expected):
    first, second = losses(expected), losses(folder)
    assert {step for step, _ in first} == {1, 2, 3, 4, 5, 6}
    assert first.keys() == second.keys()
    for key, loss in first.items():
        assert second[key] == pytest.approx(loss, rel=1e-4), key
    one, other = (json.loads((path / "training.json").read_text()) for path in (expected, folder))
    assert one["incidents"] == other["incidents"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_ranks_train_as_one_process_does(training, alone, count):
    folder, group = training(f"by{count}", count)
    assert group.finish() == [0] * count, group.said()
    assert_same_training(folder, alone)
    assert json.loads((folder / "training.json").read_text())["ranks"] == count
    assert validation(folder) == validation(alone)
    assert len(validation(alone)) == 1
    assert len(list(folder.glob("work/*/*.log"))) == 1, "only rank 0 writes"


@pytest.mark.slow
def test_told_to_stop_all_ranks_stop_at_one_iteration_and_one_process_goes_on(training, alone):
    folder, group = training("stopped", 2)
    group.wait_for((folder / "work" / "state.pth").exists)
    group.processes[1].send_signal(signal.SIGTERM)
    assert group.finish() == [75, 75], group.said()
    stops = {text.split("saved after iteration ")[1].split()[0] for text in group.said()}
    assert len(stops) == 1
    assert not (folder / "checkpoint.pth").exists()
    folder, rest = training("stopped", 1)
    assert rest.finish() == [0]
    assert f"resumed after iteration {stops.pop()}" in rest.said()[0]
    assert_same_training(folder, alone)


@pytest.mark.slow
def test_torchrun_starts_the_ranks(training, alone, toy_dataset):
    folder = alone.with_name("torchrun")
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "novis.cli", "train", "--config", alone.with_name("config.json"), "--threads", "1"),
        *("--annotations", toy_dataset.annotation_file, "--frames", toy_dataset.frames),
        *("--validation-videos", alone.with_name("valid.txt")),
        *("--ranks", "2", "--output", folder / "checkpoint.pth"),
    ]
    subprocess.run([*map(str, command)], check=True, capture_output=True, env=environment())
    assert_same_training(folder, alone)
