"""Is it the right file? What is published of it, and what was found when it first came."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from novis.data.downloads.pages import HEAD_SIZE, refuse_page
from novis.errors import InputError
from novis.files import replacing

_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64}
_CHUNK = 1 << 20


class MismatchError(InputError):
    """A file whose content is not the expected one."""


@dataclass(frozen=True)
class Checksum:
    """What is published of a file's content: all digits of a hash, or only its first ones.

    Attributes:
        algorithm: ``md5``, ``sha1`` or ``sha256``.
        digits: hexadecimal, lower case; fewer than the hash has are its beginning.
    """

    algorithm: str
    digits: str

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Read ``algorithm:digits``, such as ``md5:3c8ec9``.

        Raises:
            InputError: it is none.
        """
        algorithm, _, digits = text.partition(":")
        longest = _LENGTHS.get(algorithm, 0)
        if not re.fullmatch(r"[0-9a-f]+", digits) or len(digits) > longest:
            raise InputError(f"'{text}' is no checksum; write one like md5:3c8ec9 ({', '.join(_LENGTHS)})")
        return cls(algorithm, digits)


def record_path(target: Path) -> Path:
    """Where the hash of ``target`` is recorded, as ``sha256sum --check`` reads it."""
    return target.with_name(f"{target.name}.sha256")


def verify(content: Path, target: Path, checksum: Checksum | None = None, size: int | None = None) -> str:
    """Hold a file to what is published of it and to what was recorded when it first came.

    The first time, its SHA-256 is recorded beside ``target``; from then on no other content passes.

    Args:
        content: the file.
        target: where it lies or is to lie; the record is beside it.
        checksum: what is published of its content.
        size: its bytes, where known.

    Returns:
        its SHA-256.

    Raises:
        MismatchError: the size or the content is not the expected one.
        WebPageError: it is one.
        InputError: the record cannot be read or written.
    """
    with content.open("rb") as file:
        refuse_page(file.read(HEAD_SIZE), str(target), target)
    found = content.stat().st_size
    if size is not None and found != size:
        raise MismatchError(f"{target}: has {found:,} bytes, but the file has {size:,}; get it again")
    digests = _digests(content, {"sha256", checksum.algorithm} if checksum else {"sha256"})
    if checksum and not digests[checksum.algorithm].startswith(checksum.digits):
        raise MismatchError(
            f"{target}: its {checksum.algorithm.upper()} is {digests[checksum.algorithm]}, "
            f"not {checksum.digits} as published; the file is damaged or another one, get it again"
        )
    _hold(target, digests["sha256"])
    return digests["sha256"]


def _hold(target: Path, digest: str) -> None:
    record = record_path(target)
    if not record.exists():
        with replacing(record) as temporary:
            temporary.write_text(f"{digest}  {target.name}\n")
        return
    recorded = record.read_text(errors="replace").partition(" ")[0].strip()
    if not re.fullmatch(r"[0-9a-f]{64}", recorded):
        raise InputError(f"{record}: is no record of a SHA-256; delete it to have it written anew")
    if recorded != digest:
        raise MismatchError(
            f"{target}: is not the file that came first: its SHA-256 is {digest}, but {record.name} has "
            f"{recorded}. Either it is damaged, or its authors have changed it and earlier results rest on "
            f"other data; to take the new file nevertheless, delete {record} and run again"
        )


def _digests(path: Path, algorithms: set[str]) -> dict[str, str]:
    """Several hashes in one reading."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    size = path.stat().st_size
    with (
        path.open("rb") as file,
        tqdm(total=size, desc="checking", unit="B", unit_scale=True, mininterval=1, delay=2) as progress,
    ):
        while chunk := file.read(_CHUNK):
            for one in hashes.values():
                one.update(chunk)
            progress.update(len(chunk))
    return {name: one.hexdigest() for name, one in hashes.items()}
