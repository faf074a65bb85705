"""Who stands in the paper's Tables 1 and 2, and which of their rows a run of ours stands beside."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from novis.errors import InputError
from novis.experiment import MIXED, PARENTS, WHOLE_VIDEO
from novis.reporting.paper import ablation_setting, paper_numbers

# The data sets of Tables 1 and 2, as they are printed.
BENCHMARKS = {
    "table1": {"ytvis_2019": "YouTube-VIS 2019", "ytvis_2021": "YouTube-VIS 2021"},
    "table2": {"ovis": "OVIS"},
}
TITLES = {name: title for titles in BENCHMARKS.values() for name, title in titles.items()}
METRICS = ("AP", "AP50", "AP75", "AR1", "AR10")
_BACKBONES = {"_r50": "R50", "_swin_l": "Swin-L"}
# The methods behind our variants.
_METHODS = {
    "novis": "NOVIS",
    "novis_large": "NOVIS",
    "mask2former_vis": "Mask2Former",
    "minvis": "MinVIS",
}


@dataclass(frozen=True)
class Entry:
    """What a row of Tables 1 and 2 says of a method before its numbers.

    Attributes:
        backbone: ``R50``, ``Swin-L``, or the model's name.
        method: such as ``NOVIS``.
        data: ``VIS``, or ``CC+VIS`` with clips made of COCO images.
        clips: T/S, ``ON`` for online and ``OFF`` for offline.
        min_size: MST, the short side at test in pixels; None where it is not told.
    """

    backbone: str
    method: str
    data: str
    clips: str
    min_size: int | None


@dataclass(frozen=True)
class Published:
    """A row of the paper.

    Attributes:
        entry: what it is about.
        text_size: the MST that the paper's text gives where the table says another.
        citation: where the paper has it from; empty for the paper itself.
        fps: frames a second, None where not reported.
        scores: by data set, the metrics in percent, None where not reported.
        note: what the paper says of the row alone.
    """

    entry: Entry
    text_size: int | None
    citation: str
    fps: float | None
    scores: Mapping[str, Mapping[str, float | None]]
    note: str | None


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry of a row of an aggregated table."""
    model, length = str(row["model"]), row["clip_length"]
    variant = str(row["variant"]).removesuffix(PARENTS)
    backbone = next((name for end, name in _BACKBONES.items() if model.endswith(end)), _words(model))
    method = _METHODS.get(variant, _words(variant))
    tracking = ablation_setting(row)[3]
    if variant not in _METHODS or tracking != _own_tracking(method, length):
        method = f"{method}, {_words(tracking)}"
    data = "CC+VIS" if str(row["dataset"]).endswith(MIXED) else "VIS"
    clips = "OFF" if length == WHOLE_VIDEO else "ON" if length == 1 else f"{length}/{row['stride']}"
    return Entry(backbone, method, data, clips, int(row["min_size"]))


def paper_table(benchmarks: Collection[str]) -> str | None:
    """Which of Tables 1 and 2 has these data sets; None if neither has any.

    Raises:
        InputError: both have some.
    """
    found = [table for table, titles in BENCHMARKS.items() if set(titles) & set(benchmarks)]
    if len(found) > 1:
        raise InputError(
            "the data sets of Tables 1 (YouTube-VIS) and 2 (OVIS) cannot share a table of layout "
            "'benchmark'; make a study of each"
        )
    return found[0] if found else None


def published_rows(table: str, benchmarks: Collection[str]) -> list[Published]:
    """The rows of a table of the paper with numbers for one of the ``benchmarks``, in its order."""
    rows = (_published(row, benchmarks) for row in paper_numbers()[table]["rows"])
    return [row for row in rows if row.scores]


def counterpart(entry: Entry, rows: Collection[Published]) -> Published | None:
    """The paper's own numbers for an entry; where the paper is silent on MST, any will do."""
    for row in rows:
        sizes = {row.entry.min_size, row.text_size} - {None}
        same_size = not sizes or entry.min_size in sizes
        if same_size and _without_size(row.entry) == _without_size(entry):
            return row
    return None


def _published(row: Mapping[str, Any], benchmarks: Collection[str]) -> Published:
    entry = Entry(row["backbone"], row["method"], row["data"], row["clips"], row.get("min_size"))
    scores = {name: row[name] for name in benchmarks if row.get(name)}
    return Published(
        entry, row.get("min_size_in_text"), row["citation"], row.get("fps"), scores, row.get("note")
    )


def _own_tracking(method: str, clip_length: int | str) -> str:
    """The tracking that belongs to a method; where a video is one clip, there is nothing to link."""
    if clip_length == WHOLE_VIDEO:
        return "identity"
    return "overlap_embed" if method == "NOVIS" else "embed"


def _without_size(entry: Entry) -> tuple[str, ...]:
    return (entry.backbone, entry.method, entry.data, entry.clips)


def _words(name: str) -> str:
    return name.replace("_", " ")
