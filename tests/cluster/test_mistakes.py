"""Wrong settings and a second run, on a real Slurm: told before anything is submitted."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.cluster.cluster_run import TARGET, ClusterRun
from tests.workflow.checkout import environment

LONG = ("--configfile", "config/long.yaml")


@pytest.fixture
def refused(slurm, prepared, tmp_path):
    """What a run with other settings says, which must end it before the first job."""

    def refused(*words, **settings):
        run = ClusterRun(prepared.copy(tmp_path / "checkout"), slurm)
        file = run.folder / "slurm" / "cluster.yaml"
        file.write_text(yaml.safe_dump(yaml.safe_load(file.read_text()) | settings))
        run.start(*(words or (TARGET, *LONG)))
        assert run.wait(120) == 1, run.said
        assert not run.jobs(), "nothing was submitted"
        assert "Traceback" not in run.said
        return run.said

    return refused


@pytest.mark.slow
def test_all_that_is_wrong_is_told_at_once(refused):
    said = refused(hours={"train": 0.5}, gpus_per_job=3, cpus_per_job=5)
    assert "train: 30 minutes asked for, partition 'gpu' allows 10; set hours to 0.167 or less" in said
    assert "train: 3 GPUs asked for, a node of 'gpu' has 2; set gpus_per_job" in said
    assert "train: 15 CPUs asked for, a node of 'gpu' has 4" in said


@pytest.mark.slow
def test_a_partition_that_is_not_there_is_told_with_the_nearest(refused):
    said = refused(partitions={"gpu": "gpus", "cpu": "cpu"})
    assert "partitions: there is no 'gpus'; did you mean 'gpu'?" in said


@pytest.mark.slow
def test_a_partition_without_gpus_is_told(refused):
    assert "train: no node of partition 'cpu' has GPUs (gres)" in refused(partitions={"gpu": "cpu"})


@pytest.mark.slow
def test_what_only_slurm_knows_is_told_in_its_words(refused, slurm, monkeypatch):
    slurm.query("scontrol", "update", "PartitionName=gpu", "AllowGroups=nogroup")
    slurm.query("scontrol", "update", "PartitionName=gpu", "MaxNodes=0")
    try:
        said = refused()
    finally:
        slurm.query("scontrol", "update", "PartitionName=gpu", "AllowGroups=ALL", "MaxNodes=UNLIMITED")
    assert "train: Slurm refuses sbatch" in said


@pytest.mark.slow
def test_all_that_must_be_brought_by_hand_is_listed_before_the_first_job(refused):
    said = refused("--", "results/ovis/split/fold0_train.txt")
    assert "ovis_train_frames (OVIS, 607 training videos): https://songbai.site/ovis" in said
    assert "ovis_train_annotations" in said
    assert "--config accept_terms=true" in said


@pytest.mark.slow
def test_a_second_run_in_the_same_checkout_is_refused_with_the_first_ones_name(training, slurm):
    training.training_job()
    second = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "slurm", TARGET, *LONG],
        cwd=training.folder,
        env=environment(training.folder),
        capture_output=True,
        text=True,
    )
    assert second.returncode == 1
    assert f"another run is at work in this checkout (root on {os.uname().nodename}, process" in second.stderr
    assert len(training.jobs()) == 1
