"""Frames a second of a run, where they were measured, and the latency that its clips imply."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from novis.clips import latency
from novis.errors import InputError
from novis.experiment import WHOLE_VIDEO
from novis.files import read_json

# What a table knows of a run's speed.
COLUMNS = ("fps", "fps_hardware", "latency_first", "latency_settled")


def speed_record(row: Mapping[str, Any]) -> dict[str, Any]:
    """The :data:`COLUMNS` of a run, each None where unknown.

    Frames a second are read from the row's ``speed`` file (``novis speed``); the frames that
    must be seen before the first and the settled answer follow from T and S, and are None
    where each video is one clip.
    """
    measured = _measured(row.get("speed"))
    record = {"fps": measured.get("fps"), "fps_hardware": measured.get("hardware", {}).get("device")}
    if row["clip_length"] == WHOLE_VIDEO:
        return record | {"latency_first": None, "latency_settled": None}
    frames = latency(int(row["clip_length"]), int(row["stride"]))
    return record | {"latency_first": frames.first, "latency_settled": frames.settled}


def _measured(path: str | None) -> Mapping[str, Any]:
    if path is None or not Path(path).exists():
        return {}
    content = read_json(path, "measured speed")
    if not isinstance(content, Mapping) or not isinstance(content.get("fps"), int | float):
        raise InputError(f"{path}: holds no frames a second; delete it and measure again")
    return content
