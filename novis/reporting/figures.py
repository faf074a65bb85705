"""The clip analysis as a figure (Fig. 3): AP over clip length and over overlap."""

import io
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from novis.files import replacing
from novis.reporting.study import PANEL

# The embedding of fonts is told glyph by glyph, at the level of our own messages.
logging.getLogger("fontTools").setLevel(logging.WARNING)

_INK = "#1b1f24"
_GREY = "#7a828c"
_STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "axes.titlesize": 8.5,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.35,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "errorbar.capsize": 1.5,
    # TrueType outlines: type 3 fonts are refused by many publishers.
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "novis",
}
# In order from violet to orange, told apart by colour-blind readers, legible on white and on black.
_COLOURS = LinearSegmentedColormap.from_list("novis", ("#6f55d0", "#3f8fd8", "#12a08a", "#d9a01f", "#d9541f"))
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
    panels = list(results.groupby(list(PANEL), sort=False)) or [(("",) * len(PANEL), results)]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(7.2, 3.3 * len(panels)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(len(panels), 2, squeeze=False, sharey="row")
        names = panel_names([key for key, _ in panels])
        for (left, right), name, (_, lines) in zip(axes, names, panels, strict=True):
            _over_clip_length(left, _near_online(lines), _online(lines))
            _over_overlap(right, _near_online(lines), lines[lines["role"] == "yardstick"])
            left.set_title(f"{name}AP over clip length", loc="left", fontweight="bold")
            right.set_title("AP over overlap", loc="left", fontweight="bold")
            left.set_ylabel("AP")
            if lines["AP"].isna().all():
                left.set_ylim(0, 100)
        _style_legend(figure)
    return figure


def panel_names(keys: Sequence[tuple[Any, ...]]) -> list[str]:
    """A prefix for each of the ``keys`` of :data:`PANEL`: the fields in which they differ."""
    differing = [i for i in range(len(PANEL)) if len({key[i] for key in keys}) > 1]
    words = [", ".join(str(key[i]).replace("_", " ") for i in differing) for key in keys]
    return [f"{text}: " if text else "" for text in words]


def write_figure(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as PDF with embedded fonts and as PNG; the same figure gives the same bytes."""
    with mpl.rc_context(_STYLE):
        with replacing(pdf) as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png", dpi=220)


def inline_svg(figure: Figure) -> str:
    """A figure as an SVG element whose ink is the text colour of the page around it."""
    buffer = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(_INK, "currentColor")
    # The page decides the width; the view box keeps the proportions.
    return re.sub(
        r'(<svg[^>]*?) height="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    )


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
        _draw(axes, lengths, points, _colour(overlap, overlaps), kind, series, label)
    if len(online):
        places, points = online["buffer_length"], online["AP"]
        axes.errorbar(
            places,
            points,
            yerr=online["AP_spread"],
            color=_GREY,
            marker="s",
            elinewidth=0.7,
            label="online, T = 1",
        )
    ticks = sorted({*near_online["clip_length"], *online["buffer_length"].astype(int)})
    axes.set_xticks(ticks)
    axes.set_xlabel("clip length T  (online: length of the track buffer)")
    _legend(axes, "overlap T \N{MINUS SIGN} S")


def _over_overlap(axes: Axes, near_online: pd.DataFrame, yardsticks: pd.DataFrame) -> None:
    lengths = sorted(near_online["clip_length"].unique())
    for series, length, kind in _dodged(lengths):
        overlaps = sorted(near_online.loc[near_online["clip_length"] == length, "overlap"].unique())
        points = _points(near_online, "overlap", overlaps, clip_length=length, kind=kind)
        label = f"T = {length}" if kind == _OVERLAP else None
        _draw(axes, overlaps, points, _colour(length, lengths), kind, series, label)
    if lengths:
        _draw_yardsticks(axes, near_online, yardsticks)
    axes.set_xticks(sorted(near_online["overlap"].unique()))
    axes.set_xlabel("overlap T \N{MINUS SIGN} S of adjacent clips, frames")
    _legend(axes, None)


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
                overlaps, chosen["AP"], color=_GREY, linestyle=style, linewidth=1.0, label=label, zorder=1
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


def _draw(
    axes: Axes,
    places: Sequence[int],
    points: pd.DataFrame,
    colour: Any,
    kind: str,
    shift: float,
    label: str | None,
) -> None:
    solid = kind == _OVERLAP
    axes.errorbar(
        np.asarray(places) + shift,
        points["AP"],
        yerr=points["AP_spread"],
        color=colour,
        linestyle="-" if solid else (0, (3, 1.5)),
        marker="o",
        markerfacecolor=colour if solid else "none",
        elinewidth=0.7,
        label=label,
    )


def _colour(value: int, values: Sequence[int]) -> Any:
    return _COLOURS(values.index(value) / max(len(values) - 1, 1))


def _legend(axes: Axes, title: str | None) -> None:
    """Below the axis, where no data can lie; the lines alone, without their error bars."""
    handles, labels = axes.get_legend_handles_labels()
    lines = [handle.lines[0] if isinstance(handle, ErrorbarContainer) else handle for handle in handles]
    if lines:
        axes.legend(
            lines,
            labels,
            title=title,
            title_fontsize=7.5,
            ncols=5 if title else 3,
            loc="upper center",
            bbox_to_anchor=(0.5, -0.2),
            handlelength=1.8,
            columnspacing=1.2,
        )


def _style_legend(figure: Figure) -> None:
    styles: Mapping[str, Any] = {
        "overlap embeddings": {"linestyle": "-", "marker": "o"},
        "plain embeddings": {"linestyle": (0, (3, 1.5)), "marker": "o", "markerfacecolor": "none"},
    }
    handles = [Line2D([], [], color=_INK, label=label, **style) for label, style in styles.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=2)
