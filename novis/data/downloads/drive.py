"""Files in public Google Drive folders, by gdown, which knows Drive's confirmations and cookies."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import gdown
import requests
from tqdm import tqdm

from novis.data.downloads.checksums import Checksum, MismatchError, verify
from novis.data.downloads.pages import WebPageError
from novis.data.downloads.patience import Patience, TransientError, persist
from novis.errors import InputError


@dataclass(frozen=True)
class DriveFile:
    """A file in a shared folder.

    Attributes:
        folder: the id of the folder, as in ``drive.google.com/drive/folders/<id>``.
        name: of the file, in the folder or one below it.
    """

    folder: str
    name: str

    @property
    def page(self) -> str:
        """The folder's address in a browser."""
        return f"https://drive.google.com/drive/folders/{self.folder}"


def fetch_from_drive(
    source: DriveFile,
    target: Path,
    checksum: Checksum | None = None,
    size: int | None = None,
    patience: Patience | None = None,
) -> None:
    """Download a file of a shared folder to ``target``, which appears whole and verified or not at all.

    Raises:
        InputError: the folder is closed or lacks the file, its quota is used up, the content is not the
            expected one, or the network stays down; the message says how to go on by hand.
    """
    patience = patience or Patience()
    target.parent.mkdir(parents=True, exist_ok=True)
    arrived = target.with_name(f".{target.name}.drive")
    if not arrived.exists():
        _download(_find(source, target, patience), arrived, source, target, patience)
    try:
        verify(arrived, target, checksum, size)
    except (MismatchError, WebPageError):
        arrived.unlink()
        raise
    arrived.replace(target)


def _find(source: DriveFile, target: Path, patience: Patience) -> str:
    """The id of the file."""

    def listing() -> list[tuple[str, str]]:
        try:
            found = gdown.download_folder(
                id=source.folder, skip_download=True, quiet=True, use_cookies=False, timeout=patience.timeout
            )
        except requests.RequestException as error:
            raise TransientError(f"no answer ({type(error).__name__})") from error
        except gdown.exceptions.DownloadError as error:
            raise _by_hand(source, target, "its list of files cannot be read") from error
        return [(file.path, file.id) for file in found]

    files = persist(listing, source.page, patience)
    matches = [file_id for path, file_id in files if PurePosixPath(path).name == source.name]
    if len(matches) != 1:
        problem = f"has {len(matches) or 'no'} files named '{source.name}'"
        raise _by_hand(
            source, target, f"{problem}; it holds {', '.join(sorted(path for path, _ in files)) or 'nothing'}"
        )
    return matches[0]


def _download(file_id: str, arrived: Path, source: DriveFile, target: Path, patience: Patience) -> None:
    with tqdm(desc=target.name, unit="B", unit_scale=True, mininterval=1) as progress:

        def show(so_far: int, total: int | None) -> None:
            progress.total = total
            progress.update(so_far - progress.n)

        try:
            gdown.download(
                id=file_id,
                output=str(arrived),
                quiet=True,
                use_cookies=False,
                resume=True,
                progress=show,
                timeout=patience.timeout,
                retries=patience.attempts - 1,
            )
        # A KeyError is what gdown makes of an answer without the headers of Drive.
        except (gdown.exceptions.DownloadError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise _by_hand(source, target, f"'{source.name}' cannot be had ({reason})") from error
        except requests.RequestException as error:
            reason = f"'{source.name}' broke off ({type(error).__name__}); run again to go on"
            raise _by_hand(source, target, reason) from error
        except OSError as error:
            raise InputError(
                f"{target}: cannot be written ({error.strerror}); what has come is kept"
            ) from error


def _by_hand(source: DriveFile, target: Path, problem: str) -> InputError:
    return InputError(
        f"{source.page}: {problem}. By hand: open this address with a browser in which you are signed in, "
        f"download '{source.name}', put it at {target}, and run again"
    )
