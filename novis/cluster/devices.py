"""GPUs of one machine, one job each: what a cluster's scheduler does, where there is none.

Snakemake counts GPUs (``--resources gpu=4``) but does not say which one a job is to use. A job
takes the first that no other job holds, and holds it for as long as its process lives.
"""

import os
import subprocess
from pathlib import Path
from typing import TextIO

from novis.cluster.locking import try_lock
from novis.errors import InputError

# Set by a run on this machine for its jobs: the folder of the locks.
_VARIABLE = "NOVIS_DEVICES"
_VISIBLE = "CUDA_VISIBLE_DEVICES"
# Held for as long as the process lives.
_held: list[TextIO] = []


def present() -> list[str]:
    """The GPUs that this process may use, by index or identifier; none where there is no driver."""
    if _VISIBLE in os.environ:
        return [name for name in os.environ[_VISIBLE].split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    return [str(index) for index in range(listed.stdout.count("GPU "))] if listed.returncode == 0 else []


def at_once() -> int:
    """How many jobs that want a GPU can work at a time: one a GPU, or one a core where there is none."""
    return len(present()) or os.cpu_count() or 1


def share(folder: Path) -> None:
    """Let the jobs that are started from now on share this machine's GPUs, with locks in ``folder``."""
    os.environ[_VARIABLE] = str(folder.resolve())


def take(number: int = 1) -> None:
    """In a job: be left alone with ``number`` GPUs that no other job holds, where GPUs are shared.

    Raises:
        InputError: so many are not free, or the locks' file system knows none.
    """
    # The ranks of one training divide the GPUs that were given to it.
    if _VARIABLE not in os.environ or "LOCAL_RANK" in os.environ or not (names := present()):
        return
    taken = []
    for name in names:
        lock = (Path(os.environ[_VARIABLE]) / f"gpu-{name.strip()}.lock").open("w")
        if not try_lock(lock):
            lock.close()
            continue
        _held.append(lock)
        taken.append(name.strip())
        if len(taken) == number:
            os.environ[_VISIBLE] = ",".join(taken)
            return
    raise InputError(
        f"{number} GPUs are wanted, {len(taken)} of {len(names)} are free; say how many there are: "
        f"--resources gpu={len(names)}"
    )
