"""The clip analysis as a figure (Fig. 3): AP over clip length and over overlap."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from novis.reporting.plotting import GREY, INK, STYLE, colour, draw_series, legend, panel_names, panels
from novis.reporting.study import PANEL

_PLAIN, _OVERLAP = "embed", "overlap_embed"
_YARDSTICK_STYLES = {"identity": (0, (1, 1.5)), "oracle": (0, (5, 1.5, 1, 1.5))}


def clip_analysis_figure(results: pd.DataFrame) -> Figure:
    """Fig. 3: a row of two panels for each data set, model and variant.

    Left, AP over the clip length T with a line for each overlap T - S, and the online
    tracker (T = 1) over the length of its track buffer. Right, AP over the overlap with a
    line for each T, between identity and oracle linking of the T with most strides.
    Solid lines link by overlap embeddings, dashed ones by plain output embeddings. A
    missing result is a gap; error bars are the spread that the table names. Models are
    shown at the T they were trained with.

    Args:
        results: a study's :func:`novis.reporting.collect.aggregate`.
    """
    results = results[results["train_clip_length"] == results["clip_length"]]
    # Without any result the axes are empty, but there.
    parts = list(results.groupby(list(PANEL), sort=False)) or [(("",) * len(PANEL), results)]
    with mpl.rc_context(STYLE):
        figure, axes = panels(len(parts), 2)
        names = panel_names([key for key, _ in parts])
        for (left, right), name, (_, lines) in zip(axes, names, parts, strict=True):
            _over_clip_length(left, _near_online(lines), _online(lines))
            _over_overlap(right, _near_online(lines), lines[lines["role"] == "yardstick"])
            left.set_title(f"{name}AP over clip length", loc="left", fontweight="bold")
            right.set_title("AP over overlap", loc="left", fontweight="bold")
            left.set_ylabel("AP")
            if lines["AP"].isna().all():
                left.set_ylim(0, 100)
        _style_legend(figure)
    return figure


def _near_online(lines: pd.DataFrame) -> pd.DataFrame:
    chosen = lines[(lines["role"] == "row") & (lines["clip_length"] > 1)]
    kinds = chosen["tracker_settings.kind"].isin([_PLAIN, _OVERLAP])
    return chosen[kinds].assign(overlap=chosen["clip_length"] - chosen["stride"])


def _online(lines: pd.DataFrame) -> pd.DataFrame:
    chosen = lines[(lines["role"] == "row") & (lines["clip_length"] == 1)]
    chosen = chosen[chosen["tracker_settings.kind"] == _PLAIN]
    lengths = chosen.get("tracker_settings.buffer_length", pd.Series(1.0, chosen.index))
    return chosen.assign(buffer_length=lengths.fillna(1.0)).sort_values("buffer_length")


def _over_clip_length(axes: Axes, near_online: pd.DataFrame, online: pd.DataFrame) -> None:
    overlaps = sorted(near_online["overlap"].unique())
    for series, overlap, kind in _dodged(overlaps):
        lengths = sorted(length for length in near_online["clip_length"].unique() if length > overlap)
        points = _points(near_online, "clip_length", lengths, overlap=overlap, kind=kind)
        label = f"{overlap}" if kind == _OVERLAP else None
        shifted = np.asarray(lengths) + series
        draw_series(axes, shifted, points, colour(overlap, overlaps), kind == _PLAIN, label=label)
    if len(online):
        draw_series(axes, online["buffer_length"], online, GREY, marker="s", label="online, T = 1")
    ticks = sorted({*near_online["clip_length"], *online["buffer_length"].astype(int)})
    axes.set_xticks(ticks)
    axes.set_xlabel("clip length T  (online: length of the track buffer)")
    legend(axes, "overlap T \N{MINUS SIGN} S")


def _over_overlap(axes: Axes, near_online: pd.DataFrame, yardsticks: pd.DataFrame) -> None:
    lengths = sorted(near_online["clip_length"].unique())
    for series, length, kind in _dodged(lengths):
        overlaps = sorted(near_online.loc[near_online["clip_length"] == length, "overlap"].unique())
        points = _points(near_online, "overlap", overlaps, clip_length=length, kind=kind)
        label = f"T = {length}" if kind == _OVERLAP else None
        shifted = np.asarray(overlaps) + series
        draw_series(axes, shifted, points, colour(length, lengths), kind == _PLAIN, label=label)
    if lengths:
        _draw_yardsticks(axes, near_online, yardsticks)
    axes.set_xticks(sorted(near_online["overlap"].unique()))
    axes.set_xlabel("overlap T \N{MINUS SIGN} S of adjacent clips, frames")
    legend(axes, None)


def _draw_yardsticks(axes: Axes, near_online: pd.DataFrame, yardsticks: pd.DataFrame) -> None:
    """Identity and oracle linking of the clip length that has most strides."""
    length = near_online["clip_length"].mode().iloc[-1]
    for kind, style in _YARDSTICK_STYLES.items():
        chosen = yardsticks[
            (yardsticks["clip_length"] == length) & (yardsticks["tracker_settings.kind"] == kind)
        ].sort_values("stride")
        if len(chosen):
            label = f"{kind}, T = {length}"
            overlaps = length - chosen["stride"]
            axes.plot(
                overlaps, chosen["AP"], color=GREY, linestyle=style, linewidth=1.0, label=label, zorder=1
            )


def _dodged(values: Sequence[int]) -> Iterator[tuple[float, int, str]]:
    """Every line with a small shift along the axis, so that points at the same place stay apart."""
    series = [(value, kind) for value in values for kind in (_PLAIN, _OVERLAP)]
    for position, (value, kind) in enumerate(series):
        yield min(0.05, 0.5 / len(series)) * (position - (len(series) - 1) / 2), value, kind


def _points(lines: pd.DataFrame, along: str, places: Sequence[int], kind: str, **fixed: int) -> pd.DataFrame:
    """AP and spread at each of ``places`` of the axis; NaN where there is no result."""
    chosen = lines[lines["tracker_settings.kind"] == kind]
    for name, value in fixed.items():
        chosen = chosen[chosen[name] == value]
    return chosen.drop_duplicates(along).set_index(along)[["AP", "AP_spread"]].reindex(places)


def _style_legend(figure: Figure) -> None:
    styles: Mapping[str, Any] = {
        "overlap embeddings": {"linestyle": "-", "marker": "o"},
        "plain embeddings": {"linestyle": (0, (3, 1.5)), "marker": "o", "markerfacecolor": "none"},
    }
    handles = [Line2D([], [], color=INK, label=label, **style) for label, style in styles.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
