"""Faults on a real Slurm: what is lost; the weights at the end are those of an uninterrupted training."""

import os
import shutil
import signal
from contextlib import contextmanager

import pandas as pd
import pytest
import torch
import yaml

from tests.cluster.cluster_run import ClusterRun
from tests.cluster.conftest import settle
from tests.workflow.checkout import Checkout

pytestmark = pytest.mark.slow


def same(weights, others):
    return weights.keys() == others.keys() and all(
        torch.equal(weights[name], others[name]) for name in weights
    )


def reach_the_time_limit(run, slurm, job):
    """After two iterations the job is near its end, and is queued again; the last iteration that it saved."""
    run.wait_for_iteration(2)
    run.hold()
    # Slurm warns the job two minutes before the end of its time: now.
    slurm.query("scontrol", "update", f"JobId={job}", f"TimeLimit={run.minutes(job) + 2}")
    slurm.wait_for(lambda: run.jobs()[job].restarts == 1, 120)
    slurm.query("scontrol", "update", f"JobId={job}", "TimeLimit=10")
    return run.saved_iteration


def test_time_limit_and_preemption_lose_nothing(training, slurm, uninterrupted):
    job = training.training_job()
    saved = reach_the_time_limit(training, slurm, job)
    training.wait_for_iteration(saved + 2)
    assert training.resumed == saved >= 2, "not one iteration was lost to the time limit"
    training.hold()
    for _ in range(2):
        slurm.query("sbatch", "-p", "urgent", "--exclusive", "--wrap=sleep 1", "-o", "/dev/null")
    slurm.wait_for(lambda: training.jobs()[job].restarts == 2, 120)
    saved = training.saved_iteration
    assert training.wait() == 0, training.said
    assert training.resumed == saved, "nor to the preemption"
    assert same(training.weights, uninterrupted)
    assert "frames (0.0 GB) copied to" in training.log, "to the node's own disk"


# Runs a command where Slurm's own are not to be found, as in an image; says what it was told.
CONTAINER = """\
#!/bin/bash
[ "$1" = --version ] && exec echo apptainer version 1.3.0
echo "$@" >> "{folder}/told"
PATH="{folder}/image:$PATH" exec bash -c "${{@: -1}}"
"""


@pytest.fixture
def container(tmp_path, monkeypatch):
    """An ``apptainer`` whose images have no Slurm."""
    programs = {"apptainer": CONTAINER.format(folder=tmp_path)}
    programs |= {f"image/{name}": "#!/bin/sh\nexit 127\n" for name in ("squeue", "scontrol")}
    (tmp_path / "image").mkdir()
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.all_faults
def test_two_ranks_in_a_container_lose_nothing_to_a_time_limit(
    slurm, prepared, tmp_path, container, uninterrupted
):
    run = ClusterRun(prepared.copy(tmp_path / "checkout"), slurm)
    (run.folder / "novis.sif").touch()
    settle(run.checkout, gpus_per_job=2, container="novis.sif")
    run.start()
    try:
        saved = reach_the_time_limit(run, slurm, run.training_job())
        assert run.wait() == 0, run.said
    finally:
        run.end()
    assert run.resumed == saved >= 2
    assert "rank 1: " in run.log or "2 ranks" in run.log
    assert all(
        torch.allclose(run.weights[name], weight, rtol=1e-3, atol=1e-5)
        for name, weight in uninterrupted.items()
    )
    assert "--nv --bind" in (container / "told").read_text(), "the node's GPUs and scratch folder"


def test_a_killed_run_is_taken_over_without_two_writers_or_lost_work(training, slurm, uninterrupted):
    first = training.training_job()
    training.wait_for_iteration(2)
    training.hold()
    training.kill()
    assert training.jobs("running"), "the job lives on"
    training.start()
    training.training_job(after=first)
    assert training.jobs()[first].state == "CANCELLED"
    assert f"{first} running rule_train" in training.said
    reached = training.saved_iteration
    assert training.wait() == 0, training.said
    assert training.resumed == reached >= 2
    assert same(training.weights, uninterrupted)


def test_a_lost_node_costs_at_most_the_iterations_since_the_last_save(training, slurm, uninterrupted):
    job = training.training_job()
    node = training.jobs()[job].node
    training.wait_for_iteration(8)
    training.hold()
    reached, saved = training.iteration, training.saved_iteration
    slurm.kill_node(node)
    try:
        assert training.wait() == 0, training.said
        assert training.jobs()[job].restarts == 1
        assert training.jobs()[job].node != node
    finally:
        slurm.start_node(node)
    assert training.resumed == saved == 6
    assert reached - saved < 6
    assert same(training.weights, uninterrupted)


@pytest.mark.all_faults
def test_a_cancelled_training_is_tried_again_from_its_saved_state(training, slurm, uninterrupted):
    job = training.training_job()
    training.wait_for_iteration(2)
    training.hold()
    slurm.query("scancel", str(job))
    training.training_job(after=job)
    saved = training.saved_iteration
    assert training.wait() == 0, training.said
    assert training.jobs()[job].state == "CANCELLED", "it did not rise again by itself"
    assert training.resumed == saved >= 2
    assert same(training.weights, uninterrupted)


@pytest.mark.all_faults
def test_a_restart_of_the_controller_is_waited_for(training, slurm, uninterrupted):
    training.training_job()
    training.wait_for_iteration(2)
    slurm.stop_controller()
    try:
        training.wait_to_say("Slurm does not answer", 240)
    finally:
        slurm.start_controller()
    assert training.wait() == 0, training.said
    assert len(training.jobs()) == 1
    assert same(training.weights, uninterrupted)


@pytest.mark.all_faults
def test_a_job_out_of_memory_is_tried_again_with_twice_as_much(slurm, prepared, tmp_path, uninterrupted):
    run = ClusterRun(prepared.copy(tmp_path / "checkout"), slurm)
    run.checkout.edit("workflow/rules/train.smk", "mem_mb=growing(16000)", "mem_mb=growing(350)")
    run.start()
    try:
        assert run.wait() == 0, run.said
    finally:
        run.end()
    states = [state.state for _, state in sorted(run.jobs().items())]
    assert states[0] in ("FAILED", "OUT_OF_MEMORY")
    assert states[-1] == "COMPLETED"
    assert "mem_mb=700" in run.said
    assert same(run.weights, uninterrupted)


@pytest.mark.all_faults
def test_a_closed_terminal_ends_nothing(training, uninterrupted):
    training.training_job()
    training.wait_for_iteration(2)
    training.process.send_signal(signal.SIGHUP)
    assert training.wait() == 0, training.said
    assert "100%" not in training.said
    assert "100%" in (training.folder / "results/logs/slurm/after_hangup.log").read_text()
    assert same(training.weights, uninterrupted)


@contextmanager
def occupied(slurm):
    """Jobs for the partition ``cpu`` wait: another has all of its node."""
    words = ("--parsable", "-p", "cpu", "--exclusive", "--wrap=sleep 600", "-o", "/dev/null")
    job = int(slurm.query("sbatch", *words))
    try:
        slurm.wait_for(lambda: slurm.jobs()[job].state == "RUNNING")
        yield
    finally:
        slurm.query("scancel", str(job))


@pytest.mark.all_faults
def test_jobs_that_wait_run_the_configuration_they_were_submitted_with(slurm, prepared, tmp_path):
    run = ClusterRun(prepared.copy(tmp_path / "checkout"), slurm)
    shutil.rmtree(run.folder / "results/tiny/split")
    split = "results/tiny/split/fold1_train.txt"
    with occupied(slurm):
        run.start(split, "--configfile", "config/long.yaml")
        slurm.wait_for(lambda: run.jobs("pending"))
        config = yaml.safe_load((run.folder / "config/long.yaml").read_text())
        config["datasets"]["tiny"]["split_seed"] = 7
        (run.folder / "config/long.yaml").write_text(yaml.safe_dump(config))
    assert run.wait() == 0, run.said
    reference = prepared.copy(tmp_path / "reference")
    reference.snakemake("-c1", split, "--configfile", "config/long.yaml")
    assert (run.folder / split).read_text() == (reference.folder / split).read_text()
    counts, text = run.checkout.planned(split, "--configfile", "config/long.yaml")
    assert counts == {"split": 1}, "the edit is not forgotten: the next run makes it anew"
    assert "Params have changed" in text


@pytest.mark.all_faults
def test_jobs_that_wait_for_edited_code_stop_and_say_so(slurm, tiny_on_slurm):
    run = tiny_on_slurm
    for path in (run.folder / "results/tiny").rglob("metrics.json"):
        path.unlink()
    target = "results/tiny/fold0/novis_shapes-novis/T4-seed0/test-T4-all-96px/S2-embed/metrics.json"
    with occupied(slurm):
        run.start(target, "--configfile", "config/tiny.yaml", "--retries", "0")
        slurm.wait_for(lambda: run.jobs("pending"))
        run.checkout.edit("novis/evaluation/evaluate.py", "def evaluate(", "EDITED = 1\n\n\ndef evaluate(")
    assert run.wait() == 1
    logs = (path.read_text() for path in (run.folder / "results/logs/slurm").rglob("*.log"))
    assert any("the code behind 'evaluate' was edited while this job waited" in text for text in logs)


def numbers(table):
    """A table's rows as text, without measured seconds and the sum of checkpoints, which hold them."""
    rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    return rows.drop(columns=rows.filter(regex="_seconds$|^checkpoint_sha256$").columns).to_dict("records")


@pytest.mark.all_faults
def test_the_whole_chain_ends_in_the_tables_of_a_local_run(tiny_on_slurm, tmp_path_factory):
    local = Checkout(tmp_path_factory.mktemp("local") / "checkout")
    local.snakemake("-c1", "--configfile", "config/tiny.yaml")
    tables = sorted((local.folder / "results/tiny").glob("*.csv"))
    assert len(tables) == 4
    for table in tables:
        assert numbers(tiny_on_slurm.folder / "results/tiny" / table.name) == numbers(table), table.name
    assert "longest" in tiny_on_slurm.first_said, "what was asked for and used"
