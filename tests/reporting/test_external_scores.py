from datetime import date

import pytest

from novis.errors import InputError
from novis.reporting.entries import Entry
from novis.reporting.external_scores import COLUMNS, read_external_scores
from tests.paths import ROOT

HEADER = ",".join(COLUMNS)
LINE = "ytvis_2019,R50 NOVIS CC+VIS 4/2 360,52.8,75.7,,50.3,60.6,a server,2025-06-30"


def written(folder, *lines):
    path = folder / "scores.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n")
    return path


def test_a_line_is_read(tmp_path):
    (score,) = read_external_scores(written(tmp_path, LINE))
    assert score.benchmark == "ytvis_2019"
    assert score.entry == Entry("R50", "NOVIS", "CC+VIS", "4/2", 360)
    assert score.metrics == {"AP": 52.8, "AP50": 75.7, "AP75": None, "AR1": 50.3, "AR10": 60.6}
    assert (score.source, score.date) == ("a server", date(2025, 6, 30))


def test_methods_of_several_words_and_unknown_sizes_are_read(tmp_path):
    (score,) = read_external_scores(
        written(tmp_path, LINE.replace("NOVIS CC+VIS 4/2 360", "A new one VIS ON -"))
    )
    assert score.entry == Entry("R50", "A new one", "VIS", "ON", None)


def test_what_spreadsheets_write_is_read(tmp_path):
    path = written(tmp_path, LINE.replace("a server", '"a server, by mail"'), "")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [score.source for score in read_external_scores(path)] == ["a server, by mail"]


def test_the_shipped_file_is_empty_and_valid():
    assert read_external_scores(ROOT / "config" / "external_scores.csv") == []


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("ytvis_2019", "ytvis-2019", "line 2: unknown dataset 'ytvis-2019'; did you mean 'ytvis_2019'"),
        ("R50 NOVIS", "NOVIS", "line 2: 'row' is 'NOVIS CC.VIS 4/2 360'; give backbone, method, data"),
        ("52.8", "", "line 2: 'AP' is empty"),
        ("75.7", "high", "line 2: 'AP50' is 'high', not a number"),
        ("75.7", "nan", "line 2: 'AP50' is nan, not a percentage"),
        ("60.6", "606", "line 2: 'AR10' is 606, not a percentage"),
        ("a server", " ", "line 2: 'source' is empty"),
        ("2025-06-30", "30.6.2025", "line 2: 'date' is '30.6.2025', not of the form 2025-06-30"),
        (",60.6", "", "line 2: 8 fields, not 9"),
        ("a server", "a, server", "line 2: 10 fields, not 9; put text with a comma into double quotes"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, before, after, message):
    path = written(tmp_path, LINE.replace(before, after))
    with pytest.raises(InputError, match=message) as refusal:
        read_external_scores(path)
    assert str(refusal.value).startswith(f"{path}: ")


def test_two_lines_for_one_row_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"ytvis_2019 has two lines for 'R50 NOVIS CC\+VIS 4/2 360'"):
        read_external_scores(written(tmp_path, LINE, LINE.replace("52.8", "53")))


@pytest.mark.parametrize("content", [b"", b"AP,dataset\n", b"\xff\xfe", b'"'])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / "scores.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"scores\.csv: (the first line must be dataset,row|cannot be read)"):
        read_external_scores(tmp_path / "scores.csv")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file of external scores"):
        read_external_scores(tmp_path / "scores.csv")
