"""Every configuration plans its jobs anywhere: without data, without a GPU, without Slurm."""

import json
import re
import shlex

import pytest
import yaml

from tests.paths import ROOT
from tests.workflow.checkout import Checkout

CONFIGURATIONS = sorted(
    p.name for p in (ROOT / "config").glob("*.yaml") if p.name not in ("common.yaml", "config.yaml")
)


STUDIES = "results/tiny/studies"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout"))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_small_configurations_plan_their_jobs(checkout, name):
    counts, _ = checkout.planned("--configfile", f"config/{name}")
    assert {"train", "predict", "track", "evaluate", "report"} <= set(counts)


def test_the_default_is_the_papers_reproduction_at_full_scale(checkout):
    counts, _ = checkout.planned()
    # Every table and figure; tests/test_full_scale.py counts what they share.
    assert counts["train"] == 204


def test_predictions_are_divided_among_jobs_where_the_configuration_says_so(checkout):
    whole, _ = checkout.planned("--configfile", "config/tiny.yaml")
    counts, text = checkout.planned(
        "-p", "--configfile", "config/tiny.yaml", "--config", "prediction_shards=3"
    )
    assert "merge" not in whole
    assert counts["merge"] == whole["predict"]
    assert counts["predict"] == 3 * whole["predict"]
    assert {name: n for name, n in counts.items() if name not in ("predict", "merge")} == {
        name: n for name, n in whole.items() if name != "predict"
    }
    assert all(f"--shard {number}/3" in text for number in (1, 2, 3))
    checkout.snakemake(
        "-c1", f"{STUDIES}/table3.json", "--configfile", "config/tiny.yaml", "--config", "prediction_shards=3"
    )
    row = json.loads((checkout.folder / STUDIES / "table3.json").read_text())["rows"][0]
    run = row["results"].removeprefix("results/").rpartition("/S2-")[0]
    assert row["benchmarks"]["predict"] == [
        f"results/benchmarks/predict/{run}-{number}.tsv" for number in (1, 2, 3)
    ]


def test_the_rows_of_a_study_are_timed_where_it_asks_for_it(tmp_path):
    checkout = Checkout(tmp_path)
    line = "    title: Ablation (Table 3)\n"
    checkout.edit("config/tiny.yaml", line, f"{line}    fps: true\n")
    counts, text = checkout.planned("-p", "--configfile", "config/tiny.yaml")
    # The three trackers of the study, in one of two folds.
    assert counts["speed"] == 3
    assert "--stride 2 --settings kind=overlap_embed" in text


@pytest.mark.parametrize(("study", "rows"), [("table1", 3 + 3 + 2 + 2), ("table2", 1 + 1 + 3 + 2 + 2)])
def test_every_row_of_the_papers_benchmarks_is_timed(checkout, study, rows):
    assert checkout.planned(study)[0]["speed"] == rows


FULL_SCALE = """
name: full
defaults: {{ split: fold0, seed: 0, starts: stride, stride: 2, clip_length: 4, tracker: overlap_embed }}
studies:
  rows:
    layout: clip_analysis
    title: Rows of Tables 1 and 2
    blocks:
      - {{ dataset: {dataset}, model: novis_swin_l, variant: novis, min_size: 480 }}
      - {{ dataset: {dataset}, model: novis_r50, variant: novis_large, min_size: 720 }}
"""


@pytest.mark.parametrize(
    ("dataset", "schedule"),
    [
        ("ytvis_2019", "iterations=12000 'milestones=[4000, 8000]'"),
        (
            "ytvis_2021_coco",
            "iterations=14000 'milestones=[6000, 10000]' 'training.mixing_weights=[0.75, 1.0]'",
        ),
        ("ovis_coco", "iterations=16000 'milestones=[8000, 12000]' 'training.mixing_weights=[0.75, 1.0]'"),
    ],
)
def test_the_settings_of_the_other_tables_can_be_planned(checkout, tmp_path, dataset, schedule):
    full = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    study = yaml.safe_load(FULL_SCALE.format(dataset=dataset))
    (tmp_path / "full.yaml").write_text(yaml.safe_dump(full | study))
    counts, text = checkout.planned("-p", "--configfile", str(tmp_path / "full.yaml"))
    assert counts["train"] == counts["predict"] == 2
    assert {"convert_novis_swin_l", "convert_novis_r50"} <= set(counts)
    assert ("download_coco_train_images" in counts) == dataset.endswith("_coco")
    assert text.count(schedule) == 2
    for option in ("num_points=6272", "short_sides=[480, 512, 544", "--min-size 480", "--min-size 720"):
        assert text.count(option) == 1


def test_folders_with_blanks_reach_the_commands_as_one_word(checkout, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    config |= {"data_root": str(tmp_path / "my data"), "results": str(tmp_path / "my results")}
    config["keep_features"] = ["novis"]
    config["models"]["novis_shapes"]["init"] = str(tmp_path / "my weights.pth")
    config["studies"]["table3"]["fps"] = True
    config["datasets"]["tiny"]["mixed_with"] = {
        "images": "stills",
        "annotations": "stills.json",
        "category_map": "coco_to_ovis",
    }
    for name in ("my weights.pth", "my data/stills/1.jpg", "my data/stills.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "blanks.yaml").write_text(yaml.safe_dump(config))
    _, text = checkout.planned("-p", "--configfile", str(tmp_path / "blanks.yaml"))
    commands = re.findall(r"^ *(?:Shell command: )?((?:exec )?(?:novis|workflow/\S+) .*)", text, re.M)
    verbs = {re.search(r"novis ([a-z-]+)", command)[1] for command in commands}
    assert verbs == {
        "shapes", "split", "configure", "train", "features", "predict", "track", "evaluate", "speed",
        "overlays", "report",
    }  # fmt: skip
    assert "data set not found" not in text
    for command in commands:
        words = shlex.split(command)
        assert not [word for word in words if word.startswith(("data", "results", "weights.pth"))], command
        assert any(word.startswith(str(tmp_path / "my ")) for word in words), command


@pytest.mark.slow
def test_a_rule_runs_in_folders_with_blanks(checkout, tmp_path):
    folders = [f"data_root={tmp_path}/my data", f"results={tmp_path}/my results"]
    split = f"{tmp_path}/my results/tiny/split/fold0_train.txt"
    checkout.snakemake("-c1", split, "--configfile", "config/tiny.yaml", "--config", *folders)
    assert (tmp_path / "my results/tiny/split/fold0_train.txt").read_text()
    assert (tmp_path / "my data/tiny/annotations_train.json").exists()


def test_the_slurm_profile_parses_from_the_checkouts_root(checkout):
    counts, _ = checkout.planned("--profile", "slurm", "--configfile", "config/tiny.yaml")
    assert counts["train"] == 4


def test_pretraining_on_coco_takes_the_place_of_the_official_weights(checkout):
    target = "results/ovis/fold0/novis_r50-novis/T4-seed0/checkpoint.pth"
    counts, text = checkout.planned("-p", target, "--config", "pretrain=true")
    assert counts["pretrain_images"] == counts["convert_novis_r50_backbone"] == 1
    for job in ("download_imagenet_r50", "download_coco_train_images", "download_coco_annotations"):
        assert counts[job] == 1
    assert "convert_novis_r50" not in counts
    assert "--init results/pretraining/novis_r50/checkpoint.pth" in text
    for option in ("iterations=368750", "'milestones=[327778, 355092]'", "training.batch_size=16"):
        assert option in text
    counts, text = checkout.planned(target)
    assert counts["convert_novis_r50"] == 1
    assert not {"pretrain_images", "convert_novis_r50_backbone"} & set(counts)


def test_every_swin_starts_from_its_official_weights(checkout):
    names = [f"novis_swin_{size}" for size in "tsbl"]
    counts, _ = checkout.planned(
        *(f"results/ovis/fold0/{name}-novis/T4-seed0/checkpoint.pth" for name in names)
    )
    assert counts["train"] == 4
    for size in "tsbl":
        assert counts[f"convert_novis_swin_{size}"] == counts[f"download_mask2former_coco_swin_{size}"] == 1


def test_the_pretraining_of_a_swin_is_a_target(checkout):
    counts, text = checkout.planned("-p", "results/pretraining/novis_swin_l/checkpoint.pth")
    assert counts["pretrain_images"] == counts["convert_novis_swin_l_backbone"] == 1
    assert "iterations=737500" in text
    assert "--init weights/imagenet_swin_l.pth" in text


def test_a_study_is_a_target(checkout):
    counts, _ = checkout.planned("table3", "--configfile", "config/tiny.yaml")
    assert counts["table3"] == 1
    assert "report" not in counts


def test_a_configuration_of_schedules_alone_trains_nothing(checkout, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    block = config["studies"]["table3"]["blocks"][0] | {"tracker": "embed"}
    config["studies"] = {"table4": {"layout": "schedules", "title": "Schedules", "blocks": [block]}}
    (tmp_path / "schedules.yaml").write_text(yaml.safe_dump(config))
    counts, text = checkout.planned("-p", "--configfile", str(tmp_path / "schedules.yaml"))
    assert counts == {"configure": 2, "study": 1, "report": 1}
    assert "--overlays" not in text


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(reslts="x"), "reslts"),
        (lambda c: c["datasets"]["tiny"].update(flods=2), "flods"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(varient="novis"), "did you mean 'variant'"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(tracker="embd"), "did you mean 'embed'"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(stride=5), "S must lie in 1..T"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(test_clip_length=6), "trained with T=4"),
        (lambda c: c["studies"]["table3"]["blocks"][0].update(split="test"), "split 'test'"),
        (lambda c: c["defaults"].update(split=["fold0", "fold2"]), "fold2"),
        (lambda c: c.update(trackers={"late": {"kind": "embed", "bufer_length": 4}}), "bufer_length"),
        (lambda c: c.update(trackers={"late": {"kind": "embedd"}}), "embedd"),
        (lambda c: c.update(trackers={"late": {"kind": "heuristic", "buffer_length": 2}}), "buffer_length"),
        (lambda c: c.update(readings={"output": {"qeury": "output"}}), "qeury"),
        (lambda c: c.update(readings={"output": {"query": "outptu"}}), "outptu"),
    ],
)
def test_a_mistake_in_a_configuration_is_named_before_anything_runs(checkout, edit, message, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    edit(config)
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(config))
    text = checkout.snakemake("-n", "--configfile", str(tmp_path / "bad.yaml"), check=False)
    assert message in text
    assert "Job stats" not in text


def test_a_part_of_the_training_set_can_be_held_out(checkout, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    config["defaults"]["split"] = "holdout"
    config["datasets"]["tiny"]["holdout"] = 3
    (tmp_path / "holdout.yaml").write_text(yaml.safe_dump(config))
    counts, text = checkout.planned("-p", "--configfile", str(tmp_path / "holdout.yaml"))
    assert counts["hold_out"] == 1
    assert counts["evaluate"] == counts["track"] > 5
    assert "novis hold-out --annotations data/tiny/annotations_train.json --one-in 3 --seed 0 " in text


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


def test_missing_data_are_told_with_what_was_looked_for_and_where_to_get_it(checkout, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    del config["datasets"]["tiny"]["generate"]
    config["datasets"]["tiny"]["source"] = "Ask the authors of tiny."
    (tmp_path / "missing.yaml").write_text(yaml.safe_dump(config))
    words = ("-c1", "results/tiny/split/fold0_train.txt", "--configfile", str(tmp_path / "missing.yaml"))
    text = checkout.snakemake(*words, check=False)
    assert "looked for data/tiny/annotations_train.json" in text
    assert "Ask the authors of tiny." in text
    assert "Traceback" not in text


def test_missing_frames_of_a_data_set_that_is_brought_are_told(checkout, tmp_path):
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    del config["datasets"]["tiny"]["generate"]
    config["datasets"]["tiny"]["source"] = "Ask the authors of tiny."
    config["data_root"] = str(tmp_path)
    (tmp_path / "missing.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny/annotations_train.json").touch()
    run = "results/tiny/fold0/novis_shapes-novis/T4-seed0/checkpoint.pth"
    words = ("-c1", run, "--configfile", str(tmp_path / "missing.yaml"))
    text = checkout.snakemake(*words, check=False)
    assert f"there is no file below {tmp_path}/tiny/train. Ask the authors of tiny." in text
    assert "Traceback" not in text


def test_the_official_sets_of_the_paper_can_be_planned(checkout, tmp_path):
    full = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    study = yaml.safe_load(FULL_SCALE.format(dataset="[ytvis_2019, ytvis_2021, ovis]"))
    study["defaults"]["split"] = "full"
    (tmp_path / "official.yaml").write_text(yaml.safe_dump(full | study))
    counts, _ = checkout.planned("--configfile", str(tmp_path / "official.yaml"))
    assert counts["train"] == counts["submit"] == 2 * 3
    assert {"download_ovis_valid_annotations", "download_ytvis_2021_valid"} <= set(counts)
    assert "evaluate" not in counts
