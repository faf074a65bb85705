import json

import pytest

from novis.errors import InputError
from novis.experiment import stage_code
from novis.reporting.provenance import checkpoint_record


def write_training(folder, **content):
    (folder / "training.json").write_text(json.dumps(content))
    return str(folder / "checkpoint.pth")


def test_record_lies_beside_the_checkpoint(tmp_path):
    checkpoint = write_training(tmp_path, sha256="ab" * 32, code="x", seconds=71.5, iterations=400)
    record = checkpoint_record({"checkpoint": checkpoint})
    assert record["checkpoint_sha256"] == "ab" * 32
    assert (record["train_seconds"], record["iterations"]) == (71.5, 400)


def test_checkpoint_of_other_code_is_marked(tmp_path):
    other = write_training(tmp_path, code="0" * 16)
    assert checkpoint_record({"checkpoint": other})["other_code"] is True
    present = write_training(tmp_path, code=stage_code("train"))
    assert checkpoint_record({"checkpoint": present})["other_code"] is False


def test_unknown_provenance_is_none_not_a_guess(tmp_path):
    for checkpoint in (None, str(tmp_path / "checkpoint.pth")):
        record = checkpoint_record({"checkpoint": checkpoint})
        assert set(record.values()) == {None}


def test_seconds_come_from_the_benchmark_of_a_rule(tmp_path):
    path = tmp_path / "predict.tsv"
    path.write_text("s\th:m:s\tmax_rss\n23.5\t0:00:23\t812.1\n")
    row = {"checkpoint": None, "benchmarks": {"predict": [str(path)], "track": [str(tmp_path / "none.tsv")]}}
    record = checkpoint_record(row)
    assert record["predict_seconds"] == 23.5
    assert record["track_seconds"] is None


def test_seconds_of_shards_add_up_when_all_are_there(tmp_path):
    files = [tmp_path / f"predict-{shard}.tsv" for shard in (1, 2)]
    row = {"checkpoint": None, "benchmarks": {"predict": [str(path) for path in files]}}
    files[0].write_text("s\n20.0\n")
    assert checkpoint_record(row)["predict_seconds"] is None
    files[1].write_text("s\n3.5\n")
    assert checkpoint_record(row)["predict_seconds"] == 23.5


def test_own_seconds_of_a_training_replace_those_of_its_last_job(tmp_path):
    (tmp_path / "train.tsv").write_text("s\n20.0\n")
    row = {
        "checkpoint": write_training(tmp_path, seconds=71.5),
        "benchmarks": {"train": [str(tmp_path / "train.tsv")]},
    }
    assert checkpoint_record(row)["train_seconds"] == 71.5
    assert checkpoint_record(row | {"checkpoint": None})["train_seconds"] == 20.0


@pytest.mark.parametrize("content", ["", "s\th:m:s\n", "h:m:s\n0:00:23\n", "s\nfast\n"])
def test_broken_benchmark_is_named(tmp_path, content):
    path = tmp_path / "predict.tsv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"predict\.tsv: holds no column 's'"):
        checkpoint_record({"checkpoint": None, "benchmarks": {"predict": [str(path)]}})
