import json

import pytest

from novis.errors import InputError
from novis.reporting.report import study_report, write_study
from novis.reporting.schedules import schedules
from novis.reporting.study import read_study
from tests.reporting.benchmark_study import run


@pytest.fixture
def study_file(tmp_path):
    rows = []
    for dataset, top_k, drops in (("ovis", 30, [8000, 12000]), ("shapes", 10, [110, 145])):
        config = {
            "training": {"milestones": drops, "iterations": 16000, "batch_size": 8},
            "model": {"criterion": {"num_points": 3136}},
        }
        (tmp_path / f"{dataset}.json").write_text(json.dumps(config))
        fields = run(dataset, split="fold0", top_k=top_k, config=str(tmp_path / f"{dataset}.json"))
        rows.append(fields | {"metrics": str(tmp_path / "absent.json")})
        rows.append(rows[-1] | {"seed": 1})
    head = {"name": "table4", "layout": "schedules", "title": "Hyperparameters", "experiment": "paper"}
    (tmp_path / "study.json").write_text(json.dumps(head | {"rows": rows}))
    return tmp_path / "study.json"


def texts(row):
    return [cell if isinstance(cell, str) or cell is None else cell.text for cell in row]


def test_a_row_for_each_data_set_beside_the_papers(study_file):
    table = schedules(read_study(study_file), None)
    [section] = table.sections
    ours, other = (texts(row) for row in section.rows)
    assert ours[0] == "OVIS"
    # Table 4: drops at 8000 and 12000 of 16000 iterations, top-k 30.
    assert ours[3:9] == ["8000, 12000", "8000, 12000", "16000", "16000", "30", "30"]
    assert other[3:5] == ["110, 145", None]
    assert [column.name for column in table.columns if column.reference] == ["paper"] * 3


def test_it_needs_no_scores(study_file, tmp_path):
    files = write_study(study_report(study_file), tmp_path / "report")
    assert files["table4, table"].exists()


def test_a_missing_configuration_is_named(study_file):
    (study_file.parent / "ovis.json").unlink()
    with pytest.raises(InputError, match=r"ovis\.json"):
        schedules(read_study(study_file), None)
