import json

import pytest

from novis.errors import InputError
from novis.reporting.benchmark import benchmark
from novis.reporting.collect import aggregate, tidy
from novis.reporting.speed import speed_record
from tests.reporting.benchmark_study import run, study

MEASURED = {"fps": 19.94, "hardware": {"device": "Some GPU"}}


@pytest.fixture
def measured(tmp_path):
    (tmp_path / "speed.json").write_text(json.dumps(MEASURED))
    return str(tmp_path / "speed.json")


def test_a_measured_run_has_frames_a_second_and_hardware(measured):
    assert speed_record({"clip_length": 4, "stride": 2, "speed": measured}) == {
        "fps": 19.94,
        "fps_hardware": "Some GPU",
        "latency_first": 1,
        "latency_settled": 3,
    }


@pytest.mark.parametrize("row", [{}, {"speed": None}, {"speed": "nowhere/speed.json"}])
def test_without_a_measurement_there_is_latency_alone(row):
    found = speed_record({"clip_length": 1, "stride": 1} | row)
    assert (found["fps"], found["fps_hardware"]) == (None, None)
    assert (found["latency_first"], found["latency_settled"]) == (0, 0)


def test_a_whole_video_has_no_latency_in_frames():
    assert speed_record({"clip_length": "video", "stride": 1})["latency_settled"] is None


def test_a_broken_measurement_is_refused(tmp_path):
    (tmp_path / "speed.json").write_text("{}")
    with pytest.raises(InputError, match="holds no frames a second"):
        speed_record({"clip_length": 1, "stride": 1, "speed": str(tmp_path / "speed.json")})


def test_a_row_has_the_speed_of_the_run_that_was_timed(tmp_path, measured):
    runs = [run("ytvis_2019", 0.5), run("ytvis_2019", 0.5, seed=1, speed=measured)]
    results = aggregate(tidy(study(tmp_path, runs)))
    assert results["fps"].tolist() == [19.94]
    assert results["fps_hardware"].tolist() == ["Some GPU"]


def test_the_benchmark_table_shows_our_speed_where_it_was_measured_and_names_the_hardware(tmp_path, measured):
    runs = [run("ytvis_2019", 0.5, speed=measured), run("ytvis_2021", 0.4), run("ytvis_2019", 0.5, stride=1)]
    made = study(tmp_path, runs)
    table = benchmark(made, aggregate(tidy(made)))
    place = [column.name for column in table.columns].index("FPS")
    (ours,) = [section for section in table.sections if "this implementation" in section.title]
    assert {row[2]: row[place].value for row in ours.rows} == {"4/2": 19.94, "4/1": None}
    assert any("from decoded frames to masks, on Some GPU" in note for note in table.notes)


def test_nothing_is_said_of_our_speed_where_it_was_not_measured(tmp_path):
    made = study(tmp_path, [run("ytvis_2019", 0.5)])
    assert not any("Our FPS" in note for note in benchmark(made, aggregate(tidy(made))).notes)
