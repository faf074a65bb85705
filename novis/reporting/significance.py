"""Which differences between rows hold: paired comparisons of the paper's claims, with 95 % intervals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from novis.evaluation.bootstrap import paired_bootstrap
from novis.evaluation.matches import Matches
from novis.reporting.cells import Cell, Column, Number, Section, Table
from novis.reporting.claims import Claim, claims
from novis.reporting.study import KEY, StudyResults

Verdict = Literal["holds", "does not hold", "undecided", "missing"]


@dataclass(frozen=True)
class Comparison:
    """A claim, measured.

    Attributes:
        difference: of AP in percentage points, the mean over folds and seeds; None if missing.
        low, high: its 95 % interval, by a paired bootstrap over videos.
        num_videos: of all folds.
        num_seeds: seeds that both rows have.
    """

    claim: Claim
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    num_videos: int = 0
    num_seeds: int = 0

    @property
    def verdict(self) -> Verdict:
        """``holds`` or ``does not hold`` where the interval lies on one side of 0."""
        if self.low is None or self.high is None:
            return "missing"
        if self.low > 0:
            return "holds"
        return "does not hold" if self.high < 0 else "undecided"

    @property
    def statement(self) -> str:
        """One sentence."""
        if self.difference is None:
            return f"{self.claim.text}: not measured"
        paper = "" if self.claim.paper is None else f"; paper {self.claim.paper:+.1f}"
        return (
            f"{self.claim.text}: {self.difference:+.1f} AP, 95 % interval {self.low:+.1f} to "
            f"{self.high:+.1f} ({self.num_videos} videos, seeds: {self.num_seeds}){paper}: {self.verdict}"
        )


def comparisons(
    study: StudyResults, table: pd.DataFrame, results: pd.DataFrame, num_resamples: int = 2000
) -> list[Comparison]:
    """All claims that the study's layout has, measured.

    Args:
        study: gives the layout.
        table: its tidy table, one line a run, with the files of matches.
        results: the same, aggregated.
        num_resamples: draws of the bootstrap.
    """
    return [measure(claim, table, num_resamples) for claim in claims(study.layout, results)]


def measure(claim: Claim, table: pd.DataFrame, num_resamples: int = 2000) -> Comparison:
    """The paired difference of a claim, over the runs (folds and seeds) that both rows have.

    Raises:
        InputError: a pair of runs was scored on different videos.
    """
    better, worse = (_files(table, key) for key in (claim.better, claim.worse))
    if not better or better.keys() != worse.keys():
        return Comparison(claim)
    folds = list(dict.fromkeys(split for split, _ in better))
    pairs = [
        [(Matches.load(better[run]), Matches.load(worse[run])) for run in better if run[0] == fold]
        for fold in folds
    ]
    result = paired_bootstrap(pairs, num_resamples)
    return Comparison(
        claim,
        100 * result.difference,
        100 * result.low,
        100 * result.high,
        sum(len(runs[0][0].video_ids) for runs in pairs),
        len({seed for _, seed in better}),
    )


def comparison_table(study: StudyResults, measured: list[Comparison]) -> Table:
    """The comparisons of a study as a table."""
    columns = (
        Column("claim", align="left"),
        Column("ours", "difference of AP"),
        Column("paper", "difference of AP", reference=True),
        Column("from", "95% interval"),
        Column("to", "95% interval"),
        Column("verdict", align="left"),
    )

    def cells(comparison: Comparison) -> tuple[Cell, ...]:
        values = (comparison.difference, comparison.claim.paper, comparison.low, comparison.high)
        return (comparison.claim.text, *(Number(value, signed=True) for value in values), comparison.verdict)

    sections = (
        Section(tuple(cells(c) for c in measured if not c.claim.yardstick)),
        Section(tuple(cells(c) for c in measured if c.claim.yardstick), "Yardsticks"),
    )
    videos = max((comparison.num_videos for comparison in measured), default=0)
    counted = f"{videos} videos" if videos else "videos"
    notes = (
        f"Paired bootstrap over {counted}, resampled within each fold. A claim holds where the whole "
        "interval lies above 0. The interval holds the chance of the videos, not that of the training: a "
        "single seed may be a lucky one.",
    )
    present = tuple(section for section in sections if section.rows)
    return Table(f"{study.name}_differences", f"Paired differences: {study.title}", columns, present, notes)


def _files(table: pd.DataFrame, key: tuple[Any, ...]) -> dict[tuple[str, int], str]:
    """The files of matches of a row by (fold, seed); nothing where one is not there."""
    chosen = table[(table[list(KEY)] == list(key)).all(axis=1)]
    files = {
        (line["split"], line["seed"]): line["matches_file"]
        for line in chosen.sort_values(["split", "seed"]).to_dict("records")
    }
    complete = all(isinstance(path, str) and Path(path).exists() for path in files.values())
    return files if complete else {}
