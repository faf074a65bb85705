"""One tidy table of all results, and its aggregation over folds and seeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from novis.errors import InputError
from novis.files import read_json, replacing
from novis.reporting import speed
from novis.reporting.provenance import checkpoint_record
from novis.reporting.study import KEY, StudyResults, read_study

# The track metrics of metrics.json, in the order of tables.
TRACK_METRICS = (
    "AP",
    "AP50",
    "AP75",
    "AR1",
    "AR10",
    "AR100",
    "AP_small",
    "AP_medium",
    "AP_large",
    "AP_occlusion_light",
    "AP_occlusion_medium",
    "AP_occlusion_heavy",
)
FRAME_AP = "frame_AP"
# Fractions of matches that join different queries: of all queries, and of those that were kept as tracks.
NON_IDENTITY = "non_identity"
NON_IDENTITY_OF_TRACKS = "non_identity_of_tracks"
CATEGORY = "category."
# What a finished run may leave undefined: AP over instances of which a fold may have none.
_PARTS_OF_AP = (CATEGORY, "AP_")
_YARDSTICKS = (FRAME_AP, NON_IDENTITY, NON_IDENTITY_OF_TRACKS)
_PATHS = ("results", "metrics", "matches", "linking", "frame_metrics", "speed", "checkpoint")


def collect(study: Path, output: Path) -> None:
    """Write the tidy table of a study as CSV: one line for every row, fold and seed.

    Args:
        study: the study.json that lists the runs
        output: the CSV to write
    """
    write_csv(tidy(read_study(study)), output)


def write_csv(table: pd.DataFrame, output: Path) -> None:
    """Write a table as CSV; missing values are empty fields."""
    with replacing(output) as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")


def tidy(study: StudyResults) -> pd.DataFrame:
    """All runs of a study with their fields, metrics (in percent) and provenance.

    A metrics file that is not there, and a value that is null, become NaN.

    Returns:
        One line a run, in the study's order. Nested settings have dotted names
        (``variant_settings.dice_loss``), categories too (``category.disc``).
    """
    table = pd.json_normalize([_record(study, row) for row in study.rows])
    for column in (*TRACK_METRICS, *_YARDSTICKS, "num_videos", "num_matches"):
        if column not in table:
            table[column] = float("nan")
    numbers = metric_columns(table)
    table[numbers] = table[numbers].astype(float)
    return table


def aggregate(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread of every metric over the folds and seeds of a row.

    For each seed the mean of its folds, which is missing when one of them is (a part of AP
    that is undefined in a fold, such as that of a category without instances there, is the
    mean of the other folds); then mean and sample standard deviation over the seeds. With a
    single seed the spread is the sample standard deviation over the folds instead, and
    ``spread_over`` says so.

    Returns:
        One line a row, in order of appearance: the fields that folds and seeds share, the
        speed of the run that was timed, every metric, ``METRIC_spread``, ``spread_over``
        (``seeds``, ``folds`` or empty), ``num_folds``, ``num_seeds`` and
        ``num_complete_seeds`` (with an AP).
    """
    numbers = metric_columns(table)
    folds = table.groupby([*KEY, "seed"], sort=False, dropna=False)[numbers]
    complete = folds.count().eq(folds.size(), axis=0)
    parts = [name for name in numbers if name.startswith(_PARTS_OF_AP)]
    complete[parts] = np.repeat(complete[["AP"]].to_numpy(), len(parts), axis=1)
    per_seed = folds.mean().where(complete)
    seeds = per_seed.groupby(level=list(KEY), sort=False, dropna=False)
    runs = table.groupby(list(KEY), sort=False, dropna=False)
    mean = seeds.mean()
    single = seeds.size() == 1
    spread = seeds.std(ddof=1).where(~single, runs[numbers].std(ddof=1)).where(mean.notna())
    num_folds = runs["split"].nunique()
    counts = pd.DataFrame(
        {
            "num_folds": num_folds,
            "num_seeds": seeds.size(),
            "num_complete_seeds": seeds["AP"].count(),
            "spread_over": np.select([~single, num_folds > 1], ["seeds", "folds"], ""),
        }
    )
    shared = [c for c in table if c.startswith(("variant_settings.", "tracker_settings."))]
    shared += [c for c in speed.COLUMNS if c in table]
    return pd.concat([runs[shared].first(), mean, spread.add_suffix("_spread"), counts], axis=1).reset_index()


def spread_note(results: pd.DataFrame) -> str:
    """What the small numbers of an aggregated table are, and how many of its rows lack runs."""
    rows = results[results["role"] == "row"]
    kinds = set(rows["spread_over"]) - {""}
    notes = []
    if "seeds" in kinds:
        notes.append(
            f"Mean and standard deviation over {rows['num_seeds'].max()} seeds, each the mean of its folds."
        )
    if "folds" in kinds:
        notes.append("One seed: the small numbers are the standard deviation over its folds, not over seeds.")
    lacking = int((rows["num_complete_seeds"] < rows["num_seeds"]).sum())
    if lacking:
        notes.append(
            f"{lacking} of {len(rows)} rows lack runs: a seed counts when all of its folds are there."
        )
    return " ".join(notes)


def metric_columns(table: pd.DataFrame) -> list[str]:
    """The columns of a tidy table that hold percentages."""
    known = {*TRACK_METRICS, *_YARDSTICKS}
    return [c for c in table if c in known or c.startswith(CATEGORY)]


def _record(study: StudyResults, row: Mapping[str, Any]) -> dict[str, Any]:
    record = {"study": study.name, "experiment": study.experiment}
    record |= {key: value for key, value in row.items() if key not in (*_PATHS, "benchmarks", "provenance")}
    metrics = _read(row.get("metrics"), "metrics")
    record |= {key: _percent(metrics.get(key), row["metrics"], key) for key in TRACK_METRICS}
    record["num_videos"] = metrics.get("num_videos")
    record["category"] = {
        name: _percent(value, row["metrics"], name) for name, value in metrics.get("per_category", {}).items()
    }
    linking = _read(row.get("linking"), "linking record")
    record["num_matches"] = linking.get("num_matches")
    for column, key in (
        (NON_IDENTITY, "non_identity_fraction"),
        (NON_IDENTITY_OF_TRACKS, "exported_non_identity_fraction"),
    ):
        record[column] = _percent(linking.get(key), row.get("linking"), key)
    frames = _read(row.get("frame_metrics"), "per-frame metrics")
    record[FRAME_AP] = _percent(frames.get("AP"), row.get("frame_metrics"), "AP")
    record |= checkpoint_record(row) | speed.speed_record(row)
    return record | {f"{key}_file": row.get(key) for key in _PATHS}


def _read(path: str | None, what: str) -> Mapping[str, Any]:
    """The content of a result file; nothing where the run has not come that far."""
    if path is None or not Path(path).exists():
        return {}
    content = read_json(path, what)
    if not isinstance(content, Mapping):
        raise InputError(f"{path}: the {what} must be a mapping; delete the file and run again")
    return content


def _percent(value: Any, path: Any, key: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise InputError(f"{path}: '{key}' is {value!r}, not a number in 0..1; evaluate again")
    return 100.0 * value
