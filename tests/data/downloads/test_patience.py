import pytest

from novis.data.downloads.patience import Patience, TransientError, persist
from novis.errors import InputError


def test_waits_double_up_to_the_longest():
    patience = Patience(first_wait=0.5, longest_wait=10)
    assert [patience.pause(n) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 10, 10]
    assert patience.pause(100_000) == 10


def test_what_the_server_asks_for_is_the_least():
    patience = Patience(first_wait=4)
    assert [patience.pause(1, asked) for asked in (0, 3, 5)] == [4, 4, 5]


def attempts(outcomes):
    """A function that goes through outcomes: exceptions are raised, others returned."""
    remaining = iter(outcomes)

    def attempt():
        outcome = next(remaining)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return attempt


def test_the_result_of_the_first_success_is_returned(waits):
    outcomes = [TransientError("a"), TransientError("b"), 7, 8]
    assert persist(attempts(outcomes), "it", Patience(sleep=waits.append)) == 7
    assert waits == [1, 2]


def test_other_errors_pass_through(waits):
    with pytest.raises(ZeroDivisionError):
        persist(attempts([ZeroDivisionError()]), "it", Patience(sleep=waits.append))
    assert waits == []


def test_only_getting_farther_than_ever_renews_the_patience(waits):
    sizes = iter([0, 50, 50, 20, 20, 50, 50, 60, 60, 0, 0, 0, 0])
    outcomes = [TransientError("broken")] * 12
    with pytest.raises(InputError, match="it: broken; gave up after 3 attempts"):
        persist(attempts(outcomes), "it", Patience(attempts=3, sleep=waits.append), lambda: next(sizes))
    # 50 is new; 20 and 50 are not: the third failure in a row ends it.
    assert waits == [1, 2]


def test_a_request_beyond_the_limit_ends_it_at_once(waits):
    patience = Patience(longest_request=60, sleep=waits.append)
    with pytest.raises(InputError, match="asks to wait 61 s"):
        persist(attempts([TransientError("busy", 61)]), "it", patience)
    assert persist(attempts([TransientError("busy", 60), 1]), "it", patience) == 1
    assert waits == [60]
