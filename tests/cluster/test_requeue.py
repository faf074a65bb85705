"""When a job asks to be run again; that it is, and goes on, is shown on a real Slurm in test_faults.py."""

import pytest

from novis.cluster import requeue, slurm
from novis.errors import InputError


@pytest.fixture
def asked(monkeypatch):
    """A running job of a run; the questions that Slurm gets."""
    questions = []
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("NOVIS_REQUEUE", "")
    requeue.allow()
    monkeypatch.setattr(slurm, "state_of", lambda job: "RUNNING")
    monkeypatch.setattr(slurm, "ask", lambda *words: questions.append(words) or "")
    return questions


def test_a_job_of_a_run_is_run_again(asked):
    assert requeue.again()
    assert asked == [("scontrol", "requeue", "7")]


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "NOVIS_REQUEUE"])
def test_what_a_user_started_is_left_alone(asked, monkeypatch, variable):
    monkeypatch.delenv(variable)
    assert not requeue.again()
    assert asked == []


@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "TIMEOUT", ""])
def test_a_cancelled_job_does_not_rise_again(asked, monkeypatch, state):
    monkeypatch.setattr(slurm, "state_of", lambda job: state)
    assert not requeue.again()
    assert asked == []


def test_a_cluster_that_forbids_it_is_told_in_the_log(asked, monkeypatch, caplog):
    def refuse(*words):
        raise InputError("Slurm refuses 'scontrol requeue 7': Requested operation is presently disabled")

    monkeypatch.setattr(slurm, "ask", refuse)
    assert not requeue.again()
    assert "presently disabled" in caplog.text
