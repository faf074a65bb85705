"""``novis trace``: from any number or file back to the run, configuration, checkpoint, code and log."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from novis.errors import InputError
from novis.files import write_json
from novis.reporting.collect import metric_columns
from novis.reporting.origin import describe, provenance
from novis.reporting.study import KEY

# A cell of a table: FILE.csv:LINE or FILE.csv:LINE:COLUMN; the header is line 1.
_CELL = re.compile(r"^(?P<file>.+\.csv):(?P<line>\d+)(?::(?P<column>.+))?$")
_NUMBER = re.compile(r"^-?\d+(\.\d+)?$")
_MEAN = "_mean.csv"


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
