from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from novis.reporting.cells import Column, Number, Section, Table
from novis.reporting.summary import headlines, plain_text, summary


def test_plain_text_aligns_and_marks():
    columns = (Column("tracking", align="left"), Column("ours", "AP"), Column("paper", "AP", reference=True))
    rows = (
        ("embed", Number(23.0, 0.5, 1), Number(23.0)),
        ("oracle", Number(None), None),
        (True, Number(5.0), Number(1.0)),
    )
    text = plain_text(Table("t", "t", columns, (Section(rows[:2]), Section(rows[2:]))))
    assert text == [
        "                    AP",
        "  tracking        ours  paper",
        "  ---------------------------",
        "  embed     *23.0 ±0.5   23.0",
        "  oracle             -      -",
        "  ---------------------------",
        "  x                5.0    1.0",
    ]


def test_headlines_name_the_best_row_its_yardsticks_and_online(finished):
    found = {headline.label: headline for headline in headlines(finished)}
    assert list(found) == [
        "AP, best of table3",
        "AP, identity linking",
        "AP, oracle linking",
        "per-frame mask AP",
        "AP, best of figure3",
        "AP, best online",
    ]
    best = finished[0].results
    assert found["AP, best of table3"].value.value == pytest.approx(best[best["role"] == "row"]["AP"].max())
    oracle = best[(best["tracker"] == "oracle") & (best["variant"] == "novis")]["AP"].item()
    assert found["AP, oracle linking"].value.value == pytest.approx(oracle)
    assert "T = 1" in found["AP, best online"].detail


def test_headlines_name_the_size_where_rows_differ_in_it(finished):
    results = finished[1].results
    larger = results.assign(min_size=128, AP=results["AP"] + 1)
    report = replace(finished[1], results=pd.concat([results, larger], ignore_index=True))
    assert all(one.detail.endswith("128 px") for one in headlines([report]) if "best" in one.label)


def test_headline_of_an_unfinished_study_is_missing(finished):
    unfinished = replace(finished[0], results=finished[0].results.assign(AP=float("nan")))
    [headline] = headlines([unfinished])
    assert headline.value.text is None


def test_summary_holds_numbers_verdicts_and_files(finished):
    text = summary("shapes", finished, {"page": Path("results/shapes/report.html")})
    assert text.startswith("NOVIS on shapes\n")
    assert "overlap embed" in text
    assert "the small numbers are the standard deviation over its folds" in text
    assert "; paper +0.3: " in text
    for comparison in finished[0].comparisons:
        assert comparison.statement in text
    assert text.endswith("page  results/shapes/report.html\n")
