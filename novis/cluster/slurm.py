"""What Slurm says of itself, in plain structures: partitions, nodes, accounts, jobs."""

import getpass
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from novis.errors import InputError

# Jobs of the workflow carry this name (and a run's identifier); the profile says so to the executor.
JOB_NAME = "novis"


@dataclass(frozen=True)
class Node:
    """A node: its name and what it has; memory in MB, GPUs by type (empty where it has no name)."""

    name: str
    cpus: int
    memory: int
    gpus: dict[str, int]
    partitions: tuple[str, ...]


@dataclass(frozen=True)
class Partition:
    """A partition: how long a job may run in it (None: for ever) and who may use it (None: everyone)."""

    name: str
    minutes: float | None
    up: bool
    default: bool
    accounts: tuple[str, ...] | None
    denied: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """What a request is held against. ``accounts`` is None where Slurm keeps no accounts."""

    partitions: tuple[Partition, ...]
    nodes: tuple[Node, ...]
    accounts: tuple[str, ...] | None
    min_job_age: int

    @property
    def default(self) -> Partition | None:
        """The partition of jobs that name none."""
        return next((partition for partition in self.partitions if partition.default), None)


@dataclass(frozen=True)
class Job:
    """A job that is waiting or at work."""

    id: str
    user: str
    state: str
    comment: str


def ask(*words: str) -> str:
    """What a Slurm command prints.

    Raises:
        InputError: the command is not there, or it failed; with what it says.
    """
    try:
        return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    except FileNotFoundError as error:
        raise InputError(f"'{words[0]}' is not here: start the run where Slurm's commands are") from error
    except subprocess.TimeoutExpired as error:
        raise InputError(f"Slurm does not answer ('{' '.join(words)}'); try again later") from error
    except subprocess.CalledProcessError as error:
        raise InputError(f"Slurm refuses '{' '.join(words)}': {error.stderr.strip()}") from error


def describe() -> Cluster:
    """The cluster as it is now.

    Raises:
        InputError: Slurm cannot be asked.
    """
    general = ask("scontrol", "show", "config")
    accounting = _setting(general, "AccountingStorageType")
    return Cluster(
        partitions=tuple(map(_partition, _records(ask("scontrol", "--oneliner", "show", "partitions")))),
        nodes=tuple(map(_node, _records(ask("scontrol", "--oneliner", "show", "nodes")))),
        accounts=_accounts() if accounting.endswith("slurmdbd") else None,
        min_job_age=int(_setting(general, "MinJobAge").split()[0]),
    )


def status_command() -> str:
    """How the executor is to ask for the state of jobs: the accounting where there is one.

    Without accounting, ``sacct`` never answers, and the executor would wait for ever.
    """
    try:
        accounting = _setting(ask("scontrol", "show", "config"), "AccountingStorageType")
    except InputError:
        # A dry run needs no Slurm; a run is told by its own checks.
        return "squeue"
    return "sacct" if accounting.endswith("slurmdbd") else "squeue"


def jobs_of(folder: Path) -> list[Job]:
    """The workflow's jobs, of anyone, that wait or work in a checkout."""
    lines = ask("squeue", "--noheader", "--format=%i|%u|%T|%k|%j|%Z").splitlines()
    rows = [line.split("|", 5) for line in lines]
    return [
        Job(*row[:4])
        for row in rows
        if row[4].startswith(f"{JOB_NAME}_") and Path(row[5]).resolve() == folder.resolve()
    ]


def cancel(jobs: Sequence[Job]) -> None:
    """End jobs; they are told first, and may save what they have."""
    ask("scancel", *(job.id for job in jobs))


def state_of(job: str) -> str:
    """``RUNNING``, ``PENDING``, ``COMPLETING`` and so on; empty where Slurm knows no such job (any more).

    Raises:
        InputError: Slurm cannot be asked.
    """
    try:
        return ask("squeue", "--noheader", f"--jobs={job}", "--states=all", "--format=%T").strip()
    except InputError as error:
        if "Invalid job id" in str(error):
            return ""
        raise


def minutes(text: str) -> float | None:
    """Minutes of a time in Slurm's notation (``2-12:00:00``, ``90:00``); None where there is no limit."""
    if text in ("UNLIMITED", "INFINITE", "NONE"):
        return None
    days, dash, rest = text.rpartition("-")
    parts = [int(part) for part in rest.split(":")]
    if dash:
        hours, minute, second = (*parts, 0, 0)[:3]
        return int(days) * 1440 + hours * 60 + minute + second / 60
    hours, minute, second = (0, *parts, 0)[:3] if len(parts) < 3 else parts
    return hours * 60 + minute + second / 60


def _accounts() -> tuple[str, ...]:
    user = getpass.getuser()
    said = ask(
        "sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}", "format=account"
    )
    return tuple(dict.fromkeys(said.split()))


def _setting(text: str, key: str) -> str:
    found = re.search(rf"^{key}\s*=\s*(.*)$", text, re.MULTILINE)
    if not found:
        raise InputError(f"Slurm's configuration ('scontrol show config') has no {key}")
    return found.group(1).strip()


def _records(text: str) -> Iterator[dict[str, str]]:
    for line in text.splitlines():
        if "=" in line:
            yield dict(re.findall(r"(\S+?)=(\S*)", line))


def _partition(record: dict[str, str]) -> Partition:
    allowed = record.get("AllowAccounts", "ALL")
    return Partition(
        name=record["PartitionName"],
        minutes=minutes(record["MaxTime"]),
        up=record["State"] == "UP",
        default=record["Default"] == "YES",
        accounts=None if allowed == "ALL" else tuple(allowed.split(",")),
        denied=tuple(filter(None, record.get("DenyAccounts", "").split(","))),
    )


def _node(record: dict[str, str]) -> Node:
    gpus: dict[str, int] = {}
    for resource in re.split(r",(?![^(]*\))", record.get("Gres", "")):
        found = re.match(r"gpu(?::([^:(]+))??(?::(\d+))?(?:\(|$)", resource)
        if found:
            kind = found.group(1) or ""
            gpus[kind] = gpus.get(kind, 0) + int(found.group(2) or 1)
    return Node(
        name=record["NodeName"],
        cpus=int(record["CPUTot"]),
        memory=int(record["RealMemory"]),
        gpus=gpus,
        partitions=tuple(record.get("Partitions", "").split(",")),
    )
