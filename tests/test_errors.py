import pytest

from novis.errors import InputError


def test_the_message_is_all_a_user_reads():
    with pytest.raises(InputError) as caught:
        raise InputError("a.json: video 3 has no frames; bring them")
    assert str(caught.value) == "a.json: video 3 has no frames; bring them"


def test_it_is_not_taken_for_a_programming_error():
    assert not issubclass(InputError, ValueError | TypeError | KeyError | OSError)
