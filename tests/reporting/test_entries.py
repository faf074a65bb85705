import dataclasses

import pytest

from novis.errors import InputError
from novis.reporting.entries import (
    Entry,
    counterpart,
    entry_of,
    paper_table,
    published_rows,
)

ROW = {
    "dataset": "ovis",
    "model": "novis_r50",
    "variant": "novis",
    "clip_length": 4,
    "stride": 2,
    "tracker": "overlap_embed",
    "tracker_settings.kind": "overlap_embed",
    "min_size": 360,
}
OURS = Entry("R50", "NOVIS", "VIS", "4/2", 360)


def test_the_full_method_is_the_papers_entry():
    assert entry_of(ROW) == OURS


@pytest.mark.parametrize(
    ("changes", "entry"),
    [
        ({"dataset": "ytvis_2019_coco"}, {"data": "CC+VIS"}),
        ({"model": "novis_swin_l", "min_size": 480}, {"backbone": "Swin-L", "min_size": 480}),
        ({"model": "novis_shapes"}, {"backbone": "novis shapes"}),
        ({"variant": "novis_large"}, {"method": "NOVIS"}),
        ({"tracker_settings.kind": "heuristic"}, {"method": "NOVIS, heuristic"}),
        ({"variant": "encoding"}, {"method": "encoding, overlap embed"}),
        (
            {"variant": "minvis", "tracker_settings.kind": "embed", "clip_length": 1, "stride": 1},
            {"method": "MinVIS", "clips": "ON"},
        ),
        (
            {
                "variant": "mask2former_vis",
                "tracker_settings.kind": "identity",
                "clip_length": "video",
                "stride": 1,
            },
            {"method": "Mask2Former", "clips": "OFF"},
        ),
        (
            {
                "variant": "mask2former_vis",
                "tracker": "embed",
                "tracker_settings.kind": "embed",
                "clip_length": 30,
                "stride": 30,
            },
            {"method": "Mask2Former", "clips": "30/30"},
        ),
    ],
)
def test_an_entry_follows_from_the_settings(changes, entry):
    assert entry_of(ROW | changes) == dataclasses.replace(OURS, **entry)


def test_rows_of_the_parents_recipes_stand_beside_their_published_ones():
    row = ROW | {"dataset": "ovis_parents", "variant": "minvis_parents", "clip_length": 1, "stride": 1}
    row |= {"tracker": "embed", "tracker_settings.kind": "embed"}
    assert entry_of(row) == Entry("R50", "MinVIS", "VIS", "ON", 360)


def test_the_table_follows_from_the_data_sets():
    assert paper_table(["ytvis_2021", "shapes"]) == "table1"
    assert paper_table(["ovis"]) == "table2"
    assert paper_table(["shapes"]) is None
    with pytest.raises(InputError, match="Tables 1"):
        paper_table(["ovis", "ytvis_2019"])


def test_rows_without_numbers_for_the_data_sets_are_left_out():
    # Of the 23 rows of Table 1 one has no numbers for 2019, and nine have none for 2021.
    counts = {name: len(published_rows("table1", [name])) for name in ("ytvis_2019", "ytvis_2021")}
    assert counts == {"ytvis_2019": 22, "ytvis_2021": 14}
    assert len(published_rows("table1", ["ytvis_2019", "ytvis_2021"])) == 23


@pytest.mark.parametrize(
    ("entry", "ap"),
    [
        (OURS, 30.8),
        (dataclasses.replace(OURS, min_size=720), 32.7),
        (Entry("Swin-L", "NOVIS", "VIS", "4/2", 480), 43.0),
        (Entry("Swin-L", "NOVIS", "VIS", "4/2", 360), 43.0),
        (Entry("Swin-L", "NOVIS", "VIS", "4/2", 720), 43.5),
        (Entry("R50", "MinVIS", "VIS", "ON", 360), 25.0),
        (Entry("R50", "Mask2Former", "VIS", "30/30", 360), 17.3),
    ],
)
def test_the_counterpart_is_the_papers_row_of_the_same_setting(entry, ap):
    found = counterpart(entry, published_rows("table2", ["ovis"]))
    assert found.scores["ovis"]["AP"] == ap


@pytest.mark.parametrize(
    "changes", [{"min_size": 480}, {"data": "CC+VIS"}, {"clips": "4/1"}, {"method": "NOVIS, embed"}]
)
def test_other_settings_have_no_counterpart(changes):
    assert counterpart(dataclasses.replace(OURS, **changes), published_rows("table2", ["ovis"])) is None


def test_where_the_paper_is_silent_on_the_size_any_will_do():
    rows = published_rows("table1", ["ytvis_2019"])
    assert counterpart(dataclasses.replace(OURS, min_size=480), rows).scores["ytvis_2019"]["AP"] == 51.4
