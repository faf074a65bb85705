import base64
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from PIL import Image

from novis.errors import InputError
from novis.reporting.claims import Claim
from novis.reporting.html import intervals, write_page
from novis.reporting.report import study_report
from novis.reporting.significance import Comparison

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Checks that elements nest, and collects what a page would fetch, and its texts."""

    def __init__(self, text):
        super().__init__()
        self.open, self.fetched, self.texts, self.tables = [], [], [], 0
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tables += tag == "table"
        for name, value in attributes:
            # A namespace is a name, not an address.
            if name in ("src", "href", "xlink:href", "data", "action") and not value.startswith("#"):
                self.fetched.append(value)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "video_<3>.png"
    Image.fromarray(np.full((60, 3200, 3), (250, 10, 10), np.uint8)).save(path)
    return path


def test_page_is_well_formed_and_fetches_nothing(finished, picture, tmp_path):
    write_page("shapes & co", finished, [picture], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    page = Page(text)
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.fetched)
    assert len(page.fetched) == 1
    assert not re.search(r"url\((?!#)|@import|<link|fetch\(|XMLHttp", text)
    assert page.tables == 2 * 6


def test_page_shows_every_number_of_the_tables(finished, tmp_path):
    write_page("shapes", finished, [], tmp_path / "report.html")
    text = " ".join(Page((tmp_path / "report.html").read_text()).texts)
    for report in finished:
        for value in report.results["AP"]:
            assert f"{value:.1f}" in text
        for comparison in report.comparisons:
            assert comparison.claim.text in text
    assert "20 of 20" not in text
    assert "12 of 12 checkpoints" in text


def test_every_row_of_every_table_leads_to_its_runs(finished, tmp_path):
    write_page("shapes", finished, [], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    ids = re.findall(r'<tr id="([^"]+)">', text)
    links = re.findall(r'<a href="#([^"]+-row-[^"]+)"', text)
    assert len(set(ids)) == len(ids) == sum(len(report.results) for report in finished)
    # The table of the study, and AP by category and by parts, have a link in every row.
    assert {links.count(name) for name in ids} == {3}
    # Of one row its own runs are listed at its place: those of the table's last, oracle linking.
    listed = text.split(f'<tr id="{links[13]}">')[1].split("</tr>")[0]
    assert "oracle" in listed
    assert "S2-oracle-video" in listed


def test_names_are_escaped(finished, picture, tmp_path):
    write_page("<script>alert(1)</script>", finished, [picture], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in text
    assert "video_&lt;3&gt;" in text
    assert "moon &amp; co_" in text


def test_missing_numbers_are_dashes_on_the_page(changed_study, tmp_path):
    def change(study):
        study["rows"] = study["rows"][:2]
        for row in study["rows"]:
            row.update(metrics=str(tmp_path / "none.json"), frame_metrics=None, linking=None)

    write_page("shapes", [study_report(changed_study(change))], [], tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "nan" not in re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert text.count('<span class="missing">—</span>') > 5
    assert "no run is finished" in text


def test_pictures_are_embedded_in_their_colours_and_not_too_large(finished, picture, tmp_path):
    write_page("shapes", finished[:1], [picture], tmp_path / "report.html")
    [encoded] = re.findall(r"base64,([^\"]+)", (tmp_path / "report.html").read_text())
    image = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image.shape == (30, 1600, 3)
    assert np.abs(image.mean((0, 1)) - (250, 10, 10)).max() < 6


def test_missing_picture_is_named(finished, tmp_path):
    with pytest.raises(InputError, match=r"none\.png"):
        write_page("shapes", finished[:1], [tmp_path / "none.png"], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_same_results_give_the_same_page(finished, tmp_path):
    for name in ("first", "second"):
        write_page("shapes", finished, [], tmp_path / f"{name}.html")
    assert (tmp_path / "first.html").read_bytes() == (tmp_path / "second.html").read_bytes()


def test_intervals_share_a_scale_that_holds_zero():
    claim = Claim("x", (), ())
    first, missing, second = intervals(
        [Comparison(claim, 1.0, 0.5, 2.0), Comparison(claim), Comparison(claim, -1.0, -2.0, -0.5)]
    )
    assert missing is None
    assert first.zero == second.zero == 50.0
    assert (second.low, first.high) == (4.0, 96.0)
    assert second.low < second.middle < second.high < first.zero < first.low < first.middle


def test_intervals_of_nothing_measured_need_no_scale():
    assert intervals([Comparison(Claim("x", (), ()))]) == [None]
