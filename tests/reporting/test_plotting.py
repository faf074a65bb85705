import logging
import re
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from PIL import Image

from novis.reporting.clip_figure import clip_analysis_figure
from novis.reporting.collect import aggregate, tidy
from novis.reporting.plotting import dodge, inline_svg, panel_names, write_figure


@pytest.fixture
def results(clip_study):
    return aggregate(tidy(clip_study))


def test_panels_are_named_by_what_differs():
    keys = [("shapes", "m", "novis", 96), ("ovis", "m", "novis", 360)]
    assert panel_names(keys) == ["shapes, 96: ", "ovis, 360: "]
    assert panel_names(keys[:1]) == [""]


def test_lines_at_the_same_place_are_dodged_around_it():
    shifts = [dodge(position, 3) for position in range(3)]
    assert sum(shifts) == pytest.approx(0)
    assert shifts == sorted(set(shifts))
    assert dodge(0, 1) == 0


def test_pdf_embeds_truetype_fonts_and_repeats_byte_for_byte(results, tmp_path):
    before = dict(mpl.rcParams)
    for name in ("first", "second"):
        write_figure(clip_analysis_figure(results), tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    content = (tmp_path / "first.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    assert content == (tmp_path / "second.pdf").read_bytes()
    assert Image.open(tmp_path / "first.png").width > 1200
    assert dict(mpl.rcParams) == before


def test_embedding_fonts_is_silent(results, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        write_figure(clip_analysis_figure(results), tmp_path / "f.pdf", tmp_path / "f.png")
    assert caplog.records == []


def test_svg_takes_the_ink_and_the_width_of_its_page(results):
    svg = inline_svg(clip_analysis_figure(results))
    root = ElementTree.fromstring(svg)
    assert "viewBox" in root.attrib
    assert not {"width", "height"} & root.attrib.keys()
    assert "currentColor" in svg
    assert not re.search(r"(href|src)=\"http", svg)
