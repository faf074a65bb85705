"""The paper's configuration as a whole: what it plans, and that every network of it can be built."""

import json

import pytest
import torch
import yaml

from novis import config, experiment
from novis.model.registry import MODELS
from tests.paths import ROOT


def merged(first, second):
    """Two configurations, one over the other, as Snakemake merges them."""
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(first.get(key), dict)
        first[key] = merged(first[key], value) if both else value
    return first


def configuration(*names):
    contents = [yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()) for name in names]
    whole = {}
    for content in contents:
        whole = merged(whole, content)
    return whole


PAPER = configuration("common", "config")
SMALL = configuration("common", "shapes", "shapes_paper")
TARGETS = ("table1", "table1b", "table2", "table3", "table4", "figure1", "figure3", "figure4", "figure5")
TARGETS += ("figure6", "selection", "sampling_range", "readings")


def studies(configuration):
    return {name: experiment.expand(name, configuration) for name in configuration["studies"]}


def trainings(configuration):
    rows = [row for study in studies(configuration).values() for row in study.trackings]
    return {row.prediction.training for row in rows}


@pytest.mark.parametrize("configuration", [PAPER, SMALL], ids=["full", "small"])
def test_every_table_and_figure_is_a_study(configuration):
    assert set(TARGETS) <= set(configuration["studies"])


@pytest.mark.parametrize("configuration", [PAPER, SMALL], ids=["full", "small"])
def test_three_seeds_everywhere_but_in_pictures_and_schedules(configuration):
    for name, study in studies(configuration).items():
        if study.layout not in ("gallery", "schedules"):
            assert {row.prediction.training.seed for row in study.rows} == {0, 1, 2}, name


def test_figures_1_and_3_share_their_caches():
    def caches(study):
        rows = experiment.expand(study, PAPER).rows
        return {row.prediction for row in rows if row.prediction.training.variant == "novis"}

    assert caches("figure1") < caches("figure3")
    assert {prediction.starts for prediction in caches("figure3")} == {"all"}


def test_sequences_of_at_least_a_clip_need_no_prediction_of_their_own():
    rows = experiment.expand("figure1", PAPER).rows
    near_online = [row for row in rows if row.tracker != "identity"]
    whole = {row.prediction for row in near_online if row.sequence_length == "video"}
    assert {row.prediction for row in near_online} == whole
    assert len({row.sequence_length for row in near_online}) == 6


def test_table_3_is_the_papers_ablation():
    rows = experiment.expand("table3", PAPER).rows
    assert len({(row.prediction.training.variant, row.tracker) for row in rows}) == 6
    assert len({row.prediction.training for row in rows}) == 4 * 2 * 3


def test_the_parents_export_ten_tracks():
    # Mask2Former for video and MinVIS keep the ten best, on OVIS too; NOVIS keeps 30 there (Table 4).
    kept = {name: PAPER["datasets"][name]["top_k"] for name in PAPER["datasets"]}
    assert {kept[name] for name in kept if name.endswith("_parents")} == {10}
    assert (kept["ovis"], kept["ytvis_2019"]) == (30, 10)


def networks():
    """The distinct networks of the paper, with a training of each."""
    found = {}
    for training in sorted(trainings(PAPER)):
        model_file = ROOT / PAPER["models"][training.model]["file"]
        resolved = config.load(model_file, experiment.overrides(training, PAPER))
        assert resolved.training.milestones[-1] < resolved.training.iterations
        assert resolved.model.instance_decoder.clip_length == training.train_clip_length
        found.setdefault(json.dumps(resolved.model.to_dict(), sort_keys=True), (training, resolved))
    return list(found.values())


def test_every_network_can_be_built_at_its_true_size():
    for training, resolved in networks():
        with torch.device("meta"):
            network = MODELS.build(resolved.model)
        parameters = sum(parameter.numel() for parameter in network.parameters())
        low, high = {"novis_r50": (43, 45), "novis_swin_l": (214, 217)}[training.model]
        assert low < parameters / 1e6 < high, training
