"""Writing files whole: beside the target first, then renamed into place."""

import errno
import glob
import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from novis.errors import InputError

# Seconds after which the temporary file of a process that is not here counts as abandoned.
_ABANDONED = 600

# What the system says of a path that no file can be written to.
_NO_PLACE = (
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
)


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` if all went well.

    A reader sees the old file or the whole new one, never a part. On any error the
    temporary file is removed and ``path`` is as it was; that of a killed process is removed
    by the next one that writes ``path``.

    Raises:
        InputError: the disk is full, the folder cannot be written, or ``path`` is one.
    """
    path = Path(path)
    temporary: Path | None = None
    with writing(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear_abandoned(path)
            temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
            temporary.touch(exist_ok=True)
            yield temporary
            _synchronise(temporary)
            temporary.replace(path)
            synchronise_folder(path.parent)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there.

    Raises:
        InputError: a file is in the way, the disk is full, or a folder cannot be written.
    """
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What keeps ``path`` from being written in this block is told as bad input.

    Raises:
        InputError: the disk is full, the folder cannot be written, a file is where a folder must be,
            or a folder where the file is to be.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(
                f"{path}: no space left on the disk while writing; free some and run again "
                "(nothing half-written was kept)"
            ) from error
        if error.errno in _NO_PLACE:
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); choose another folder"
            ) from error
        raise


def synchronise_folder(path: Path) -> None:
    """Have the names in a folder outlast a loss of power, where its file system can do that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EOPNOTSUPP):
            raise
    finally:
        os.close(descriptor)


def write_json(path: Path | str, value: Any, indent: int | None = None) -> None:
    """Write ``value`` as JSON, whole or not at all. NaN is refused (it is not JSON)."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=indent, allow_nan=False) + "\n")


def read_json(path: Path | str, what: str = "JSON file") -> Any:
    """Read a JSON file.

    Raises:
        InputError: ``path`` is missing, unreadable, or no JSON; the message calls it ``what``.
    """
    with reading(path, what) as file:
        return json.loads(file.read())


@contextmanager
def reading(path: Path | str, what: str) -> Iterator[BinaryIO]:
    """Open a file for reading; what goes wrong with it, then or later, is told as bad input.

    Raises:
        InputError: ``path`` is missing, unreadable, or no valid ``what`` (a ValueError was raised).
    """
    try:
        with Path(path).open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such {what}") from error
    except (OSError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read as {what} ({error})") from error
    except ValueError as error:
        raise InputError(f"{path}: is no valid {what}: {error}; it may be truncated, get it again") from error


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's content, as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _synchronise(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _clear_abandoned(path: Path) -> None:
    """Remove temporary files whose process is no more. Those of other machines look the same, but old."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*{glob.escape(path.suffix)}"):
        process = left.name.removeprefix(f".{path.name}.").removesuffix(path.suffix)
        if process.isdigit() and not _alive(int(process)) and time.time() - left.stat().st_mtime > _ABANDONED:
            left.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
