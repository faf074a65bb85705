import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace

import pytest

from novis.engine import lock
from novis.engine.lock import Holder, Lock
from novis.errors import InputError
from tests.engine.processes import environment

# Another machine, so that only its signs of life tell what it does.
ELSEWHERE = replace(Holder.here({}), host="n7", machine="another boot", process=1234, token="other")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "PATIENCE", 0.6)


def leave(folder, holder):
    (folder / ".holder").write_text(json.dumps(asdict(holder)))


def test_a_folder_is_held_by_one_and_free_afterwards(tmp_path):
    with Lock(tmp_path) as held:
        held.confirm()
        with pytest.raises(
            InputError, match=rf"another process trains in this folder \(process {os.getpid()}"
        ):
            Lock(tmp_path).__enter__()
        held.confirm()
    assert list(tmp_path.iterdir()) == []
    with Lock(tmp_path):
        pass


def test_a_killed_holder_of_this_machine_is_followed_at_once(tmp_path, caplog):
    script = "import sys, pathlib, time; from novis.engine.lock import Lock\n"
    script += "with Lock(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(1000)"
    command = [sys.executable, "-c", script, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment())
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match=f"process {process.pid}"):
        Lock(tmp_path).__enter__()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Lock(tmp_path):
        assert f"taken over from process {process.pid}" in caplog.text
        assert "waiting" not in caplog.text


def test_a_number_that_another_process_has_by_now_holds_nothing(tmp_path):
    leave(tmp_path, replace(Holder.here({}), started="1", token="other"))
    with Lock(tmp_path) as held:
        held.confirm()


@pytest.mark.usefixtures("impatient")
def test_a_holder_elsewhere_that_gives_signs_of_life_is_respected(tmp_path):
    leave(tmp_path, replace(ELSEWHERE, job=""))
    alive = threading.Event()

    def live():
        while not alive.wait(0.1):
            os.utime(tmp_path / ".holder")

    thread = threading.Thread(target=live)
    thread.start()
    try:
        with pytest.raises(InputError, match="process 1234 on n7"):
            Lock(tmp_path).__enter__()
    finally:
        alive.set()
        thread.join()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("content", [json.dumps(asdict(ELSEWHERE)), "", '{"host": '])
def test_a_silent_one_is_followed_and_a_torn_record_too(tmp_path, content, caplog):
    (tmp_path / ".holder").write_text(content)
    with Lock(tmp_path) as held:
        held.confirm()
    assert "waiting up to" in caplog.text


@pytest.mark.usefixtures("impatient")
def test_a_holder_touches_its_lock(tmp_path):
    with Lock(tmp_path) as held:
        before = held.path.stat().st_mtime_ns
        while held.path.stat().st_mtime_ns == before:
            time.sleep(0.05)


def test_who_was_taken_over_does_not_write_and_leaves_the_lock_alone(tmp_path):
    with Lock(tmp_path) as held:
        leave(tmp_path, ELSEWHERE)
        with pytest.raises(InputError, match=r"was taken over by another process \(process 1234 on n7"):
            held.confirm()
    assert json.loads((tmp_path / ".holder").read_text())["token"] == "other"


def test_a_lock_that_changed_hands_meanwhile_is_put_back(tmp_path):
    leave(tmp_path, ELSEWHERE)
    Lock(tmp_path)._remove(replace(ELSEWHERE, token="judged"))
    assert [path.name for path in tmp_path.iterdir()] == [".holder"]
    assert json.loads((tmp_path / ".holder").read_text())["token"] == "other"


def squeue(folder, monkeypatch, body):
    program = folder / "bin" / "squeue"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("echo COMPLETED", "gone"),
        ("echo PENDING", "gone"),
        ("exit 0", "gone"),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", "gone"),
        ("echo SUSPENDED", "at work"),
        ("echo RUNNING", "unknown"),
        ("echo COMPLETING", "unknown"),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", "unknown"),
    ],
)
def test_slurm_says_what_became_of_a_job(tmp_path, monkeypatch, body, state):
    squeue(tmp_path, monkeypatch, body)
    own = Holder.here({"SLURM_JOB_ID": "8"})
    assert lock._known_state(replace(ELSEWHERE, job="7"), own) == state


def test_an_earlier_start_of_the_same_job_is_gone():
    own = Holder.here({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "1"})
    assert lock._known_state(replace(ELSEWHERE, job="7", restart="0"), own) == "gone"
    assert lock._known_state(replace(ELSEWHERE, job="7", restart="1"), own) == "unknown"
