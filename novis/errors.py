"""The one exception that a user is meant to read, and a hint for what was misspelt."""

from collections.abc import Iterable
from difflib import get_close_matches


class InputError(Exception):
    """Something outside the program is wrong: a file, a key, a disk.

    The message stands alone: it names the file (and the video, instance or key in
    it), says what is wrong and what to do. The command line prints it without a
    traceback and exits with status 2.
    """


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as ``; did you mean 'embed'?``, or the list of what is known."""
    names = list(known)
    matches = get_close_matches(word, names, n=1)
    return f"; did you mean '{matches[0]}'?" if matches else f"; known: {', '.join(sorted(names))}"
