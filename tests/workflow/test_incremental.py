"""The whole chain on the tiny data set, then edits: what reruns, and what does not."""

import json

import pytest
import torch

from novis.engine.checkpoints import read_checkpoint
from tests.workflow.checkout import Checkout

TINY = ("--configfile", "config/tiny.yaml")
MORE = """  more:
    layout: clip_analysis
    title: More
    blocks:
      - { variant: novis, clip_length: 2, stride: 1, tracker: embed }
  figure3:"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("workflow") / "finished")
    checkout.snakemake("-c2", "--show-failed-logs", *TINY)
    return checkout


@pytest.fixture
def checkout(finished, tmp_path):
    return finished.copy(tmp_path / "edited")


@pytest.mark.slow
def test_the_chain_ends_in_tables_figures_and_the_page(finished):
    report = finished.folder / "results" / "tiny"
    for name in ("table3.tex", "table3.csv", "figure3_figure.pdf", "figure3_figure.png", "summary.txt"):
        assert (report / name).stat().st_size > 0, name
    page = (report / "report.html").read_text()
    assert page.count("data:image/") >= 4, "overlaid frames are in the page"
    assert "AP" in (report / "summary.txt").read_text()


@pytest.mark.slow
def test_the_resolved_configuration_lies_beside_the_checkpoint(finished):
    run = finished.folder / "results/tiny/fold0/novis_shapes-novis/T4-seed0"
    config = json.loads((run / "config.json").read_text())
    assert config["model"]["criterion"]["dice_loss"] == "volumetric"
    assert config["model"]["instance_decoder"]["clip_length"] == 4
    assert config["training"]["iterations"] == 4
    assert (run / "checkpoint.pth").exists()


@pytest.mark.slow
def test_a_second_call_does_nothing(finished):
    counts, text = finished.planned(*TINY)
    assert counts == {}
    assert "Nothing to be done" in text


@pytest.mark.slow
def test_a_tracking_parameter_reruns_its_tracks_and_what_follows(checkout):
    checkout.edit(
        "config/common.yaml",
        "heuristic: { kind: heuristic }",
        "heuristic: { kind: heuristic, score_weight: 1.0 }",
    )
    counts, text = checkout.planned(*TINY)
    assert counts["track"] == counts["evaluate"] == 2
    assert not {"train", "predict", "split"} & set(counts)
    assert "Params have changed" in text


@pytest.mark.slow
def test_a_new_tracker_needs_no_network(checkout):
    checkout.edit(
        "config/tiny.yaml",
        "tracker: [heuristic, embed, overlap_embed]",
        "tracker: [heuristic, embed, overlap_embed, averaged]",
    )
    checkout.edit(
        "config/common.yaml",
        "trackers:\n",
        "trackers:\n  averaged: { kind: embed, mask_merging: first_clip }\n",
    )
    counts, _ = checkout.planned(*TINY)
    assert counts["track"] == counts["evaluate"] == 2
    assert not {"train", "predict"} & set(counts)


@pytest.mark.slow
def test_a_new_stride_needs_no_network(checkout):
    checkout.edit("config/tiny.yaml", "stride: [2, 4]", "stride: [1, 2, 4]")
    counts, _ = checkout.planned(*TINY)
    assert counts["track"] == 2 * 2
    assert not {"train", "predict"} & set(counts)


@pytest.mark.slow
def test_a_new_clip_length_is_one_training_for_each_fold_and_seed(checkout):
    checkout.edit(
        "config/tiny.yaml",
        "  figure3:",
        MORE,
    )
    counts, _ = checkout.planned(*TINY)
    assert counts["train"] == counts["predict"] == 2


@pytest.mark.slow
def test_edited_tracking_code_reruns_tracking_and_what_follows(checkout):
    checkout.edit("novis/tracking/settings.py", "mask_weight: float = 1.0", "mask_weight: float = 1.5")
    counts, _ = checkout.planned(*TINY)
    assert counts["track"] == counts["evaluate"] > 10
    assert not {"train", "predict"} & set(counts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["novis/tracking/similarity.py", "novis/model/criterion.py", "config/models/novis_shapes.py"]
)
def test_comments_rerun_nothing(checkout, path):
    file = checkout.folder / path
    file.write_text("# A new comment.\n\n\n" + file.read_text())
    counts, _ = checkout.planned(*TINY)
    assert counts == {}


@pytest.mark.slow
def test_an_edited_loss_retrains_nothing_until_its_version_is_raised(checkout):
    checkout.edit(
        "novis/model/losses.py", "return 1 - (2 * intersection + 1)", "return 1 - (3 * intersection + 1)"
    )
    assert not {"train", "predict"} & set(checkout.planned(*TINY)[0])
    checkout.edit("novis/experiment.py", '"train": 1', '"train": 2')
    assert checkout.planned(*TINY)[0]["train"] == 4


@pytest.mark.slow
def test_a_raised_version_trains_anew_with_the_edited_loss(checkout):
    target = "results/tiny/fold0/novis_shapes-novis/T4-seed0/checkpoint.pth"
    before = read_checkpoint(checkout.folder / target)
    checkout.edit(
        "novis/model/losses.py", "return 1 - (2 * intersection + 1)", "return 1 - (3 * intersection + 1)"
    )
    checkout.edit("novis/experiment.py", '"train": 1', '"train": 2')
    checkout.snakemake("-c1", target, *TINY)
    after = read_checkpoint(checkout.folder / target)
    assert after["meta"]["version"] == 2
    assert after["meta"]["code"] != before["meta"]["code"]
    weights = before["state_dict"]
    assert any(not torch.equal(after["state_dict"][name], weights[name]) for name in weights)


@pytest.mark.slow
def test_a_checkpoint_made_by_other_code_is_marked(checkout):
    checkout.edit(
        "novis/model/losses.py", "return 1 - (2 * intersection + 1)", "return 1 - (3 * intersection + 1)"
    )
    checkout.snakemake("-c1", "--force", "results/tiny/summary.txt", *TINY)
    assert "made by other training code" in (checkout.folder / "results/tiny/report.html").read_text()


@pytest.mark.slow
def test_a_changed_schedule_retrains(checkout):
    checkout.edit("config/tiny.yaml", "iterations: 4", "iterations: 5")
    counts, text = checkout.planned(*TINY)
    assert counts["train"] == 4
    assert "Params have changed" in text


@pytest.mark.slow
def test_a_title_reruns_the_report_alone(checkout):
    checkout.edit("config/tiny.yaml", "title: Ablation (Table 3)", "title: Another title")
    assert set(checkout.planned(*TINY)[0]) == {"study", "report"}
