import pytest

from novis.errors import InputError
from novis.planning.rates import ANY, Rate, read_rates, write_rates
from tests.paths import ROOT

KNOWN = ROOT / "config" / "rates" / "known.yaml"


def write(path, text):
    path.write_text(text)
    return path


def test_later_files_replace_what_earlier_ones_say(tmp_path):
    measured = Rate("train", "novis_r50", 0.02, "a GPU, 2026-01-02", "gpu")
    write_rates(tmp_path / "mine.yaml", [measured])
    rates = read_rates([KNOWN, tmp_path / "mine.yaml"])
    assert rates.find("train", "novis_r50") == measured
    assert rates.find("train", "novis_swin_l").estimated
    assert not measured.estimated


def test_a_rate_of_any_serves_where_there_is_no_own(tmp_path):
    rates = read_rates([KNOWN])
    assert rates.find("linking", "embed").of == ANY
    assert rates.find("linking", "heuristic").of == "heuristic"
    assert rates.find("train", "another_model") is None


def test_every_known_rate_has_an_origin_with_a_date_or_says_how_it_was_come_by():
    rates = read_rates([KNOWN])
    for known in rates.rates.values():
        assert known.origin.startswith(("estimated", "counted")) or "20" in known.origin


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rates: [{quantity: trian, of: any, value: 1, origin: here}]", "did you mean 'train'"),
        ("rates: [{quantity: train, of: any, value: 1}]", "missing 1 required .* 'origin'"),
        ("rates: [{quantity: train, of: any, value: 1, origin: ' '}]", "lacks its origin"),
        ("rates: [{quantity: train, of: any, value: 1, origin: x, of_: y}]", "unexpected keyword .* 'of_'"),
        ("speeds: []", "has the keys 'rates' and 'datasets'"),
        ("{", "cannot be read as a file of rates"),
    ],
)
def test_broken_files_are_told(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_rates([write(tmp_path / "rates.yaml", text)])


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(InputError, match="make one with 'novis calibrate'"):
        read_rates([tmp_path / "rates.yaml"])
