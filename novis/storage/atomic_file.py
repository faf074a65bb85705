"""A file that grows by transactions: a kill at any instant leaves the last committed state.

HDF5 changes bytes in place when something is appended, so a process killed in mid-write
can leave a file that nobody can open. Here a transaction writes new bytes behind the
committed length, where nothing refers to them yet, and holds changes of older bytes back
in memory. A commit puts those few pages and the new length into a record beside the file,
renames the record into place (the one instant that decides), then applies it.
"""

import io
import os
from pathlib import Path

import numpy as np

from novis.errors import InputError
from novis.files import synchronise_folder, writing
from novis.locks import open_alone

_PAGE = 4096


class AtomicFile(io.RawIOBase):
    """A seekable binary file whose changes become real at :meth:`commit`, all or none.

    It takes the place of a file for ``h5py.File``. A failing disk does not raise from
    within HDF5, which could not recover: what follows is thrown away and
    :meth:`check` raises.

    Args:
        path: created if absent; what was not committed is thrown away. ``path`` with
            ``.commit`` appended is its record.

    Raises:
        InputError: another process writes this file, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._record = path.with_name(path.name + ".commit")
        self._position = 0
        self._pages: dict[int, bytearray] = {}
        self._failure: OSError | None = None
        self._descriptor = self._open()
        self._committed = self._recover()
        self._length = self._committed

    def _open(self) -> int:
        busy = f"{self.path}: another process is writing it; wait for it or end it"
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return open_alone(self.path, os.O_RDWR | os.O_CREAT, busy)

    def _recover(self) -> int:
        """Finish the last commit, forget everything after it; return the committed length."""
        size = os.fstat(self._descriptor).st_size
        if not self._record.exists():
            os.ftruncate(self._descriptor, 0)
            return 0
        with np.load(self._record, allow_pickle=False) as record:
            length, offsets, pages = int(record["length"]), record["offsets"], record["pages"]
        if size < length:
            # Not ours to repair: somebody else cut the file.
            self._record.unlink()
            os.ftruncate(self._descriptor, 0)
            return 0
        self._apply(length, dict(zip(offsets.tolist(), pages, strict=True)))
        return length

    def _apply(self, length: int, pages: dict[int, bytes]) -> None:
        for offset, page in pages.items():
            _write_all(self._descriptor, page, offset)
        os.ftruncate(self._descriptor, length)

    def commit(self) -> None:
        """Make everything written so far part of the file, durably.

        Raises:
            InputError: no space left on the disk; the file is as it was.
        """
        self.check()
        temporary = self._record.with_name(self._record.name + ".new")
        try:
            os.ftruncate(self._descriptor, max(self._length, self._committed))
            os.fsync(self._descriptor)
            with temporary.open("wb") as file:
                np.savez(
                    file,
                    length=self._length,
                    offsets=np.array(list(self._pages), np.int64),
                    pages=np.array(
                        [np.frombuffer(page, np.uint8) for page in self._pages.values()], np.uint8
                    ),
                )
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._record)
            # Before old bytes are overwritten, the record that can repeat it must last.
            synchronise_folder(self.path.parent)
        except OSError as error:
            self._failure = error
            temporary.unlink(missing_ok=True)
            self.check()
        self._apply(self._length, self._pages)
        self._committed, self._pages = self._length, {}

    def rollback(self) -> None:
        """Forget everything written since the last commit."""
        self._pages, self._failure = {}, None
        self._length = self._committed
        os.ftruncate(self._descriptor, self._committed)

    def check(self) -> None:
        """Raise the failure of an earlier write.

        Raises:
            InputError: the disk is full or failing.
        """
        if self._failure is not None:
            raise InputError(
                f"{self.path}: cannot be written further ({self._failure.strerror}); "
                "free some space and run again (finished videos are kept)"
            ) from self._failure

    def publish(self, target: Path) -> None:
        """Rename the committed file to ``target`` and close it."""
        os.fsync(self._descriptor)
        self.path.replace(target)
        synchronise_folder(target.parent)
        self._record.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Release the file; what was not committed is lost."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()

    def readable(self) -> bool:
        """It can be read."""
        return True

    def writable(self) -> bool:
        """It can be written."""
        return True

    def seekable(self) -> bool:
        """It can be read and written anywhere."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to ``offset`` from the start, the position or the end, as files do."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position of the next read or write."""
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill ``buffer`` from the position on; return the number of bytes read."""
        view = memoryview(buffer).cast("B")
        start, size = self._position, max(min(len(view), self._length - self._position), 0)
        found = os.preadv(self._descriptor, [view[:size]], start) if size else 0
        view[found:size] = bytes(size - found)
        for offset, page in self._pages.items():
            low, high = max(offset, start), min(offset + _PAGE, start + size)
            if low < high:
                view[low - start : high - start] = page[low - offset : high - offset]
        self._position += size
        return size

    def write(self, data: bytes | memoryview) -> int:
        """Write at the position: beside the committed bytes, or behind them."""
        view = memoryview(data).cast("B")
        old = -(-self._committed // _PAGE) * _PAGE
        head = max(min(len(view), old - self._position), 0)
        if self._failure is None:
            try:
                self._overlay(self._position, view[:head])
                _write_all(self._descriptor, view[head:], self._position + head)
            except OSError as error:
                self._failure = error
        self._position += len(view)
        self._length = max(self._length, self._position)
        return len(view)

    def _overlay(self, position: int, view: memoryview) -> None:
        """Keep a change of committed pages in memory."""
        while len(view):
            offset = position // _PAGE * _PAGE
            if offset not in self._pages:
                page = os.pread(self._descriptor, _PAGE, offset)
                self._pages[offset] = bytearray(page.ljust(_PAGE, b"\0"))
            inside = position - offset
            count = min(len(view), _PAGE - inside)
            self._pages[offset][inside : inside + count] = view[:count]
            position, view = position + count, view[count:]

    def truncate(self, size: int | None = None) -> int:
        """Set the length that the next commit makes real."""
        self._length = self._position if size is None else size
        return self._length

    def flush(self) -> None:
        """Nothing to do: only a commit makes a change last."""


def _write_all(descriptor: int, data: bytes | memoryview | np.ndarray, offset: int) -> None:
    view = memoryview(data).cast("B")
    while len(view):
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
