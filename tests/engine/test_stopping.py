import os
import signal

import pytest

from novis.engine.stopping import Interrupted, Told


@pytest.fixture(autouse=True)
def handlers():
    """The process's own handlers, put back afterwards."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_stage_that_is_told_stops_where_it_asks(number):
    told = Told()
    told.stop_if_told()
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted) as stop:
        told.stop_if_told()
    assert stop.value.code == 75, "EX_TEMPFAIL of sysexits.h: try again later"


def test_what_was_told_before_does_not_count():
    first = Told()
    os.kill(os.getpid(), signal.SIGTERM)
    Told().stop_if_told()
    assert first.told
