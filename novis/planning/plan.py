"""``novis plan STUDY``: jobs, hours and disk of a study on a machine, before anything runs."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from novis.errors import InputError
from novis.experiment import extended
from novis.files import write_json
from novis.planning.costs import Cost, CostModel
from novis.planning.jobs import Schedule, schedule
from novis.planning.rates import QUANTITIES, Rate, Rates, read_rates

_COMMON, _DEFAULT, _RATES = (
    Path("config/common.yaml"),
    Path("config/config.yaml"),
    Path("config/rates/known.yaml"),
)


@dataclass(frozen=True)
class Plan:
    """What a target takes.

    Attributes:
        target: as asked for.
        counts: pending jobs by rule.
        done: runs of a rule that are there already.
        costs: of the pending jobs, by rule.
        bytes_present: of the files that are there already and belong to the target.
        largest_temporary: bytes of each pending job's temporary files, largest first.
    """

    target: str
    counts: Mapping[str, int]
    done: Mapping[str, int]
    costs: Mapping[str, Cost]
    bytes_present: int
    largest_temporary: tuple[float, ...]

    @property
    def total(self) -> Cost:
        """Of all pending jobs."""
        total = Cost()
        for cost in self.costs.values():
            total.add(cost)
        return total

    def disk(self, parallel: int) -> tuple[float, float]:
        """Bytes at the peak, with so many jobs at a time, and in the end."""
        final = self.bytes_present + self.total.num_bytes
        return final + sum(self.largest_temporary[:parallel]), final


def plan(
    study: str,
    /,
    configfile: Path | None = None,
    config: list[str] | None = None,
    rates: list[Path] | None = None,
    gpus: int = 1,
    cores: int = 8,
    output: Path | None = None,
) -> None:
    """Print what a study takes: jobs by rule, GPU-hours, CPU-hours, disk, and what is there already.

    Snakemake itself says which jobs there are. Hours and bytes come from rates; each is
    printed with its origin: machine and date, or 'estimated'.

    Args:
        study: a study of the configuration, or 'all'
        configfile: the configuration, as for snakemake; the paper's without it
        config: KEY=VALUE settings that change it, as for snakemake's --config
        rates: files of 'novis calibrate' for your machine; they come before those of config/rates/known.yaml
        gpus: of the machine: how many jobs compute at a time where rates are those of a GPU
        cores: of the machine, for all other hours
        output: a JSON file to write the same into
    """
    if gpus < 1 or cores < 1:
        raise InputError(f"gpus={gpus} and cores={cores} must be at least 1")
    known = read_rates([_RATES, *(rates or [])])
    settings = read_configuration(configfile, config or [])
    made = estimate(study, schedule(study, configfile, settings["results"], config or []), settings, known)
    print("\n".join(lines(made, gpus, cores)))
    if output:
        write_json(output, as_json(made, gpus, cores), indent=2)


def read_configuration(configfile: Path | None, changes: Sequence[str]) -> dict[str, Any]:
    """The workflow's configuration as Snakemake merges it.

    Raises:
        InputError: a file is missing or no YAML, or a change is no KEY=VALUE.
    """
    merged = _read(_COMMON)
    own = _read(configfile or _DEFAULT)
    for base in extended(own, lambda path: _read(Path(path))):
        _merge(merged, _read(Path(base)))
    _merge(merged, own)
    for pair in changes:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--config: '{pair}' is not of the form KEY=VALUE")
        _merge(merged, {key: yaml.safe_load(value)})
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such configuration; plan in the root of the checkout") from error
    except (OSError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as a configuration ({error})") from error


def estimate(target: str, asked: Schedule, config: Mapping[str, Any], rates: Rates) -> Plan:
    """Add up what the jobs of a target take."""
    model = CostModel(config, rates, asked.jobs)
    costs: dict[str, Cost] = {}
    temporary = []
    for job in asked.jobs:
        if job.pending:
            cost = model.cost(job)
            costs.setdefault(job.rule, Cost()).add(cost)
            temporary.append(cost.temporary_bytes)
    done = [job for job in asked.jobs if not job.pending]
    return Plan(
        target,
        asked.counts,
        Counter(job.rule for job in done),
        costs,
        sum(_size(path) for job in done for path in job.outputs),
        tuple(sorted(filter(None, temporary), reverse=True)),
    )


def lines(made: Plan, gpus: int, cores: int) -> list[str]:
    """The plan as text."""
    total = made.total
    peak, final = made.disk(gpus)
    rules = dict.fromkeys([*made.counts, *made.done])
    table = [
        f"{rule:<34}{made.counts.get(rule, 0):>7}{made.done.get(rule, 0):>7}"
        f"{_hours(made.costs.get(rule, Cost()).gpu_seconds):>11}"
        f"{_hours(made.costs.get(rule, Cost()).cpu_seconds):>11}"
        f"{_space(made.costs.get(rule, Cost()).num_bytes):>12}"
        for rule in rules
    ]
    head = f"{'rule':<34}{'jobs':>7}{'done':>7}{'GPU hours':>11}{'CPU hours':>11}{'disk':>12}"
    last = (
        f"{'total':<34}{sum(made.counts.values()):>7}{sum(made.done.values()):>7}"
        f"{_hours(total.gpu_seconds):>11}{_hours(total.cpu_seconds):>11}{_space(total.num_bytes):>12}"
    )
    wall = max(total.gpu_seconds / gpus, total.cpu_seconds / cores)
    return [
        f"{made.target}: what is still to be done",
        head,
        *table,
        last,
        "",
        f"disk: {_space(made.bytes_present)} there, {_space(final)} in the end, {_space(peak)} at the peak",
        f"time: at least {_hours(wall)} hours on {gpus} GPU(s) and {cores} core(s)",
        "",
        *_origins(total.rates),
        *(f"unknown, not counted: {name}" for name in sorted(total.unknown)),
    ]


def as_json(made: Plan, gpus: int, cores: int) -> dict[str, Any]:
    """The plan as plain values: seconds and bytes."""
    peak, final = made.disk(gpus)
    return {
        "target": made.target,
        "gpus": gpus,
        "cores": cores,
        "rules": {
            rule: {
                "jobs": made.counts.get(rule, 0),
                "done": made.done.get(rule, 0),
                "gpu_seconds": made.costs.get(rule, Cost()).gpu_seconds,
                "cpu_seconds": made.costs.get(rule, Cost()).cpu_seconds,
                "bytes": made.costs.get(rule, Cost()).num_bytes,
            }
            for rule in dict.fromkeys([*made.counts, *made.done])
        },
        "bytes_present": made.bytes_present,
        "bytes_final": final,
        "bytes_peak": peak,
        "rates": [vars(rate) for rate in sorted(made.total.rates, key=_name)],
        "unknown": sorted(made.total.unknown),
    }


def _origins(rates: Iterable[Rate]) -> list[str]:
    """Each rate with unit and origin."""
    return [
        f"{_name(rate)}: {rate.value:.3g} {_unit(rate)}; {rate.origin}" for rate in sorted(rates, key=_name)
    ]


def _unit(rate: Rate) -> str:
    unit = QUANTITIES[rate.quantity]
    return f"{rate.device.upper()} {unit}" if unit.startswith("seconds") else unit


def _name(rate: Rate) -> str:
    return f"{rate.quantity} of {rate.of}"


def _merge(target: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, Mapping) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _size(path: str) -> int:
    """Bytes of a file or a folder."""
    place = Path(path)
    files = (file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]
    return sum(file.stat().st_size for file in files if file.exists())


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    return "-" if not seconds else f"{hours:,.2f}" if hours < 10 else f"{hours:,.0f}"


def _space(num_bytes: float) -> str:
    if not num_bytes:
        return "-"
    power = min(int(math.log(num_bytes, 1000)), 4)
    return f"{num_bytes / 1000**power:,.1f} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
