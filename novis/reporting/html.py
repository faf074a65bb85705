"""The report as one self-contained page: no file beside it, nothing fetched, light and dark."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from novis.data.frames import read_image
from novis.files import replacing
from novis.reporting import breakdowns
from novis.reporting.cells import Cell, Number, Table, groups
from novis.reporting.figures import FIGURES
from novis.reporting.paper import paper_numbers
from novis.reporting.plotting import inline_svg
from novis.reporting.significance import Comparison
from novis.reporting.study import key_of
from novis.reporting.summary import StudyReport, headlines

_JPEG_QUALITY = 88
# Pictures wider than this are made smaller: nobody sees more of them on the page.
_MAX_WIDTH = 1600


@dataclass(frozen=True)
class Interval:
    """Where a comparison's interval lies on the page's common scale, in percent of its width."""

    zero: float
    low: float
    high: float
    middle: float


def write_page(
    experiment: str, reports: Sequence[StudyReport], overlays: Sequence[Path], output: Path
) -> None:
    """Write the page.

    Args:
        experiment: its name, which is the page's title.
        reports: the studies, in order.
        overlays: pictures of tracks over frames; the file's name becomes the caption.
        output: the HTML file.

    Raises:
        InputError: a picture is missing or broken.
    """
    page = (
        _templates()
        .get_template("report.html.j2")
        .render(
            experiment=experiment,
            headlines=headlines(reports),
            studies=[_study(report) for report in reports],
            pictures=[{"name": path.stem, "source": _picture(path)} for path in overlays],
            paper=paper_numbers()["source"],
            checkpoints=_checkpoints(reports),
            style=_asset("report.css"),
            script=_asset("report.js"),
        )
    )
    with replacing(output) as temporary:
        temporary.write_text(page)


def intervals(comparisons: Sequence[Comparison]) -> list[Interval | None]:
    """The intervals of comparisons on one scale that holds them all, and 0.

    Returns:
        None for a comparison that was not measured.
    """
    ends = [end for c in comparisons for end in (c.low, c.high) if end is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    width = (high - low) or 1.0

    def place(value: float) -> float:
        return round(4 + 92 * (value - low) / width, 2)

    return [
        None
        if c.low is None or c.high is None or c.difference is None
        else Interval(place(0.0), place(c.low), place(c.high), place(c.difference))
        for c in comparisons
    ]


def _claim_groups(
    comparisons: Sequence[Comparison],
) -> list[tuple[str, list[tuple[Comparison, Interval | None]]]]:
    """The paper's claims and the yardsticks apart, each on a scale of its own."""
    parts = {
        title: [c for c in comparisons if c.claim.yardstick == bool(title)] for title in ("", "Yardsticks")
    }
    return [(title, list(zip(part, intervals(part), strict=True))) for title, part in parts.items() if part]


def _study(report: StudyReport) -> dict[str, Any]:
    study = report.study
    figure = None
    if study.layout in FIGURES:
        figure = Markup(inline_svg(FIGURES[study.layout](report.results)))
    return {
        "anchors": _anchors(report),
        "name": study.name,
        "title": study.title,
        "table": report.table,
        "figure": figure,
        "gallery": _picture(Path(study.gallery)) if study.gallery else None,
        "num_videos": max((c.num_videos for c in report.comparisons), default=0),
        "claims": _claim_groups(report.comparisons),
        "details": _details(report) if study.layout != "schedules" else [],
        "origins": breakdowns.provenance_table(study, report.runs) if study.layout != "schedules" else None,
    }


def _anchors(report: StudyReport) -> dict[tuple[Any, ...], str]:
    """What each row of a study is called on the page, where its runs are listed."""
    keys = dict.fromkeys(map(key_of, report.runs.to_dict("records")))
    return {key: f"{report.study.name}-row-{place}" for place, key in enumerate(keys, start=1)}


def _details(report: StudyReport) -> list[Table]:
    """Break-downs and costs of the study's numbers."""
    return [
        breakdowns.category_table(report.study, report.results),
        breakdowns.part_table(report.study, report.results),
        breakdowns.cost_table(report.study, report.runs),
    ]


def _checkpoints(reports: Sequence[StudyReport]) -> dict[str, int]:
    """How many checkpoints there are, and how many of them other code has made."""
    made = {
        run["checkpoint_file"]: run["other_code"]
        for report in reports
        for run in report.runs.to_dict("records")
        if isinstance(run["checkpoint_code"], str)
    }
    return {"all": len(made), "other": sum(bool(other) for other in made.values())}


def _picture(path: Path) -> str:
    image = read_image(path, str(path))
    if image.shape[1] > _MAX_WIDTH:
        height = round(image.shape[0] * _MAX_WIDTH / image.shape[1])
        image = cv2.resize(image, (_MAX_WIDTH, height), interpolation=cv2.INTER_AREA)
    reversed_channels = np.ascontiguousarray(image[..., ::-1])
    _, content = cv2.imencode(".jpg", reversed_channels, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode("ascii")


def _asset(name: str) -> Markup:
    return Markup((resources.files("novis.reporting") / "templates" / name).read_text())


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("novis.reporting"),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.tests["number"] = lambda cell: isinstance(cell, Number)
    environment.globals["groups"] = lambda table: groups(table.columns)
    environment.globals["sort_key"] = _sort_key
    environment.filters["grouped"] = _grouped
    environment.filters["has_origins"] = lambda table: any(any(s.origins) for s in table.sections)
    return environment


def _grouped(table: Table) -> bool:
    return any(column.group for column in table.columns)


def _sort_key(cell: Cell) -> str:
    """What a column is sorted by in the browser; empty for what is missing, which stays last."""
    if isinstance(cell, Number):
        return "" if cell.value is None else repr(cell.value)
    return "" if cell is None else str(int(cell)) if isinstance(cell, bool) else cell
