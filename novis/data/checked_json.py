"""Reading JSON that others wrote: every value checked, every complaint with file, place and key."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, Protocol

from novis import masks
from novis.data.compact_json import read_compact_json
from novis.errors import InputError

# JSON can spell what no file name or terminal can show: zero bytes and half surrogate pairs.
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_KINDS = {int: "an integer", str: "a text", list: "a list"}


class HasId(Protocol):
    """Anything that a file numbers."""

    @property
    def id(self) -> int:
        """The number."""


class CheckedFile:
    """The top of a JSON file with lists of numbered objects, such as ``videos`` or ``images``.

    Args:
        path: of the file.
        what: the kind of file, for messages.

    Raises:
        InputError: from every method, where the file is not what is asked for.
    """

    def __init__(self, path: Path | str, what: str) -> None:
        self.source = str(path)
        self.what = what
        self.content = read_compact_json(path, what)
        if not isinstance(self.content, dict):
            self.refuse(f"holds {kind_of(self.content)}, not an object; is it an {what}?")

    def refuse(self, complaint: str) -> NoReturn:
        """Raise the complaint, with the file's name before it, as one line that any terminal can show."""
        line = " ".join(complaint.splitlines()).encode("utf-8", "backslashreplace").decode()
        raise InputError(f"{self.source}: {line}")

    def entries(
        self, key: str, noun: str, may_be_empty: bool = False
    ) -> Iterator[tuple[Mapping[str, Any], str]]:
        """The objects of the list ``key``, each with the name of its place: ``noun`` and id."""
        if key not in self.content:
            found = ", ".join(map(kind_of, self.content)) or "nothing"
            self.refuse(f'"{key}" is missing at the top (found: {found}); is it an {self.what}?')
        if not isinstance(self.content[key], list):
            self.refuse(f'"{key}" is {kind_of(self.content[key])}, not a list')
        if not self.content[key] and not may_be_empty:
            self.refuse(f'"{key}" is empty: there is nothing to read')
        for position, entry in enumerate(self.content[key]):
            if not isinstance(entry, dict):
                self.refuse(f'entry {position} of "{key}" is {kind_of(entry)}, not an object')
            yield entry, f"{noun} {kind_of(entry['id'])}" if "id" in entry else f'entry {position} of "{key}"'

    def value(self, entry: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
        """The value of ``key``, which must be there and of ``kind``."""
        value = entry.get(key)
        if type(value) is not kind:
            if key not in entry:
                self.refuse(f'{place}: "{key}" is missing')
            self.refuse(f'{place}: "{key}" is {kind_of(value)}, not {_KINDS[kind]}')
        if kind is str and _NO_TEXT.search(value):
            self.refuse(f'{place}: "{key}" is {value!a}, which is no valid text')
        return value

    def side_lengths(self, entry: Mapping[str, Any], place: str) -> tuple[int, int]:
        """``width`` and ``height`` in pixels."""
        width, height = (self.value(entry, side, int, place) for side in ("width", "height"))
        if not 1 <= min(width, height) <= max(width, height) <= masks.MAX_SIDE:
            self.refuse(f"{place}: {width} x {height} pixels; sides must be 1 to {masks.MAX_SIDE}")
        return width, height

    def flag(self, entry: Mapping[str, Any], key: str, place: str) -> bool:
        """A value of 0 or 1; 0 where it is missing."""
        value = entry.get(key, 0)
        if value not in (0, 1):
            self.refuse(f'{place}: "{key}" is {kind_of(value)}, neither 0 nor 1')
        return bool(value)

    def known(self, value: int, ids: Collection[int], key: str, noun: str, place: str) -> int:
        """``value``, which must be one of ``ids``."""
        if value not in ids:
            self.refuse(f'{place}: "{key}" is {value}, but no {noun} has that id')
        return value

    def unique(self, items: Iterable[HasId], noun: str) -> tuple[Any, ...]:
        """All ``items``, whose ids must differ."""
        items = tuple(items)
        seen: set[int] = set()
        for item in items:
            if item.id in seen:
                self.refuse(f"{noun} {item.id}: the id occurs twice; give every {noun} its own")
            seen.add(item.id)
        return items


def kind_of(value: Any) -> str:
    """A value as a message may show it: short, and printable whatever it is."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    shown = ascii(value) if isinstance(value, str) and _NO_TEXT.search(value) else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."


def quoted(names: Sequence[str]) -> str:
    """The first of some names, for a message."""
    shown = ", ".join(f'"{name}"' for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def is_path_inside(file_name: Any) -> bool:
    """Whether a value is a relative path that stays below its folder."""
    if not isinstance(file_name, str) or _NO_TEXT.search(file_name):
        return False
    parts = file_name.split("/")
    return bool(parts[0]) and bool(parts[-1]) and ".." not in parts
