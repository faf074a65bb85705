"""What there is to download: the list of public files, and where each belongs."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

from novis.data.checked_json import is_path_inside
from novis.data.downloads.checksums import Checksum
from novis.data.downloads.drive import DriveFile
from novis.errors import InputError
from novis.experiment import nearest
from novis.files import read_json

LIST = Path(__file__).with_name("sources.json")

_PATHS = ("path", "unpack_to", "provides")


@dataclass(frozen=True)
class Source:
    """One public file. Paths are relative to the folder of the data sets (of the weights).

    Attributes:
        name: what it is called on the command line.
        what: what it is, in words.
        path: where the file goes.
        url: where it comes from, or
        drive_folder: the Google Drive folder where it lies, and
        drive_file: its name there.
        checksum: what is published of its content, as ``md5:3c8ec9``.
        size: its bytes.
        unpack_to: the folder that an archive is unpacked to.
        provides: the file or folder that is there once all is done; by default ``unpack_to`` or ``path``.
        terms: the page with conditions that a user must accept first.
        licence: where it is known.
        unverified: what could not be checked when the list was written.
    """

    name: str
    what: str
    path: str
    url: str | None = None
    drive_folder: str | None = None
    drive_file: str | None = None
    checksum: str | None = None
    size: int | None = None
    unpack_to: str | None = None
    provides: str | None = None
    terms: str | None = None
    licence: str | None = None
    unverified: str | None = None

    @property
    def product(self) -> str:
        """The file or folder that is there once all is done."""
        return self.provides or self.unpack_to or self.path

    @property
    def drive(self) -> DriveFile | None:
        """Its place on Google Drive, if that is where it comes from."""
        return DriveFile(self.drive_folder, self.drive_file) if self.drive_folder else None

    @property
    def page(self) -> str:
        """The address that a browser can open."""
        return self.drive.page if self.drive else self.url

    @cached_property
    def published(self) -> Checksum | None:
        """Its published checksum."""
        return Checksum.parse(self.checksum) if self.checksum else None


def find_source(name: str, path: Path = LIST) -> Source:
    """Look up a source in the list, or in another file of the same layout.

    Raises:
        InputError: there is no such source (the nearest is named), or the list is broken.
    """
    known = read_sources(path)
    if name not in known:
        raise InputError(f"{path.name}: there is no '{name}' to download{nearest(name, known)}")
    return known[name]


def read_sources(path: Path = LIST) -> dict[str, Source]:
    """Every source of the list, by name.

    Raises:
        InputError: the list is broken.
    """
    content = read_json(path, "list of downloads")
    groups = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(group, dict) for group in groups):
        raise InputError(f"{path}: must be an object of objects, such as {{'data': {{'coco': ...}}}}")
    return {name: _source(path, name, entry) for group in groups for name, entry in group.items()}


def _source(path: Path, name: str, entry: Any) -> Source:
    place = f"{path}: '{name}'"
    if not isinstance(entry, dict):
        raise InputError(f"{place} must be an object")
    allowed = {field.name: int if field.name == "size" else str for field in fields(Source)}
    for key, value in entry.items():
        if key not in allowed or key == "name":
            raise InputError(f"{place} has an unknown key '{key}'{nearest(key, allowed)}")
        if type(value) is not allowed[key]:
            raise InputError(
                f"{place}: '{key}' must be {'a number' if key == 'size' else 'a text'}, not {value!r}"
            )
    for key in _PATHS:
        if key in entry and not is_path_inside(entry[key]):
            raise InputError(f"{place}: '{key}' must be a path below the folder, not {entry[key]!r}")
    lacking = [key for key in ("what", "path") if key not in entry]
    if lacking:
        raise InputError(f"{place} lacks '{lacking[0]}'")
    if ("url" in entry) == ("drive_folder" in entry) or ("drive_folder" in entry) != ("drive_file" in entry):
        raise InputError(f"{place} must have either 'url', or 'drive_folder' and 'drive_file'")
    source = Source(name, **entry)
    if source.checksum:
        source.published  # noqa: B018 (a broken checksum is told now, not after the download)
    return source
