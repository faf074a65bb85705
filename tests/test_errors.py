import pytest

from novis.errors import InputError, nearest


def test_the_message_is_all_a_user_reads():
    with pytest.raises(InputError) as caught:
        raise InputError("a.json: video 3 has no frames; bring them")
    assert str(caught.value) == "a.json: video 3 has no frames; bring them"


def test_it_is_not_taken_for_a_programming_error():
    assert not issubclass(InputError, ValueError | TypeError | KeyError | OSError)


def test_the_nearest_known_name_is_proposed_or_all_are_listed():
    assert nearest("embd", ["overlap_embed", "embed"]) == "; did you mean 'embed'?"
    assert nearest("xyz", {"b": 1, "a": 2}) == "; known: a, b"
