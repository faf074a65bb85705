"""Reading ``study.json``: which runs make up a table or a figure, and where their files lie."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novis.errors import InputError
from novis.experiment import OWN_READING, WHOLE_VIDEO
from novis.files import read_json

# What tells one row of a table from another; folds and seeds repeat a row.
KEY = (
    "role",
    "dataset",
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
# What stays the same within one panel of the clip analysis.
PANEL = ("dataset", "model", "variant", "min_size")
# What most studies keep the same for all rows: a label names it only where it differs.
_SHARED = ("dataset", "model", "min_size")
_REQUIRED = (*KEY, "split", "seed", "variant_settings", "tracker_settings", "metrics")
_ROLES = ("row", "yardstick")


@dataclass(frozen=True)
class StudyResults:
    """A study and its finished or unfinished runs, one mapping for each row, fold and seed.

    Attributes:
        name: the study's name, which names its files.
        layout: how it is laid out, one of :data:`novis.reporting.layouts.LAYOUTS`.
        title: one line for captions.
        experiment: the configuration it belongs to, such as ``shapes``.
        rows: the fields of each run, with the paths of ``results``, ``metrics``,
            ``matches``, ``linking``, ``frame_metrics`` and ``checkpoint`` (a path may be None).
        external_scores: a CSV of scores obtained elsewhere, None without one.
        gallery: a picture of tracks over frames (Figs. 5 and 6), a PDF of the same name beside
            it; None without one.
    """

    name: str
    layout: str
    title: str
    experiment: str
    rows: tuple[Mapping[str, Any], ...]
    external_scores: str | None = None
    gallery: str | None = None


def read_study(path: Path) -> StudyResults:
    """Read and check a ``study.json``.

    Raises:
        InputError: the file is missing or broken, a key is missing, a role is unknown,
            or a run occurs twice.
    """
    content = read_json(path, "study")
    _demand(content, ("name", "layout", "title", "experiment", "rows"), f"{path}")
    if not content["rows"]:
        raise InputError(
            f"{path}: study '{content['name']}' has no rows; check its blocks in the configuration"
        )
    seen: dict[tuple[Any, ...], int] = {}
    for position, row in enumerate(content["rows"]):
        _demand(row, _REQUIRED, f"{path}: row {position}")
        if row["role"] not in _ROLES:
            raise InputError(f"{path}: row {position}: role '{row['role']}' is none of {', '.join(_ROLES)}")
        if not all(isinstance(files, list) for files in (row.get("benchmarks") or {}).values()):
            raise InputError(
                f"{path}: row {position}: 'benchmarks' must name a list of files for each stage; "
                "write it with the workflow"
            )
        identity = tuple(row[key] for key in (*KEY, "split", "seed"))
        if identity in seen:
            raise InputError(f"{path}: rows {seen[identity]} and {position} are the same run; name it once")
        seen[identity] = position
    head = (content[key] for key in ("name", "layout", "title", "experiment"))
    return StudyResults(*head, tuple(content["rows"]), content.get("external_scores"), content.get("gallery"))


def key_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a row from all others of its study: its values of :data:`KEY`."""
    return tuple(row[name] for name in KEY)


def paradigm_of(row: Mapping[str, Any]) -> str:
    """How a row processes a video: ``offline``, ``online``, ``near-online``, or ``NOVIS``.

    Offline is one clip a video, which leaves nothing to link. NOVIS is told from other
    networks near-online by its learned temporal encoding.
    """
    if row["clip_length"] in (WHOLE_VIDEO, row["sequence_length"]) and row["tracker"] == "identity":
        return "offline"
    if row["clip_length"] == 1:
        return "online"
    learned = row.get("variant_settings.temporal_encoding", "learned") == "learned"
    return "NOVIS" if learned else "near-online"


def _demand(content: Any, keys: tuple[str, ...], where: str) -> None:
    if not isinstance(content, Mapping):
        raise InputError(f"{where}: must be a mapping; write it with the workflow")
    absent = [key for key in keys if key not in content]
    if absent:
        raise InputError(f"{where}: lacks '{absent[0]}'; write it with the workflow")


def differing(rows: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Which of data set, model and size at test tell some rows apart, so that labels must name them."""
    chosen = list(rows)
    return tuple(name for name in _SHARED if len({row[name] for row in chosen}) > 1)


def label(row: Mapping[str, Any], named: Collection[str] = ()) -> str:
    """A row in words, such as ``novis, T = 4, S = 2, overlap embed``.

    Args:
        row: of a study.
        named: what of :func:`differing` is named besides.
    """
    names = [name for name in ("dataset", "model", "variant") if name == "variant" or name in named]
    crossed = row["train_clip_length"] != row["clip_length"]
    trained = f" (trained with {row['train_clip_length']})" if crossed else ""
    cut, read = row["sequence_length"] != WHOLE_VIDEO, row["reading"] != OWN_READING
    words = [
        *(str(row[name]) for name in names),
        *([str(row["reading"])] if read else []),
        f"T = {row['clip_length']}{trained}",
        f"S = {row['stride']}",
        str(row["tracker"]),
        *([f"{row['min_size']} px"] if "min_size" in named else []),
        *([f"sequences of {row['sequence_length']} frames"] if cut else []),
    ]
    return ", ".join(words).replace("_", " ")
