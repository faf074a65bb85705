"""Scores obtained elsewhere, such as from a benchmark's server: a small CSV that users fill in.

One line a data set and row, for example::

    dataset,row,AP,AP50,AP75,AR1,AR10,source,date
    ytvis_2019,R50 NOVIS CC+VIS 4/2 360,52.8,75.7,56.9,50.3,60.6,server of the 2019 challenge,2025-06-30

``row`` is what the tables say before the numbers: backbone, method, data, T/S and MST
(``-`` where it is not known). Numbers are percentages; a field may be empty, AP not.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from novis.errors import InputError
from novis.experiment import nearest
from novis.reporting.entries import METRICS, TITLES, Entry

COLUMNS = ("dataset", "row", *METRICS, "source", "date")
_ROW = re.compile(r"(\S+) (\S.*) (VIS|CC\+VIS) (ON|OFF|\d+/\d+) (\d+|-)")


@dataclass(frozen=True)
class ExternalScore:
    """The scores of one entry on one benchmark, from elsewhere.

    Attributes:
        benchmark: the data set.
        entry: the row that they belong to.
        metrics: in percent, None where not known.
        source: where they were obtained.
        date: when.
    """

    benchmark: str
    entry: Entry
    metrics: Mapping[str, float | None]
    source: str
    date: date


def read_external_scores(path: Path | str) -> list[ExternalScore]:
    """Read and check the file.

    Raises:
        InputError: it is missing, has other columns, or a field is wrong; the message names
            the line and the column.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.reader(file, strict=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of external scores") from error
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"{path}: the first line must be {','.join(COLUMNS)}")
    scores = [
        _score(fields, f"{path}: line {number}") for number, fields in enumerate(lines[1:], 2) if fields
    ]
    _refuse_repetition(scores, path)
    return scores


def _score(fields: list[str], place: str) -> ExternalScore:
    if len(fields) != len(COLUMNS):
        raise InputError(
            f"{place}: {len(fields)} fields, not {len(COLUMNS)}; put text with a comma into double quotes"
        )
    line = {column: field.strip() for column, field in zip(COLUMNS, fields, strict=True)}
    if line["dataset"] not in TITLES:
        raise InputError(f"{place}: unknown dataset '{line['dataset']}'{nearest(line['dataset'], TITLES)}")
    if not line["source"]:
        raise InputError(f"{place}: 'source' is empty; say where the scores were obtained")
    metrics = {metric: _percent(line[metric], f"{place}: '{metric}'") for metric in METRICS}
    if metrics["AP"] is None:
        raise InputError(f"{place}: 'AP' is empty; give it in percent")
    return ExternalScore(
        line["dataset"], _entry(line["row"], place), metrics, line["source"], _date(line["date"], place)
    )


def _entry(text: str, place: str) -> Entry:
    match = _ROW.fullmatch(text)
    if match is None:
        raise InputError(
            f"{place}: 'row' is '{text}'; give backbone, method, data, T/S and MST, "
            "as in 'R50 NOVIS CC+VIS 4/2 360'"
        )
    *words, size = match.groups()
    return Entry(*words, None if size == "-" else int(size))


def _percent(text: str, place: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise InputError(f"{place} is '{text}', not a number") from error
    if not 0 <= value <= 100:
        raise InputError(f"{place} is {text}, not a percentage in 0..100")
    return value


def _date(text: str, place: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{place}: 'date' is '{text}', not of the form 2025-06-30") from error


def _refuse_repetition(scores: list[ExternalScore], path: Path) -> None:
    seen = set()
    for score in scores:
        if (score.benchmark, score.entry) in seen:
            row = " ".join(str(value) for value in vars(score.entry).values())
            raise InputError(f"{path}: {score.benchmark} has two lines for '{row}'; keep one")
        seen.add((score.benchmark, score.entry))
