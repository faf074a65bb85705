"""Table 4: the hyperparameters of each benchmark, from the resolved configurations of its trainings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from novis.experiment import benchmark_of
from novis.files import read_json
from novis.reporting.cells import Cell, Column, Section, Table, number
from novis.reporting.entries import TITLES
from novis.reporting.paper import paper_numbers
from novis.reporting.study import StudyResults


def schedules(study: StudyResults, results: pd.DataFrame) -> Table:
    """One row for each data set, model and variant of the study, beside the paper's Table 4.

    Nothing is trained for it: a row needs the ``config.json`` that its training begins with.

    Raises:
        InputError: a configuration is missing or broken.
    """
    published = {row["benchmark"]: row for row in paper_numbers()["table4"]["rows"]}
    own = ("dataset", "model", "variant")
    first: dict[tuple[str, ...], Mapping[str, Any]] = {}
    for row in study.rows:
        first.setdefault(tuple(row[name] for name in own), row)
    columns = (
        *(Column(name, align="left") for name in ("benchmark", "model", "variant")),
        *(Column(name, "learning rate drops") for name in ("ours", "paper")),
        *(Column(name, "iterations") for name in ("ours", "paper")),
        *(Column(name, "top-k") for name in ("ours", "paper")),
        *map(Column, ("batch", "points", "MST")),
    )
    columns = tuple(
        Column(column.name, column.group, reference=column.name == "paper", align=column.align)
        for column in columns
    )
    rows = tuple(_row(key, row, published) for key, row in first.items())
    source = paper_numbers()["source"]["arxiv"]
    note = f"Ours: the resolved configurations. Paper: Table 4 of arXiv {source}."
    return Table(study.name, study.title, columns, (Section(rows),), (note,))


def _row(
    key: tuple[str, ...], row: Mapping[str, Any], published: Mapping[str, Mapping[str, Any]]
) -> tuple[Cell, ...]:
    config = read_json(Path(row["config"]), "resolved configuration")
    training, paper = config["training"], published.get(benchmark_of(key[0]), {})
    return (
        TITLES.get(key[0], key[0].replace("_", " ")),
        *(name.replace("_", " ") for name in key[1:]),
        _drops(training["milestones"]),
        _drops(paper.get("milestones")),
        number(training["iterations"], digits=0),
        number(paper.get("iterations"), digits=0),
        number(row["top_k"], digits=0),
        number(paper.get("top_k"), digits=0),
        number(training["batch_size"], digits=0),
        number(config["model"]["criterion"]["num_points"], digits=0),
        number(row["min_size"], digits=0),
    )


def _drops(milestones: list[int] | None) -> str | None:
    return None if milestones is None else ", ".join(map(str, milestones))
