"""Faults on a real Slurm: what is lost; the weights at the end are those of an uninterrupted training."""

import pytest
import torch

pytestmark = pytest.mark.slow


def same(weights, others):
    return weights.keys() == others.keys() and all(
        torch.equal(weights[name], others[name]) for name in weights
    )


def test_time_limit_and_preemption_lose_nothing(training, slurm, uninterrupted):
    job = training.training_job()
    training.wait_for_iteration(2)
    training.hold()
    # Slurm warns the job 90 s before the end of its time: now.
    slurm.query("scontrol", "update", f"JobId={job}", f"TimeLimit={training.minutes(job) + 1}")
    slurm.wait_for(lambda: training.jobs()[job].restarts == 1, 120)
    slurm.query("scontrol", "update", f"JobId={job}", "TimeLimit=10")
    saved = training.saved_iteration
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
