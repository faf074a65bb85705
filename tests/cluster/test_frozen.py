import json

import pytest

from novis.cluster import frozen
from novis.errors import InputError


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("NOVIS_FROZEN", raising=False)


@pytest.fixture
def freeze(tmp_path, monkeypatch):
    """Freeze as a run does, and be one of its jobs."""

    def freeze(config):
        monkeypatch.setenv("NOVIS_FROZEN", "")
        return frozen.freeze(config, tmp_path)

    return freeze


def test_a_job_reads_what_was_submitted_and_nothing_else(freeze):
    freeze({"name": "tiny", "trackers": {"embed": {"kind": "embed"}}})
    config = {"name": "tiny", "trackers": {"embed": {"kind": "embed", "mask_weight": 2.0}}, "new": 1}
    frozen.thaw(config)
    assert config == {"name": "tiny", "trackers": {"embed": {"kind": "embed"}}}


def test_without_a_run_the_configuration_stays():
    config = {"name": "tiny"}
    frozen.thaw(config)
    assert config == {"name": "tiny"}


def test_two_configurations_are_two_files(freeze):
    assert freeze({"name": "a"}) != freeze({"name": "b"})
    assert freeze({"name": "a"}) == freeze({"name": "a"})


def test_a_lost_file_stops_the_job(freeze):
    freeze({"name": "tiny"}).unlink()
    with pytest.raises(InputError, match="configuration of the run that submitted this job"):
        frozen.thaw({})


def test_edited_code_stops_the_jobs_that_need_it_and_no_others(freeze):
    path = freeze({})
    content = json.loads(path.read_text())
    content["code"]["track"] = "of yesterday"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="the code behind 'track' was edited while this job waited"):
        frozen.code_of("track", job=True)
    assert frozen.code_of("evaluate", job=True) == content["code"]["evaluate"]
    assert frozen.code_of("track", job=False) != "of yesterday", "the run itself sees the code as it is"


def test_training_code_may_be_edited_while_trainings_wait(freeze):
    assert "train" not in json.loads(freeze({}).read_text())["code"]
