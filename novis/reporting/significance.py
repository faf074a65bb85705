"""Which differences between rows hold: paired comparisons of the paper's claims, with 95 % intervals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from novis.evaluation.bootstrap import paired_bootstrap
from novis.evaluation.matches import Matches
from novis.reporting.cells import Cell, Column, Number, Section, Table
from novis.reporting.paper import ablation_setting, paper_numbers, published_setting
from novis.reporting.study import KEY, PANEL, StudyResults

Verdict = Literal["holds", "does not hold", "undecided", "missing"]


@dataclass(frozen=True)
class Claim:
    """One row of a study is said to be better than another.

    Attributes:
        text: what is said, such as "Overlap embeddings over plain embeddings".
        better, worse: the values of :data:`novis.reporting.study.KEY` of the two rows.
        paper: the difference of AP that the paper's table shows, None where it shows none.
        yardstick: whether it is about the setting, not about the method.
    """

    text: str
    better: tuple[Any, ...]
    worse: tuple[Any, ...]
    paper: float | None = None
    yardstick: bool = False


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


def claims(layout: str, results: pd.DataFrame) -> list[Claim]:
    """What the paper says about rows of this study, then what its yardsticks must show first."""
    making, fields = {
        "ablation": (_ablation_claims, ["dataset"]),
        "clip_analysis": (_clip_claims, list(PANEL)),
    }.get(layout, (_no_claims, ["dataset"]))
    groups = [(key, lines.to_dict("records")) for key, lines in results.groupby(fields, sort=False)]
    differing = [i for i in range(len(fields)) if len({key[i] for key, _ in groups}) > 1]
    found = []
    for key, rows in groups:
        where = "".join(f"{key[i]}, " for i in differing).replace("_", " ")
        found += [replace(claim, text=f"{where}{claim.text}") for claim in making(rows)]
    return sorted(found, key=lambda claim: claim.yardstick)


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


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _ablation_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """The steps of Table 3, their size computed from the paper's table."""
    ours = {ablation_setting(row): _key(row) for row in rows if row["role"] == "row"}
    published = paper_numbers()["table3"]
    found = []
    for step in published["steps"]:
        better, worse = published["rows"][step["better"]], published["rows"][step["worse"]]
        keys = [ours.get(published_setting(row)) for row in (better, worse)]
        if None not in keys:
            found.append(Claim(step["claim"], *keys, round(better["AP"] - worse["AP"], 1)))
    last = [row for row in rows if row["role"] == "row"][-1]
    return found + list(_yardstick_claims(rows, last))


def _clip_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    """Near-online (S = T / 2) over online, and overlap embeddings over plain ones, at every T and S."""
    own = [r for r in rows if r["role"] == "row" and r["train_clip_length"] == r["clip_length"]]
    online = [row for row in own if row["clip_length"] == 1]
    near = {
        kind: {(r["clip_length"], r["stride"]): r for r in own if _kind(r) == kind and r["clip_length"] > 1}
        for kind in ("embed", "overlap_embed")
    }
    found = []
    for (length, stride), row in near["overlap_embed"].items():
        if 2 * stride == length:
            found += [Claim(_over_online(row, other), _key(row), _key(other)) for other in online]
            found += _yardstick_claims(rows, row)
    for (length, stride), row in near["overlap_embed"].items():
        plain = near["embed"].get((length, stride))
        # Without an overlap (S = T) the two are the same embeddings.
        if plain is not None and stride < length:
            text = f"Overlap embeddings over plain embeddings, T = {length}, S = {stride}"
            found.append(Claim(text, _key(row), _key(plain)))
    return found


def _kind(row: Mapping[str, Any]) -> str:
    return str(row["tracker_settings.kind"])


def _over_online(row: Mapping[str, Any], online: Mapping[str, Any]) -> str:
    length = online.get("tracker_settings.buffer_length")
    buffered = f"buffer of {length:g}" if pd.notna(length) and length > 1 else "no buffer"
    return f"Near-online, T = {row['clip_length']}, S = {row['stride']}, over online, {buffered}"


def _yardstick_claims(rows: list[Mapping[str, Any]], row: Mapping[str, Any]) -> Iterator[Claim]:
    """Only where oracle linking beats identity linking does a setting test tracking at all."""
    shared = [name for name in KEY if name not in ("role", "tracker")]
    yardsticks = {
        _kind(other): other
        for other in rows
        if other["role"] == "yardstick" and all(other[name] == row[name] for name in shared)
    }
    where = f"T = {row['clip_length']}, S = {row['stride']}"
    if {"oracle", "identity"} <= yardsticks.keys():
        oracle, identity = yardsticks["oracle"], yardsticks["identity"]
        yield Claim(
            f"Oracle linking over identity linking, {where}", _key(oracle), _key(identity), yardstick=True
        )
        yield Claim(f"The tracker over identity linking, {where}", _key(row), _key(identity), yardstick=True)


def _no_claims(rows: list[Mapping[str, Any]]) -> list[Claim]:
    return []
