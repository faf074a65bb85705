from datetime import date

import pytest

from novis.reporting.benchmark_lines import our_lines
from novis.reporting.collect import aggregate, tidy
from novis.reporting.entries import Entry
from novis.reporting.external_scores import ExternalScore
from tests.reporting.benchmark_study import minvis, run, study

OURS = Entry("R50", "NOVIS", "VIS", "4/2", 360)


def external(entry, ap=40.0, benchmark="ytvis_2019"):
    return ExternalScore(benchmark, entry, {"AP": ap}, "a server", date(2025, 6, 30))


def lines_of(folder, runs, scores=()):
    made = study(folder, runs)
    return our_lines(made, aggregate(tidy(made)), scores)


def states(lines):
    return [{name: score.state for name, score in line.scores.items()} for line in lines]


def test_what_differs_in_the_data_set_alone_is_one_line(tmp_path):
    lines = lines_of(tmp_path, [run("ytvis_2019", 0.5), run("ytvis_2021"), run("ytvis_2019_coco", 0.6)])
    assert [line.entry.data for line in lines] == ["VIS", "CC+VIS"]
    assert states(lines) == [{"ytvis_2019": "measured", "ytvis_2021": "exported"}, {"ytvis_2019": "measured"}]


def test_rows_that_read_alike_stay_apart(tmp_path):
    lines = lines_of(tmp_path, [run("ytvis_2019", 0.5), run("ytvis_2019", 0.6, train_clip_length=8)])
    assert [line.scores["ytvis_2019"].ap for line in lines] == [50.0, 60.0]


def test_a_row_is_exported_when_all_of_its_runs_are(tmp_path):
    runs = [run("ytvis_2019", seed=0), run("ytvis_2019", seed=1, exported=False)]
    assert states(lines_of(tmp_path, runs)) == [{"ytvis_2019": "missing"}]


def test_an_external_score_fills_what_was_not_scored_here(tmp_path):
    lines = lines_of(tmp_path, [run("ytvis_2019")], [external(OURS)])
    assert states(lines) == [{"ytvis_2019": "external"}]
    assert lines[0].scores["ytvis_2019"].ap == 40.0


def test_an_external_score_does_not_replace_a_measured_one(tmp_path):
    lines = lines_of(tmp_path, [run("ytvis_2019", 0.5)], [external(OURS, 60.0)])
    assert states(lines) == [{"ytvis_2019": "measured"}, {"ytvis_2019": "external"}]


def test_an_external_score_without_a_row_is_a_line_of_its_own(tmp_path):
    other = Entry("R50", "Other", "VIS", "ON", None)
    lines = lines_of(tmp_path, [run("ytvis_2019", 0.3)], [external(other)])
    assert [line.entry for line in lines] == [other, OURS]


def test_external_scores_of_one_entry_share_a_line(tmp_path):
    other = Entry("R50", "Other", "VIS", "ON", None)
    scores = [external(other), external(other, benchmark="ytvis_2021")]
    assert len(lines_of(tmp_path, [run("ytvis_2019", 0.3)], scores)) == 2


def test_folds_are_told_from_the_validation_set(tmp_path):
    lines = lines_of(tmp_path, [run("ovis", 0.5, split="fold0"), minvis("ovis", 0.4)])
    assert [line.scores["ovis"].on_folds for line in lines] == [False, True]


def test_folds_are_never_exported_for_a_server(tmp_path):
    assert states(lines_of(tmp_path, [run("ovis", split="fold0")])) == [{"ovis": "missing"}]


@pytest.mark.parametrize("aps", [(0.2, 0.3, 0.1), (0.3, 0.2, 0.4)])
def test_the_papers_method_comes_last_and_better_rows_below(tmp_path, aps):
    runs = [run("ovis", aps[0]), run("ovis", aps[1], min_size=720), minvis("ovis", aps[2])]
    lines = lines_of(tmp_path, runs)
    assert lines[0].entry.method == "MinVIS"
    ordered = [line.scores["ovis"].ap for line in lines[1:]]
    assert ordered == sorted(ordered)
