"""Every configuration plans its jobs anywhere: without data, without a GPU, without Slurm."""

import pytest
import yaml

from tests.paths import ROOT
from tests.workflow.checkout import Checkout

CONFIGURATIONS = sorted(
    p.name for p in (ROOT / "config").glob("*.yaml") if p.name not in ("common.yaml", "config.yaml")
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_small_configurations_plan_their_jobs(checkout, name):
    counts, _ = checkout.planned("--configfile", f"config/{name}")
    assert {"train", "predict", "track", "evaluate", "report"} <= set(counts)


def test_the_default_is_the_papers_reproduction_at_full_scale(checkout):
    counts, _ = checkout.planned()
    # Table 3 and Fig. 3 on two folds with three seeds: four variants at T=4, and T=1, 2, 6, 8.
    assert counts["train"] == 2 * 3 * (4 + 4)


def test_the_slurm_profile_parses_from_the_checkouts_root(checkout):
    counts, _ = checkout.planned("--profile", "slurm", "--configfile", "config/tiny.yaml")
    assert counts["train"] == 4


def test_a_study_is_a_target(checkout):
    counts, _ = checkout.planned("table3", "--configfile", "config/tiny.yaml")
    assert counts["table3"] == 1
    assert "report" not in counts


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(reslts="x"), "reslts"),
        (lambda c: c["datasets"]["tiny"].update(flods=2), "flods"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(varient="novis"), "did you mean 'variant'"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(tracker="embd"), "did you mean 'embed'"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(stride=5), "S must lie in 1..T"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(test_clip_length=6), "trained with T=4"),
    ],
)
def test_a_mistake_in_a_configuration_is_named_before_anything_runs(checkout, edit, message, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    edit(config)
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(config))
    text = checkout.snakemake("-n", "--configfile", str(tmp_path / "bad.yaml"), check=False)
    assert message in text
    assert "Job stats" not in text


def test_images_beside_videos_reach_the_command(checkout, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    config["datasets"]["tiny"]["mixed_with"] = {
        "images": "coco/train2017",
        "annotations": "coco/annotations/instances_train2017.json",
        "category_map": "coco_to_ovis",
    }
    (tmp_path / "mixed.yaml").write_text(yaml.safe_dump(config))
    _, text = checkout.planned("-p", "--configfile", str(tmp_path / "mixed.yaml"))
    assert (
        "--images data/coco/train2017 --image-annotations data/coco/annotations/instances_train2017.json "
        "--category-map coco_to_ovis" in text
    )
    _, text = checkout.planned("-p", "--configfile", "config/tiny.yaml")
    assert "novis train" in text
    assert "--images" not in text


def test_missing_data_are_told_with_what_was_looked_for_and_where_to_get_it(checkout):
    text = checkout.snakemake("-c1", "results/ovis/split/fold0_train.txt", check=False)
    assert "looked for data/ovis/annotations_train.json" in text
    assert "songbai.site" in text
