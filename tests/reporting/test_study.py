import json

import pytest

from novis.errors import InputError
from novis.reporting.study import differing, label, read_study


def test_study_keeps_the_order_of_its_rows(ablation_study):
    assert ablation_study.name == "table3"
    assert [row["variant"] for row in ablation_study.rows[:4]] == ["plain", "plain", "encoding", "encoding"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda study: study.pop("layout"), "lacks 'layout'"),
        (lambda study: study["rows"][3].pop("seed"), "row 3: lacks 'seed'"),
        (lambda study: study["rows"][2].update(role="judge"), "row 2: role 'judge'"),
        (lambda study: study["rows"].append(study["rows"][1]), "rows 1 and 28 are the same run"),
        (lambda study: study.update(rows=[]), "has no rows"),
        (lambda study: study["rows"][1].update(benchmarks={"train": "a.tsv"}), "row 1: 'benchmarks' must"),
        (lambda study: study.update(rows=[5]), "row 0: must be a mapping"),
    ],
)
def test_broken_study_is_refused_with_its_file_and_place(changed_study, change, complaint):
    path = changed_study(change)
    with pytest.raises(InputError, match=complaint) as caught:
        read_study(path)
    assert str(path) in str(caught.value)


def test_missing_study_is_named(tmp_path):
    with pytest.raises(InputError, match=r"study\.json: no such study"):
        read_study(tmp_path / "study.json")


def test_list_is_no_study(tmp_path):
    path = tmp_path / "study.json"
    path.write_text(json.dumps([1]))
    with pytest.raises(InputError, match="must be a mapping"):
        read_study(path)


def test_label_names_the_training_only_where_it_differs(ablation_study):
    row = dict(ablation_study.rows[-1])
    assert label(row) == "novis, T = 4, S = 2, oracle"
    assert label(row | {"train_clip_length": 8}) == "novis, T = 4 (trained with 8), S = 2, oracle"


def test_label_names_what_differs_within_the_study(ablation_study):
    row = dict(ablation_study.rows[-1])
    larger = row | {"model": "novis_swin_l", "min_size": 480}
    assert differing([row, row]) == ()
    assert differing([row, larger]) == ("model", "min_size")
    assert differing([row, row | {"dataset": "ovis"}]) == ("dataset",)
    assert label(larger, differing([row, larger])) == "novis swin l, novis, T = 4, S = 2, oracle, 480 px"
    assert label(row, ("dataset",)) == "shapes, novis, T = 4, S = 2, oracle"
