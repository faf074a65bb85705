"""Files that one process at a time writes, by the operating system's locks."""

import errno
import fcntl
import logging
import os
from pathlib import Path

from novis.errors import InputError

_LOG = logging.getLogger(__name__)

# What a file system without such locks says, as Lustre mounted without 'flock'.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


def open_alone(path: Path, flags: int, busy: str) -> int:
    """Open a file that no other process opens like this until the descriptor is closed.

    A file that its holder renamed or removed in the meantime is opened anew: what lies there
    now is another one. Where the file system has no locks, it is opened without, and said.

    Args:
        path: of the file; its folder must exist.
        flags: as for ``os.open``; for writing, which locks on network disks ask for.
        busy: the message where another process has it.

    Returns:
        The descriptor.

    Raises:
        InputError: another process has it.
        OSError: it cannot be opened.
    """
    while True:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, path, busy)
        except BaseException:
            os.close(descriptor)
            raise
        if _lies_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int, path: Path, busy: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(busy) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _LOG.warning("%s: its file system has no locks; let no second process write it", path)


def _lies_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
