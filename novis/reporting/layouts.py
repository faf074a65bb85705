"""How a study becomes a table: one function for each layout of :data:`LAYOUTS`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from novis.errors import InputError
from novis.experiment import WHOLE_VIDEO, nearest
from novis.reporting.benchmark import benchmark
from novis.reporting.cells import Cell, Column, Number, Section, Table, number, ranked
from novis.reporting.collect import FRAME_AP, NON_IDENTITY, spread_note
from novis.reporting.mask_figure import seen_as
from novis.reporting.paper import ablation_setting, paper_numbers, published_ablation
from novis.reporting.schedules import schedules
from novis.reporting.study import StudyResults, key_of

_FIELDS = (
    "model",
    "variant",
    "train_clip_length",
    "clip_length",
    "stride",
    "tracker",
    "min_size",
    "reading",
    "sequence_length",
)
_NAMES = {"train_clip_length": "trained with", "clip_length": "T", "sequence_length": "T\N{PRIME}"}
_YARDSTICK_COLUMNS = {
    NON_IDENTITY: Column("non-id.", "yardsticks"),
    FRAME_AP: Column("frame AP", "yardsticks"),
}
_YARDSTICK_TITLE = "Yardsticks: identity and oracle linking"
_YARDSTICK_NOTE = (
    "Identity links each query to the query of the same number, oracle follows the ground truth."
)
_COLUMN_NOTES = {
    NON_IDENTITY: (
        "Non-id.: percentage of matches between adjacent clips that do not link a query to the query of the "
        "same number."
    ),
    FRAME_AP: "Frame AP: AP of the masks of single frames, no matter how they are linked.",
}

# Turns a row of the aggregated results into the cells of a table's row.
_Cells = Callable[[Mapping[str, Any]], tuple[Cell, ...]]


def table_of(study: StudyResults, results: pd.DataFrame, all_yardsticks: bool = False) -> Table:
    """The table of a study.

    Args:
        study: its name, layout and title.
        results: the study's :func:`novis.reporting.collect.aggregate`.
        all_yardsticks: whether the ablation shows the yardsticks of all variants, not of the
            last one alone.

    Raises:
        InputError: the layout is unknown.
    """
    if study.layout not in LAYOUTS:
        raise InputError(
            f"study '{study.name}': unknown layout '{study.layout}'{nearest(study.layout, LAYOUTS)}"
        )
    if study.layout == "ablation" and not all_yardsticks:
        last_variant = results[results["role"] == "row"]["variant"].iloc[-1]
        results = results[(results["role"] == "row") | (results["variant"] == last_variant)]
    return LAYOUTS[study.layout](study, results)


def ablation(study: StudyResults, results: pd.DataFrame) -> Table:
    """Table 3: the four switches, and every number beside the paper's."""
    metrics = ("AP", "AP75", "AR1")
    yardsticks = _measured_yardsticks(results)
    published = published_ablation()

    def cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
        setting = ablation_setting(row)
        paper = published.get(setting, {})
        pairs = (cell for m in metrics for cell in (_metric(row, m), number(paper.get(m))))
        return (*setting[:3], _tracking(row), *pairs, *(_metric(row, name) for name in yardsticks))

    columns = (
        Column("TE", align="centre"),
        Column("dice", "volumetric", align="centre"),
        Column("mask", "volumetric", align="centre"),
        Column("tracking", align="left"),
        *(column for m in metrics for column in (Column("ours", m), Column("paper", m, reference=True))),
        *(_YARDSTICK_COLUMNS[name] for name in yardsticks),
    )
    source, caption = paper_numbers()["source"]["arxiv"], paper_numbers()["table3"]["caption"]
    notes = (f"Paper (arXiv {source}): {caption}.", spread_note(results), _yardstick_note(results))
    return Table(study.name, study.title, columns, _sections(results, cells, (4, 6, 8)), _present(notes))


def clip_analysis(study: StudyResults, results: pd.DataFrame) -> Table:
    """The numbers behind Figs. 1 and 3: AP by clip length, stride and tracker."""
    metrics = ("AP", "AP50", "AP75", "AR1", "AR10")
    fields = ("model", "variant", "min_size", "reading")
    varying = [name for name in fields if len(set(results[name])) > 1]
    yardsticks = _measured_yardsticks(results)
    crossed = ["train_clip_length"] if (results["train_clip_length"] != results["clip_length"]).any() else []

    def cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
        length, stride = row["clip_length"], row["stride"]
        overlap = 0 if length == WHOLE_VIDEO else length - stride
        return (
            *(_field(row[name]) for name in (*varying, *crossed)),
            *map(_field, (length, stride, overlap)),
            _tracking(row),
            *(_metric(row, name) for name in (*metrics, *yardsticks)),
        )

    columns = (
        *(_field_column(name) for name in (*varying, *crossed)),
        *map(Column, ("T", "S", "overlap")),
        Column("tracking", align="left"),
        *map(Column, metrics),
        *(_YARDSTICK_COLUMNS[name] for name in yardsticks),
    )
    first = columns.index(Column("AP"))
    sections = _sections(results, cells, range(first, first + len(metrics)))
    notes = _present((spread_note(results), _yardstick_note(results)))
    return Table(study.name, study.title, columns, sections, notes)


def settings(study: StudyResults, results: pd.DataFrame) -> Table:
    """A plain list: the fields in which the study's rows differ, then the metrics."""
    metrics = ("AP", "AP50", "AP75", "AR1", "AR10")
    varying = [name for name in _FIELDS if len(set(results[name])) > 1] or ["variant"]

    def cells(row: Mapping[str, Any]) -> tuple[Cell, ...]:
        return (*(_field(row[name]) for name in varying), *(_metric(row, name) for name in metrics))

    columns = (*map(_field_column, varying), *map(Column, metrics))
    sections = _sections(results, cells, range(len(varying), len(columns)))
    return Table(study.name, study.title, columns, sections, _present((spread_note(results),)))


def mask_quality(study: StudyResults, results: pd.DataFrame) -> Table:
    """The numbers behind Fig. 4: AP of masks in single frames, of images and of clips."""
    metrics = ("AP", "AP50", "AP75")
    own = ["dataset", "model", "variant", "min_size"]
    varying = [name for name in own if len(set(results[name])) > 1]
    parts = [
        {row["train_clip_length"]: row | {"key": key} for row in part.to_dict("records")}
        for key, lines in results.groupby(own, sort=False)
        for part in seen_as(lines).values()
    ]

    def cells(images: Mapping[str, Any], clips: Mapping[str, Any]) -> tuple[Cell, ...]:
        difference = Number(clips["AP"] - images["AP"], signed=True) if _known(images, clips) else None
        return (
            *(_field(clips[name]) for name in varying),
            number(clips["train_clip_length"], digits=0),
            *(_metric(images, name) for name in metrics),
            *(_metric(clips, name) for name in metrics),
            difference,
        )

    pairs = [
        (images[length], clips[length])
        for images, clips in zip(parts[::2], parts[1::2], strict=True)
        for length in sorted(images.keys() & clips.keys())
    ]
    columns = (
        *map(_field_column, varying),
        Column("T"),
        *(Column(name, "single images") for name in metrics),
        *(Column(name, "clips of T frames") for name in metrics),
        Column("diff."),
    )
    first = len(varying) + 1
    notes = (
        "AP of masks in single frames, no matter how they are linked; the network of a row sees images or "
        "clips. Diff.: AP of clips less that of images.",
        spread_note(results),
    )
    rows = ranked([cells(*pair) for pair in pairs], range(first, first + 2 * len(metrics)))
    section = Section(rows, origins=tuple(tuple(map(key_of, pair)) for pair in pairs))
    return Table(study.name, study.title, columns, (section,), _present(notes))


LAYOUTS: dict[str, Callable[[StudyResults, pd.DataFrame], Table]] = {
    "ablation": ablation,
    "benchmark": benchmark,
    "clip_analysis": clip_analysis,
    "gallery": settings,
    "mask_quality": mask_quality,
    "paradigms": clip_analysis,
    "schedules": schedules,
    "settings": settings,
}


def _sections(results: pd.DataFrame, cells: _Cells, ranked_columns: Sequence[int]) -> tuple[Section, ...]:
    """For each data set and sequence length its rows, the best of them marked, then the yardsticks."""
    sections = []
    groups = list(results.groupby(["dataset", "sequence_length"], sort=False))
    several_datasets, several_lengths = (len({key[i] for key, _ in groups}) > 1 for i in (0, 1))
    for (dataset, length), group in groups:
        where = [dataset.replace("_", " ")] if several_datasets else []
        cut = "whole videos" if length == WHOLE_VIDEO else f"sequences of {length} frames"
        where += [cut] if several_lengths else []
        rows, yardsticks = (group[group["role"] == role].to_dict("records") for role in ("row", "yardstick"))
        shown = ranked([cells(row) for row in rows], ranked_columns)
        sections.append(Section(shown, ", ".join(where), _origins(rows)))
        shown = tuple(cells(row) for row in yardsticks)
        sections.append(Section(shown, _YARDSTICK_TITLE, _origins(yardsticks)))
    return tuple(section for section in sections if section.rows)


def _origins(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[tuple[Any, ...], ...], ...]:
    """Where each row has all of its numbers from: itself."""
    return tuple((key_of(row),) for row in rows)


def _measured_yardsticks(results: pd.DataFrame) -> list[str]:
    """Those that some row has: a study need not ask for per-frame AP."""
    return [name for name in _YARDSTICK_COLUMNS if results[name].notna().any()]


def _yardstick_note(results: pd.DataFrame) -> str:
    """What the yardsticks that a table shows mean."""
    linked = [_YARDSTICK_NOTE] if (results["role"] == "yardstick").any() else []
    return " ".join([*linked, *(_COLUMN_NOTES[name] for name in _measured_yardsticks(results))])


def _metric(row: Mapping[str, Any], name: str) -> Number:
    return number(row[name], row[f"{name}_spread"])


def _tracking(row: Mapping[str, Any]) -> str:
    return ablation_setting(row)[3].replace("_", " ")


def _known(*rows: Mapping[str, Any]) -> bool:
    return all(pd.notna(row["AP"]) for row in rows)


def _field(value: Any) -> Cell:
    if value == WHOLE_VIDEO:
        return "whole"
    return value.replace("_", " ") if isinstance(value, str) else number(value, digits=0)


def _field_column(name: str) -> Column:
    words = ("dataset", "model", "variant", "tracker", "reading")
    return Column(_NAMES.get(name, name.replace("_", " ")), align="left" if name in words else "right")


def _present(notes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(note for note in notes if note)
