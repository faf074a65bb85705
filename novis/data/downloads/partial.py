"""A file that is still coming: its bytes so far, and which file on the server they belong to."""

import errno
import json
import os
import shutil
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from novis.errors import InputError
from novis.files import write_json, writing
from novis.locks import open_alone


class PartialFile:
    """The first bytes of ``target``, kept beside it as ``.<name>.part`` over interruptions and runs.

    A journal remembers where the bytes came from and the server's validator (a strong ETag,
    or the date of the last change), so that they are continued only with the same file.
    Used as a context manager; while it is open no other process can be writing it.

    Args:
        target: where the whole file is to lie.
        url: where it comes from.

    Raises:
        InputError: on entering, if another process is at it or the folder cannot be written.
    """

    def __init__(self, target: Path, url: str) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self.validator: str | None = None
        self.total: int | None = None
        self._url = url
        self._journal = target.with_name(f".{target.name}.part.json")
        self._file: FileIO

    def __enter__(self) -> Self:
        busy = f"{self.target}: another process is downloading it; wait for it or end it"
        with writing(self.target):
            self.target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = open_alone(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, busy)
        self._file = FileIO(descriptor, "ab")
        if self.size and not self._read_journal():
            self.discard()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # While it is held: the next process is to find no file that is about to go.
        if self.path.exists() and not self.path.stat().st_size:
            self.path.unlink()
            self._journal.unlink(missing_ok=True)
        self._file.close()

    @property
    def size(self) -> int:
        """The bytes that have come so far."""
        return os.fstat(self._file.fileno()).st_size

    @property
    def is_whole(self) -> bool:
        """Whether every byte that the server announced is here (never, if it announced nothing)."""
        return self.total is not None and self.size == self.total

    def restart(self, validator: str | None, total: int | None) -> None:
        """Forget the bytes; those of the file with this validator and number of bytes follow.

        Raises:
            InputError: they would not fit on the disk.
        """
        self.discard()
        self.validator, self.total = validator, total
        free = shutil.disk_usage(self.target.parent).free
        if total is not None and total > free:
            raise InputError(
                f"{self.target}: needs {total:,} bytes, but only {free:,} are free on the disk; "
                "free some, or choose a folder on another one"
            )
        write_json(self._journal, {"url": self._url, "validator": validator, "total": total})

    def discard(self) -> None:
        """Forget the bytes and what they belonged to."""
        self._file.truncate(0)
        self._journal.unlink(missing_ok=True)
        self.validator = self.total = None

    def append(self, chunk: bytes) -> None:
        """Add bytes.

        Raises:
            InputError: the disk is full; what was there is kept.
        """
        rest = memoryview(chunk)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise InputError(
                f"{self.target}: no space left on the disk after {self.size:,} bytes; free some and run "
                "again: the download goes on where it stopped"
            ) from error

    def move(self) -> None:
        """Put the whole file in its place."""
        os.fsync(self._file.fileno())
        self.path.replace(self.target)
        self._journal.unlink(missing_ok=True)

    def _read_journal(self) -> bool:
        """Whether the bytes on the disk come from this address."""
        try:
            journal = json.loads(self._journal.read_bytes())
            known = journal["url"] == self._url
            self.validator, self.total = journal["validator"], journal["total"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return known
