import json

import pytest

from novis.data.checked_json import CheckedFile, is_path_inside, kind_of, quoted
from novis.errors import InputError
from novis.structures import Category


@pytest.fixture
def file(tmp_path):
    (tmp_path / "some.json").write_text(json.dumps({"things": [{"id": 3, "size": 2}, {"size": 1}]}))
    return CheckedFile(tmp_path / "some.json", "file of things")


def test_entries_know_their_place(file):
    assert [place for _, place in file.entries("things", "thing")] == ["thing 3", 'entry 1 of "things"']


def test_a_value_of_the_wrong_kind_is_refused_with_place_and_key(file, tmp_path):
    assert file.value({"size": 2}, "size", int, "thing 3") == 2
    with pytest.raises(InputError, match=r"some\.json: thing 3: \"size\" is '2', not an integer"):
        file.value({"size": "2"}, "size", int, "thing 3")
    with pytest.raises(InputError, match='thing 3: "size" is missing'):
        file.value({}, "size", int, "thing 3")


@pytest.mark.parametrize("text", ["\0", "a\ud800b"])
def test_text_that_cannot_be_shown_is_refused(file, text):
    with pytest.raises(InputError, match="no valid text") as refusal:
        file.value({"name": text}, "name", str, "thing 3")
    str(refusal.value).encode()


@pytest.mark.parametrize(("value", "flag"), [(0, False), (1, True), (True, True)])
def test_flags_are_zero_or_one(file, value, flag):
    assert file.flag({"crowd": value}, "crowd", "thing 3") is flag
    assert file.flag({}, "crowd", "thing 3") is False
    with pytest.raises(InputError, match='"crowd" is 7'):
        file.flag({"crowd": 7}, "crowd", "thing 3")


def test_ids_must_be_known_and_unique(file):
    assert file.known(3, {3}, "kind", "category", "thing 3") == 3
    with pytest.raises(InputError, match='thing 3: "kind" is 4, but no category has that id'):
        file.known(4, {3}, "kind", "category", "thing 3")
    with pytest.raises(InputError, match="category 1: the id occurs twice"):
        file.unique([Category(1, "a"), Category(1, "b")], "category")


@pytest.mark.parametrize("sides", [(0, 5), (5, -1), (40_000, 5)])
def test_impossible_sides_are_refused(file, sides):
    with pytest.raises(InputError, match="sides must be 1 to 32768"):
        file.side_lengths({"width": sides[0], "height": sides[1]}, "thing 3")


def test_long_and_odd_values_are_shown_short_and_printable():
    assert kind_of({"a": 1}) == "an object"
    assert kind_of([1]) == "a list"
    assert kind_of("x" * 500) == "'" + "x" * 59 + "..."
    assert kind_of("\ud800") == "'\\ud800'"


def test_many_names_are_cut():
    assert quoted(["a", "b"]) == '"a", "b"'
    assert quoted(list("abcde")) == '"a", "b", "c" and 2 more'


@pytest.mark.parametrize("name", ["a.jpg", "a/b.jpg", "a..b/c", "ü/ 1.jpg"])
def test_paths_inside(name):
    assert is_path_inside(name)


@pytest.mark.parametrize("name", ["", "/a", "a/", "../a", "a/../b", "a\0b", "\udfff", 3, None])
def test_paths_outside(name):
    assert not is_path_inside(name)
