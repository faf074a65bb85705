"""Trying again: which failures may pass, how long to wait, and when to give up."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from novis.errors import InputError

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")


class TransientError(Exception):
    """A failure that may pass, if one waits a little.

    Attributes:
        asked: the seconds that the server asked to wait (``Retry-After``), or 0.
    """

    def __init__(self, message: str, asked: float = 0.0) -> None:
        super().__init__(message)
        self.asked = asked


@dataclass(frozen=True)
class Patience:
    """How long to try.

    Attributes:
        attempts: failures in a row, none of them bringing anything new, before giving up.
        first_wait: seconds before the second attempt; doubled after every further failure.
        longest_wait: seconds; the doubling ends here.
        longest_request: seconds; a server that asks for more is left alone until the next run.
        timeout: seconds without a byte after which a connection counts as lost.
        sleep: waits; tests put their own in its place.
    """

    attempts: int = 8
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_request: float = 600.0
    timeout: float = 60.0
    sleep: Callable[[float], None] = time.sleep

    def pause(self, failures: int, asked: float = 0.0) -> float:
        """The seconds to wait after ``failures`` in a row, never less than the server ``asked``."""
        doubled = self.first_wait * 2.0 ** min(failures - 1, 60)
        return max(asked, min(doubled, self.longest_wait))


def persist(
    attempt: Callable[[], _T],
    what: str,
    patience: Patience,
    reached: Callable[[], int] = lambda: 0,
) -> _T:
    """Call ``attempt`` until it does not end in :class:`TransientError`.

    Args:
        attempt: what to do.
        what: what the messages call it.
        patience: how long to try.
        reached: how far the attempts have come; getting farther than ever before
            starts the count of failures anew.

    Raises:
        InputError: the patience is at its end, or the server asks for more than that.
    """
    failures, farthest = 0, reached()
    while True:
        try:
            return attempt()
        except TransientError as reason:
            failures = 1 if reached() > farthest else failures + 1
            farthest = max(farthest, reached())
            _check(reason, failures, what, patience)
            wait = patience.pause(failures, reason.asked)
            _LOG.info("%s: %s; trying again in %.0f s", what, reason, wait)
            patience.sleep(wait)


def _check(reason: TransientError, failures: int, what: str, patience: Patience) -> None:
    if reason.asked > patience.longest_request:
        raise InputError(
            f"{what}: {reason}; the server asks to wait {reason.asked:.0f} s. Run again then: "
            "what has come so far is kept"
        ) from reason
    if failures >= patience.attempts:
        raise InputError(
            f"{what}: {reason}; gave up after {failures} attempts that brought nothing new. "
            "Check the network and run again: what has come so far is kept"
        ) from reason
