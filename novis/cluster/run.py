"""One run at a time in a checkout: held by a lock, and taken over from a run that was killed.

A killed run leaves jobs that work on. They hold the outputs that the next run would make; two
writers of one file must never be. So the next run ends them first: a training saves its state
when it is told to stop, and nothing of it is lost.
"""

import getpass
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TextIO

from novis.cluster import slurm
from novis.cluster.locking import try_lock
from novis.errors import InputError

# Held for as long as the process lives.
_held: list[TextIO] = []


def prepare(folder: Path) -> Path:
    """Make a folder of the checkout, where it is not there yet.

    Raises:
        InputError: the checkout is another user's, who lets nobody else write.
    """
    with suppress(PermissionError):
        folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise _not_yours(folder)
    return folder


def claim(folder: Path, alone: bool) -> None:
    """Hold the checkout for the life of this process.

    Args:
        folder: the checkout's folder for the state of runs.
        alone: no other run may be at work; otherwise only one that must be alone is in the way
            (Snakemake's own locks keep runs on one machine apart).

    Raises:
        InputError: another run is at work, the folder is another user's, or its file system knows no locks.
    """
    path = prepare(folder) / "run.lock"
    try:
        lock = path.open("a+")
    except PermissionError as error:
        raise _not_yours(path) from error
    if not try_lock(lock, shared=not alone):
        lock.seek(0)
        raise InputError(
            f"another run is at work in this checkout ({lock.read().strip()}): wait for it or end it; "
            "to run beside it, make a clone of your own"
        )
    lock.truncate(0)
    lock.write(f"{getpass.getuser()} on {socket.gethostname()}, process {os.getpid()}, since {_now()}\n")
    lock.flush()
    _held.append(lock)


def take_over(folder: Path, say: Callable[[str], None], seconds: float = 300) -> None:
    """End the jobs that a killed run left in a checkout, and wait until they are gone.

    Args:
        folder: the checkout.
        say: told what is done.
        seconds: to wait at most.

    Raises:
        InputError: the jobs are another user's, or do not end.
    """
    left = slurm.jobs_of(folder)
    if not left:
        return
    listed = "\n".join(f"  {job.id} {job.state.lower()} {job.comment}" for job in left)
    strangers = sorted({job.user for job in left} - {getpass.getuser()})
    if strangers:
        raise InputError(
            f"a killed run of {', '.join(strangers)} left jobs at work in this checkout:\n{listed}\n"
            "Wait for them or have them cancelled; or make a clone of your own"
        )
    say(f"A killed run left these jobs; they save what they have and end, then the work goes on:\n{listed}")
    slurm.cancel(left)
    until = time.monotonic() + seconds
    while slurm.jobs_of(folder):
        if time.monotonic() > until:
            raise InputError(f"jobs of a killed run do not end within {seconds:.0f} s:\n{listed}")
        time.sleep(1)


def outlive_terminal(log: Path) -> None:
    """Go on when the terminal is closed; what would be printed goes to ``log`` from then on."""

    def detach(number: int, frame: object) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)

    # Under nohup the signal is ignored already, and the output goes where the user wants it.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, detach)


def _not_yours(path: Path) -> InputError:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return InputError(
        f"{path}: this checkout belongs to {there.owner()}; make a clone of your own and run there"
    )


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
