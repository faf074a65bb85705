"""The download of one public file, from what is here already to what is there at the end."""

import logging
from pathlib import Path

from novis.data.downloads.archives import unpack
from novis.data.downloads.checksums import verify
from novis.data.downloads.drive import fetch_from_drive
from novis.data.downloads.patience import Patience
from novis.data.downloads.sources import LIST, Source, find_source
from novis.data.downloads.transfer import fetch
from novis.errors import InputError

_LOG = logging.getLogger(__name__)


def download(
    name: str,
    root: Path,
    accept_terms: bool = False,
    keep_archive: bool = False,
    sources: Path | None = None,
) -> None:
    """Bring a public file, verified and unpacked, to its place; do nothing if it is there.

    Interrupted downloads go on where they stopped. A file that was fetched by hand and put
    where the messages say is taken from there.

    Args:
        name: which one, such as mask2former_coco_r50 or coco_annotations
        root: the folder of the data sets, or of the weights
        accept_terms: you have read and accept the terms of the data set
        keep_archive: keep the archive after unpacking it
        sources: another list of what there is to download

    Raises:
        InputError: there is no such download, its terms are not accepted, or it failed; the message
            says how to go on.
    """
    source = find_source(name, sources or LIST)
    product, file = root / source.product, root / source.path
    if _lies_there(product) and product != file:
        _LOG.info("%s: is there already", product)
        return
    if file.is_file():
        verify(file, file, source.published, source.size)
    else:
        _check_terms(source, file, product, accept_terms)
        _bring(source, file)
    if source.unpack_to:
        unpack(file, root / source.unpack_to)
    if not _lies_there(product):
        raise InputError(
            f"{product}: is not in {file.name}, which has another layout than expected. What it holds is in "
            f"{root / (source.unpack_to or '')}: arrange it, and run again"
        )
    if source.unpack_to and not keep_archive:
        file.unlink()
    _LOG.info("%s: %s", product, source.what)


def _lies_there(product: Path) -> bool:
    """Whether a file or a folder that holds something is there."""
    return product.is_file() or (product.is_dir() and any(product.iterdir()))


def _check_terms(source: Source, file: Path, product: Path, accept_terms: bool) -> None:
    if source.terms and not accept_terms:
        raise InputError(
            f"{source.name} ({source.what}) comes with terms that only you can accept.\n"
            f"  1. Read them at {source.terms}, and register there if the page asks for it.\n"
            f"  2. Either run again with --accept-terms (for the workflow: --config accept_terms=true),\n"
            f"     which fetches it from {source.page},\n"
            f"     or fetch it by hand and put it at {file}"
            + (f", or its content so that {product} is there.\n" if product != file else ".\n")
            + "  3. Run again: the work goes on from there."
        )


def _bring(source: Source, file: Path) -> None:
    _LOG.info("%s: %s, licence: %s", source.page, source.what, source.licence or f"see {source.terms}")
    if source.unverified:
        _LOG.info("not verified when the list was written: %s", source.unverified)
    if source.drive:
        fetch_from_drive(source.drive, file, source.published, source.size, Patience())
    else:
        fetch(source.url, file, source.published, source.size, Patience())
