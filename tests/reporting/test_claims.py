import pytest

from novis.reporting.claims import claims
from novis.reporting.collect import aggregate, tidy
from novis.reporting.study import KEY, read_study


def key(row):
    return tuple(row[name] for name in KEY)


@pytest.fixture
def table(ablation_study):
    return tidy(ablation_study)


def row_of(table, tracker, variant="novis"):
    [row] = table[
        (table["tracker"] == tracker) & (table["variant"] == variant) & (table["split"] == "fold0")
    ].to_dict("records")
    return row


def test_ablation_claims_are_the_papers_steps(table):
    found = claims("ablation", aggregate(table))
    assert [claim.paper for claim in found] == [0.8, 0.3, 0.2, 0.5, 1.1, 0.3, None, None]
    assert [claim.yardstick for claim in found] == [False] * 6 + [True] * 2
    last_step = found[5]
    assert last_step.better == key(row_of(table, "overlap_embed"))
    assert last_step.worse == key(row_of(table, "embed"))


def test_step_whose_row_is_not_in_the_study_is_left_out(table):
    found = claims("ablation", aggregate(table[table["variant"] != "volumetric_mask"]))
    assert [claim.paper for claim in found] == [0.8, 0.2, 1.1, 0.3, None, None]


def test_clip_claims_compare_with_online_and_with_plain_embeddings(clip_study):
    texts = [claim.text for claim in claims("clip_analysis", aggregate(tidy(clip_study)))]
    assert texts == [
        "Near-online, T = 4, S = 2, over online, no buffer",
        "Near-online, T = 4, S = 2, over online, buffer of 2",
        "Near-online, T = 4, S = 2, over online, buffer of 4",
        "Overlap embeddings over plain embeddings, T = 4, S = 1",
        "Overlap embeddings over plain embeddings, T = 4, S = 2",
        "Overlap embeddings over plain embeddings, T = 4, S = 3",
        "Oracle linking over identity linking, T = 4, S = 2",
        "The tracker over identity linking, T = 4, S = 2",
    ]


def test_claims_name_the_data_set_where_there_are_several(table):
    results = aggregate(table)
    both = results.loc[results.index.repeat(2)].reset_index(drop=True)
    both.loc[1::2, "dataset"] = "ytvis_2019"
    texts = [claim.text for claim in claims("ablation", both)]
    assert "ytvis 2019, Overlap embeddings over plain embeddings" in texts


def test_the_benchmarks_claim_nothing(table):
    assert claims("benchmark", aggregate(table)) == []


def test_a_list_of_settings_compares_its_first_row_with_the_others(table):
    rows = aggregate(table[(table["role"] == "row") & (table["variant"] == "novis")])
    found = claims("settings", rows)
    assert [claim.text for claim in found] == [
        "novis, T = 4, S = 2, heuristic over novis, T = 4, S = 2, embed",
        "novis, T = 4, S = 2, heuristic over novis, T = 4, S = 2, overlap embed",
    ]
    assert {claim.better for claim in found} == {key(row_of(table, "heuristic"))}


def test_settings_that_differ_in_size_alone_are_named_by_it(table):
    row = aggregate(table[(table["role"] == "row") & (table["tracker"] == "overlap_embed")])
    both = row.loc[row.index.repeat(2)].reset_index(drop=True)
    both.loc[1, "min_size"] = 128
    [claim] = claims("settings", both)
    row = "novis, T = 4, S = 2, overlap embed"
    assert claim.text == f"{row}, 96 px over {row}, 128 px"


def test_masks_of_clips_are_compared_with_those_of_images_by_the_same_network(mask_file):
    found = claims("mask_quality", aggregate(tidy(read_study(mask_file))))
    assert [claim.text for claim in found] == [
        "Clips of 2 frames over single images, the same network",
        "Clips of 4 frames over single images, the same network",
    ]
    for claim in found:
        better, worse = (dict(zip(KEY, side, strict=True)) for side in (claim.better, claim.worse))
        assert better["train_clip_length"] == worse["train_clip_length"] == better["clip_length"]
        assert worse["clip_length"] == 1


def test_paradigms_are_compared_on_whole_videos(paradigm_file):
    found = claims("paradigms", aggregate(tidy(read_study(paradigm_file))))
    assert [claim.text for claim in found] == [
        "Online over offline, trained with T = 2",
        "Online over offline, trained with T = 4",
        "Near-online version, T = 2, S = 1, over online",
        "Near-online version, T = 4, S = 2, over online",
        "NOVIS, T = 4, S = 2, over online",
        "Near-online version, T = 2, S = 1, over offline, trained with as many frames",
        "Near-online version, T = 4, S = 2, over offline, trained with as many frames",
        "NOVIS, T = 4, S = 2, over offline, trained with as many frames",
    ]
    sides = [side for claim in found for side in (claim.better, claim.worse)]
    assert {dict(zip(KEY, side, strict=True))["sequence_length"] for side in sides} == {"video"}
