"""The processes that train one network together: found, joined, told apart, left as one.

A rank is a process with a share of every batch. Who started the ranks says how many there
are: ``torchrun`` on one machine, ``srun`` over machines, or nobody, then there is one. They
compute what one process would (:mod:`novis.engine.loop`); only rank 0 writes files.
"""

import logging
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from novis.engine.watch import Watch
from novis.errors import InputError

# How long ranks wait for each other: to come together, and within one exchange of numbers.
_MEETING = timedelta(minutes=10)
_EXCHANGE = timedelta(minutes=30)

# Rank, number of ranks and rank within the machine, by the names that each launcher gives them.
_LAUNCHERS = (
    ("RANK", "WORLD_SIZE", "LOCAL_RANK"),
    # Of the step, not of the job: a job of many tasks also runs its script, once.
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"),
)


@dataclass(frozen=True)
class Place:
    """Where this process stands among the ranks.

    Attributes:
        rank: in 0..num_ranks - 1.
        num_ranks: of the whole training.
        local_rank: among those of this machine; it chooses the GPU.
        address: machine of rank 0.
        port: where the ranks meet there.
    """

    rank: int = 0
    num_ranks: int = 1
    local_rank: int = 0
    address: str = "127.0.0.1"
    port: int = 0


def place(environment: Mapping[str, str]) -> Place:
    """Read from the environment who this process is: by torchrun, else by srun, else alone.

    ``MASTER_ADDR`` and ``MASTER_PORT`` say where to meet; under srun they follow from the
    step's nodes and the job's number where they are not set.

    Raises:
        InputError: the launcher's variables are incomplete or no numbers.
    """
    names = next((names for names in _LAUNCHERS if names[1] in environment), None)
    if names is None:
        return Place()
    try:
        rank, num_ranks, local_rank = (int(environment[name]) for name in names)
        if num_ranks == 1:
            return Place()
        address = environment.get("MASTER_ADDR") or _address(environment)
        port = int(environment.get("MASTER_PORT") or _port(environment))
    except (KeyError, ValueError) as error:
        wanted = ", ".join((*names, "MASTER_ADDR", "MASTER_PORT"))
        raise InputError(f"the environment does not tell the ranks apart ({error}): set {wanted}") from error
    return Place(rank, num_ranks, local_rank, address, port)


@contextmanager
def joined(ranks: int | None = None) -> Iterator[None]:
    """Join the other ranks for the time of a ``with`` block; ``mmengine.dist`` then knows them.

    The ranks leave the block together, an orderly ``SystemExit`` included. An error of one,
    or its death, ends them all with a message: none waits for a rank that is gone.

    Args:
        ranks: how many there must be; as many as were started without it.

    Raises:
        InputError: another number was started, they do not find each other, or two of them
            would share a GPU.
    """
    here = place(os.environ)
    if ranks is not None and ranks != here.num_ranks:
        raise InputError(
            f"--ranks {ranks}, but {here.num_ranks} started; start them with "
            f"'torchrun --nproc-per-node {ranks} -m novis.cli train ...', or 'srun --ntasks {ranks} novis "
            "train ...' over nodes"
        )
    if here.num_ranks == 1:
        yield
        return
    _name_in_logs(here.rank)
    watch = Watch(_meet(here), here.rank, here.num_ranks)
    with watch:
        _join(here, watch)
        yield


def any_rank(flag: bool) -> bool:
    """Whether ``flag`` is set on any rank; all must ask at the same time."""
    return bool(total([flag])[0])


def total(values: list[float]) -> list[float]:
    """Sums over the ranks, the same on each; all must ask at the same time."""
    if not distributed.is_initialized():
        return values
    summed = torch.tensor(values, dtype=torch.float64, device=_device())
    distributed.all_reduce(summed)
    return summed.tolist()


def parallel(model: nn.Module) -> nn.Module:
    """The model with gradients averaged over the ranks; as it is where there is only one.

    Raises:
        InputError: a batch norm learns. It would see a rank's share of the batch, and the
            result depend on the number of ranks.
    """
    if not distributed.is_initialized():
        return model
    for name, module in model.train().named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.training:
            raise InputError(
                f"'{name}' is a batch norm that learns, which several ranks do not do as one would; "
                "set frozen_batch_norm=True of the backbone, or train with one rank"
            )
    return DistributedDataParallel(model.to(_device()), forward_sync_buffers=False)


def _address(environment: Mapping[str, str]) -> str:
    """The first node of the step, where srun places rank 0: ``gpu1`` of ``gpu[1-3,7],login``."""
    if environment.get("SLURM_STEP_NUM_NODES") == "1":
        return "127.0.0.1"
    first = re.match(r"(?:[^,\[]|\[[^\]]*\])+", environment["SLURM_STEP_NODELIST"])
    return re.sub(r"\[(\w+)[^\]]*\]", r"\1", first[0])


def _port(environment: Mapping[str, str]) -> int:
    """A port that jobs on one node do not share, among those that are free for users."""
    return 20000 + (7 * int(environment["SLURM_JOB_ID"]) + int(environment["SLURM_STEP_ID"])) % 12000


def _meet(here: Place) -> distributed.Store:
    """The key-value store of all ranks, kept by rank 0, or by torchrun."""
    keeper = here.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
    try:
        store = distributed.TCPStore(here.address, here.port, here.num_ranks, keeper, _MEETING)
    except distributed.DistError as error:
        raise InputError(
            f"rank {here.rank} of {here.num_ranks} on {socket.gethostname()} did not meet the others at "
            f"{here.address}:{here.port} ({_first_line(error)}); see that all were started, and that "
            "MASTER_ADDR is the machine of rank 0 and MASTER_PORT free there"
        ) from error
    return store


def _join(here: Place, watch: Watch) -> None:
    """Take a GPU of one's own, and make the group of processes that exchange gradients."""
    backend = "gloo"
    if torch.cuda.is_available():
        backend = "nccl"
        torch.cuda.set_device(here.local_rank % torch.cuda.device_count())
        uuid = torch.cuda.get_device_properties(torch.cuda.current_device()).uuid
        _refuse_shared(watch.exchange("gpu", str(uuid)))
    distributed.init_process_group(
        backend,
        store=distributed.PrefixStore("group", watch.store),
        rank=here.rank,
        world_size=here.num_ranks,
        timeout=_EXCHANGE,
    )


def _refuse_shared(devices: list[str]) -> None:
    for rank, device in enumerate(devices):
        if (first := devices.index(device)) < rank:
            raise InputError(
                f"ranks {first} and {rank} have the same GPU ({device}); start as many ranks on a node as "
                "it has GPUs for the job"
            )


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _name_in_logs(rank: int) -> None:
    """Say whose message it is; mmengine logs on rank 0 alone."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(logging.Formatter(f"rank {rank}: %(message)s"))


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]
