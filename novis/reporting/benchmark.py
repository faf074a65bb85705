"""Tables 1 and 2: our rows below the published ones, the data sets of a table side by side."""

from collections.abc import Callable, Collection, Sequence

import pandas as pd

from novis.experiment import benchmark_of
from novis.reporting.benchmark_lines import Line, Score, our_lines
from novis.reporting.cells import Cell, Column, Number, Section, Table, number, ranked
from novis.reporting.collect import spread_note
from novis.reporting.entries import (
    METRICS,
    TITLES,
    Entry,
    Published,
    counterpart,
    paper_table,
    published_rows,
)
from novis.reporting.external_scores import ExternalScore, read_external_scores
from novis.reporting.paper import paper_numbers
from novis.reporting.study import StudyResults

_EXTERNAL, _EXPORTED = "\N{DAGGER}", "\N{DOUBLE DAGGER}"
_Row = tuple[Cell, ...]
_BACKBONES = {"R50": "ResNet-50"}
_EXPORTED_NOTE = (
    f"{_EXPORTED} Exported, not scored: results.json is written, but the ground truth is not public and "
    "the evaluation servers closed at the end of 2025."
)


def benchmark(study: StudyResults, results: pd.DataFrame) -> Table:
    """Our rows and the published ones of the paper's table that has the study's data sets.

    For each backbone the published rows come in the paper's order, then ours. Scores
    obtained elsewhere (``study.external_scores``) have a dagger; what was predicted but
    could not be scored has a double dagger. What was measured on folds of the training set
    is neither ranked with the published numbers nor subtracted from them.

    Raises:
        InputError: the study mixes the data sets of both tables, or the file of external
            scores is broken.
    """
    rows = results[results["role"] == "row"]
    names = sorted(dict.fromkeys(map(benchmark_of, rows["dataset"])), key=_place)
    table = paper_table(names)
    published = published_rows(table, names) if table else []
    external = _external_scores(study, names)
    ours = our_lines(study, rows, external)
    shown = _Layout(names, published, ours)
    notes = (
        _source_note(table),
        shown.difference_note,
        # What was exported lacks no run.
        spread_note(rows.dropna(subset=["AP"])),
        *(f"{mark} {note[0].upper()}{note[1:]}." for note, mark in shown.marks.items()),
        _external_note(external),
        _EXPORTED_NOTE if _any(ours, lambda score: score.state == "exported") else "",
        shown.folds_note,
        _speed_note(ours),
    )
    return Table(study.name, study.title, shown.columns, shown.sections, tuple(filter(None, notes)))


class _Layout:
    """Columns and sections over the rows of a table.

    Attributes:
        marks: the asterisks of the paper's notes on single rows.
    """

    def __init__(self, names: Sequence[str], published: Sequence[Published], ours: Sequence[Line]) -> None:
        self._names = names
        self._published = published
        self._ours = ours
        self._speeds = any(row.fps is not None for row in (*published, *ours))
        self._latencies = any(line.latency is not None for line in ours)
        self._differing = [name for name in names if any(self._difference(line, name) for line in ours)]
        notes = dict.fromkeys(row.note for row in published if row.note)
        self.marks = {note: "*" * (number + 1) for number, note in enumerate(notes)}

    @property
    def columns(self) -> tuple[Column, ...]:
        """Who, then for each data set the metrics and where we differ from the paper."""
        speed = (Column("FPS"),) if self._speeds else ()
        speed += (Column("lat.", align="centre"),) if self._latencies else ()
        who = (Column("method", align="left"), Column("data", align="left"), Column("T/S", align="centre"))
        scores = (
            Column(metric, _title(name))
            for name in self._names
            for metric in (*METRICS, *(("diff.",) if name in self._differing else ()))
        )
        return (*who, Column("MST"), *speed, *scores)

    @property
    def sections(self) -> tuple[Section, ...]:
        """For each backbone the published rows and ours, the best of each data set marked."""
        found = []
        for backbone in dict.fromkeys(row.entry.backbone for row in (*self._published, *self._ours)):
            lines = [line for line in self._ours if line.entry.backbone == backbone]
            published, ours = self._ranked(
                [self._cells_of(row) for row in self._published if row.entry.backbone == backbone],
                [self._our_cells(line) for line in lines],
            )
            title = _BACKBONES.get(backbone, backbone)
            origins = tuple(tuple(line.origins) for line in lines)
            found += [
                Section(published, f"{title}, published"),
                Section(ours, f"{title}, this implementation", origins),
            ]
        return tuple(section for section in found if section.rows)

    @property
    def difference_note(self) -> str:
        """What the column of differences says, if there is one."""
        text = "Diff.: our AP less the paper's in its row of the same backbone, data, T/S and MST."
        return text if self._differing else ""

    @property
    def folds_note(self) -> str:
        """What was measured on parts of the training set."""
        names = " and ".join(_title(name) for name in self._names if self._on_folds(name))
        return names and (
            f"Ours on {names}: measured on held-out folds of the training set, so they are not ranked "
            "with the published numbers, and no difference is computed."
        )

    def _ranked(self, published: list[_Row], ours: list[_Row]) -> tuple[tuple[_Row, ...], tuple[_Row, ...]]:
        """Both parts with the best numbers marked: of both where they can be compared, else of each."""
        groups_on_folds = {_title(name) for name in self._names if self._on_folds(name)}
        places = {i: column.group for i, column in enumerate(self.columns) if column.name in METRICS}
        apart = [i for i, group in places.items() if group in groups_on_folds]
        rows = ranked([*published, *ours], [i for i in places if i not in apart])
        return ranked(rows[: len(published)], apart), ranked(rows[len(published) :], apart)

    def _cells_of(self, row: Published) -> _Row:
        source = row.citation or "the paper"
        method = f"{row.entry.method} ({source}){self.marks.get(row.note or '', '')}"
        scores = [cell for name in self._names for cell in self._published_scores(row, name)]
        return (*_who(row.entry, method), *self._speed(row.fps, None), *scores)

    def _published_scores(self, row: Published, name: str) -> _Row:
        scores = row.scores.get(name, {})
        blank = ("",) if name in self._differing else ()
        return (*(number(scores.get(metric)) for metric in METRICS), *blank)

    def _our_cells(self, line: Line) -> _Row:
        scores = [cell for name in self._names for cell in self._our_scores(line, name)]
        return (*_who(line.entry, line.entry.method), *self._speed(line.fps, line.latency), *scores)

    def _speed(self, fps: float | None, latency: tuple[int, int] | None) -> _Row:
        """Frames a second and latency, where the table has them."""
        frames = ("/".join(map(str, latency)) if latency else None,) if self._latencies else ()
        return (*((number(fps),) if self._speeds else ()), *frames)

    def _our_scores(self, line: Line, name: str) -> _Row:
        cells = _score_cells(line.scores.get(name, Score("missing")))
        return (*cells, self._difference(line, name)) if name in self._differing else cells

    def _difference(self, line: Line, name: str) -> Number | None:
        """Our AP less the paper's, where both are there and of the same videos."""
        score = line.scores.get(name)
        paper = counterpart(line.entry, self._published)
        theirs = paper.scores.get(name, {}).get("AP") if paper else None
        if score is None or score.ap is None or score.on_folds or theirs is None:
            return None
        return Number(score.ap - theirs, signed=True)

    def _on_folds(self, name: str) -> bool:
        return any(name in line.scores and line.scores[name].on_folds for line in self._ours)


def _who(entry: Entry, method: str) -> _Row:
    return (method, entry.data, entry.clips, number(entry.min_size, digits=0))


def _score_cells(score: Score) -> _Row:
    if score.state == "exported":
        return (f"exported{_EXPORTED}", *(Number(None),) * (len(METRICS) - 1))
    mark = _EXTERNAL if score.state == "external" else ""
    return tuple(_marked(score.metrics.get(metric, Number(None)), mark) for metric in METRICS)


def _marked(value: Number, mark: str) -> Number:
    return value if value.value is None else Number(value.value, value.spread, mark=mark)


def _external_scores(study: StudyResults, names: Collection[str]) -> list[ExternalScore]:
    """Those of the study's data sets: one file serves all tables."""
    if study.external_scores is None:
        return []
    return [score for score in read_external_scores(study.external_scores) if score.benchmark in names]


def _external_note(scores: Sequence[ExternalScore]) -> str:
    sources = dict.fromkeys(
        f"{_title(score.benchmark)} by {score.source}, {score.date.isoformat()}" for score in scores
    )
    return f"{_EXTERNAL} Scored elsewhere: {'; '.join(sources)}." if sources else ""


def _speed_note(lines: Sequence[Line]) -> str:
    """What our frames a second were measured on; that of the published ones is unknown."""
    hardware = dict.fromkeys(line.fps_hardware for line in lines if line.fps is not None)
    if not hardware:
        return ""
    return (
        f"Our FPS: one clip at a time, from decoded frames to masks, on {', '.join(map(str, hardware))}; "
        "the hardware of the published figures is not known. Lat.: frames that must be seen after a frame "
        "before the first clip, and before all clips, that show it are complete."
    )


def _source_note(table: str | None) -> str:
    if table is None:
        return ""
    arxiv, caption = paper_numbers()["source"]["arxiv"], paper_numbers()[table]["caption"]
    return f"Published: Table {table[-1]} of the paper (arXiv {arxiv}), {caption[0].lower()}{caption[1:]}."


def _any(lines: Sequence[Line], test: Callable[[Score], bool]) -> bool:
    return any(test(score) for line in lines for score in line.scores.values())


def _place(name: str) -> int:
    """Data sets come in the paper's order, others after them."""
    return list(TITLES).index(name) if name in TITLES else len(TITLES)


def _title(name: str) -> str:
    return TITLES.get(name, name.replace("_", " "))
