"""Costs against sums made by hand."""

from dataclasses import replace

import pytest

from novis.experiment import Prediction, Tracking, Training
from novis.planning.costs import CostModel
from novis.planning.jobs import Job
from novis.planning.rates import ANY, DatasetSize, Rate, Rates, read_rates
from tests.paths import ROOT

# 10 videos of 20 frames of 720 x 1280, so 5 videos and 100 frames in a fold.
SIZE = DatasetSize(10, 200, 720, 1280, "invented")
CONFIG = {
    "data_root": "nowhere",
    "models": {"novis_r50": {"file": str(ROOT / "config" / "models" / "novis_r50.py")}},
    "variants": {"novis": {}},
    "trackers": {"overlap_embed": {"kind": "overlap_embed"}, "clips": {"kind": "unlinked"}},
    "datasets": {
        "ovis": {"annotations": ["a.json"], "folds": 2, "top_k": 30, "overrides": {"iterations": 1000}},
        "drawn": {
            "annotations": ["b.json"],
            "generate": {"num_videos": 6, "settings": {"num_frames": 9, "frame_size": [64, 96]}},
        },
    },
}
RATES = {
    ("train", "novis_r50"): (0.5, "gpu"),
    ("frame_features", "novis_r50"): (2.0, "gpu"),
    ("clip_decoding", "novis_r50"): (3.0, "gpu"),
    ("linking", ANY): (0.25, "cpu"),
    ("export", ANY): (0.01, "cpu"),
    ("evaluation", ANY): (0.125, "cpu"),
    ("startup", ANY): (7.0, "cpu"),
    ("mask_bytes", ANY): (0.5, "cpu"),
    ("result_bytes", ANY): (300, "cpu"),
    ("checkpoint_bytes", "novis_r50"): (1e8, "cpu"),
}
# The network's input: 360 x 640, padded to 384 x 640.
MEGAPIXELS = 384 * 640 / 1e6
CELLS = 96 * 160


def rates(without=()):
    made = {
        key: Rate(*key, value, "here", device) for key, (value, device) in RATES.items() if key not in without
    }
    return Rates(made, {"ovis": SIZE})


def job(rule, run):
    fields = run.fields if hasattr(run, "fields") else vars(run)
    return Job(rule, str(run.folder), {key: str(value) for key, value in fields.items()}, (), True)


TRAINING = Training("ovis", "fold0", "novis_r50", "novis", 4, 0)
STRIDED = Prediction(TRAINING, 4, "every2", 360)
ALL = Prediction(TRAINING, 4, "all", 360)


def test_a_training_takes_its_iterations_times_clips_times_frames_times_pixels():
    cost = CostModel(CONFIG, rates()).cost(job("train", TRAINING))
    # 8 clips of 4 frames; the mean of 288 to 512 is 400, so 400 x 711.
    assert cost.gpu_seconds == pytest.approx(1000 * 8 * 4 * 400 * 711 / 1e6 * 0.5)
    assert cost.cpu_seconds == 7
    assert (cost.num_bytes, cost.temporary_bytes) == (1e8, 3e8)


@pytest.mark.parametrize(("prediction", "clips", "overlaps"), [(STRIDED, 9, 1), (ALL, 17, 3)])
def test_a_prediction_encodes_every_frame_once_and_decodes_every_clip(prediction, clips, overlaps):
    cost = CostModel(CONFIG, rates()).cost(job("predict", prediction))
    decoded = 5 * clips * 4
    assert cost.gpu_seconds == pytest.approx((100 * 2.0 + decoded * 3.0) * MEGAPIXELS)
    masks = 5 * clips * 100 * 4 * CELLS * 0.5
    vectors = 5 * clips * 100 * (256 * 4 + overlaps * 2 * 256 * 2 + 41 * 4)
    assert cost.num_bytes == pytest.approx(masks + vectors)


def test_all_clip_starts_are_linked_at_the_stride_of_the_tracker():
    cost = CostModel(CONFIG, rates()).cost(job("track", Tracking(ALL, 2, "overlap_embed")))
    assert cost.cpu_seconds == pytest.approx(5 * 9 * 0.25 + 100 * 30 * 0.01 + 7)
    assert cost.num_bytes == 100 * 30 * 300
    unlinked = CostModel(CONFIG, rates()).cost(job("track", Tracking(ALL, 4, "clips")))
    assert unlinked.cpu_seconds == pytest.approx(100 * 30 * 0.01 + 7)


def test_scoring_and_timing_follow_the_frames():
    model = CostModel(CONFIG, rates())
    run = Tracking(STRIDED, 2, "overlap_embed")
    assert model.cost(job("evaluate", run)).cpu_seconds == pytest.approx(100 * 0.125 + 7)
    # Five videos are all there are in this fold.
    seconds = (100 * 2.0 + 5 * 9 * 4 * 3.0) * MEGAPIXELS
    assert model.cost(job("speed", run)).gpu_seconds == pytest.approx(seconds)


def test_an_offline_method_has_one_clip_a_video():
    cost = CostModel(CONFIG, rates()).cost(job("predict", Prediction(TRAINING, "video", "every1", 360)))
    assert cost.gpu_seconds == pytest.approx((100 * 2.0 + 5 * 20 * 3.0) * MEGAPIXELS)


def test_kept_features_are_computed_once_and_do_not_stay():
    keeping = Job("features", "", job("train", TRAINING).fields | {"min_size": "360"}, (), True)
    model = CostModel(CONFIG, rates(), [keeping])
    seconds = model.cost(job("predict", STRIDED)).gpu_seconds
    assert seconds == pytest.approx(5 * 9 * 4 * 3.0 * MEGAPIXELS)
    other = model.cost(job("predict", Prediction(TRAINING, 4, "every2", 361)))
    assert other.gpu_seconds > seconds
    features = model.cost(keeping)
    assert features.gpu_seconds == pytest.approx(100 * 2.0 * MEGAPIXELS)
    # 256 channels of float16 at strides 4, 8, 16 and 32.
    maps = 256 * 2 * (96 * 160 + 48 * 80 + 24 * 40 + 12 * 20)
    assert (features.num_bytes, features.temporary_bytes) == (0, pytest.approx(100 * maps))


def test_what_no_rate_is_known_for_is_named_and_not_taken_for_nothing():
    cost = CostModel(CONFIG, rates(without=[("train", "novis_r50")])).cost(job("train", TRAINING))
    assert cost.unknown == {"train of novis_r50"}
    assert cost.gpu_seconds == 0
    nothing = CostModel(CONFIG, Rates()).cost(job("train", TRAINING))
    assert "size of data set 'ovis'" in nothing.unknown


@pytest.mark.parametrize(
    ("split", "videos"), [("fold1", 5), ("holdout", 1), ("full", 3)], ids=["half", "one in seven", "official"]
)
def test_only_the_videos_that_a_split_is_tested_on_are_predicted(split, videos):
    official = {"ovis_validation": DatasetSize(3, 90, 720, 1280, "invented")}
    known = Rates(rates().rates, {"ovis": SIZE} | official)
    datasets = CONFIG["datasets"]["ovis"] | {"validation": {"annotations": ["valid.json"]}}
    config = CONFIG | {"datasets": {"ovis": datasets, "ovis_coco": datasets}}
    for name in ("ovis", "ovis_coco"):
        run = Tracking(Prediction(replace(TRAINING, dataset=name, split=split), 4, "all", 360), 2, "clips")
        frames = 90 if split == "full" else 20 * videos
        cost = CostModel(config, known).cost(job("evaluate", run))
        assert cost.cpu_seconds == pytest.approx(frames * 0.125 + 7)


def test_a_validation_set_of_unknown_size_is_named():
    datasets = CONFIG["datasets"]["ovis"] | {"validation": {"annotations": ["valid.json"]}}
    model = CostModel(CONFIG | {"datasets": {"ovis": datasets}}, rates())
    run = replace(TRAINING, split="full")
    assert model.cost(job("features", Prediction(run, 4, "all", 360))).unknown == {
        "size of data set 'ovis_validation'"
    }
    assert not model.cost(job("train", run)).unknown, "it trains on the training set"


def test_the_papers_data_sets_have_sizes_of_both_parts():
    known = read_rates([ROOT / "config" / "rates" / "known.yaml"]).datasets
    counts = {name: known[name].videos for name in ("ovis_validation", "ytvis_2019_validation")}
    assert counts == {"ovis_validation": 140, "ytvis_2019_validation": 302}
    assert known["ytvis_2021_validation"].videos == 421


def test_sizes_of_generated_data_sets_follow_from_the_configuration():
    size = CostModel(CONFIG, rates()).size("drawn")
    assert (size.videos, size.frames, size.height, size.width) == (6, 54, 64, 96)


def test_sizes_of_data_sets_that_are_there_are_counted(toy_dataset):
    there = {"annotations": [toy_dataset.annotation_file.name]}
    config = CONFIG | {"data_root": str(toy_dataset.root), "datasets": {"toy": there}}
    size = CostModel(config, rates()).size("toy")
    assert (size.videos, size.frames, size.height, size.width) == (4, 8 + 5 + 1 + 3, 48, 64)
