"""What a finished run says in plain text: the main numbers, and where the files are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from novis.experiment import WHOLE_VIDEO
from novis.reporting.cells import Cell, Number, Table, groups, number
from novis.reporting.collect import FRAME_AP
from novis.reporting.significance import Comparison
from novis.reporting.study import KEY, StudyResults, differing, label

_MISSING = "-"
# Studies whose AP is not that of tracks, or that have none.
_WITHOUT_TRACKS = ("mask_quality", "schedules")


@dataclass(frozen=True)
class StudyReport:
    """A study, measured: what the page and the summary show of it.

    Attributes:
        study: what was asked for.
        runs: its tidy table, one line a run.
        results: the same, aggregated over folds and seeds.
        table: laid out, with the yardsticks of every variant.
        comparisons: its claims, measured.
    """

    study: StudyResults
    runs: pd.DataFrame
    results: pd.DataFrame
    table: Table
    comparisons: Sequence[Comparison]


@dataclass(frozen=True)
class Headline:
    """A number that one wants to see first."""

    label: str
    value: Number
    detail: str


def headlines(reports: Sequence[StudyReport]) -> list[Headline]:
    """The best row of each study; with the first also its yardsticks; and the best online row."""
    found: list[Headline] = []
    for report in (one for one in reports if one.study.layout not in _WITHOUT_TRACKS):
        rows = _whole_videos(report.results).dropna(subset=["AP"])
        if rows.empty:
            found.append(Headline(f"best of {report.study.name}", Number(None), "no run is finished"))
            continue
        best = rows.loc[rows["AP"].idxmax()].to_dict()
        named = differing(rows.to_dict("records"))
        found.append(Headline(f"AP, best of {report.study.name}", _value(best, "AP"), label(best, named)))
        if report is reports[0]:
            found += _yardstick_headlines(best, report.results)
        online = rows[rows["clip_length"] == 1]
        if len(online) and best["clip_length"] != 1:
            best_online = online.loc[online["AP"].idxmax()].to_dict()
            detail = label(best_online, named)
            found.append(Headline("AP, best online", _value(best_online, "AP"), detail))
    return found


def summary(experiment: str, reports: Sequence[StudyReport], files: Mapping[str, Path]) -> str:
    """The text that a run ends with.

    Args:
        experiment: its name.
        reports: its studies.
        files: what was written, by what it is.
    """
    lines = [f"NOVIS on {experiment}", ""]
    for report in reports:
        lines += [report.study.title, "", *plain_text(report.table), "", *_notes(report.table), ""]
        lines += [f"  {comparison.statement}" for comparison in report.comparisons]
        lines += [""] if report.comparisons else []
    width = max(map(len, files), default=0)
    lines += [f"{what:<{width}}  {path}" for what, path in files.items()]
    return "\n".join(lines) + "\n"


def plain_text(table: Table) -> list[str]:
    """A table in lines of aligned text; ``*`` marks the best number of a column."""
    grouped = any(group for group, _ in groups(table.columns))
    body = [[_cell(cell) for cell in row] for section in table.sections for row in section.rows]
    names = [column.name for column in table.columns]
    upper = [column.group if grouped else "" for column in table.columns]
    # A group's heading stands over the first of its columns alone.
    upper = ["" if i and upper[i - 1] == text else text for i, text in enumerate(upper)]
    widths = [max(map(len, column)) for column in zip(names, upper, *body, strict=True)]

    def line(cells: Sequence[str]) -> str:
        aligned = [
            f"{cell:<{width}}" if column.align == "left" else f"{cell:>{width}}"
            for cell, width, column in zip(cells, widths, table.columns, strict=True)
        ]
        return ("  " + "  ".join(aligned)).rstrip()

    rule = "  " + "-" * (sum(widths) + 2 * (len(widths) - 1))
    lines = [line(upper)] if grouped else []
    lines += [line(names)]
    for section in table.sections:
        lines += [rule, *([f"  {section.title}"] if section.title else [])]
        lines += [line([_cell(cell) for cell in row]) for row in section.rows]
    return lines


def _notes(table: Table) -> list[str]:
    return [
        line for note in table.notes for line in wrap(note, 108, initial_indent="  ", subsequent_indent="  ")
    ]


def _whole_videos(results: pd.DataFrame) -> pd.DataFrame:
    """The rows scored on videos that were not cut: AP on short sequences is another thing."""
    return results[(results["role"] == "row") & (results["sequence_length"] == WHOLE_VIDEO)]


def _yardstick_headlines(row: Mapping[str, Any], results: pd.DataFrame) -> list[Headline]:
    """Identity and oracle linking of the row's own clips, and its per-frame AP."""
    shared = [name for name in KEY if name not in ("role", "tracker")]
    same = (results[shared] == [row[name] for name in shared]).all(axis=1)
    chosen = results[same & (results["role"] == "yardstick")].to_dict("records")
    found = [
        Headline(f"AP, {line['tracker']} linking", _value(line, "AP"), "the same clips") for line in chosen
    ]
    if pd.notna(row[FRAME_AP]):
        found.append(Headline("per-frame mask AP", _value(row, FRAME_AP), "the same clips, not linked"))
    return found


def _value(row: Mapping[str, Any], name: str) -> Number:
    return number(row[name], row[f"{name}_spread"])


def _cell(cell: Cell) -> str:
    if cell is None:
        return _MISSING
    if isinstance(cell, bool):
        return "x" if cell else ""
    if isinstance(cell, str):
        return cell
    if cell.text is None:
        return _MISSING
    spread = "" if cell.spread_text is None else f" \N{PLUS-MINUS SIGN}{cell.spread_text}"
    return f"{'*' if cell.rank == 1 else ''}{cell.text}{cell.mark}{spread}"
