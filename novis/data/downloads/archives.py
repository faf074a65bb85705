"""Archives of strangers: unpacked without leaving their folder, without end, or by halves."""

import gzip
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from novis.errors import InputError
from novis.locks import open_alone

_CHUNK = 1 << 20
_ZIP_START = b"PK"
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    UnicodeDecodeError,
    EOFError,
    NotImplementedError,
)

# What the Finder adds to an archive beside the files.
_CLUTTER = ("__MACOSX", ".DS_Store")


@dataclass(frozen=True)
class Limits:
    """What an archive may become.

    The largest of the field are COCO's images (18 GB, hardly compressed) and annotations (240 MB,
    which become four times that).

    Attributes:
        ratio: bytes of content for each byte of the archive.
        spare: bytes of content that are always allowed, however small the archive.
        entries: files and folders.
    """

    ratio: float = 100.0
    spare: int = 10_000_000
    entries: int = 5_000_000

    def allowance(self, archive: Path) -> int:
        """The bytes that ``archive`` may become."""
        return int(self.ratio * archive.stat().st_size) + self.spare


@dataclass(frozen=True)
class _Entry:
    """One member of an archive; ``file`` is None for a folder."""

    name: str
    file: IO[bytes] | None


def unpack(archive: Path, folder: Path, limits: Limits | None = None) -> None:
    """Unpack a zip or (compressed) tar archive into ``folder``, which appears whole or not at all.

    A single top folder that has the name of ``folder`` becomes ``folder`` itself. Only plain files
    and folders are unpacked; owners, times and permissions are left behind.

    Args:
        archive: the archive.
        folder: where its content is to lie; must not exist, or be empty.
        limits: what the archive may become.

    Raises:
        InputError: ``folder`` holds something; the archive is no archive, damaged or encrypted; a member's
            name leads out of the folder or occurs twice, a member is a link or a device; the content is
            beyond the limits, or does not fit on the disk.
    """
    limits = limits or Limits()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; move it away to have {archive.name} unpacked there")
    try:
        with _workplace(folder) as unpacked:
            _write_all(archive, unpacked, limits)
            _settle(unpacked, folder)
    except _DAMAGE as error:
        # tarfile tells on further lines what it took the file for in vain.
        reason = str(error).partition(":\n")[0]
        raise InputError(
            f"{archive}: is a damaged archive, or none ({reason}); delete it and get it again"
        ) from error
    except OSError as error:
        raise InputError(
            f"{archive}: cannot be unpacked to {folder} ({error.strerror or error}); "
            "nothing half-unpacked was kept"
        ) from error


@contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A fresh folder to unpack to, beside the final one; what a killed run left there is removed."""
    place = folder.with_name(f".{folder.name}.unpacking")
    held = place.with_name(f"{place.name}.lock")
    folder.parent.mkdir(parents=True, exist_ok=True)
    busy = f"{folder}: another process is unpacking to it; wait for it or end it"
    lock = open_alone(held, os.O_RDWR | os.O_CREAT, busy)
    try:
        shutil.rmtree(place, ignore_errors=True)
        (place / folder.name).mkdir(parents=True)
        yield place / folder.name
    finally:
        shutil.rmtree(place, ignore_errors=True)
        held.unlink(missing_ok=True)
        os.close(lock)


def _write_all(archive: Path, folder: Path, limits: Limits) -> None:
    allowance = limits.allowance(archive)
    with tqdm(desc=f"unpacking {archive.name}", unit="file", mininterval=1) as progress:
        for count, entry in enumerate(_entries(archive), 1):
            if count > limits.entries:
                raise InputError(f"{archive}: holds more than {limits.entries:,} files; this is no data set")
            path = folder / _inside(entry.name, archive)
            allowance -= _write(entry, path, allowance, archive)
            progress.update()


def _entries(archive: Path) -> Iterator[_Entry]:
    with archive.open("rb") as file:
        is_zip = file.read(len(_ZIP_START)) == _ZIP_START
    members = _zip_entries(archive) if is_zip else _tar_entries(archive)
    return (entry for entry in members if not set(_CLUTTER) & set(PurePosixPath(entry.name).parts))


def _zip_entries(archive: Path) -> Iterator[_Entry]:
    with zipfile.ZipFile(archive) as content:
        _check_space(archive, sum(member.file_size for member in content.infolist()))
        for member in content.infolist():
            if not member.filename:
                raise zipfile.BadZipFile("a member has no name")
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise _unwanted(archive, member.filename)
            if member.flag_bits & 1:
                raise InputError(f"{archive}: '{member.filename}' is encrypted; unpack the archive by hand")
            if member.is_dir():
                yield _Entry(member.filename, None)
                continue
            with content.open(member) as file:
                yield _Entry(member.filename, file)


def _check_space(archive: Path, needed: int) -> None:
    free = shutil.disk_usage(archive.parent).free
    if needed > free:
        raise InputError(
            f"{archive}: becomes {needed:,} bytes, but only {free:,} are free on the disk; "
            "free some and run again"
        )


def _tar_entries(archive: Path) -> Iterator[_Entry]:
    with tarfile.open(archive) as content:
        for member in content:
            if not member.isfile() and not member.isdir():
                raise _unwanted(archive, member.name)
            yield _Entry(member.name, content.extractfile(member) if member.isfile() else None)


def _unwanted(archive: Path, name: str) -> InputError:
    return InputError(
        f"{archive}: '{name}' is a link or a device, which no data set needs; "
        "the archive is not to be trusted"
    )


def _inside(name: str, archive: Path) -> PurePosixPath:
    """A member's name as a path below the folder."""
    path = PurePosixPath(name)
    # Backslashes and colons lead elsewhere on other systems; no data set has them.
    if path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise InputError(
            f"{archive}: the name {name!r} leads out of the folder; the archive is not to be trusted"
        )
    return path


def _write(entry: _Entry, path: Path, allowance: int, archive: Path) -> int:
    """Write one member; return its number of bytes."""
    if entry.file is None:
        path.mkdir(parents=True, exist_ok=True)
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        with path.open("xb") as output:
            while chunk := entry.file.read(_CHUNK):
                written += len(chunk)
                if written > allowance:
                    raise InputError(
                        f"{archive}: becomes far more than an archive of {archive.stat().st_size:,} bytes "
                        "should; it is not to be trusted"
                    )
                output.write(chunk)
    except FileExistsError as error:
        raise InputError(f"{archive}: holds '{entry.name}' twice; it is not to be trusted") from error
    return written


def _settle(unpacked: Path, folder: Path) -> None:
    """Rename the unpacked content into place, without a top folder that only repeats its name."""
    inner = unpacked / folder.name
    if [path.name for path in unpacked.iterdir()] == [folder.name] and inner.is_dir():
        unpacked = inner
    # Renaming onto an empty folder replaces it.
    unpacked.replace(folder)
