"""Our rows of Tables 1 and 2: a row's data sets on one line, however their scores were obtained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from novis.experiment import FULL, benchmark_of
from novis.reporting.cells import Number, number
from novis.reporting.entries import METRICS, Entry, entry_of
from novis.reporting.external_scores import ExternalScore
from novis.reporting.study import KEY, StudyResults, key_of

# Measured here, obtained elsewhere, predicted without being scored, or not there yet.
State = Literal["measured", "external", "exported", "missing"]


@dataclass(frozen=True)
class Score:
    """What is known of an entry on one benchmark.

    Attributes:
        state: how it was obtained.
        metrics: in percent, with their spread; empty where there are none.
        on_folds: whether it was measured on held-out parts of the training set.
    """

    state: State
    metrics: Mapping[str, Number] = field(default_factory=dict)
    on_folds: bool = False

    @property
    def ap(self) -> float | None:
        """AP, where it is known."""
        return self.metrics["AP"].value if self.metrics else None


@dataclass(frozen=True)
class Line:
    """An entry with its scores by benchmark, and its speed where it was measured.

    Attributes:
        entry: what it is about.
        scores: by benchmark.
        origins: the rows of the study behind the scores.
        fps: frames a second.
        fps_hardware: that they were measured on.
        latency: frames that must be seen after one before its first and its settled answer;
            None where no speed was measured, or each video is one clip.
    """

    entry: Entry
    scores: dict[str, Score] = field(default_factory=dict)
    origins: list[tuple[Any, ...]] = field(default_factory=list)
    fps: float | None = None
    fps_hardware: str | None = None
    latency: tuple[int, int] | None = None


def our_lines(study: StudyResults, rows: pd.DataFrame, external: Sequence[ExternalScore]) -> list[Line]:
    """The study's rows, one line for those that differ in the data set alone, in the table's order.

    An external score fills the place of a row that was not scored here; without such a row
    it becomes a line of its own, so that none is lost.

    Args:
        study: says which files a row has.
        rows: its aggregated results, without yardsticks.
        external: those of the study's benchmarks.
    """
    lines: dict[tuple[Any, ...], Line] = {}
    for row in rows.to_dict("records"):
        entry = entry_of(row)
        own = tuple(row[name] for name in KEY if name != "dataset")
        key = (entry, *own)
        line = lines.setdefault(key, Line(entry))
        if line.fps is None and pd.notna(row["fps"]):
            line = lines[key] = _timed(line, row)
        line.origins.append(key_of(row))
        line.scores[benchmark_of(row["dataset"])] = _score(row, _runs(study, row))
    found = list(lines.values())
    for score in external:
        _fill(found, score)
    # The paper's own method comes last, and within a method the best.
    first = benchmark_of(rows["dataset"].iloc[0])
    return sorted(found, key=lambda line: (line.entry.method.startswith("NOVIS"), _order(line, first)))


def _timed(line: Line, row: Mapping[str, Any]) -> Line:
    """The line with the speed of a row."""
    frames = [row["latency_first"], row["latency_settled"]]
    latency = (int(frames[0]), int(frames[1])) if pd.notna(frames).all() else None
    return replace(line, fps=row["fps"], fps_hardware=row["fps_hardware"], latency=latency)


def _runs(study: StudyResults, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The folds and seeds of a row."""
    return [run for run in study.rows if all(run[name] == row[name] for name in KEY)]


def _score(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Score:
    on_folds = any(run["split"] != FULL for run in runs)
    if pd.notna(row["AP"]):
        metrics = {name: number(row[name], row[f"{name}_spread"]) for name in METRICS}
        return Score("measured", metrics, on_folds)
    results = [run.get("results") for run in runs]
    exported = all(path is not None and Path(path).exists() for path in results)
    return Score("exported" if exported and not on_folds else "missing", on_folds=on_folds)


def _fill(lines: list[Line], external: ExternalScore) -> None:
    """Put an external score in its place."""
    score = Score("external", {name: number(value) for name, value in external.metrics.items()})
    for line in lines:
        present = line.scores.get(external.benchmark)
        if line.entry == external.entry and (present is None or present.state in ("exported", "missing")):
            line.scores[external.benchmark] = score
            return
    lines.append(Line(external.entry, {external.benchmark: score}))


def _order(line: Line, benchmark: str) -> float:
    score = line.scores.get(benchmark)
    return float("-inf") if score is None or score.ap is None else score.ap
