import hashlib
import json

import pytest

from novis.errors import InputError
from novis.experiment import Prediction, Tracking, Training, stage_code
from novis.reporting.collect import aggregate, tidy, write_csv
from novis.reporting.study import read_study
from novis.reporting.trace import describe, find_cells, provenance, trace
from novis.storage.clip_cache import ClipCacheWriter
from tests.reporting.benchmark_study import METRICS

WEIGHTS = b"weights"
HASH = hashlib.sha256(WEIGHTS).hexdigest()


def tracking(fold, tracker="overlap_embed"):
    training = Training("toy", f"fold{fold}", "small", "novis", 4, 0)
    return Tracking(Prediction(training, 4, "all", 96), 2, tracker)


def write_run(results, run, ap, cached=HASH):
    """All files of a run as the workflow leaves them; its row in study.json."""
    folder = results / run.folder
    trained, predicted = results / run.prediction.training.folder, results / run.prediction.folder
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(METRICS | {"AP": ap, "num_videos": 3}))
    (folder / "linking.json").write_text(json.dumps({"code": "0" * 16}))
    (trained / "checkpoint.pth").write_bytes(WEIGHTS)
    (trained / "config.json").write_text("{}")
    record = {"sha256": HASH, "code": stage_code("train"), "iterations": 160, "seconds": 69.9}
    (trained / "training.json").write_text(json.dumps(record))
    attributes = {"config": "", "clip_length": 4, "starts": "all", "min_size": 96, "categories": "[]"}
    if not (predicted / "clips.h5").exists():
        with ClipCacheWriter(predicted / "clips.h5", attributes | {"checkpoint_sha256": cached}) as writer:
            writer.finish()
    for stage, at in (("track", run.folder), ("train", run.prediction.training.folder)):
        log = results / "logs" / stage / f"{at}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("done")
    names = ("train_clip_length", "model", "variant", "split", "seed", "dataset", "clip_length", "min_size")
    fields = {name: run.fields[name] for name in (*names, "stride", "tracker")}
    fields |= {"reading": "own", "sequence_length": "video", "variant_settings": {}, "tracker_settings": {}}
    return fields | {"role": "row", "metrics": str(folder / "metrics.json"), "checkpoint": None}


@pytest.fixture
def results(tmp_path):
    """Two trackers on two folds, with the tables of their study."""
    folder = tmp_path / "results"
    scores = {(0, "overlap_embed"): 0.2, (1, "overlap_embed"): 0.3, (0, "embed"): 0.111, (1, "embed"): 0.115}
    rows = [write_run(folder, tracking(*key), ap) for key, ap in scores.items()]
    head = {"name": "table3", "layout": "ablation", "title": "A table", "experiment": "small"}
    (folder / "small").mkdir()
    (folder / "small" / "study.json").write_text(json.dumps(head | {"rows": rows}))
    runs = tidy(read_study(folder / "small" / "study.json"))
    write_csv(runs, folder / "small" / "table3.csv")
    write_csv(aggregate(runs), folder / "small" / "table3_mean.csv")
    return folder


def test_a_mean_is_traced_to_the_runs_of_all_its_folds(results):
    (cell,) = find_cells("25.0", results)
    assert cell.table.endswith("table3_mean.csv")
    assert (cell.line, cell.column) == (2, "AP")
    assert set(cell.runs) == {str(results / tracking(fold).folder) for fold in (0, 1)}


def test_the_number_of_one_fold_is_traced_to_its_run(results):
    (cell,) = find_cells("30.0", results)
    assert cell.table.endswith("table3.csv")
    assert cell.runs == (str(results / tracking(1).folder),)


def test_a_number_is_looked_for_with_the_digits_that_it_has(results):
    (cell,) = find_cells("11.3", results)
    assert cell.value == 11.3
    assert set(cell.runs) == {str(results / tracking(fold, "embed").folder) for fold in (0, 1)}
    assert {cell.value for cell in find_cells("11", results)} == {11.1, 11.3}
    with pytest.raises(InputError, match=r"99\.9: no table below .* prints this number \(2 were searched\)"):
        find_cells("99.9", results)


def test_a_cell_is_named_by_line_and_column(results):
    table = results / "small" / "table3.csv"
    (cell,) = find_cells(f"{table}:3:AP50", results)
    assert cell.value == 74
    assert cell.runs == (str(results / tracking(1).folder),)
    (whole,) = find_cells(f"{table}:3", results)
    assert whole.column == "AP"
    for wrong, message in ((":1", "rows are lines 2 to 5"), (":9", "no line 9"), (":2:AQ", "no column 'AQ'")):
        with pytest.raises(InputError, match=message):
            find_cells(f"{table}{wrong}", results)


def test_foreign_tables_are_not_searched_and_are_refused_by_name(results):
    (results / "other.csv").write_text("a,AP\n1,25.0\n")
    assert len(find_cells("25.0", results)) == 1
    with pytest.raises(InputError, match="is no table of a study"):
        find_cells(f"{results / 'other.csv'}:2", results)


def test_a_run_names_configuration_checkpoint_code_and_logs(results):
    found = provenance(results / tracking(1).folder / "metrics.json")
    assert found.run == str(results / tracking(1).folder)
    assert found.fields["tracker"] == "overlap_embed"
    trained = results / tracking(1).prediction.training.folder
    assert found.config == str(trained / "config.json")
    assert found.checkpoint == str(trained / "checkpoint.pth")
    assert (found.checkpoint_sha256, found.checkpoint_is_that, found.cache_sha256) == (HASH, True, HASH)
    assert found.code == {"train": (stage_code("train"), False), "track": ("0" * 16, True)}
    assert set(found.logs) == {"track", "train"}
    assert set(found.files) == {"evaluate", "track", "predict", "train", "configure"}
    assert found.training["iterations"] == 160


@pytest.mark.parametrize("name", ["checkpoint.pth", "."])
def test_a_file_of_a_training_is_traced_as_far_as_it_goes(results, name):
    found = provenance(results / tracking(0).prediction.training.folder / name)
    assert "tracker" not in found.fields
    assert set(found.files) == {"train", "configure"}


def test_another_checkpoint_than_the_recorded_one_is_told(results):
    folder = results / tracking(0).prediction.training.folder
    (folder / "checkpoint.pth").write_bytes(b"other weights")
    found = provenance(folder)
    assert found.checkpoint_is_that is False
    assert any("the file is ANOTHER one now" in line for line in describe(found))


def test_a_cache_of_another_checkpoint_is_told(tmp_path):
    write_run(tmp_path, tracking(0), 0.2, cached="f" * 64)
    lines = describe(provenance(tmp_path / tracking(0).folder))
    assert any(f"predicted  with ANOTHER checkpoint: {'f' * 64}" in line for line in lines)


def test_a_broken_cache_does_not_hide_the_rest(results):
    (results / tracking(0).prediction.folder / "clips.h5").write_bytes(b"broken")
    found = provenance(results / tracking(0).folder)
    assert "clips.h5" in found.cache_problem
    assert found.checkpoint_is_that


def test_what_belongs_to_no_run_is_refused(results):
    with pytest.raises(InputError, match="belongs to no run"):
        provenance(results / "small" / "report.html")
    with pytest.raises(InputError, match="no such run"):
        provenance(results / tracking(0, "heuristic").folder / "metrics.json")


def test_the_command_prints_and_writes_the_same(results, tmp_path, capsys):
    trace("25.0", results=results, output=tmp_path / "trace.json")
    text = capsys.readouterr().out
    assert "line 2, AP, from 2 run(s)" in text
    content = json.loads((tmp_path / "trace.json").read_text())
    assert [run["run"] for run in content["runs"]] == content["cells"][0]["runs"]
    assert all(run["run"] in text for run in content["runs"])
