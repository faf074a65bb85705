"""A run of `snakemake --profile slurm` in a checkout of its own, watched from outside."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from tests.workflow.checkout import environment

TRAINING = "results/tiny/fold0/novis_shapes-novis/T4-seed0"
TARGET = f"{TRAINING}/checkpoint.pth"


class ClusterRun:
    """Snakemake in the background; what it says is in ``said``."""

    def __init__(self, checkout, slurm):
        self.checkout = checkout
        self.folder = checkout.folder
        self.slurm = slurm
        self.process = None
        self._log = self.folder / "said.txt"

    def start(self, *words):
        """Type the command."""
        words = words or (TARGET, "--configfile", "config/long.yaml")
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *("-m", "snakemake", "--profile", "slurm"),
                    *("--slurm-init-seconds-before-status-checks", "1"),
                    *words,
                ],
                cwd=self.folder,
                env=environment(self.folder),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def said(self):
        """What the user saw so far."""
        return self._log.read_text()

    def wait_to_say(self, text, seconds):
        """Wait until the user has read some text."""
        until = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < until, self.said
            time.sleep(0.25)

    def wait(self, seconds=300):
        """The exit status, when the run has ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            queue = self.slurm.query("squeue")
            raise AssertionError(f"still at work after {seconds} s:\n{self.said}\n{queue}") from error

    def kill(self):
        """End snakemake at once; its jobs live on."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def end(self):
        """End everything that is left."""
        if self.process.poll() is None:
            self.kill()
        for job in self.jobs("pending,running"):
            self.slurm.query("scancel", str(job))
        self.slurm.wait_for(lambda: not self.jobs("pending,running,completing"))

    def jobs(self, states="all"):
        """This checkout's jobs."""
        lines = self.slurm.query("squeue", "-h", "-t", states, "-o", "%i|%Z").splitlines()
        mine = {int(line.split("|")[0]) for line in lines if line.split("|")[1] == str(self.folder)}
        return {job: state for job, state in self.slurm.jobs(states).items() if job in mine}

    def minutes(self, job):
        """How long a job has run, in whole minutes."""
        minutes = self.slurm.query("squeue", "-h", "-j", str(job), "-o", "%M").strip().split(":")[-2]
        return int(minutes)

    def training_job(self, after=0):
        """The number of the job that trains, as soon as one runs that was submitted after another."""
        found = []

        def running():
            found[:] = [
                job for job, state in self.jobs("running").items() if "train" in state.comment and job > after
            ]
            return found

        self.slurm.wait_for(running, 180)
        return found[0]

    def wait_for_iteration(self, iteration):
        """Wait until the training has finished that many iterations."""
        self.slurm.wait_for(lambda: self.iteration >= iteration or self.process.poll() is not None, 180)
        assert self.process.poll() is None, self.said

    def hold(self):
        """Freeze the training where it is, however fast the machine; a signal of Slurm thaws it."""
        for pid in self._trainers():
            os.kill(pid, signal.SIGSTOP)

    def _trainers(self):
        return [
            int(process.name)
            for process in Path("/proc").glob("[0-9]*")
            if _is_training(process) and (process / "cwd").resolve() == self.folder
        ]

    @property
    def iteration(self):
        """The iteration that was finished last, by the training's own log."""
        logs = sorted((self.folder / TRAINING / "work").glob("*/vis_data/scalars.json"))
        steps = [json.loads(line).get("step", 0) for log in logs for line in log.read_text().splitlines()]
        return steps[-1] if steps else 0

    @property
    def saved_iteration(self):
        """The iteration after which the state of the training was saved last."""
        state = self.folder / TRAINING / "work" / "state.pth"
        return torch.load(state, weights_only=True)["iteration"] if state.exists() else 0

    @property
    def resumed(self):
        """The iteration after which the training went on last, by its log."""
        found = re.findall(r"resumed after iteration (\d+)", self.log)
        return int(found[-1]) if found else 0

    @property
    def log(self):
        """The training's log."""
        return (self.folder / "results/logs/train/tiny/fold0/novis_shapes-novis/T4-seed0.log").read_text()

    @property
    def weights(self):
        """The final weights."""
        return torch.load(self.folder / TARGET, weights_only=True)["state_dict"]


def _is_training(process):
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return words[1:3] == [f"{Path(sys.executable).parent}/novis".encode(), b"train"]
