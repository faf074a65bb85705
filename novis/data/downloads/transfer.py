"""One file over HTTP: resumed, repeated, held to what was announced, moved into place when whole."""

import re
import ssl
from http import HTTPStatus
from pathlib import Path

import requests
import urllib3
from tqdm import tqdm

from novis import __version__
from novis.data.downloads.checksums import Checksum, MismatchError, verify
from novis.data.downloads.pages import HEAD_SIZE, WebPageError, refuse_page
from novis.data.downloads.partial import PartialFile
from novis.data.downloads.patience import Patience, TransientError, persist
from novis.errors import InputError

_CHUNK = 1 << 18
_PASSING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
_CLOSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_MISADDRESSED = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.TooManyRedirects,
)


def fetch(
    url: str,
    target: Path,
    checksum: Checksum | None = None,
    size: int | None = None,
    patience: Patience | None = None,
) -> None:
    """Download ``url`` to ``target``, which appears whole and verified or not at all.

    What came before a failure is kept beside ``target`` and continued, in this run or the
    next, if the server still has the same file. Its validator tells; where the server gives
    none, only a ``checksum`` can, and without one the file is fetched from its start.

    Args:
        url: an http or https address.
        target: where the file is to lie.
        checksum: what is published of its content.
        size: its bytes, where known.
        patience: how long to try.

    Raises:
        InputError: the file is not there, closed, a web page, of the wrong size or content, not the one
            that was recorded at first, does not fit on the disk, or the network stays down.
    """
    patience = patience or Patience()
    with PartialFile(target, url) as partial:
        if _complete(partial, url, checksum, size, patience):
            _accept(partial, checksum, size)
            return
        try:
            _accept(partial, checksum, size)
        except MismatchError:
            # Pieces of two files, perhaps. In one piece it must be right.
            _complete(partial, url, checksum, size, patience)
            _accept(partial, checksum, size)


def _complete(
    partial: PartialFile, url: str, checksum: Checksum | None, size: int | None, patience: Patience
) -> bool:
    """Fetch what is missing of a partial file; return whether it came in one piece."""
    pieces = min(partial.size, 1)

    def attempt() -> None:
        nonlocal pieces
        if partial.size and partial.validator is None and checksum is None:
            partial.discard()
        pieces = pieces + 1 if partial.size else 1
        if not partial.is_whole:
            _attempt(partial, url, size, patience.timeout)

    persist(attempt, url, patience, reached=lambda: partial.size)
    return pieces == 1


def _accept(partial: PartialFile, checksum: Checksum | None, size: int | None) -> None:
    try:
        verify(partial.path, partial.target, checksum, size)
    except (MismatchError, WebPageError):
        partial.discard()
        raise
    partial.move()


def _attempt(partial: PartialFile, url: str, size: int | None, timeout: float) -> None:
    # The bytes as they are stored: a compressed transfer could not be resumed.
    headers = {"Accept-Encoding": "identity", "User-Agent": f"novis/{__version__}"}
    if partial.size:
        headers["Range"] = f"bytes={partial.size}-"
        headers |= {"If-Range": partial.validator} if partial.validator else {}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            _check_status(response, url, partial.target)
            if response.status_code == HTTPStatus.OK:
                _start(response, partial, url, size)
            else:
                _resume(response, partial)
            _receive(response, partial, size)
    except _MISADDRESSED as error:
        raise InputError(f"{url}: is no address to download from ({error})") from error
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _interruption(error, url, partial) from error


def _interruption(error: Exception, url: str, partial: PartialFile) -> Exception:
    """What a failure of the connection means: it may pass, but a wrong certificate does not."""
    if ssl.SSLCertVerificationError.__name__ in repr(error):
        return InputError(
            f"{url}: the server's certificate cannot be verified; check the clock and the certificates of "
            f"this machine, or whether a proxy stands in between ({error})"
        )
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return TransientError("no answer in time")
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return _broken_off(partial)
    return TransientError(f"the connection failed ({_innermost(error)})")


def _broken_off(partial: PartialFile) -> TransientError:
    announced = "" if partial.total is None else f" of {partial.total:,}"
    return TransientError(f"the connection ended after {partial.size:,}{announced} bytes")


def _innermost(error: BaseException) -> str:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    return str(error) or type(error).__name__


def _check_status(response: requests.Response, url: str, target: Path) -> None:
    status = response.status_code
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
        return
    answer = f"the server answers {status} {response.reason}"
    if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise TransientError(answer, _asked_to_wait(response))
    advice = "open the address with a browser to see why"
    if status in _CLOSED:
        advice = "it may want you to sign in or to register; fetch the file with a browser"
    if status in _GONE:
        advice = "the file is not there any more; look for its new place on the site of its authors"
    raise InputError(f"{url}: {answer}: {advice}. A file fetched by hand belongs at {target}; then run again")


def _asked_to_wait(response: requests.Response) -> float:
    try:
        return urllib3.Retry().parse_retry_after(response.headers.get("Retry-After", "0"))
    except urllib3.exceptions.InvalidHeader:
        return 0.0


def _start(response: requests.Response, partial: PartialFile, url: str, size: int | None) -> None:
    """Begin with the first bytes; those that were here stay until it is clear that no page replaces them."""
    head = b""
    while len(head) < HEAD_SIZE and (chunk := response.raw.read1(HEAD_SIZE, decode_content=False)):
        head += chunk
    refuse_page(head, url, partial.target)
    length = response.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() else None
    if size is not None and total not in (None, size):
        raise InputError(
            f"{url}: the server announces {total:,} bytes, but the file has {size:,}; it is damaged or has "
            f"changed. A file fetched elsewhere belongs at {partial.target}; then run again"
        )
    partial.restart(_validator(response), total)
    partial.append(head)


def _resume(response: requests.Response, partial: PartialFile) -> None:
    """Hold the answer to a request for the rest to what is here."""
    found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    start, total = found.groups() if found else (None, None)
    is_next = start == str(partial.size)
    is_same_size = total == "*" or partial.total in (None, int(total or -1))
    is_same_version = _validator(response) in (None, partial.validator)
    if not (is_next and is_same_size and is_same_version):
        here = partial.size
        partial.discard()
        raise TransientError(f"the file on the server does not go on after {here:,} bytes; fetching it anew")
    if total != "*":
        partial.total = int(total)


def _validator(response: requests.Response) -> str | None:
    """What tells this version of the file from any other, byte for byte, or None."""
    etag = response.headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    # A weak ETag says that the bytes may differ, whatever the date says.
    return None if etag else response.headers.get("Last-Modified")


def _receive(response: requests.Response, partial: PartialFile, size: int | None) -> None:
    limit = size if partial.total is None else partial.total
    with tqdm(
        total=limit, initial=partial.size, desc=partial.target.name, unit="B", unit_scale=True, mininterval=1
    ) as progress:
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            partial.append(chunk)
            progress.update(len(chunk))
            if limit is not None and partial.size > limit:
                partial.discard()
                raise TransientError(f"the server sent more than {limit:,} bytes")
    if partial.total is not None and not partial.is_whole:
        raise _broken_off(partial)
