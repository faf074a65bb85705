import os

import pytest
import torch
import yaml

from tests.cluster.cluster_run import TRAINING, ClusterRun
from tests.cluster.slurm_on_one_host import Cluster, missing
from tests.paths import ROOT
from tests.workflow.checkout import Checkout

# Long enough to be interrupted in the middle; saved seldom, so that a save on a signal is seen.
ITERATIONS = 12
SAVE_INTERVAL = 6
LONG = ("--configfile", "config/long.yaml")


def pytest_collection_modifyitems(items):
    """What CI has no time for runs with `NOVIS_ALL_FAULTS=1 pytest tests/cluster`."""
    if "NOVIS_ALL_FAULTS" in os.environ:
        return
    for item in items:
        if item.get_closest_marker("all_faults"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; set NOVIS_ALL_FAULTS=1"))


@pytest.fixture(scope="package")
def slurm(tmp_path_factory):
    """A running Slurm of three nodes, for as long as the tests of this folder take."""
    if reason := missing():
        pytest.skip(reason)
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def settle(checkout, **others):
    """Set what this cluster wants to know, one thread a job: results repeat bit for bit."""
    settings = {
        "partitions": {"gpu": "gpu", "cpu": "cpu"},
        "cpus_per_job": 1,
        "hours": {"train": 0.15, "predict": 0.1},
        "scratch": str(checkout.folder.parent / "scratch"),
    }
    (checkout.folder / "slurm" / "cluster.yaml").write_text(yaml.safe_dump(settings | others))


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A checkout with the data, splits and configuration of one training."""
    checkout = Checkout(tmp_path_factory.mktemp("prepared") / "checkout")
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    config["datasets"]["tiny"]["overrides"] |= {
        "iterations": ITERATIONS,
        "milestones": [6, 10],
        "training.save_interval": SAVE_INTERVAL,
        "training.log_interval": 1,
        # For two ranks to share a batch.
        "training.micro_batch": 1,
    }
    (checkout.folder / "config" / "long.yaml").write_text(yaml.safe_dump(config))
    settle(checkout)
    checkout.snakemake(*LONG, "-c1", "--until", "split", "configure", "--", f"{TRAINING}/checkpoint.pth")
    return checkout


@pytest.fixture(scope="session")
def uninterrupted(prepared, tmp_path_factory):
    """The weights of the training when nothing comes in between, on this machine without Slurm."""
    checkout = prepared.copy(tmp_path_factory.mktemp("uninterrupted") / "checkout")
    checkout.snakemake("-c1", f"{TRAINING}/checkpoint.pth", *LONG)
    return torch.load(checkout.folder / TRAINING / "checkpoint.pth", weights_only=True)["state_dict"]


@pytest.fixture
def training(slurm, prepared, tmp_path):
    """A run of that training on Slurm, started; whatever is left of it is ended."""
    run = ClusterRun(prepared.copy(tmp_path / "checkout"), slurm)
    run.start()
    yield run
    run.end()


@pytest.fixture(scope="package")
def tiny_on_slurm(slurm, tmp_path_factory):
    """The whole chain on the tiny data set, run to its end on Slurm by the one command."""
    run = ClusterRun(Checkout(tmp_path_factory.mktemp("tiny_on_slurm") / "checkout"), slurm)
    settle(run.checkout)
    run.start("--configfile", "config/tiny.yaml")
    try:
        assert run.wait(1800) == 0, run.said
    finally:
        run.end()
    run.first_said = run.said
    return run
