"""What a cluster's user sets, and the blocks of the Snakemake profile that follow from it."""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from novis.cluster import run
from novis.errors import InputError
from novis.experiment import nearest

# The rules that want a GPU, and the entry of ``hours`` that bounds each.
GPU_RULES = {
    "train": "train",
    "pretrain": "train",
    "pretrain_images": "train",
    "features": "predict",
    "predict": "predict",
    "speed": "predict",
}
# Those that, told to stop, save what they have and go on from there.
RESUMABLE = ("train", "pretrain", "pretrain_images", "features", "predict")
# Seconds before its time limit at which such a job is told.
WARNING_SECONDS = 120


@dataclass(frozen=True)
class Settings:
    """The cluster's side of a run; see slurm/cluster.yaml for what each means.

    Raises:
        InputError: a value of the wrong kind.
    """

    account: str | None = None
    partitions: Mapping[str, str | None] = field(default_factory=dict)
    gpus_per_job: int = 1
    gpu_type: str | None = None
    cpus_per_job: int = 4
    hours: Mapping[str, float] = field(default_factory=dict)
    scratch: str | None = None
    modules: tuple[str, ...] = ()
    container: str | None = None

    def __post_init__(self) -> None:
        for name in ("gpus_per_job", "cpus_per_job"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise InputError(f"{name}: must be a whole number of at least 1, is {getattr(self, name)!r}")
        for rule, hours in self.hours.items():
            if not isinstance(hours, int | float) or isinstance(hours, bool) or hours <= 0:
                raise InputError(f"hours.{rule}: must be a number above 0, is {hours!r}")

    @property
    def default_resources(self) -> dict[str, Any]:
        """What every job asks for, unless its rule says otherwise."""
        given = {
            "slurm_account": self.account,
            "slurm_partition": self.partitions.get("cpu"),
        }
        # One node: otherwise Slurm spreads several GPUs of a job over nodes.
        fixed = {"nodes": 1, "mem_mb": 2000, "runtime": 60}
        return fixed | {key: _quoted(value) for key, value in given.items() if value is not None}

    @property
    def rule_resources(self) -> dict[str, dict[str, Any]]:
        """What the jobs of the GPU rules ask for."""
        blocks = {}
        for rule, entry in GPU_RULES.items():
            minutes = max(1, round(60 * self.hours[entry]))
            block: dict[str, Any] = {"runtime": minutes}
            if rule in RESUMABLE:
                block["slurm_extra"] = _quoted(f"--signal=TERM@{min(WARNING_SECONDS, 15 * minutes)}")
            if self.partitions.get("gpu") is not None:
                block["slurm_partition"] = _quoted(self.partitions["gpu"])
            if self.gpu_type is not None:
                block["gpu_model"] = _quoted(self.gpu_type)
            blocks[rule] = block
        blocks["train"]["gpu"] = self.gpus_per_job
        return blocks

    @property
    def threads(self) -> dict[str, int]:
        """CPU cores of the jobs that use several; a training has its share for each GPU."""
        several = dict.fromkeys((*GPU_RULES, "track"), self.cpus_per_job)
        return several | {"train": self.gpus_per_job * self.cpus_per_job}

    @property
    def precommand(self) -> str:
        """What a job's script does first. Told to stop, it waits for the work, and has it run again."""
        at_end = f"{shlex.quote(sys.executable)} -m novis.cluster.requeue"
        first = [f"trap {shlex.quote(at_end)} EXIT", "trap : TERM"]
        first += [f"module load {shlex.join(self.modules)}"] if self.modules else []
        return " && ".join(first)

    @property
    def deployment(self) -> str | None:
        """How Snakemake is to bring the software of a job."""
        return "apptainer" if self.container else None

    @property
    def container_options(self) -> str | None:
        """What Apptainer is told: the node's GPUs and scratch folder are the job's, too."""
        if not self.container:
            return None
        return "--nv" + (f" --bind {self.scratch}" if self.scratch else "")


_DEFAULTS = {"partitions": {"gpu": None, "cpu": None}, "hours": {"train": 24, "predict": 8}}


def read(path: Path | str) -> Settings:
    """The settings of a file; what it does not name keeps its default.

    Raises:
        InputError: no such file, no YAML, an unknown key (the nearest is named) or a wrong value.
    """
    try:
        content = yaml.safe_load(Path(path).read_text()) or {}
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; it holds what your cluster wants to know") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: is no YAML: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: must hold 'key: value' lines")
    _known(content, [entry.name for entry in fields(Settings)], path)
    for key, default in _DEFAULTS.items():
        given = content.get(key) or {}
        if not isinstance(given, dict):
            raise InputError(f"{path}: {key}: must hold {', '.join(default)}")
        _known(given, list(default), f"{path}: {key}")
        content[key] = default | {name: value for name, value in given.items() if value is not None}
    modules = content.get("modules") or []
    if not isinstance(modules, list):
        raise InputError(f"{path}: modules: must be a list, such as [cuda/12.4]")
    content["modules"] = tuple(map(str, modules))
    try:
        return Settings(**{key: value for key, value in content.items() if value is not None})
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def for_profile(path: Path | str) -> Settings:
    """The settings, for the template of a Snakemake profile.

    A wrong file, or another user's checkout, ends the program with its message alone: the
    template would wrap an exception in all options of Snakemake. What a profile cannot hand on
    becomes environment variables: container and scratch folder, and a folder inside the checkout
    for what programs keep between runs.
    """
    try:
        os.environ["XDG_CACHE_HOME"] = str(run.prepare(Path(".snakemake/cache")).resolve())
        settings = read(path)
    except InputError as error:
        raise SystemExit(f"snakemake: {error}") from error
    for name, value in (("NOVIS_CONTAINER", settings.container), ("NOVIS_SCRATCH", settings.scratch)):
        if value:
            os.environ[name] = value
    return settings


def _known(content: Mapping[str, Any], known: list[str], where: Path | str) -> None:
    for key in content:
        if key not in known:
            raise InputError(f"{where}: unknown key '{key}'{nearest(str(key), known)}")


def _quoted(text: Any) -> str:
    """A string that Snakemake, which evaluates resources of a profile, takes as it is."""
    return repr(str(text))
