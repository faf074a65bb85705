"""``novis trace``: from any number or file back to the run, configuration, checkpoint, code and log."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from novis.errors import InputError
from novis.experiment import PREDICTION, TRACKING, TRAINING, stage_code
from novis.files import read_json, sha256, write_json
from novis.planning.jobs import wildcard_pattern
from novis.reporting.collect import metric_columns
from novis.reporting.study import KEY
from novis.storage.clip_cache import ClipCache

# A cell of a table: FILE.csv:LINE or FILE.csv:LINE:COLUMN; the header is line 1.
_CELL = re.compile(r"^(?P<file>.+\.csv):(?P<line>\d+)(?::(?P<column>.+))?$")
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
_MEAN = "_mean.csv"
_LEVELS = {"track": TRACKING, "predict": PREDICTION, "train": TRAINING}
_FILES = {
    "evaluate": ("metrics.json", "matches.npz"),
    "speed": ("speed.json",),
    "track": ("results.json", "linking.json"),
    "predict": ("clips.h5",),
    "train": ("checkpoint.pth", "training.json"),
    "configure": ("config.json",),
}


@dataclass(frozen=True)
class Provenance:
    """Where the files of a run come from.

    Attributes:
        run: its folder.
        fields: data set, split, model, T, seed, and so on.
        files: those that are there, by the stage that made them.
        logs: of these stages, those that are there.
        config: the resolved configuration of the training.
        checkpoint: its path.
        checkpoint_sha256: as recorded when it was written, None where it was not.
        checkpoint_is_that: whether the file has this hash, None where either is missing.
        cache_sha256: the hash of the checkpoint that the clip cache was predicted with.
        cache_problem: why the clip cache cannot be read, None where it can.
        code: fingerprint of the code by stage, as recorded, and whether the present code differs.
        training: what the training recorded of itself.
    """

    run: str
    fields: Mapping[str, str]
    files: Mapping[str, list[str]]
    logs: Mapping[str, str]
    config: str | None
    checkpoint: str | None
    checkpoint_sha256: str | None
    checkpoint_is_that: bool | None
    cache_sha256: str | None
    cache_problem: str | None
    code: Mapping[str, tuple[str, bool]]
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """A number of a table and the runs that it was computed from."""

    table: str
    line: int
    column: str
    value: float
    runs: tuple[str, ...]


def trace(what: str, /, results: Path = Path("results"), output: Path | None = None) -> None:
    """From a number or a file to the run, its resolved configuration, checkpoint, code and log.

    Args:
        what: a number as a table prints it (15.3), a cell of a table (FILE.csv:LINE:COLUMN, or
            FILE.csv:LINE for the whole line; the header is line 1), or any file or folder of a run
        results: the folder of results, whose tables are searched for a number
        output: a JSON file to write the same into
    """
    cells = find_cells(what, results)
    runs = dict.fromkeys(run for cell in cells for run in cell.runs) if cells else {what: None}
    found = [provenance(Path(run)) for run in runs]
    print("\n\n".join([*_describe_cells(cells), *("\n".join(describe(one)) for one in found)]))
    if output:
        write_json(
            output, {"cells": [asdict(c) for c in cells], "runs": [asdict(p) for p in found]}, indent=2
        )


def find_cells(what: str, results: Path) -> list[Cell]:
    """The cells of tables that ``what`` means; none if it is a file of a run.

    Raises:
        InputError: no table holds the number, or there is no such line or column.
    """
    cell = _CELL.match(what)
    if cell:
        return list(_cells_of_line(Path(cell["file"]), int(cell["line"]), cell["column"]))
    if not _NUMBER.match(what) or Path(what).exists():
        return []
    tables = sorted(path for path in results.rglob("*.csv") if not _lacking(path, pd.read_csv(path, nrows=0)))
    found = [cell for table in tables for cell in _cells_of_number(table, what)]
    if not found:
        raise InputError(f"{what}: no table below {results} prints this number ({len(tables)} were searched)")
    return found


def provenance(path: Path) -> Provenance:
    """Where a file or folder of a run comes from.

    Raises:
        InputError: it does not belong to a run.
    """
    levels = {stage: match for stage, template in _LEVELS.items() if (match := _run(path, template))}
    if not levels:
        raise InputError(
            f"{path}: belongs to no run; give a number, a cell of a table (FILE.csv:LINE:COLUMN), or a file "
            "in the folder of a run"
        )
    most = next(iter(levels.values()))
    if not Path(most.group(0)).is_dir():
        raise InputError(f"{most.group(0)}: no such run")
    folders = {stage: Path(match.group(0)) for stage, match in levels.items()}
    owners = {"evaluate": "track", "speed": "track", "configure": "train"}
    files = {
        stage: [str(folder / name) for name in names if (folder / name).exists()]
        for stage, names in _FILES.items()
        if (folder := folders.get(owners.get(stage, stage)))
    }
    training = _json(folders["train"] / "training.json")
    checkpoint, cache = folders["train"] / "checkpoint.pth", _cache_attributes(folders.get("predict"))
    recorded = training.get("sha256")
    return Provenance(
        run=str(most.group(0)),
        fields={key: value for key, value in most.groupdict().items() if key != "results" and value},
        files={stage: names for stage, names in files.items() if names},
        logs=_logs(most["results"], folders, owners),
        config=_if_there(folders["train"] / "config.json"),
        checkpoint=_if_there(checkpoint),
        checkpoint_sha256=recorded,
        checkpoint_is_that=sha256(checkpoint) == recorded if recorded and checkpoint.exists() else None,
        cache_sha256=cache.get("checkpoint_sha256"),
        cache_problem=cache.get("problem"),
        code=_code(training, cache, folders.get("track")),
        training={k: training[k] for k in ("iterations", "seconds", "torch", "init_sha256") if k in training},
    )


def describe(found: Provenance) -> list[str]:
    """Provenance as text, one fact a line."""
    lines = [f"run          {found.run}"]
    lines += [f"             {', '.join(f'{key} {value}' for key, value in found.fields.items())}"]
    lines += [f"config       {found.config or 'missing'}"]
    state = {
        True: "",
        False: "  (the file is ANOTHER one now)",
        None: "  (not checked: file or record missing)",
    }
    lines += [f"checkpoint   {found.checkpoint or 'missing'}"]
    lines += [f"  sha256     {found.checkpoint_sha256 or 'not recorded'}{state[found.checkpoint_is_that]}"]
    if found.cache_sha256 and found.cache_sha256 != found.checkpoint_sha256:
        lines += [f"  predicted  with ANOTHER checkpoint: {found.cache_sha256}"]
    if found.cache_problem:
        lines += [f"  predicted  {found.cache_problem}"]
    lines += [f"  {key.removesuffix('_sha256'):<10} {value}" for key, value in found.training.items()]
    lines += [
        f"code         {stage}: {code}{', other than the present' * changed}"
        for stage, (code, changed) in found.code.items()
    ]
    lines += [f"file         {stage}: {name}" for stage, names in found.files.items() for name in names]
    return lines + [f"log          {stage}: {path}" for stage, path in found.logs.items()]


def _describe_cells(cells: list[Cell]) -> list[str]:
    lines = [
        f"{cell.value:g}: {cell.table}, line {cell.line}, {cell.column}, from {len(cell.runs)} run(s)"
        for cell in cells
    ]
    return ["\n".join(lines)] if lines else []


def _cells_of_line(path: Path, line: int, column: str | None) -> Iterator[Cell]:
    table = _read_table(path)
    if not 2 <= line <= len(table) + 1:
        raise InputError(f"{path}: has no line {line}; its rows are lines 2 to {len(table) + 1}")
    if column and column not in table:
        raise InputError(f"{path}: has no column '{column}'; it has {', '.join(table)}")
    for name in [column] if column else ["AP"]:
        yield _cell(path, table, line - 2, name)


def _cells_of_number(path: Path, text: str) -> Iterator[Cell]:
    """The metrics of a table that print as ``text`` at its number of digits."""
    table = _read_table(path)
    digits = len(text.partition(".")[2])
    for column in metric_columns(table):
        for row, value in enumerate(table[column]):
            if pd.notna(value) and f"{float(value):.{digits}f}" == text:
                yield _cell(path, table, row, column)


def _cell(path: Path, table: pd.DataFrame, row: int, column: str) -> Cell:
    runs = table.iloc[[row]]
    if path.name.endswith(_MEAN):
        every = _read_table(path.with_name(f"{path.name.removesuffix(_MEAN)}.csv"))
        runs = every[(every[list(KEY)].astype(str) == table.iloc[row][list(KEY)].astype(str)).all(axis=1)]
    folders = tuple(str(Path(file).parent) for file in runs["metrics_file"])
    return Cell(str(path), row + 2, column, table[column].iloc[row], folders)


def _read_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such table") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table ({error})") from error
    if lacking := _lacking(path, table):
        raise InputError(f"{path}: is no table of a study; it lacks {', '.join(sorted(lacking))}")
    return table


def _lacking(path: Path, table: pd.DataFrame) -> set[str]:
    """The columns that a table of runs, or of their means, would have."""
    return {*KEY, *(() if path.name.endswith(_MEAN) else ("metrics_file",))} - set(table)


def _run(path: Path, template: str) -> re.Match[str] | None:
    return re.match(rf"^(?P<results>.*?)/?{wildcard_pattern(template)}(?=/|$)", path.as_posix())


def _logs(results: str, folders: Mapping[str, Path], owners: Mapping[str, str]) -> dict[str, str]:
    root = Path(results)
    found = {}
    for stage in _FILES:
        folder = folders.get(owners.get(stage, stage))
        log = root / "logs" / stage / f"{folder.relative_to(root)}.log" if folder else None
        if log and log.exists():
            found[stage] = str(log)
    return found


def _code(
    training: Mapping[str, Any], cache: Mapping[str, Any], tracking: Path | None
) -> dict[str, tuple[str, bool]]:
    linking = _json(tracking / "linking.json") if tracking else {}
    recorded = {"train": training.get("code"), "predict": cache.get("code"), "track": linking.get("code")}
    return {stage: (code, code != stage_code(stage)) for stage, code in recorded.items() if code}


def _cache_attributes(folder: Path | None) -> Mapping[str, Any]:
    if folder is None or not (folder / "clips.h5").exists():
        return {}
    try:
        with ClipCache(folder / "clips.h5") as cache:
            return dict(cache.attributes)
    except InputError as error:
        return {"problem": str(error)}


def _json(path: Path) -> Mapping[str, Any]:
    return read_json(path, "record of a run") if path.exists() else {}


def _if_there(path: Path) -> str | None:
    return str(path) if path.exists() else None
