import pytest

from novis.ground_truth import holds_instances


@pytest.mark.parametrize(
    ("content", "held"),
    [
        ('{"annotations": null, "videos": [{"id": 1}]}', False),
        ('{"videos": [], "annotations": []}', False),
        ('{"info": "\\"annotations\\": [{", "videos": []}', False),
        ('{"videos": [],\n "annotations" : [\n  {"id": 1}]}', True),
        ("", False),
    ],
)
def test_files_with_and_without_instances_are_told_apart(tmp_path, content, held):
    (tmp_path / "valid.json").write_text(content)
    assert holds_instances(tmp_path / "valid.json") is held


def test_a_file_that_is_not_there_holds_no_instances(tmp_path):
    assert not holds_instances(tmp_path / "valid.json")
