import dataclasses

import pandas as pd
import pytest

from novis.errors import InputError
from novis.reporting.cells import Number
from novis.reporting.collect import aggregate, tidy
from novis.reporting.layouts import LAYOUTS, table_of
from novis.reporting.study import read_study


@pytest.fixture
def ablation_results(ablation_study):
    return aggregate(tidy(ablation_study))


@pytest.fixture
def clip_results(clip_study):
    return aggregate(tidy(clip_study))


def test_ablation_shows_the_papers_number_beside_each_of_ours(ablation_study, ablation_results):
    table = table_of(ablation_study, ablation_results)
    rows = table.sections[0].rows
    assert [row[5].text for row in rows] == ["20.9", "21.7", "21.4", "21.9", "23.0", "23.3"]
    assert [row[9].text for row in rows] == ["12.0", "12.2", "12.0", "12.3", "12.8", "13.0"]
    assert rows[2][:4] == (True, False, True, "heuristic")
    assert rows[5][4].value == pytest.approx(ablation_results["AP"][5])


def test_ablation_ranks_ours_and_not_the_papers(ablation_study, ablation_results):
    rows = table_of(ablation_study, ablation_results).sections[0].rows
    assert [row[4].rank for row in rows] == [0, 0, 0, 0, 2, 1]
    assert {row[5].rank for row in rows} == {0}


def test_yardsticks_stand_below_a_rule_and_are_not_ranked(ablation_study, ablation_results):
    table = table_of(ablation_study, ablation_results)
    yardsticks = table.sections[1].rows
    assert [row[3] for row in yardsticks] == ["identity", "oracle"]
    assert all(cell.rank == 0 for row in yardsticks for cell in row if isinstance(cell, Number))
    assert [row[5].text for row in yardsticks] == [None, None]


def test_all_yardsticks_are_shown_on_request(ablation_study, ablation_results):
    table = table_of(ablation_study, ablation_results, all_yardsticks=True)
    assert len(table.sections[1].rows) == 8


def test_clip_analysis_has_a_row_for_every_stride(clip_study, clip_results):
    rows = table_of(clip_study, clip_results).sections[0].rows
    lengths = [tuple(int(cell.value) for cell in row[:3]) for row in rows]
    assert lengths[:3] == [(1, 1, 0)] * 3
    assert [row[3] for row in rows[:3]] == ["embed", "embed, buffer 2", "embed, buffer 4"]
    assert lengths[3::2] == [(4, 1, 3), (4, 2, 2), (4, 3, 1), (4, 4, 0)]


def test_clip_analysis_tells_training_from_test_length_where_they_differ(clip_study, clip_results):
    assert table_of(clip_study, clip_results).columns[0].name == "T"
    crossed = clip_results.assign(train_clip_length=8)
    table = table_of(clip_study, crossed)
    assert table.columns[0].name == "trained with"
    assert table.sections[0].rows[0][0].text == "8"


def test_clip_analysis_shows_whole_videos_as_clips_without_overlap(clip_study, clip_results):
    offline = clip_results.astype({"clip_length": object})
    offline.loc[offline["train_clip_length"] == 4, ["clip_length", "stride"]] = ["video", 1]
    rows = table_of(clip_study, offline).sections[0].rows
    assert [getattr(cell, "text", cell) for cell in rows[3][:4]] == ["4", "whole", "1", "0"]


def test_yardstick_that_was_not_asked_for_has_no_column(clip_study, clip_results):
    names = [
        column.name for column in table_of(clip_study, clip_results.assign(frame_AP=float("nan"))).columns
    ]
    assert "non-id." in names
    assert "frame AP" not in names


def test_notes_explain_what_the_table_shows(ablation_study, ablation_results, clip_study, clip_results):
    shown = table_of(ablation_study, ablation_results).notes[-1]
    assert all(words in shown for words in ("oracle follows", "Non-id.: ", "Frame AP: "))
    results = clip_results[clip_results["role"] == "row"].assign(frame_AP=float("nan"))
    assert table_of(clip_study, results).notes[-1].startswith("Non-id.: ")
    assert "Frame AP" not in table_of(clip_study, results).notes[-1]


def test_data_sets_are_ranked_apart(ablation_study, ablation_results):
    rows = ablation_results[ablation_results["role"] == "row"]
    both = pd.concat([rows, rows.assign(dataset="ovis", AP=rows["AP"] / 2)])
    first, second = table_of(ablation_study, both).sections
    assert (first.title, second.title) == ("shapes", "ovis")
    assert [row[4].rank for row in first.rows] == [row[4].rank for row in second.rows]


def test_settings_lists_only_what_varies(ablation_study, ablation_results):
    study = dataclasses.replace(ablation_study, layout="settings")
    names = [column.name for column in table_of(study, ablation_results).columns]
    assert names == ["variant", "tracker", "AP", "AP50", "AP75", "AR1", "AR10"]


def test_notes_say_what_the_spread_is(ablation_study, ablation_results):
    def notes(results):
        return " ".join(table_of(ablation_study, results).notes)

    assert "over its folds, not over seeds" in notes(ablation_results)
    seeds = ablation_results.assign(spread_over="seeds", num_seeds=3, num_complete_seeds=3)
    assert "over 3 seeds" in notes(seeds)
    assert "6 of 6 rows lack runs" in notes(seeds.assign(num_complete_seeds=2))


def test_unknown_layout_names_the_nearest(ablation_study, ablation_results):
    study = dataclasses.replace(ablation_study, layout="ablatoin")
    with pytest.raises(InputError, match="did you mean 'ablation'"):
        table_of(study, ablation_results)


# Tables 4 and that of Fig. 4 have rows of their own kind.
@pytest.mark.parametrize("layout", sorted(LAYOUTS.keys() - {"mask_quality", "schedules"}))
def test_rows_have_a_cell_for_every_column(ablation_study, ablation_results, layout):
    table = table_of(dataclasses.replace(ablation_study, layout=layout), ablation_results)
    assert {len(row) for section in table.sections for row in section.rows} == {len(table.columns)}


def test_mask_quality_has_a_row_for_each_network_and_the_gain_of_clips(mask_file):
    study = read_study(mask_file)
    results = aggregate(tidy(study))
    table = table_of(study, results)
    [section] = table.sections
    assert [row[0].text for row in section.rows] == ["1", "2", "4"]
    for row in section.rows:
        assert len(row) == len(table.columns)
        images, clips, gain = row[1].value, row[4].value, row[7]
        assert gain.value == pytest.approx(clips - images)
        assert gain.signed


def test_sequences_of_one_length_are_ranked_among_themselves(paradigm_file):
    study = read_study(paradigm_file)
    table = table_of(study, aggregate(tidy(study)))
    assert [section.title for section in table.sections] == [
        "sequences of 4 frames",
        "sequences of 8 frames",
        "whole videos",
    ]
    place = [column.name for column in table.columns].index("AP")
    assert all(any(row[place].rank == 1 for row in section.rows) for section in table.sections)
