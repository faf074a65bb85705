"""When a job asks to be run again; that it is, and goes on, is shown on a real Slurm in test_faults.py."""

import pytest

from novis.cluster import requeue, slurm
from novis.errors import InputError


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """A running job of a run; the questions that Slurm gets."""
    questions = []
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("NOVIS_REQUEUE", "")
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    requeue.allow(tmp_path / "marks")
    monkeypatch.setattr(slurm, "state_of", lambda job: "RUNNING")
    monkeypatch.setattr(slurm, "ask", lambda *words: questions.append(words) or "")
    return questions


def test_a_job_whose_work_wishes_so_is_run_again_once(asked):
    requeue.wish()
    assert asked == [], "the work itself, which may be in a container, needs no Slurm"
    assert requeue.again()
    assert asked == [("scontrol", "requeue", "7")]
    assert not requeue.again()


def test_a_job_whose_work_ended_otherwise_is_left_alone(asked):
    assert not requeue.again()
    assert asked == []


@pytest.mark.parametrize("variable", ["SLURM_JOB_ID", "NOVIS_REQUEUE"])
def test_what_a_user_started_is_left_alone(asked, monkeypatch, variable):
    monkeypatch.delenv(variable)
    requeue.wish()
    assert not requeue.again()
    assert asked == []


@pytest.mark.parametrize("name", ["RANK", "SLURM_PROCID"])
def test_one_rank_speaks_for_all(asked, monkeypatch, tmp_path, name):
    monkeypatch.setenv(name, "1")
    requeue.wish()
    assert not list((tmp_path / "marks").iterdir())


@pytest.mark.parametrize("state", ["COMPLETING", "CANCELLED", "TIMEOUT", ""])
def test_a_cancelled_job_does_not_rise_again(asked, monkeypatch, state):
    monkeypatch.setattr(slurm, "state_of", lambda job: state)
    requeue.wish()
    assert not requeue.again()
    assert asked == []


def test_a_cluster_that_forbids_it_is_told_in_the_log(asked, monkeypatch, caplog):
    def refuse(*words):
        raise InputError("Slurm refuses 'scontrol requeue 7': Requested operation is presently disabled")

    monkeypatch.setattr(slurm, "ask", refuse)
    requeue.wish()
    assert not requeue.again()
    assert "presently disabled" in caplog.text
