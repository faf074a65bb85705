"""The paper's published numbers, from a data file, matched to our settings."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from novis.files import read_json

# The ablation's switches: encoding, volumetric dice, volumetric mask (None: not known), tracking.
Setting = tuple[bool | None, bool | None, bool | None, str]


@cache
def paper_numbers() -> Mapping[str, Any]:
    """Tables 1 to 4 of the paper as printed, in percent; null is what the paper does not report."""
    with resources.as_file(resources.files("novis.reporting") / "paper_numbers.json") as path:
        return read_json(path, "file of the paper's numbers")


def ablation_setting(row: Mapping[str, Any]) -> Setting:
    """The ablation's four switches of a row of an aggregated table.

    A tracker with a track buffer is told from the plain one by the buffer's length.
    """
    kind = row.get("tracker_settings.kind")
    tracking = kind if isinstance(kind, str) else str(row["tracker"])
    buffer_length = row.get("tracker_settings.buffer_length")
    if pd.notna(buffer_length) and buffer_length > 1:
        tracking = f"{tracking}, buffer {buffer_length:g}"
    encoding = _setting(row, "temporal_encoding")
    dice, mask = _setting(row, "dice_loss"), _setting(row, "mask_loss")
    return (
        None if encoding is None else encoding != "none",
        None if dice is None else dice == "volumetric",
        None if mask is None else mask == "volumetric",
        tracking,
    )


def published_ablation() -> dict[Setting, Mapping[str, float]]:
    """Table 3: AP, AP75 and AR1 by setting, in the paper's order."""
    return {published_setting(row): row for row in paper_numbers()["table3"]["rows"]}


def published_setting(row: Mapping[str, Any]) -> Setting:
    """The four switches of a row of the paper's Table 3."""
    return (row["temporal_encoding"], row["volumetric_dice"], row["volumetric_mask"], row["tracking"])


def _setting(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(f"variant_settings.{name}")
    return value if isinstance(value, str) else None
