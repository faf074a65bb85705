"""What a table says, apart from how it is set: the LaTeX file and the page render the same cells."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Number:
    """A measured or published number. ``value`` None is shown as missing.

    Attributes:
        value: as it is printed (percent for metrics).
        spread: its standard deviation, printed small.
        rank: 1 for the best of its column, 2 for the second, 0 for the rest.
        digits: decimals printed.
        signed: whether a positive number is printed with its sign.
        mark: a footnote's sign behind it.
    """

    value: float | None
    spread: float | None = None
    rank: int = 0
    digits: int = 1
    signed: bool = False
    mark: str = ""

    @property
    def text(self) -> str | None:
        """The number as printed, without its spread; None where missing."""
        if self.value is None:
            return None
        text = f"{self.value:{'+' if self.signed else ''}.{self.digits}f}"
        # A rounded zero has no sign.
        return text.lstrip("+-") if float(text) == 0 else text

    @property
    def spread_text(self) -> str | None:
        """The spread as printed, or None."""
        return None if self.value is None or self.spread is None else f"{self.spread:.{self.digits}f}"


# A text, a tick (or none), a number; None is something not known.
Cell = str | bool | Number | None


@dataclass(frozen=True)
class Column:
    """A column of a table; neighbours of the same ``group`` share a heading above their own.

    ``reference`` marks numbers that are not ours, which are set in grey.
    """

    name: str
    group: str = ""
    reference: bool = False
    align: Literal["left", "centre", "right"] = "right"


@dataclass(frozen=True)
class Section:
    """Consecutive rows of a table; a rule parts it from the section before.

    Attributes:
        rows: their cells.
        title: above them, where there is one.
        origins: for each row the rows of the study that its numbers come from, by their values
            of :data:`novis.reporting.study.KEY`; empty where no row is ours.
    """

    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    origins: tuple[tuple[tuple[Any, ...], ...], ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of a study, ready to be set."""

    name: str
    title: str
    columns: tuple[Column, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()


def number(value: float | None, spread: float | None = None, digits: int = 1) -> Number:
    """A cell of a value that may be NaN, which is missing."""
    return Number(_known(value), _known(spread), digits=digits)


def ranked(rows: Sequence[Sequence[Cell]], columns: Sequence[int]) -> tuple[tuple[Cell, ...], ...]:
    """The rows with the best and the second number of each of ``columns`` marked.

    Numbers that print alike share a rank. A column with fewer than two different numbers
    has no best.
    """
    marked = [list(row) for row in rows]
    for column in columns:
        cells = [row[column] for row in rows]
        values = {float(cell.text) for cell in cells if isinstance(cell, Number) and cell.text is not None}
        best = sorted(values, reverse=True)[:2] if len(values) > 1 else []
        for row, cell in zip(marked, cells, strict=True):
            if isinstance(cell, Number) and cell.text is not None and float(cell.text) in best:
                row[column] = replace(cell, rank=best.index(float(cell.text)) + 1)
    return tuple(tuple(row) for row in marked)


def groups(columns: Sequence[Column]) -> list[tuple[str, int]]:
    """The headings above the columns: (group, number of columns), in order."""
    runs: list[tuple[str, int]] = []
    for column in columns:
        if runs and column.group and runs[-1][0] == column.group:
            runs[-1] = (column.group, runs[-1][1] + 1)
        else:
            runs.append((column.group, 1))
    return runs


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
