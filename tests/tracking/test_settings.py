import pytest

from novis.errors import InputError
from novis.tracking.settings import KINDS, TrackerSettings, check_trackers
from novis.tracking.similarity import SIMILARITIES


def test_a_configuration_entry_becomes_settings():
    settings = TrackerSettings.from_dict({"kind": "embed", "buffer_length": 4, "mask_merging": "first_clip"})
    assert settings == TrackerSettings("embed", 4, 1.0, 1.0, 0.0, "first_clip", "mean_logits")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"kind": "embed", "bufer_length": 4},
            "unknown tracker setting 'bufer_length'; did you mean 'buffer_length'",
        ),
        ({"buffer_length": 4}, "needs a kind: heuristic"),
        ({"kind": "overlap_embedd"}, "kind: unknown value 'overlap_embedd'; did you mean 'overlap_embed'"),
        ({"kind": "embed", "mask_merging": "mean"}, "mask_merging: unknown value 'mean'"),
        ({"kind": "embed", "class_merging": "first_clip"}, "class_merging: unknown value 'first_clip'"),
        ({"kind": "embed", "buffer_length": 0}, "buffer_length: 0 must be a whole number from 1"),
        ({"kind": "embed", "buffer_length": 2.0}, "buffer_length: 2.0 must be"),
        (
            {"kind": "overlap_embed", "buffer_length": 2},
            "only embed may have one, not 'overlap_embed'",
        ),
        ({"kind": "heuristic", "mask_weight": -1}, "mask_weight: -1 must be a number from 0"),
        ({"kind": "heuristic", "score_weight": "high"}, "score_weight: 'high' must be a number"),
        ({"kind": "heuristic", "class_weight": float("nan")}, "class_weight: nan must be a number"),
    ],
)
def test_what_is_wrong_is_named(settings, message):
    with pytest.raises(InputError, match=message):
        TrackerSettings.from_dict(settings)


def test_a_wrong_entry_of_a_configuration_is_named():
    check_trackers({"embed": {"kind": "embed"}})
    with pytest.raises(
        InputError,
        match=r"trackers\.late: tracker setting kind: unknown value 'embedd'; did you mean 'embed'",
    ):
        check_trackers({"embed": {"kind": "embed"}, "late": {"kind": "embedd"}})


def test_every_similarity_is_a_kind():
    assert set(KINDS) == set(SIMILARITIES) | {"oracle", "unlinked"}
