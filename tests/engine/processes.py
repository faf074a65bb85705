"""Ranks as real processes on this machine, started as a launcher does it."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.paths import ROOT


class Ranks:
    """``count`` processes of one command; what rank r says goes to ``folder/rank<r>.log``."""

    def __init__(self, count, command, folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.logs = [Path(folder) / f"rank{rank}.log" for rank in range(count)]
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        self.processes = []
        for rank, log in enumerate(self.logs):
            place = {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank)}
            with log.open("w") as output:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, *map(str, command)],
                        env=environment() | meeting | place,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )

    def wait_for(self, condition):
        """Until the condition holds; none of the processes may end before."""
        while not condition():
            assert all(process.poll() is None for process in self.processes), self.said()
            time.sleep(0.02)

    def finish(self):
        """The exit statuses, by rank."""
        return [process.wait() for process in self.processes]

    def said(self):
        return [log.read_text() for log in self.logs]


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
