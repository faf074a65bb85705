import pytest

from novis.blocks import expand_block, known, longest
from novis.errors import InputError
from novis.experiment import expand
from tests.studies import CONFIG, OFFLINE, with_block


def test_every_combination_of_lists_is_a_run_and_defaults_complete_it():
    block = {"variant": "novis", "clip_length": 4, "stride": [1, 2], "tracker": "embed", "seed": 3}
    rows = list(expand_block("table", block, CONFIG))
    assert [(row.prediction.training.split, row.stride) for row in rows] == [
        ("fold0", 1), ("fold0", 2), ("fold1", 1), ("fold1", 2),
    ]  # fmt: skip
    assert {row.prediction.training.seed for row in rows} == {3}


def test_there_is_nothing_to_stride_over_where_a_video_is_one_clip():
    assert (longest(4), longest("video")) == (4, 1)


def test_an_unknown_name_of_a_kind_is_named():
    assert known("tracker", "embed", CONFIG, "table") == "embed"
    with pytest.raises(InputError, match="study 'table': unknown model 'smal'; did you mean 'small'"):
        known("model", "smal", CONFIG, "table")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 5}, "S=5 with test clip length T=4"),
        ({"tracker": "embbed"}, "unknown tracker 'embbed'; did you mean 'embed'"),
        ({"varient": "novis"}, "unknown key 'varient'; did you mean 'variant'"),
        ({"dataset": "ovis"}, "unknown dataset 'ovis'; known: toy"),
        ({"starts": "some"}, "must be 'all' or 'stride'"),
        ({"stride": None}, "lacks 'stride'"),
        ({"test_clip_length": 6}, "trained with T=4 cannot be tested with T=6"),
        (OFFLINE | {"variant": "novis"}, "trained with T=4 cannot be tested with T=video"),
        ({"split": "test"}, "split 'test' is none of fold0, fold1, holdout, full"),
        ({"split": "fold2"}, "split 'fold2' is none of fold0, fold1, holdout, full; how many folds"),
        ({"split": "full"}, "write it under datasets.toy.validation"),
        (OFFLINE | {"stride": 2}, "S=2 with test clip length T=video"),
        (OFFLINE | {"variant": "novis", "sequence_length": 8}, "trained with T=4 cannot be tested with T=8"),
        ({"sequence_length": 3}, "sequences of 3 frames with test clip length T=4"),
        ({"stride": "two"}, "stride is 'two'; it must be a whole number from 1 on"),
        ({"seed": -1}, "seed is -1; it must be a whole number from 0 on"),
        ({"min_size": 64.0}, "min_size is 64.0"),
        ({"clip_length": "video"}, "clip_length is 'video'"),
        ({"starts": "stride", "sequence_length": 8}, "sequences of 8 frames with starts 'stride'"),
        ({"starts": "stride", "stride": 3}, "every T=4 frames, but starts 'stride' predicts every S=3"),
        ({"reading": "output_qery"}, "unknown reading 'output_qery'; did you mean 'output_query'"),
    ],
)
def test_a_mistake_is_named(changes, message):
    with pytest.raises(InputError, match=message):
        expand("table", with_block(**changes))


def test_there_are_as_many_folds_as_the_data_set_says():
    config = with_block(split="fold2")
    config["datasets"]["toy"]["folds"] = 3
    assert expand("table", config).rows[0].fields["split"] == "fold2"


def test_a_mistake_under_the_defaults_is_named():
    config = with_block()
    with pytest.raises(InputError, match="unknown key 'seeds'; did you mean 'seed'"):
        expand("table", config | {"defaults": config["defaults"] | {"seeds": [0]}})


def test_numbers_of_the_command_line_are_numbers():
    config = with_block()
    told = config | {"defaults": config["defaults"] | {"seed": ["2"], "min_size": "96"}}
    assert expand("table", told).rows[0].fields["seed"] == 2
    assert expand("table", told).rows[0].prediction.min_size == 96
