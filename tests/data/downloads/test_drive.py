"""gdown itself runs here: only the host drive.google.com is replaced, by a server on this machine."""

from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from novis.data.downloads.checksums import Checksum, record_path
from novis.data.downloads.drive import DriveFile, fetch_from_drive
from novis.data.downloads.patience import Patience
from novis.errors import InputError
from tests.data.downloads.server import fail, page, send_head

SOURCE = DriveFile("F" * 33, "train.zip")
FILE_ID = "A" * 33
# More than the half megabyte that gdown reads at once.
CONTENT = bytes(range(256)) * 5_000


def listing(*files):
    """Drive's page that lists a folder."""
    links = "".join(
        f'<a href="https://drive.google.com/file/d/{file_id}/view"><div>{name}</div></a>'
        for file_id, name in files
    )
    return page(f"<html><head><title>OVIS</title></head><body>{links}</body></html>")


def attachment(content=CONTENT, sent=None):
    """Drive's answer with a file."""

    def answer(handler, _):
        asked = handler.headers.get("Range")
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": 'attachment; filename="train.zip"',
            "Content-Length": len(content) - start,
        }
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        send_head(handler, 206 if asked else 200, headers)
        handler.wfile.write(content[start:][:sent])

    return answer


QUOTA = page(
    "<html><head><title>Google Drive - Quota exceeded</title></head><body>"
    '<p class="uc-error-caption">Sorry, you can\'t view or download this file at this time.</p>'
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p>'
    "</body></html>"
)


@pytest.fixture
def drive(server, monkeypatch):
    """Everything meant for drive.google.com goes to the server; anything else fails."""
    send = requests.adapters.HTTPAdapter.send

    def redirected(adapter, request, **options):
        address = urlsplit(request.url)
        assert address.hostname == "drive.google.com"
        request.url = server.url.replace("/file.bin", f"{address.path}?{address.query}")
        response = send(adapter, request, **options | {"proxies": {}})
        response.url = address.geturl()
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", redirected)
    return server


@pytest.fixture
def once(waits):
    return Patience(attempts=1, timeout=5, sleep=waits.append)


@pytest.fixture
def target(tmp_path):
    return tmp_path / "ovis" / "train.zip"


def test_a_file_of_a_folder_arrives(drive, target, once):
    drive.script = [listing(("B" * 33, "valid.zip"), (FILE_ID, "train.zip")), attachment()]
    fetch_from_drive(SOURCE, target, None, len(CONTENT), once)
    assert target.read_bytes() == CONTENT
    assert parse_qs(urlsplit(drive.paths[0]).query)["id"] == [SOURCE.folder]
    assert parse_qs(urlsplit(drive.paths[1]).query)["id"] == [FILE_ID]
    assert {path.name for path in target.parent.iterdir()} == {"train.zip", "train.zip.sha256"}


def test_a_folder_without_the_file_says_what_it_has(drive, target, once):
    drive.script = [listing(("B" * 33, "training.zip"), ("C" * 33, "readme.txt"))]
    with pytest.raises(
        InputError, match=r"has no files named 'train\.zip'; it holds readme\.txt, training\.zip"
    ):
        fetch_from_drive(SOURCE, target, None, None, once)


def test_two_files_of_one_name_are_not_chosen_from(drive, target, once):
    drive.script = [listing((FILE_ID, "train.zip"), ("B" * 33, "train.zip"))]
    with pytest.raises(InputError, match=r"has 2 files named 'train\.zip'; it holds train\.zip, train\.zip"):
        fetch_from_drive(SOURCE, target, None, None, once)
    assert not target.exists()


@pytest.mark.parametrize("answer", [fail(404), page("<html>no title</html>")])
def test_a_closed_folder_is_told_with_what_to_do(drive, target, once, answer):
    drive.script = [answer]
    with pytest.raises(
        InputError, match=rf"folders/{SOURCE.folder}: its list.* put it at .*train\.zip, and run again"
    ):
        fetch_from_drive(SOURCE, target, None, None, once)


def test_a_used_up_quota_is_told_with_what_to_do(drive, target, once):
    drive.script = [listing((FILE_ID, "train.zip")), QUOTA]
    with pytest.raises(
        InputError, match=r"Too many users.*By hand: open this address .* put it at .*train\.zip"
    ):
        fetch_from_drive(SOURCE, target, None, None, once)
    assert not target.exists()


def test_a_broken_transfer_is_continued_by_the_next_run(drive, target, once):
    drive.script = [listing((FILE_ID, "train.zip")), attachment(sent=1_000_000)]
    with pytest.raises(InputError, match=r"train\.zip' (broke off|cannot be had)"):
        fetch_from_drive(SOURCE, target, None, None, once)
    assert not target.exists()
    drive.script = [listing((FILE_ID, "train.zip")), attachment(), attachment()]
    part = next(target.parent.glob(".train.zip.drive*.part"))
    assert part.stat().st_size == 1 << 19
    fetch_from_drive(SOURCE, target, None, None, once)
    assert drive.requests[-1]["Range"] == f"bytes={1 << 19}-"
    assert target.read_bytes() == CONTENT


def test_an_answer_that_is_not_drives_is_told(drive, target, once):
    drive.script = [listing((FILE_ID, "train.zip"))]
    with pytest.raises(InputError, match=r"'train\.zip' cannot be had"):
        fetch_from_drive(SOURCE, target, None, None, once)


def test_another_content_than_published_is_not_kept(drive, target, once):
    drive.script = [listing((FILE_ID, "train.zip")), attachment()]
    with pytest.raises(InputError, match="MD5"):
        fetch_from_drive(SOURCE, target, Checksum("md5", "3c8ec9"), None, once)
    assert list(target.parent.iterdir()) == []


def test_another_content_than_the_first_is_refused(drive, target, once):
    drive.script = [listing((FILE_ID, "train.zip")), attachment()]
    fetch_from_drive(SOURCE, target, None, None, once)
    target.unlink()
    drive.script = [listing((FILE_ID, "train.zip")), attachment(CONTENT[::-1])]
    with pytest.raises(InputError, match="not the file that came first"):
        fetch_from_drive(SOURCE, target, None, None, once)
    assert list(target.parent.iterdir()) == [record_path(target)]


def test_what_had_arrived_before_a_kill_is_taken(drive, target, once):
    target.parent.mkdir()
    target.with_name(".train.zip.drive").write_bytes(CONTENT)
    fetch_from_drive(SOURCE, target, None, None, once)
    assert drive.paths == []
    assert target.read_bytes() == CONTENT


def test_a_drive_that_does_not_answer_is_asked_again(server, target, waits, monkeypatch):
    def refuse(adapter, request, **options):
        raise requests.ConnectionError("refused")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", refuse)
    with pytest.raises(InputError, match=r"no answer .ConnectionError.; gave up after 3"):
        fetch_from_drive(SOURCE, target, None, None, Patience(attempts=3, sleep=waits.append))
    assert waits == [1, 2]
