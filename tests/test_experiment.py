import copy

import pytest

from novis import experiment
from novis.errors import InputError
from novis.experiment import Training, expand, overrides, stage_code
from tests.studies import CONFIG, OFFLINE, with_block


def test_lists_multiply_and_blocks_add_up():
    # 2 splits x 2 seeds x (1 + 2 strides x 2 trackers)
    assert len(expand("table", CONFIG).rows) == 2 * 2 * (1 + 2 * 2)


def test_defaults_of_a_study_come_before_those_of_the_configuration():
    config = with_block()
    config["studies"]["table"]["defaults"] = {"seed": 7, "split": "fold1", "stride": 4}
    rows = expand("table", config).rows
    assert [(row.prediction.training.seed, row.prediction.training.split) for row in rows] == [(7, "fold1")]
    assert {row.stride for row in rows} == {2}, "the block's own word counts"


def test_yardsticks_stand_beside_every_prediction_and_stride():
    study = expand("table", CONFIG)
    wanted = {(row.prediction, row.stride) for row in study.rows}
    assert {(y.prediction, y.stride) for y in study.yardsticks} == wanted
    assert {y.tracker for y in study.yardsticks} == {"identity"}


def test_frame_ap_is_measured_on_unlinked_clips_that_do_not_overlap():
    study = expand("table", CONFIG)
    assert {row.prediction for row in study.rows} == set(study.frames)
    assert all(t.tracker == "clips" and t.stride == t.prediction.clip_length for t in study.frames.values())


def test_the_first_fold_and_seed_of_each_row_is_timed_where_the_study_asks_for_it():
    config = copy.deepcopy(CONFIG)
    assert expand("table", config).timed == ()
    config["studies"]["table"]["fps"] = True
    timed = expand("table", config).timed
    assert {(t.prediction.training.split, t.prediction.training.seed) for t in timed} == {("fold0", 0)}
    rows = [(t.prediction.training.variant, t.stride, t.tracker) for t in timed]
    assert len(rows) == len(set(rows)) == 1 + 2 * 2


def test_the_path_names_every_field():
    row = expand("table", with_block(seed=1, split="fold1")).rows[0]
    assert str(row.folder) == "toy/fold1/small-plain/T4-seed1/test-T4-all-64px/S2-embed"


def test_strided_caches_name_their_stride():
    row = expand("table", with_block(starts="stride")).rows[0]
    assert "test-T4-every2-64px" in str(row.folder)


def test_an_offline_method_is_tested_on_whole_videos():
    study = expand("table", with_block(**OFFLINE))
    row = study.rows[0]
    assert str(row.folder) == "toy/fold0/small-offline/T4-seed0/test-Tvideo-all-64px/S1-identity"
    assert study.frames[row.prediction].stride == 1


def test_sequences_are_tracked_from_the_cache_of_whole_videos():
    study = expand("table", with_block(sequence_length=[8, "video"]))
    cut, whole = study.rows[0], next(r for r in study.rows if r.sequence_length == "video")
    assert cut.prediction == whole.prediction
    assert str(cut.folder) == f"{whole.folder}-8frames"
    assert {y.sequence_length for y in study.yardsticks} == {8, "video"}


def test_offline_every_sequence_is_one_clip():
    row = expand("table", with_block(**OFFLINE, sequence_length=8)).rows[0]
    assert str(row.folder).endswith("small-offline/T4-seed0/test-T8-every8-64px/S8-identity-8frames")


def test_another_reading_of_the_overlap_needs_no_other_training():
    rows = expand("table", with_block(reading=["own", "output_query"])).rows
    assert len({row.prediction.training for row in rows}) == len(rows) // 2
    assert any("/test-T4-all-64px-output_query/S2-embed" in str(row.folder) for row in rows)


def test_different_runs_have_different_paths():
    trackings = expand("table", CONFIG).trackings
    assert len({str(t.folder) for t in trackings}) == len(trackings)


def test_paths_match_the_wildcards():
    import re

    pattern = re.escape(experiment.TRACKING).replace(r"\{", "{").replace(r"\}", "}")
    for name, expression in experiment.WILDCARDS.items():
        pattern = pattern.replace("{" + name + "}", f"(?P<{name}>{expression})", 1)
    offline = expand("table", with_block(**OFFLINE)).trackings
    for tracking in (*expand("table", CONFIG).trackings, *offline):
        found = re.fullmatch(pattern, str(tracking.folder)).groupdict()
        assert found == {key: str(value) for key, value in tracking.fields.items()}


def test_dataset_schedule_variant_clip_length_and_seed_are_overrides():
    training = Training("toy", "fold0", "small", "novis", 4, 3)
    assert overrides(training, CONFIG) == {
        "iterations": 10,
        "dice_loss": "volumetric",
        "clip_length": 4,
        "seed": 3,
    }


def test_the_official_validation_set_is_not_looked_at_in_training():
    training = Training("toy", "full", "small", "plain", 4, 0)
    assert overrides(training, CONFIG)["training.validation_interval"] == 0


def test_a_configuration_begins_with_others_the_outermost_first():
    files = {"a": {}, "b": {"extends": "a"}, "c": {"extends": "b"}}
    assert experiment.extended({"extends": "c"}, files.get) == ["a", "b", "c"]
    assert experiment.extended({"name": "alone"}, files.get) == []


def test_configurations_in_a_circle_are_refused():
    files = {"a": {"extends": "b"}, "b": {"extends": "a"}}
    with pytest.raises(InputError, match="lead in a circle: a, b, a"):
        experiment.extended({"extends": "a"}, files.get)


def test_an_unknown_study_is_named():
    with pytest.raises(InputError, match="unknown study 'tabel'; did you mean 'table'"):
        expand("tabel", CONFIG)


def test_an_unknown_variant_of_a_list_is_named():
    experiment.check_variants("keep_features", ["plain"], CONFIG)
    with pytest.raises(InputError, match="keep_features: unknown variant 'plan'; did you mean 'plain'"):
        experiment.check_variants("keep_features", ["plan"], CONFIG)


@pytest.mark.parametrize("stage", experiment.STAGES)
def test_every_stage_has_a_fingerprint(stage):
    assert len(stage_code(stage)) == 16


@pytest.mark.parametrize("name", ["ytvis_2019", "ytvis_2019_coco", "ytvis_2019_parents"])
def test_variations_of_a_data_set_belong_to_its_benchmark(name):
    assert experiment.benchmark_of(name) == "ytvis_2019"
