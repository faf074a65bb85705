import json

import pytest

from novis.errors import InputError
from novis.reporting.trace import find_cells, trace
from tests.reporting.finished_runs import tracking, write_results


@pytest.fixture
def results(tmp_path):
    return write_results(tmp_path)


def test_a_mean_is_traced_to_the_runs_of_all_its_folds(results):
    (cell,) = find_cells("25.0", results)
    assert cell.table.endswith("table3_mean.csv")
    assert (cell.line, cell.column) == (2, "AP")
    assert set(cell.runs) == {str(results / tracking(fold).folder) for fold in (0, 1)}


def test_the_number_of_one_fold_is_traced_to_its_run(results):
    (cell,) = find_cells("30.0", results)
    assert cell.table.endswith("table3.csv")
    assert cell.runs == (str(results / tracking(1).folder),)


def test_a_number_is_looked_for_with_the_digits_that_it_has(results):
    (cell,) = find_cells("11.3", results)
    assert cell.value == 11.3
    assert set(cell.runs) == {str(results / tracking(fold, "embed").folder) for fold in (0, 1)}
    assert {cell.value for cell in find_cells("11", results)} == {11.1, 11.3}
    with pytest.raises(InputError, match=r"99\.9: no table below .* prints this number \(2 were searched\)"):
        find_cells("99.9", results)


def test_a_cell_is_named_by_line_and_column(results):
    table = results / "small" / "table3.csv"
    (cell,) = find_cells(f"{table}:3:AP50", results)
    assert cell.value == 74
    assert cell.runs == (str(results / tracking(1).folder),)
    (whole,) = find_cells(f"{table}:3", results)
    assert whole.column == "AP"
    for wrong, message in ((":1", "rows are lines 2 to 5"), (":9", "no line 9"), (":2:AQ", "no column 'AQ'")):
        with pytest.raises(InputError, match=message):
            find_cells(f"{table}{wrong}", results)


def test_foreign_tables_are_not_searched_and_are_refused_by_name(results):
    (results / "other.csv").write_text("a,AP\n1,25.0\n")
    assert len(find_cells("25.0", results)) == 1
    with pytest.raises(InputError, match="is no table of a study"):
        find_cells(f"{results / 'other.csv'}:2", results)


def test_the_command_prints_and_writes_the_same(results, tmp_path, capsys):
    trace("25.0", results=results, output=tmp_path / "trace.json")
    text = capsys.readouterr().out
    assert "line 2, AP, from 2 run(s)" in text
    content = json.loads((tmp_path / "trace.json").read_text())
    assert [run["run"] for run in content["runs"]] == content["cells"][0]["runs"]
    assert all(run["run"] in text for run in content["runs"])
