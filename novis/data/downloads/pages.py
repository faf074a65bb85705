"""A web page in place of a file: quotas, sign-ins and errors that come with status 200."""

import re

from novis.errors import InputError

HEAD_SIZE = 4096

_START = re.compile(
    rb"(?:\xef\xbb\xbf|\s|<\?xml[^>]*>|<!--.*?-->)*<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title", re.I | re.S)
_ADVICE = (
    (
        re.compile(rb"quota|too many users|rate.?limit|too many requests|download limit", re.I),
        "so many have fetched the file that the server has closed it for now: run again after a day, "
        "or fetch it with a browser in which you are signed in",
    ),
    (
        re.compile(rb"sign.?in|log.?in|password|register|captcha", re.I),
        "the server wants to know who asks: sign in with a browser and fetch the file there",
    ),
)
_OTHERWISE = "open the address with a browser to see what has become of the file"


class WebPageError(InputError):
    """A web page where a file was expected."""


def is_page(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is a web page."""
    return _START.match(head) is not None


def refuse_page(head: bytes, source: str, target: object) -> None:
    """Refuse a web page where a file was expected.

    Args:
        head: the first bytes, some thousand of them.
        source: where they came from, as the message calls it.
        target: where the file is expected.

    Raises:
        WebPageError: ``head`` begins a web page; the message has its title and what to do.
    """
    if not is_page(head):
        return
    found = _TITLE.search(head)
    title = " ".join(found[1].decode(errors="replace").split()) if found else "no title"
    advice = next((text for sign, text in _ADVICE if sign.search(head)), _OTHERWISE)
    raise WebPageError(
        f"{source}: is a web page ({''.join(filter(str.isprintable, title))[:100]!r}) in place of the file. "
        f"{advice[0].upper()}{advice[1:]}. A file fetched by hand belongs at {target}; then run again"
    )
