"""Runs that are tested on an official validation set, whose ground truth is often held back."""

import json

import pytest
import yaml

from tests.paths import ROOT
from tests.workflow.checkout import Checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def official(checkout, tmp_path):
    """A study tested on an official validation set whose list of videos lies there."""
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    config["data_root"] = str(tmp_path)
    config["defaults"]["split"] = "full"
    config["datasets"]["tiny"]["validation"] = {
        "annotations": ["official/valid.json"],
        "ground_truth": ["official/truth.json"],
        "frames": "official/frames",
    }
    (tmp_path / "official.yaml").write_text(yaml.safe_dump(config))
    write_official(tmp_path / "official/valid.json", None)
    return ("-p", "--configfile", str(tmp_path / "official.yaml"))


def write_official(path, instances):
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"videos": [], "categories": [], "annotations": instances}))


def test_without_ground_truth_rows_are_exported_and_not_scored(checkout, official):
    counts, text = checkout.planned(*official)
    assert counts["submit"] == counts["track"] == 3 + 2 + 2
    assert not {"evaluate", "split"} & set(counts), "yardsticks and per-frame AP need scores"
    assert counts["list_videos"] == 2
    assert "training.validation_interval=0" in text


def test_sequences_of_an_official_set_without_ground_truth_cost_nothing(checkout, official, tmp_path):
    config = yaml.safe_load((tmp_path / "official.yaml").read_text())
    whole = {"variant": "novis", "clip_length": 4, "stride": 2, "tracker": "embed"}
    offline = {"variant": "mask2former_vis", "test_clip_length": "video", "stride": 1, "tracker": "identity"}
    cut = {"clip_length": 4, "sequence_length": 5}
    config["studies"] = {
        "figure1": {"layout": "paradigms", "title": "x", "blocks": [whole, whole | cut, offline | cut]}
    }
    (tmp_path / "official.yaml").write_text(yaml.safe_dump(config))
    counts, _ = checkout.planned(*official)
    assert counts["train"] == counts["predict"] == counts["track"] == counts["submit"] == 1
    write_official(tmp_path / "official/truth.json", [{"id": 1}])
    counts, _ = checkout.planned(*official)
    assert (counts["train"], counts["predict"], counts["evaluate"]) == (2, 2, 3)


def test_prediction_is_of_the_official_set_and_training_of_the_training_set(checkout, official, tmp_path):
    _, text = checkout.planned(*official)
    train, predict = (
        next(line for line in text.splitlines() if f"novis {verb} --" in line)
        for verb in ("train", "predict")
    )
    assert f"--annotations {tmp_path}/tiny/annotations_train.json --frames {tmp_path}/tiny/train " in train
    assert f"--annotations {tmp_path}/official/valid.json --frames {tmp_path}/official/frames " in predict


@pytest.mark.parametrize("file", ["truth.json", "valid.json"])
def test_ground_truth_is_used_where_it_lies(checkout, official, tmp_path, file):
    write_official(tmp_path / "official" / file, [{"id": 1}])
    counts, text = checkout.planned(*official)
    assert counts["evaluate"] == counts["track"] == counts["submit"] > 7
    assert f"novis evaluate --annotations {tmp_path}/official/{file} " in text


def test_scores_without_ground_truth_are_refused_with_what_was_looked_for(checkout, official, tmp_path):
    run = "results/tiny/full/novis_shapes-novis/T4-seed0/test-T4-all-96px/S2-overlap_embed/metrics.json"
    text = checkout.snakemake("-n", run, *official, check=False)
    assert "can be exported (results.zip) but not scored" in text
    assert f"looked for {tmp_path}/official/truth.json, {tmp_path}/official/valid.json" in text
