"""What a run says at its end: which jobs failed and why, and what the others asked for and used."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# What Slurm says in a job's own log when it ends one.
_SLURM_SAYS = re.compile(r"(?:slurmstepd|srun|slurmd)(?:-\S+)?: error: (.*)")
# Where torchrun begins to report on ranks that failed; their own messages stand before.
_LAUNCHER = re.compile(r"^[EW]\d{4} .*torch/distributed/elastic/", re.MULTILINE)
_SHOWN = 3
# Of Snakemake's benchmark files: seconds, MB, seconds.
_COLUMNS = ("s", "max_rss", "cpu_time")


@dataclass(frozen=True)
class Finished:
    """A job that was run: what it asked for, and the benchmark file that says what it used."""

    rule: str
    benchmark: Path
    minutes: int
    memory: int
    cpus: int


def failure(title: str, logs: Iterable[Path], batch_logs: Sequence[Path]) -> str:
    """A failed job in a few lines: its own message, and where to read on.

    Args:
        title: rule and wildcards.
        logs: the rule's logs; their last lines are the message of our stages.
        batch_logs: Slurm's logs of the job, if there are any; the newest speaks.
    """
    lines = [title]
    for log in logs:
        lines += [f"    {line}" for line in _last_lines(log)] + [f"  log: {log}"]
    if batch_logs:
        newest = max(batch_logs, key=lambda path: path.stat().st_mtime)
        said = _SLURM_SAYS.findall(newest.read_text(errors="replace"))
        lines += [f"    Slurm: {text}" for text in dict.fromkeys(said[:_SHOWN])] + [f"  log: {newest}"]
    return "\n".join(lines)


def efficiency(jobs: Iterable[Finished]) -> str:
    """The longest time, the most memory and the mean CPU use of each rule's jobs, and what they asked for."""
    by_rule: dict[str, list[tuple[Finished, dict[str, float]]]] = {}
    for job in jobs:
        if job.benchmark.is_file() and (used := _read(job.benchmark)):
            by_rule.setdefault(job.rule, []).append((job, used))
    if not by_rule:
        return ""
    rows = [("rule", "jobs", "longest", "of", "memory", "of", "CPUs", "of")]
    rows += [_row(rule, measured) for rule, measured in sorted(by_rule.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _row(rule: str, measured: Sequence[tuple[Finished, dict[str, float]]]) -> tuple[str, ...]:
    jobs, used = zip(*measured, strict=True)
    seconds = sum(one["s"] for one in used)
    busy = sum(one["cpu_time"] for one in used) / seconds if seconds else 0.0
    return (
        rule,
        str(len(jobs)),
        f"{max(one['s'] for one in used) / 60:.1f} min",
        f"{max(job.minutes for job in jobs)}",
        f"{max(one['max_rss'] for one in used):.0f} MB",
        f"{max(job.memory for job in jobs)}",
        f"{busy:.1f}",
        f"{max(job.cpus for job in jobs)}",
    )


def _read(benchmark: Path) -> dict[str, float]:
    """The last line of Snakemake's benchmark; what a very short job leaves unmeasured counts as 0."""
    with benchmark.open() as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    if not lines:
        return {}
    return {key: float(lines[-1][key]) if lines[-1][key] not in ("", "NA", "-") else 0.0 for key in _COLUMNS}


def _last_lines(log: Path) -> list[str]:
    if not log.is_file():
        return ["(no log was written)"]
    said = _LAUNCHER.split(log.read_text(errors="replace"))[0]
    # Ranks say the same.
    lines = list(dict.fromkeys(line.rstrip() for line in said.splitlines() if line.strip()))
    return lines[-_SHOWN:] or ["(nothing in its log)"]
