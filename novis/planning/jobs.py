"""What Snakemake would do: asked of Snakemake itself, so that a plan cannot differ from the run."""

import csv
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from novis.errors import InputError
from novis.experiment import PREDICTION, TRACKING, TRAINING, WILDCARDS

_PENDING = "update pending"
_JOB_TABLE = re.compile(r"Job stats:\njob +count\n-+ +-+\n(.*?)\n\n", re.DOTALL)
_LAST_LINES = 12

# A checkpoint's frame features at one size.
_FEATURES = TRAINING + "/features-{min_size}px"


@dataclass(frozen=True)
class Job:
    """A rule applied to one run.

    Attributes:
        rule: its name.
        folder: where its outputs lie.
        fields: the wildcards of the run, empty where it belongs to none.
        outputs: all of its files.
        pending: whether it is still to be done.
    """

    rule: str
    folder: str
    fields: Mapping[str, str]
    outputs: tuple[str, ...]
    pending: bool


@dataclass(frozen=True)
class Schedule:
    """All jobs of a target.

    Attributes:
        jobs: grouped by rule and run.
        counts: pending jobs by rule, as ``snakemake -n`` counts them.
    """

    jobs: tuple[Job, ...]
    counts: Mapping[str, int]


def schedule(target: str, configfile: Path | None, results: str, config: Sequence[str] = ()) -> Schedule:
    """Ask Snakemake, in the checkout's root, what a target needs.

    Args:
        target: a study, or ``all``.
        configfile: as for snakemake.
        results: the configuration's folder of results.
        config: KEY=VALUE pairs, as for snakemake's ``--config``.

    Raises:
        InputError: this is no checkout, or Snakemake refuses; its words are passed on.
    """
    if not Path("Snakefile").is_file():
        raise InputError("Snakefile: no such file here; plan in the root of the checkout")
    options = ["--configfile", str(configfile)] if configfile else []
    options += ["--config", *config] if config else []
    with ThreadPoolExecutor(2) as pool:
        summary, counts = pool.map(
            lambda word: _snakemake(word, target, options), ("--detailed-summary", "--dry-run")
        )
    return Schedule(read_summary(summary, results), read_counts(counts))


def read_summary(text: str, results: str) -> tuple[Job, ...]:
    """Jobs from Snakemake's table of output files."""
    found: dict[tuple[str, str], list[Mapping[str, str]]] = {}
    for row in csv.DictReader(text.splitlines(), delimiter="\t"):
        folder, _ = run_of(row["output_file"], results)
        found.setdefault((row["rule"], folder), []).append(row)
    return tuple(
        Job(
            rule,
            folder,
            run_of(rows[0]["output_file"], results)[1],
            tuple(row["output_file"] for row in rows),
            any(row["plan"] == _PENDING for row in rows),
        )
        for (rule, folder), rows in found.items()
    )


def read_counts(text: str) -> dict[str, int]:
    """Pending jobs by rule, from the output of a dry run."""
    found = _JOB_TABLE.search(text)
    lines = found.group(1).splitlines() if found else []
    counts = Counter({line.rsplit(maxsplit=1)[0].strip(): int(line.split()[-1]) for line in lines})
    return {rule: count for rule, count in counts.items() if rule not in ("total", "all")}


def run_of(path: str, results: str) -> tuple[str, dict[str, str]]:
    """The folder of the run that a file belongs to, and the run's fields; else its own folder."""
    for template in (TRACKING, PREDICTION, _FEATURES, TRAINING):
        match = re.match(rf"{re.escape(results)}/{wildcard_pattern(template)}(?=/|\.h5)", path)
        if match:
            return match.group(0), match.groupdict()
    return str(Path(path).parent), {}


def wildcard_pattern(template: str) -> str:
    """A regular expression for the paths of a template, with a named group for each wildcard."""
    return re.sub(r"\{(\w+)\}", lambda match: f"(?P<{match[1]}>{WILDCARDS[match[1]]})", template)


def _snakemake(word: str, target: str, options: Sequence[str]) -> str:
    command = [sys.executable, "-m", "snakemake", word, "--nocolor", target, *options]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        said = "\n".join((run.stderr or run.stdout).strip().splitlines()[-_LAST_LINES:])
        raise InputError(f"Snakemake cannot plan '{target}':\n{said}")
    return run.stdout + (run.stderr if word == "--dry-run" else "")
