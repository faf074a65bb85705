import os
import subprocess
import sys

import pytest

from novis.cluster import devices
from novis.errors import InputError

JOB = """
import os, sys
from novis.cluster import devices
devices.take(int(sys.argv[1]))
print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    """A job on a machine with GPUs 2, 3 and 5, and what it may see; it works until its input is closed."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3,5")
    monkeypatch.setenv("NOVIS_DEVICES", "")
    devices.share(tmp_path)
    started = []

    def start(number=1):
        process = subprocess.Popen(
            [sys.executable, "-c", JOB, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        process.communicate()


def test_jobs_at_a_time_never_share_a_gpu(job):
    (first, one), (_, two), (_, three) = job(), job(), job()
    assert [one, two, three] == ["2", "3", "5"]
    with pytest.raises(InputError, match="1 GPUs are wanted, 0 of 3 are free"):
        devices.take()
    first.communicate()
    assert job()[1] == "2", "a job that ended, however, lets go"


def test_a_job_of_several_gpus_gets_them_together(job):
    assert job(2)[1] == "2,3"
    assert job()[1] == "5"


def test_without_a_run_that_shares_them_nothing_changes(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    monkeypatch.delenv("NOVIS_DEVICES", raising=False)
    devices.take()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "2,3"


def test_as_many_jobs_as_gpus_or_else_as_cores(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert devices.at_once() == 3
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices.present() == []
    assert devices.at_once() == os.cpu_count()


def test_gpus_are_counted_by_the_driver(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'GPU 0: NVIDIA A100 (UUID: GPU-a)'\necho 'GPU 1: NVIDIA A100 (UUID: GPU-b)'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert devices.present() == ["0", "1"]
