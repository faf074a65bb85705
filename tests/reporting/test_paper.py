import math

import pytest

from novis.reporting.paper import ablation_setting, paper_numbers, published_ablation, published_setting

TABLE3_AP = [20.9, 21.7, 21.4, 21.9, 23.0, 23.3]


def entry(table, **fields):
    rows = [row for row in paper_numbers()[table]["rows"] if fields.items() <= row.items()]
    assert len(rows) == 1
    return rows[0]


def test_table_3_has_the_papers_rows():
    assert [row["AP"] for row in published_ablation().values()] == TABLE3_AP
    assert [row["AP75"] for row in published_ablation().values()] == [19.7, 21.4, 21.1, 21.4, 23.2, 23.3]
    assert [row["AR1"] for row in published_ablation().values()] == [12.0, 12.2, 12.0, 12.3, 12.8, 13.0]
    # No row has both volumetric losses; the third has the mask loss, the fourth dice.
    assert [setting[:3] for setting in published_ablation()][2:4] == [
        (True, False, True),
        (True, True, False),
    ]


def test_steps_of_table_3_follow_from_its_rows():
    table = paper_numbers()["table3"]
    steps = [table["rows"][s["better"]]["AP"] - table["rows"][s["worse"]]["AP"] for s in table["steps"]]
    # The text names +0.8 for the encoding, +1.1 for embeddings and +0.3 for overlap embeddings.
    assert [round(step, 1) for step in steps] == [0.8, 0.3, 0.2, 0.5, 1.1, 0.3]


def test_differences_of_tables_1_and_2_that_the_text_names():
    novis = entry("table1", backbone="R50", method="NOVIS", data="CC+VIS")["ytvis_2019"]["AP"]
    vita = entry("table1", backbone="R50", method="VITA")["ytvis_2019"]["AP"]
    assert round(novis - vita, 1) == 3.0
    swin = entry("table1", backbone="Swin-L", method="NOVIS", data="VIS")["ytvis_2021"]["AP"]
    idol = entry("table1", backbone="Swin-L", method="IDOL", data="VIS")["ytvis_2021"]["AP"]
    assert round(swin - idol, 1) == 3.7
    ovis = entry("table2", backbone="R50", method="NOVIS", min_size=720)["ovis"]["AP"]
    assert round(ovis - entry("table2", backbone="R50", method="IDOL")["ovis"]["AP"], 1) == 2.5
    assert round(ovis - 1.9 - entry("table2", backbone="R50", method="VITA")["ovis"]["AP"], 1) == 11.2


def test_every_published_ap_lies_between_its_ap75_and_ap50():
    for table, fields in (("table1", ("ytvis_2019", "ytvis_2021")), ("table2", ("ovis",))):
        for row in paper_numbers()[table]["rows"]:
            for numbers in filter(None, (row[field] for field in fields)):
                assert numbers["AP"] < numbers["AP50"]
                assert numbers["AP75"] < numbers["AP50"]


def test_table_1_is_sorted_as_printed():
    for backbone in ("R50", "Swin-L"):
        rows = [row for row in paper_numbers()["table1"]["rows"] if row["backbone"] == backbone]
        others = [r["ytvis_2019"]["AP"] for r in rows if r["ytvis_2019"] and r["method"] != "NOVIS"]
        assert others == sorted(others)
    assert len(paper_numbers()["table1"]["rows"]) == 23
    assert len(paper_numbers()["table2"]["rows"]) == 18


def test_setting_of_a_row_matches_the_papers():
    row = {
        "tracker": "novis_tracker",
        "tracker_settings.kind": "overlap_embed",
        "tracker_settings.buffer_length": math.nan,
        "variant_settings.temporal_encoding": "learned",
        "variant_settings.dice_loss": "volumetric",
        "variant_settings.mask_loss": "per_frame",
    }
    assert published_ablation()[ablation_setting(row)]["AP"] == 23.3
    assert ablation_setting(row | {"tracker_settings.buffer_length": 4.0})[3] == "overlap_embed, buffer 4"


def test_unknown_setting_matches_nothing():
    assert ablation_setting({"tracker": "embed"}) == (None, None, None, "embed")
    assert ablation_setting({"tracker": "embed"}) not in published_ablation()


@pytest.mark.parametrize("position", range(6))
def test_published_settings_are_distinct(position):
    row = paper_numbers()["table3"]["rows"][position]
    assert published_ablation()[published_setting(row)] is row
