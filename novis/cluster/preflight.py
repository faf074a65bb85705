"""Before the first job: what the jobs ask for, held against what the cluster has.

Slurm accepts some requests that it can never serve (a time limit above the partition's) and
refuses others one job at a time, hours into a run. Here every mistake is told at once.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from novis.cluster.settings import GPU_RULES
from novis.cluster.slurm import Cluster, Node, Partition
from novis.errors import InputError
from novis.experiment import nearest

SETTINGS = "slurm/cluster.yaml"
# Seconds that the executor waits at most before it asks for its jobs again.
_LONGEST_PAUSE = 180
# Set by a run for its jobs: MB that a node has.
_MEMORY = "NOVIS_MEMORY_CAP"


@dataclass(frozen=True)
class Request:
    """What the jobs of some rules ask for; memory in MB."""

    rules: str
    partition: str | None
    account: str | None
    minutes: int
    memory: int
    cpus: int
    gpus: int = 0
    gpu_type: str | None = None
    nodes: int = 1
    extra: str = ""

    @classmethod
    def of(cls, rule: str, cpus: int, resources: Mapping[str, Any]) -> "Request":
        """From a Snakemake job's resources."""
        return cls(
            rules=rule,
            partition=resources.get("slurm_partition"),
            account=resources.get("slurm_account"),
            minutes=resources.get("runtime") or 0,
            memory=resources.get("mem_mb") or 0,
            cpus=cpus,
            gpus=resources.get("gpu") or 0,
            gpu_type=resources.get("gpu_model"),
            nodes=resources.get("nodes") or 1,
            extra=resources.get("slurm_extra") or "",
        )


def check(requests: Iterable[Request], cluster: Cluster) -> None:
    """Refuse a run that would end in a job that fails or waits for ever.

    Raises:
        InputError: all that is wrong, a line each.
    """
    different = _merged(requests)
    wrong = [text for request in different for text in objections(request, cluster)]
    wrong = wrong or [text for request in different for text in _refusal(request)]
    if wrong:
        raise InputError(
            f"the cluster cannot do what {SETTINGS} asks for; nothing was submitted:\n"
            + "\n".join(f"  * {text}" for text in dict.fromkeys(wrong))
        )


def check_polling(cluster: Cluster, status_command: str, seconds: int) -> None:
    """Refuse a way of watching jobs that would miss their end.

    Args:
        cluster: as it is.
        status_command: ``sacct`` or ``squeue``.
        seconds: between two questions.

    Raises:
        InputError: Slurm forgets finished jobs before it is asked, or keeps no accounts to ask.
    """
    if status_command == "sacct" and cluster.accounts is None:
        raise InputError(
            "this Slurm keeps no accounts: with slurm-status-command: sacct the run would wait for ever; "
            "use squeue"
        )
    needed = max(3 * seconds, _LONGEST_PAUSE + 20)
    if status_command == "squeue" and cluster.min_job_age < needed:
        raise InputError(
            f"this Slurm keeps no accounts and forgets jobs {cluster.min_job_age} s after their end "
            f"(MinJobAge): the run would miss their end. It needs {needed} s; Slurm's default is 300"
        )


def cap_memory(requests: Iterable[Request], cluster: Cluster) -> None:
    """Let no job's memory grow beyond the largest node, of the scantiest partition that is asked for."""
    partitions = [_find_partition(request, cluster) for request in requests]
    names = {partition.name for partition in partitions if isinstance(partition, Partition)}
    largest = [max(node.memory for node in cluster.nodes if name in node.partitions) for name in names]
    if largest:
        os.environ[_MEMORY] = str(min(largest))


def grown(memory: int, attempt: int) -> int:
    """Memory in MB that doubles with every new attempt of a job, up to the cap."""
    most = max(memory, int(os.environ.get(_MEMORY, sys.maxsize)))
    return min(memory * 2 ** (attempt - 1), most)


def objections(request: Request, cluster: Cluster) -> Iterator[str]:
    """What the cluster would never do of a request, in words that say what to change."""
    yield from _account(request, cluster)
    partition = _find_partition(request, cluster)
    if isinstance(partition, str):
        yield partition
        return
    if not partition.up:
        yield f"partition '{partition.name}' is not up; name another under 'partitions'"
    account = request.account
    if account and (
        account in partition.denied or (partition.accounts and account not in partition.accounts)
    ):
        yield f"partition '{partition.name}' is not open to account '{account}'"
    yield from _time(request, partition)
    nodes = [node for node in cluster.nodes if partition.name in node.partitions]
    yield from _gpus(request, partition, nodes)
    for what, asked, most in (
        ("CPUs", request.cpus, max((node.cpus for node in nodes), default=0)),
        ("MB of memory", request.memory, max((node.memory for node in nodes), default=0)),
    ):
        if asked > most:
            yield f"{request.rules}: {asked} {what} asked for, a node of '{partition.name}' has {most}"


def _merged(requests: Iterable[Request]) -> list[Request]:
    """Each request once, with the names of all rules that make it."""
    rules: dict[Request, list[str]] = {}
    for request in requests:
        names = rules.setdefault(replace(request, rules=""), [])
        if request.rules not in names:
            names.append(request.rules)
    return [replace(request, rules=", ".join(sorted(names))) for request, names in rules.items()]


def _account(request: Request, cluster: Cluster) -> Iterator[str]:
    if cluster.accounts is None:
        return
    if request.account and request.account not in cluster.accounts:
        hint = nearest(request.account, list(cluster.accounts)) if cluster.accounts else "; you have none"
        yield f"account: you have no account '{request.account}'{hint}"
    if not request.account and not cluster.accounts:
        yield "account: you have none on this cluster; ask its administrators for one"


def _find_partition(request: Request, cluster: Cluster) -> Partition | str:
    if request.partition is None:
        return cluster.default or "partitions: the cluster has no default; name one for gpu and one for cpu"
    known = {partition.name: partition for partition in cluster.partitions}
    if request.partition not in known:
        return f"partitions: there is no '{request.partition}'{nearest(request.partition, list(known))}"
    return known[request.partition]


def _time(request: Request, partition: Partition) -> Iterator[str]:
    if partition.minutes is None or request.minutes <= partition.minutes:
        return
    if set(request.rules.split(", ")) <= set(GPU_RULES):
        advice = f"set hours to {partition.minutes / 60:.3g} or less (a training goes on in the next job)"
    else:
        advice = "name one that allows it under 'partitions: cpu'"
    yield (
        f"{request.rules}: {request.minutes} minutes asked for, partition '{partition.name}' allows "
        f"{partition.minutes:.0f}; {advice}"
    )


def _gpus(request: Request, partition: Partition, nodes: Sequence[Node]) -> Iterator[str]:
    if not request.gpus:
        return
    kind = request.gpu_type
    having = [node.gpus.get(kind, 0) if kind else sum(node.gpus.values()) for node in nodes]
    most = max(having, default=0)
    named = f"GPUs of type '{kind}'" if kind else "GPUs"
    if not most:
        kinds = sorted({name for node in nodes for name in node.gpus if name})
        advice = f"there are: {', '.join(kinds)}" if kinds else "name one that has under 'partitions: gpu'"
        yield f"{request.rules}: no node of partition '{partition.name}' has {named} (gres); {advice}"
    elif request.gpus > most * request.nodes:
        yield (
            f"{request.rules}: {request.gpus} {named} asked for, a node of '{partition.name}' has {most}; "
            "set gpus_per_job"
        )


def _refusal(request: Request) -> Iterator[str]:
    """What Slurm itself says against such a job; nothing is submitted."""
    words = [f"--nodes={request.nodes}", f"--cpus-per-task={request.cpus}"]
    words += [f"--mem={request.memory}"] if request.memory else []
    words += [f"--time={request.minutes}"] if request.minutes else []
    words += [f"--partition={request.partition}"] if request.partition else []
    words += [f"--account={request.account}"] if request.account else []
    kind = f"{request.gpu_type}:" if request.gpu_type else ""
    words += [f"--gpus={kind}{request.gpus}"] if request.gpus else ["--ntasks=1"]
    words += shlex.split(request.extra)
    tried = subprocess.run(["sbatch", "--test-only", *words, "--wrap=true"], capture_output=True, text=True)
    if tried.returncode:
        yield f"{request.rules}: Slurm refuses sbatch {shlex.join(words)}: {tried.stderr.strip()}"
