"""The whole chain on the tiny data set, then edits: what reruns, and what does not."""

import json
import re
from typing import NamedTuple

import pytest
import torch

from novis.engine.checkpoints import read_checkpoint
from tests.paths import ROOT
from tests.workflow.checkout import Checkout

TINY = ("--configfile", "config/tiny.yaml")
PARAMS, MISSING = "Params have changed since last execution", "Missing output files"
CONFIG, COMMON = "config/tiny.yaml", "config/common.yaml"
LOSS = ("novis/model/losses.py", "return 1 - (2 * intersection + 1)", "return 1 - (3 * intersection + 1)")
MORE = """  more:
    layout: clip_analysis
    title: More
    blocks:
      - { variant: novis, clip_length: 2, stride: 1, tracker: embed }
  figure3:"""


class Edit(NamedTuple):
    """What is edited (file, before, after), which jobs of the stages follow, and why they begin."""

    changes: list[tuple[str, str, str]]
    jobs: dict[str, int]
    reasons: dict[str, str]


# Two folds and one seed; T = 1 and 4. The names are those of the table in docs/studies.md.
EDITS = {
    "a tracking parameter": Edit(
        [(COMMON, "heuristic: { kind: heuristic }", "heuristic: { kind: heuristic, score_weight: 1.0 }")],
        {"track": 2, "evaluate": 2},
        {"track": PARAMS},
    ),
    "a new tracker": Edit(
        [
            (
                CONFIG,
                "tracker: [heuristic, embed, overlap_embed]",
                "tracker: [heuristic, embed, overlap_embed, first]",
            ),
            (COMMON, "trackers:\n", "trackers:\n  first: { kind: embed, mask_merging: first_clip }\n"),
        ],
        {"track": 2, "evaluate": 2},
        {"track": MISSING},
    ),
    "a new stride": Edit(
        [(CONFIG, "stride: [2, 4]", "stride: [1, 2, 4]")], {"track": 4, "evaluate": 4}, {"track": MISSING}
    ),
    "a new clip length T": Edit(
        [(CONFIG, "  figure3:", MORE)],
        {"train": 2, "predict": 2, "track": 2, "evaluate": 2},
        {"configure": MISSING, "train": MISSING},
    ),
    "a new seed": Edit(
        [(CONFIG, "seed: [0]", "seed: [0, 1]")],
        {"train": 4, "predict": 4, "track": 20, "evaluate": 20},
        {"configure": MISSING, "train": MISSING},
    ),
    "the schedule": Edit(
        [(CONFIG, "iterations: 4", "iterations: 5")],
        {"train": 4, "predict": 4, "track": 20, "evaluate": 20},
        {"configure": PARAMS, "train": "Input files updated by another job"},
    ),
    "tracks exported (`top_k`)": Edit(
        [(CONFIG, "top_k: 10", "top_k: 5")], {"track": 20, "evaluate": 20}, {"track": PARAMS}
    ),
    "a study's title": Edit(
        [(CONFIG, "title: Ablation (Table 3)", "title: Another title")],
        {},
        {"study": PARAMS, "report": "Input files updated by another job"},
    ),
    "tracking code": Edit(
        [("novis/tracking/settings.py", "mask_weight: float = 1.0", "mask_weight: float = 1.5")],
        {"track": 20, "evaluate": 20},
        {"track": PARAMS},
    ),
    "evaluation code": Edit(
        [("novis/evaluation/precision.py", "1.0, 101)", "1.0, 100)")], {"evaluate": 20}, {"evaluate": PARAMS}
    ),
    "loss, model or sampler code": Edit([LOSS], {}, {}),
    "the same, with its stage's number in `VERSIONS` raised": Edit(
        [LOSS, ("novis/experiment.py", '"train": 1', '"train": 2')],
        {"train": 4, "predict": 4, "track": 20, "evaluate": 20},
        {"train": PARAMS},
    ),
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    checkout = Checkout(tmp_path_factory.mktemp("workflow") / "finished")
    checkout.snakemake("-c2", "--show-failed-logs", *TINY)
    return checkout


def reasons(text):
    """Why each rule runs, as a dry run prints it; files and values that it names left out."""
    found = {}
    for rule, said in re.findall(r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    reason: (.*)$", text, re.M):
        found.setdefault(rule, set()).update(part.partition(":")[0] for part in said.split("; "))
    return found


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
@pytest.mark.parametrize("name", EDITS)
def test_what_an_edit_reruns_and_why(checkout, name):
    for change in EDITS[name].changes:
        checkout.edit(*change)
    counts, text = checkout.planned(*TINY)
    stages = ("split", "train", "predict", "track", "evaluate")
    assert {stage: counts[stage] for stage in stages if stage in counts} == EDITS[name].jobs
    given = reasons(text)
    for rule, reason in EDITS[name].reasons.items():
        assert reason in given[rule]
    assert (counts == {}) == (not EDITS[name].reasons)


@pytest.mark.parametrize("name", EDITS)
def test_the_documentation_has_the_edit_with_its_reasons(name):
    lines = (ROOT / "docs" / "studies.md").read_text().splitlines()
    (row,) = (line for line in lines if line.startswith(f"| {name} |"))
    assert all(f"`{rule}`: {reason}" in row for rule, reason in EDITS[name].reasons.items())


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
