import pytest

from novis.errors import InputError
from novis.experiment import stage_code
from novis.reporting.origin import describe, known_provenance, provenance
from tests.reporting.finished_runs import HASH, tracking, write_results, write_run


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path)


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


def test_a_page_of_many_runs_reads_no_checkpoint(results):
    folder = results / tracking(1).folder
    found = known_provenance(folder)
    assert (found.run, found.checkpoint_sha256, found.checkpoint_is_that) == (str(folder), HASH, None)
    assert known_provenance(results / "small") is None
    assert known_provenance(results / tracking(0, "heuristic").folder) is None


def test_logs_of_shards_are_named_in_order(results):
    run = tracking(0)
    log = results / "logs" / "predict" / f"{run.prediction.folder}.log"
    log.parent.mkdir(parents=True)
    for number in (10, 2):
        log.with_name(f"{log.stem}-{number}.log").write_text("done")
    log.with_name(f"{log.stem}-output_query.log").write_text("of another reading")
    logs = provenance(results / run.folder).logs
    assert [name for name in logs if "predict" in name] == ["predict 2", "predict 10"]
    assert logs["predict 10"].endswith("-10.log")
