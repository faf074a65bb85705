"""What all figures share: style, colours, legends, and how they are written."""

import io
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from novis.files import replacing
from novis.reporting.study import PANEL

# The embedding of fonts is told glyph by glyph, at the level of our own messages.
logging.getLogger("fontTools").setLevel(logging.WARNING)

INK = "#1b1f24"
GREY = "#7a828c"
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
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


def panels(rows: int, columns: int, height: float = 3.3) -> tuple[Figure, Any]:
    """A figure and its (rows, columns) axes, which share their scale within a row.

    It is as wide as a page, or half as wide for a single column. To be called, and drawn
    into, within :data:`STYLE`.
    """
    figure = Figure(figsize=(3.6 if columns == 1 else 7.2, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, sharey="row")


def panel_names(keys: Sequence[tuple[Any, ...]]) -> list[str]:
    """A prefix for each of the ``keys`` of :data:`PANEL`: the fields in which they differ."""
    differing = [i for i in range(len(PANEL)) if len({key[i] for key in keys}) > 1]
    words = [", ".join(str(key[i]).replace("_", " ") for i in differing) for key in keys]
    return [f"{text}: " if text else "" for text in words]


def draw_series(
    axes: Axes, places: Sequence[float], points: pd.DataFrame, colour: Any, dashed: bool = False, **style: Any
) -> None:
    """A line through the AP of ``points`` with the spread as error bars; NaN is a gap."""
    axes.errorbar(
        places,
        points["AP"],
        yerr=points["AP_spread"],
        color=colour,
        elinewidth=0.7,
        **{
            "linestyle": (0, (3, 1.5)) if dashed else "-",
            "marker": "o",
            "markerfacecolor": "none" if dashed else colour,
        }
        | style,
    )


def dodge(position: int, count: int, width: float = 0.16) -> float:
    """The shift along the axis of one of several lines, so that points at the same place stay apart."""
    return width * ((position + 0.5) / count - 0.5)


def colour(value: int, values: Sequence[int]) -> Any:
    """The colour of a line for one of several ``values``, in their order."""
    return _COLOURS(values.index(value) / max(len(values) - 1, 1))


def legend(axes: Axes, title: str | None = None, ncols: int | None = None, drop: float = 0.2) -> None:
    """Below the axis, where no data can lie; the lines alone, without their error bars.

    ``drop``: how far below, as a part of the axis' height.
    """
    handles, labels = axes.get_legend_handles_labels()
    lines = [handle.lines[0] if isinstance(handle, ErrorbarContainer) else handle for handle in handles]
    if lines:
        axes.legend(
            lines,
            labels,
            title=title,
            title_fontsize=7.5,
            ncols=ncols or (5 if title else 3),
            loc="upper center",
            bbox_to_anchor=(0.5, -drop),
            handlelength=1.8,
            columnspacing=1.2,
        )


def write_figure(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as PDF with embedded fonts and as PNG; the same figure gives the same bytes."""
    with mpl.rc_context(STYLE):
        with replacing(pdf) as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png", dpi=220)


def inline_svg(figure: Figure) -> str:
    """A figure as an SVG element whose ink is the text colour of the page around it."""
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor")
    # The page decides the width; the view box keeps the proportions.
    return re.sub(
        r'(<svg[^>]*?) height="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    )
