"""Break-downs of AP by category, size and occlusion, the cost of runs, and where each number comes from."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from novis.reporting.cells import Cell, Column, Section, Table, number, ranked
from novis.reporting.collect import CATEGORY, NON_IDENTITY_OF_TRACKS
from novis.reporting.origin import Provenance, known_provenance
from novis.reporting.study import StudyResults, differing, key_of, label

_PARTS = {
    "AP_occlusion_light": ("light", "AP by occlusion"),
    "AP_occlusion_medium": ("medium", "AP by occlusion"),
    "AP_occlusion_heavy": ("heavy", "AP by occlusion"),
    "AP_small": ("small", "AP by size"),
    "AP_medium": ("medium", "AP by size"),
    "AP_large": ("large", "AP by size"),
    NON_IDENTITY_OF_TRACKS: ("of tracks", "non-id."),
}
_SHORT_HASH = 10
_WORDS = ("dataset", "model", "variant", "split")


def category_table(study: StudyResults, results: pd.DataFrame) -> Table:
    """AP of each category that has instances, for every row of the study and its yardsticks."""
    measured = results.dropna(axis="columns", how="all")
    names = [name for name in measured if name.startswith(CATEGORY) and not name.endswith("_spread")]
    columns = {name: Column(name.removeprefix(CATEGORY)) for name in names}
    return _metrics_table(f"{study.name}_categories", "AP by category", results, columns)


def part_table(study: StudyResults, results: pd.DataFrame) -> Table:
    """AP by occlusion and size; and how often the tracks that were kept changed their query."""
    columns = {name: Column(text, group) for name, (text, group) in _PARTS.items()}
    return _metrics_table(f"{study.name}_parts", "AP by occlusion and size", results, columns)


def cost_table(study: StudyResults, runs: pd.DataFrame) -> Table:
    """Seconds of each training and of what follows it, as recorded by the jobs."""
    stages = [name for name in runs if name.endswith("_seconds")]
    shared = differing(runs.to_dict("records"))
    own = [*shared, "variant", "train_clip_length", "split", "seed", "clip_length", "iterations"]
    lines = runs.groupby(own, sort=False, dropna=False)[stages].agg(["max", "count"])
    columns = (
        *(Column(name.replace("_", " "), align="left" if name in _WORDS else "right") for name in own),
        *(Column(stage.removesuffix("_seconds"), "seconds") for stage in stages),
    )
    rows = [
        (*(_field(value) for value in key), *(number(line[stage, "max"]) for stage in stages))
        for key, line in lines.iterrows()
    ]
    notes = ("Wall-clock seconds of one job, or of all shards of one; of several like it, the longest.",)
    return Table(f"{study.name}_costs", "Run times", columns, (Section(tuple(rows)),), notes)


def provenance_table(study: StudyResults, runs: pd.DataFrame) -> Table:
    """The run behind every number: its folder, configuration, checkpoint, code and logs.

    What several stages have (code, logs) has a line for each, those that are there.
    """
    columns = (
        *(Column(name, align="left") for name in ("row", "fold")),
        *map(Column, ("seed", "AP")),
        *(Column(name, align="left") for name in ("run", "configuration", "checkpoint", "code", "logs")),
    )
    places = {key: place for place, key in enumerate(dict.fromkeys(map(key_of, runs.to_dict("records"))))}
    # Folds and seeds of a row one below the other.
    records = sorted(runs.to_dict("records"), key=lambda run: places[key_of(run)])
    named = differing(records)
    rows = tuple(_provenance_row(run, named) for run in records)
    section = Section(rows, origins=tuple((key_of(run),) for run in records))
    return Table(f"{study.name}_provenance", "Where these numbers come from", columns, (section,))


def _provenance_row(run: Mapping[str, Any], named: Collection[str]) -> tuple[Cell, ...]:
    folder = Path(run["metrics_file"]).parent
    found = known_provenance(folder)
    return (
        label(run, named),
        run["split"],
        number(run["seed"], digits=0),
        number(run["AP"]),
        str(folder),
        found.config if found else None,
        _short(run["checkpoint_sha256"]),
        _lines(_code(run, found)),
        _lines(f"{stage}: {path}" for stage, path in (found.logs if found else {}).items()),
    )


def _code(run: Mapping[str, Any], found: Provenance | None) -> list[str]:
    """The code that made the checkpoint, the clip cache and the tracks, as far as it was recorded."""
    trained = run["checkpoint_code"]
    recorded = {"train": (trained, bool(run["other_code"]))} if isinstance(trained, str) else {}
    made = recorded | dict(found.code if found else {})
    return [f"{stage}: {code}{', other than the present' * other}" for stage, (code, other) in made.items()]


def _lines(texts: Iterable[str]) -> str | None:
    return "\n".join(texts) or None


def _metrics_table(name: str, title: str, results: pd.DataFrame, columns: Mapping[str, Column]) -> Table:
    named = differing(results.to_dict("records"))

    known = range(1, 1 + sum(column.group != "non-id." for column in columns.values()))

    def section(role: str, title: str, best: Sequence[int]) -> Section:
        lines = results[results["role"] == role].to_dict("records")
        rows = [
            (label(row, named), *(number(row[name], row[f"{name}_spread"]) for name in columns))
            for row in lines
        ]
        return Section(ranked(rows, best), title, tuple((key_of(row),) for row in lines))

    sections = (section("row", "", known), section("yardstick", "Yardsticks", ()))
    present = tuple(section for section in sections if section.rows)
    return Table(name, title, (Column("row", align="left"), *columns.values()), present)


def _field(value: Any) -> Cell:
    return value if isinstance(value, str) else number(value, digits=0)


def _short(digest: Any) -> str | None:
    return digest[:_SHORT_HASH] if isinstance(digest, str) else None
