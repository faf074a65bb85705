"""Offline, online and near-online processing compared (Fig. 1): AP over the length of sequences."""

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from novis.experiment import WHOLE_VIDEO
from novis.reporting.plotting import GREY, INK, STYLE, colour, dodge, draw_series, legend, panels
from novis.reporting.study import paradigm_of

_TITLES = ("a  offline and online", "b  near-online versions", "c  NOVIS, whole videos")


def paradigm_figure(results: pd.DataFrame) -> Figure:
    """Fig. 1: a row of three panels for each data set and model.

    (a) AP over the length T' of sub-sequences: offline networks by the number of frames
    that they were trained with (a ring marks T' = that number) beside the online one.
    (b) The same networks near-online, clip by clip. (c) NOVIS on whole videos over T, a line
    for each overlap, with overlap embeddings (solid) and without (dashed), beside the online
    and the best offline network.

    Args:
        results: a study's :func:`novis.reporting.collect.aggregate`.
    """
    rows = results[results["role"] == "row"]
    rows = rows.assign(paradigm=[paradigm_of(row) for row in rows.to_dict("records")])
    parts = list(rows.groupby(["dataset", "model"], sort=False))
    with mpl.rc_context(STYLE):
        figure, axes = panels(len(parts), 3, height=3.1)
        for line, (key, lines) in zip(axes, parts, strict=True):
            _over_sequences(line[0], lines, "offline")
            _over_sequences(line[1], lines, "near-online")
            _novis(line[2], lines)
            for panel, title in zip(line, _TITLES, strict=True):
                panel.set_title(title, loc="left", fontweight="bold")
            where = f"{', '.join(key)}\n".replace("_", " ") if len(parts) > 1 else ""
            line[0].set_ylabel(f"{where}AP")
            if lines["AP"].isna().all():
                line[0].set_ylim(0, 100)
        _styles(figure)
    return figure


def _over_sequences(axes: Axes, lines: pd.DataFrame, paradigm: str) -> None:
    """AP over T' of a paradigm by training length, and of the online network."""
    places = _places(lines["sequence_length"])
    chosen = lines[lines["paradigm"] == paradigm]
    lengths = sorted(chosen["train_clip_length"].unique())
    for position, length in enumerate(lengths):
        own = chosen[chosen["train_clip_length"] == length]
        shift = dodge(position, len(lengths) + 1)
        draw_series(axes, *_series(own, places, shift), colour(length, lengths), label=f"{length}")
        trained = own[own["sequence_length"] == length]
        if paradigm == "offline" and len(trained):
            ring = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 0.9}
            axes.plot(
                places(length) + shift, trained["AP"].iloc[0], "o", color=colour(length, lengths), **ring
            )
    online = lines[lines["paradigm"] == "online"]
    if len(online):
        shift = dodge(len(lengths), len(lengths) + 1)
        draw_series(axes, *_series(online, places, shift), GREY, marker="s", label="online")
    _sequence_axis(axes, lines["sequence_length"], places)
    legend(axes, "frames in training", ncols=4, drop=0.24)


def _places(lengths: Sequence[int | str]) -> Callable[[int | str], float]:
    """Where a sequence length stands: doubling is one step, whole videos come last."""
    longest = max((length for length in lengths if length != WHOLE_VIDEO), default=1)
    return lambda length: float(np.log2(2 * longest if length == WHOLE_VIDEO else length))


def _series(
    lines: pd.DataFrame, places: Callable[[int | str], float], shift: float
) -> tuple[list[float], pd.DataFrame]:
    found = lines.assign(place=[places(length) for length in lines["sequence_length"]]).sort_values("place")
    return (found["place"] + shift).tolist(), found


def _sequence_axis(axes: Axes, lengths: Sequence[int | str], places: Callable[[int | str], float]) -> None:
    known = sorted(set(lengths), key=places)
    axes.set_xticks([places(length) for length in known])
    axes.set_xticklabels(["whole" if length == WHOLE_VIDEO else str(length) for length in known])
    axes.set_xlabel("frames of a sub-sequence, T\N{PRIME}")


def _novis(axes: Axes, lines: pd.DataFrame) -> None:
    """Whole videos: AP over T by overlap, beside the online and the best offline network."""
    whole = lines[lines["sequence_length"] == WHOLE_VIDEO]
    chosen = whole[whole["paradigm"] == "NOVIS"]
    chosen = chosen.assign(overlap=chosen["clip_length"] - chosen["stride"])
    overlaps = sorted(chosen["overlap"].unique())
    groups = list(chosen.groupby(["overlap", "tracker_settings.kind"], sort=True))
    for position, ((overlap, kind), own) in enumerate(groups):
        own = own.sort_values("clip_length")
        places = (own["clip_length"] + dodge(position, len(groups), 0.5)).tolist()
        label = f"{overlap}" if kind == "overlap_embed" else None
        draw_series(axes, places, own, colour(overlap, overlaps), kind == "embed", label=label)
    for paradigm, style in (("online", "-"), ("offline", (0, (1, 1.5)))):
        best = whole.loc[whole["paradigm"] == paradigm, "AP"].max()
        if pd.notna(best):
            axes.axhline(best, color=GREY, linestyle=style, linewidth=1.0, label=paradigm, zorder=1)
    axes.set_xticks(sorted(chosen["clip_length"].unique()))
    axes.set_xlabel("clip length T")
    legend(axes, "overlap T \N{MINUS SIGN} S", ncols=4, drop=0.24)


def _styles(figure: Figure) -> None:
    """What lines and rings mean, for all panels."""
    dashes, ring = (0, (3, 1.5)), {"linestyle": "", "marker": "o", "markersize": 9, "markerfacecolor": "none"}
    handles = [
        Line2D([], [], color=INK, label="trained with as many frames as the sequence has", **ring),
        Line2D([], [], color=INK, marker="o", label="overlap embeddings"),
        Line2D(
            [], [], color=INK, marker="o", markerfacecolor="none", linestyle=dashes, label="plain embeddings"
        ),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
