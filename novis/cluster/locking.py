"""Locks of the operating system, which end with the process that holds them."""

import fcntl
from typing import TextIO

from novis.errors import InputError


def try_lock(file: TextIO, shared: bool = False) -> bool:
    """Lock an open file for as long as it stays open; False where another process has.

    Args:
        file: open for writing.
        shared: others may hold it, too, if they share it.

    Raises:
        InputError: the file system knows no locks.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise InputError(
            f"{file.name}: cannot be locked ({error.strerror}), so two runs could not be kept apart; put the "
            "checkout on a file system with locks (on Lustre: mounted with the option flock)"
        ) from error
    return True
