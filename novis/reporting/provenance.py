"""Where a number comes from: the run's checkpoint, the code that made it, and what it cost."""

import csv
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import read_json

# training.json lies beside a checkpoint: its hash, code, seconds and iterations.
_TRAINING = "training.json"


def checkpoint_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """Hash, code and cost of the checkpoint behind a run, from ``training.json`` beside it.

    Returns:
        ``checkpoint_sha256``, ``checkpoint_code``, ``iterations`` and ``other_code`` (True
        where another version of the training code made the checkpoint), each None where
        unknown; and for each of the row's ``benchmarks`` (a stage's name and the files that
        its rule's benchmarks wrote, one a job) ``STAGE_seconds``, those of all jobs. The training's
        own count replaces its job's: it holds what came before an interruption.
    """
    record = _training_record(row.get("checkpoint"))
    code = record.get("code")
    benchmarks = row.get("benchmarks") or {}
    seconds = {"train": None} | {stage: _seconds(files) for stage, files in benchmarks.items()}
    if "seconds" in record:
        seconds["train"] = record["seconds"]
    return {
        "checkpoint_sha256": record.get("sha256"),
        "checkpoint_code": code,
        "other_code": None if code is None else code != training_code(),
        "iterations": record.get("iterations"),
        **{f"{stage}_seconds": value for stage, value in seconds.items()},
    }


@cache
def training_code() -> str:
    """Fingerprint of the present training code."""
    return stage_code("train")


def _training_record(checkpoint: str | None) -> Mapping[str, Any]:
    if checkpoint is None:
        return {}
    path = Path(checkpoint).with_name(_TRAINING)
    return read_json(path, "record of a training") if path.exists() else {}


def _seconds(files: Sequence[str]) -> float | None:
    """Of all jobs of a stage together; None where one of them is not known."""
    seconds = [_benchmark_seconds(path) for path in files]
    return None if None in seconds else sum(seconds)


def _benchmark_seconds(path: str) -> float | None:
    """Wall-clock seconds of a job, from the table that a Snakemake benchmark writes."""
    if not Path(path).exists():
        return None
    with Path(path).open(newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    try:
        return float(lines[-1]["s"])
    except (IndexError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: holds no column 's' of seconds; delete it and run the job again"
        ) from error
