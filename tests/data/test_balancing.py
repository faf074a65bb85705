from novis.data.balancing import balance_table
from tests.data.test_splits import truth


def test_the_balance_table_counts_what_is_there():
    annotations = truth([2, 5, 5], [[1, 1], [2], [1]], occlusion="severe_occlusion")
    table = balance_table(annotations, {"fold 0": ["v0"], "fold 1": ["v1", "v2"]})
    rows = {line[:-30].strip(): line[-30:].split() for line in table.splitlines()[1:]}
    assert rows["videos"] == ["1", "2", "3"]
    assert rows["frames"] == ["2", "10", "12"]
    assert rows["videos of 2 to 2 frames"] == ["1", "0", "1"]
    assert rows["videos of 3 to 5 frames"] == ["0", "2", "2"]
    assert rows["masks: severe_occlusion"] == ["4", "10", "14"]
    assert rows["instances: c1"] == ["2", "1", "3"]
    assert rows["instances: c2"] == ["0", "1", "1"]
