"""One run at a time; that jobs of a killed run are ended is shown on a real Slurm in test_faults.py."""

import os
import pty
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from novis.cluster import run
from novis.errors import InputError

HOLDER = """
import sys, time
from pathlib import Path
from novis.cluster import run
run.claim(Path(sys.argv[1]), alone=sys.argv[2] == "alone")
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the checkout."""
    processes = []

    def hold(how):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), how], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield hold
    for process in processes:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def let_go():
    yield
    while run._held:
        run._held.pop().close()


def test_a_second_run_is_refused_with_the_first_ones_name(holder, tmp_path):
    first = holder("alone")
    with pytest.raises(InputError, match=f"another run is at work.*process {first.pid}, since"):
        run.claim(tmp_path, alone=True)


@pytest.mark.parametrize(("first", "second"), [("alone", False), ("beside", True)])
def test_a_run_that_must_be_alone_bears_no_other(holder, tmp_path, first, second):
    holder(first)
    with pytest.raises(InputError, match="another run is at work"):
        run.claim(tmp_path, alone=second)


def test_runs_on_one_machine_are_kept_apart_by_snakemake(holder, tmp_path):
    holder("beside")
    run.claim(tmp_path, alone=False)


def test_a_killed_run_lets_go(holder, tmp_path):
    process = holder("alone")
    process.send_signal(signal.SIGKILL)
    process.wait()
    run.claim(tmp_path, alone=True)


@pytest.fixture
def open_folder():
    """A folder that everyone may read; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two users")
@pytest.mark.parametrize("state", ["never run", "run before", "open to all"])
def test_another_users_checkout_is_refused_with_the_owners_name(open_folder, state):
    folder = open_folder / "state"
    if state != "never run":
        folder.mkdir(mode=0o755)
        (folder / "run.lock").touch(mode=0o644)
    if state == "open to all":
        folder.chmod(0o777)
    child = os.fork()
    if not child:
        os.setuid(65534)
        try:
            run.claim(folder, alone=True)
        except (InputError, PermissionError) as error:
            os._exit(0 if "belongs to root; make a clone of your own" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_closed_terminal_does_not_end_a_run(tmp_path):
    log = tmp_path / "logs" / "after.log"
    program = f"""
import time
from pathlib import Path
from novis.cluster import run
run.outlive_terminal(Path({str(log)!r}))
print("ready", flush=True)
while not Path({str(log)!r}).exists():
    time.sleep(0.05)
print("went on", flush=True)
"""
    child, terminal = pty.fork()
    if not child:
        os.execv(sys.executable, [sys.executable, "-c", program])
    assert b"ready" in os.read(terminal, 100)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert log.read_text().strip() == "went on"
