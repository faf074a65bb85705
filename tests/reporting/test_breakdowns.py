import pandas as pd
import pytest

from novis.experiment import stage_code
from novis.reporting.breakdowns import category_table, cost_table, part_table, provenance_table
from novis.reporting.collect import tidy
from novis.reporting.study import read_study
from tests.reporting.finished_runs import HASH, tracking, write_results


def test_categories_are_columns_and_yardsticks_stand_apart(finished):
    report = finished[0]
    table = category_table(report.study, report.results)
    assert [column.name for column in table.columns] == ["row", "disc", "ring", "star", "moon & co_", "cross"]
    assert [len(section.rows) for section in table.sections] == [6, 8]
    row = table.sections[0].rows[5]
    assert row[0] == "novis, T = 4, S = 2, overlap embed"
    assert row[3].value == pytest.approx(report.results["category.star"][5])


def test_category_without_any_instance_is_left_out(finished):
    results = finished[0].results.assign(**{"category.star": float("nan")})
    assert "star" not in [column.name for column in category_table(finished[0].study, results).columns]


def test_parts_are_by_occlusion_and_size(finished):
    report = finished[0]
    table = part_table(report.study, report.results)
    row = report.results.iloc[0]
    cells = table.sections[0].rows[0][1:]
    expected = [
        "AP_occlusion_light",
        "AP_occlusion_medium",
        "AP_occlusion_heavy",
        "AP_small",
        "AP_medium",
        "AP_large",
    ]
    assert [cell.value for cell in cells[:6]] == pytest.approx([row[name] for name in expected])
    assert cells[6].value == pytest.approx(6.0)


def test_fraction_of_non_identity_matches_is_not_ranked(finished):
    table = part_table(finished[1].study, finished[1].results)
    assert {row[7].rank for row in table.sections[0].rows} == {0}
    assert {row[1].rank for row in table.sections[0].rows} == {0, 1, 2}


def test_costs_are_one_line_a_training_and_test_length(finished):
    report = finished[0]
    table = cost_table(report.study, report.runs)
    # Four variants, two folds; the trackers share their training and prediction.
    assert len(table.sections[0].rows) == 8
    assert [column.name for column in table.columns][-2:] == ["train", "predict"]
    assert [cell.text for cell in table.sections[0].rows[0][-2:]] == ["71.5", "23.5"]


def with_a_larger_network(table):
    """The same runs once more, of another model at another size."""
    return pd.concat([table, table.assign(model="novis_swin_l", min_size=480)], ignore_index=True)


def test_rows_that_differ_in_model_and_size_are_told_apart(finished):
    report = finished[0]
    results, runs = with_a_larger_network(report.results), with_a_larger_network(report.runs)
    for table in (
        category_table(report.study, results),
        part_table(report.study, results),
    ):
        names = [row[0] for section in table.sections for row in section.rows]
        assert len(set(names)) == len(names) == len(results)
        assert "novis swin l, novis, T = 4, S = 2, embed, 480 px" in names
    rows = provenance_table(report.study, runs).sections[0].rows
    assert len({row[:3] for row in rows}) == len(runs)


def test_costs_of_different_models_and_sizes_are_not_merged(finished):
    report = finished[0]
    slow = report.runs.assign(model="novis_swin_l", min_size=480, train_seconds=500.0)
    runs = pd.concat([report.runs, slow], ignore_index=True)
    table = cost_table(report.study, runs)
    assert [column.name for column in table.columns][:2] == ["model", "min size"]
    seconds = {row[0]: row[-2].text for row in table.sections[0].rows}
    assert seconds == {"novis_shapes": "71.5", "novis_swin_l": "500.0"}


def test_every_run_has_its_origin(finished):
    report = finished[0]
    rows = provenance_table(report.study, report.runs).sections[0].rows
    assert len(rows) == 28
    first = rows[0]
    assert first[4].endswith("plain-T4-test4-fold0-seed0/S2-heuristic-video")
    assert first[6] == "3f" * 5
    assert first[7] == "train: " + "0" * 16 + ", other than the present"
    assert [row[0] for row in rows[:4]] == [first[0], first[0], rows[2][0], rows[2][0]], (
        "folds of a row together"
    )


def test_the_origin_of_a_run_is_folder_configuration_checkpoint_code_and_logs(tmp_path):
    results = write_results(tmp_path)
    study = read_study(results / "small" / "study.json")
    runs = tidy(study)
    record = {"checkpoint_sha256": HASH, "checkpoint_code": stage_code("train"), "other_code": False}
    row = provenance_table(study, runs.assign(**record)).sections[0].rows[0]
    run = tracking(0)
    folder, trained = results / run.folder, results / run.prediction.training.folder
    assert row[4:7] == (str(folder), str(trained / "config.json"), HASH[:10])
    assert row[7].splitlines() == [
        f"train: {stage_code('train')}",
        f"track: {'0' * 16}, other than the present",
    ]
    logs = {name: results / "logs" / name for name in ("track", "train")}
    assert row[8].splitlines() == [
        f"track: {logs['track'] / run.folder}.log",
        f"train: {logs['train'] / run.prediction.training.folder}.log",
    ]


def test_unknown_origin_is_missing(finished):
    report = finished[0]
    runs = report.runs.assign(checkpoint_code=None, checkpoint_sha256=None, other_code=None)
    first = provenance_table(report.study, runs).sections[0].rows[0]
    assert first[5:] == (None, None, None, None)
