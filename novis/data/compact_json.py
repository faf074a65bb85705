"""JSON files with masks, read without ever holding their integer run lengths.

The annotations of YouTube-VIS list the runs of every mask as integers: half a gigabyte of
digits, as Python integers 4 GB. Here each such list is compressed while the file is read,
before JSON is parsed, so that a parser only sees the strings that the package works with.
"""

import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from novis import masks
from novis.files import reading

_BLOCK = 1 << 23
# In a text inside JSON every quotation mark is escaped, so only a key can look like this.
_LIST_OF_RUNS = re.compile(rb'("counts"\s*:\s*)\[([0-9,\s]+)\]')
_SHOWN = 40


def read_compact_json(path: Path | str, what: str) -> Any:
    """Read a JSON file; lists of integers under the key ``counts`` come as compressed strings.

    Lists that are no run lengths (too large, negative, no integers) come as they are.

    Raises:
        InputError: ``path`` is missing, unreadable, or no JSON; the message calls it ``what``.
    """
    with reading(path, what) as file:
        try:
            # Not named: the bytes are let go when they are decoded.
            return json.loads(b"".join(_compacted(file)))
        except json.JSONDecodeError as error:
            # Its position counts in the compressed text, which nobody can look up.
            before = error.doc[max(error.pos - _SHOWN, 0) : error.pos]
            raise ValueError(f"{error.msg} after {before!a}") from error


def _compacted(file: BinaryIO) -> Iterator[bytes]:
    """The file's text in pieces, its lists of runs compressed."""
    rest = b""
    with warnings.catch_warnings():
        # So says NumPy when something else than numbers follows.
        warnings.filterwarnings("error", "string or file could not be read to its end", DeprecationWarning)
        while block := file.read(_BLOCK):
            text = rest + block
            # A list of runs holds no brace: none is cut in two.
            cut = text.rfind(b"}") + 1
            yield _LIST_OF_RUNS.sub(_compressed, text[:cut])
            rest = text[cut:]
        yield _LIST_OF_RUNS.sub(_compressed, rest)


def _compressed(match: re.Match[bytes]) -> bytes:
    """``"counts": [3, 2, 4]`` as ``"counts": "324"``; the match as it is where that cannot be."""
    try:
        runs = np.fromstring(match[2], np.int64, sep=",")
    except (ValueError, DeprecationWarning):
        return match[0]
    if len(runs) != match[2].count(b",") + 1 or runs.max() > masks.MAX_RUN:
        return match[0]
    return match[1] + json.dumps(masks.counts_of(runs)).encode("ascii")
