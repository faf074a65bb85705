"""Mask quality as a figure (Fig. 4): AP of the masks of single frames over the clip length."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from novis.reporting.plotting import GREY, STYLE, colour, dodge, draw_series, legend, panel_names, panels
from novis.reporting.study import PANEL


def mask_quality_figure(results: pd.DataFrame) -> Figure:
    """Fig. 4: a panel for each data set, model and variant.

    Every network once sees single images and once clips of the T frames that it was trained
    with; masks are scored frame by frame. The dotted line is the network trained on images.

    Args:
        results: a study's :func:`novis.reporting.collect.aggregate`.
    """
    rows = results[results["role"] == "row"]
    parts = list(rows.groupby(list(PANEL), sort=False))
    with mpl.rc_context(STYLE):
        figure, axes = panels(1, len(parts))
        for panel, name, (_, lines) in zip(
            axes[0], panel_names([key for key, _ in parts]), parts, strict=True
        ):
            for position, (label, own) in enumerate(seen_as(lines).items()):
                places = (own["train_clip_length"] + dodge(position, 2)).tolist()
                draw_series(panel, places, own, colour(2 * position, [0, 1, 2]), position == 0, label=label)
            alone = lines.loc[lines["train_clip_length"] == 1, "AP"].max()
            if pd.notna(alone):
                panel.axhline(
                    alone, color=GREY, linestyle=(0, (1, 1.5)), linewidth=1.0, label="trained on images"
                )
            panel.set_xticks(sorted(lines["train_clip_length"].unique()))
            panel.set_xlabel("clip length T of the training")
            panel.set_ylabel("AP of masks in single frames")
            panel.set_title(f"{name}mask quality", loc="left", fontweight="bold")
            legend(panel, ncols=2)
            if lines["AP"].isna().all():
                panel.set_ylim(0, 100)
    return figure


def seen_as(lines: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The rows of networks that see single images, and of those that see clips, by clip length.

    A network trained on images (T = 1) belongs to both.
    """
    own = lines["clip_length"] == lines["train_clip_length"]
    parts = {"single images": lines[lines["clip_length"] == 1], "clips of T frames": lines[own]}
    return {label: part.sort_values("train_clip_length") for label, part in parts.items()}
