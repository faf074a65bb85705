import hashlib
import io
import json
import random
import zipfile

import pytest

from novis import cli
from novis.data.downloads import stage
from novis.data.downloads.checksums import record_path
from novis.data.downloads.stage import download
from novis.data.frames import find_dataset
from novis.errors import InputError
from tests.data.downloads.server import page, serve

# Larger than the part that is searched for a web page.
JPEG = random.Random(0).randbytes(10_000)
FRAME = "train/JPEGImages/walk/0.jpg"
ANNOTATIONS = json.dumps({"videos": [{"file_names": ["walk/0.jpg"]}]}).encode()


def archive(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in files.items():
            file.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def sources(server, tmp_path, patience, monkeypatch):
    """A list with one archive, one with terms, and one file; the server has the archive."""
    monkeypatch.setattr(stage, "Patience", lambda: patience)
    server.content = archive({FRAME: JPEG, "train/instances.json": ANNOTATIONS})
    common = {"what": "videos", "url": server.url, "path": "vis/train.zip", "unpack_to": "vis/train"}
    entries = {
        "frames": common | {"provides": "vis/train/instances.json", "licence": "none"},
        "closed": common | {"terms": "http://example.org/terms"},
        "file": {"what": "a file", "url": server.url, "path": "vis/train.bin", "licence": "none"},
    }
    path = tmp_path / "sources.json"
    path.write_text(json.dumps({"data": entries}))
    return path


def test_an_archive_becomes_a_data_set(sources, root, server):
    download("frames", root, sources=sources)
    found = find_dataset(root / "vis")
    assert found.annotations.read_bytes() == ANNOTATIONS
    assert (found.frames / "walk/0.jpg").read_bytes() == JPEG
    assert {path.name for path in (root / "vis").iterdir()} == {"train", "train.zip.sha256"}


def test_what_is_there_is_left_alone(sources, root, server):
    (root / "vis/train").mkdir(parents=True)
    (root / "vis/train/instances.json").write_text("mine")
    download("frames", root, sources=sources)
    assert (root / "vis/train/instances.json").read_text() == "mine"
    assert server.requests == []


def test_the_archive_is_kept_on_request(sources, root, server):
    download("frames", root, keep_archive=True, sources=sources)
    assert (root / "vis/train.zip").read_bytes() == server.content


def test_an_archive_fetched_by_hand_is_taken(sources, root, server):
    (root / "vis").mkdir(parents=True)
    (root / "vis/train.zip").write_bytes(server.content)
    download("closed", root, sources=sources)
    assert (root / "vis" / FRAME).exists()
    assert server.requests == []


def test_a_page_saved_by_hand_is_no_archive(sources, root):
    (root / "vis").mkdir(parents=True)
    (root / "vis/train.zip").write_text("<html><title>Sign in</title>")
    with pytest.raises(InputError, match=r"train\.zip: is a web page \('Sign in'\)"):
        download("closed", root, sources=sources)
    assert not (root / "vis/train").exists()


def test_terms_stop_with_the_steps_and_the_place(sources, root, server):
    with pytest.raises(InputError) as caught:
        download("closed", root, sources=sources)
    for part in ("http://example.org/terms", "--accept-terms", server.url, str(root / "vis/train.zip")):
        assert part in str(caught.value)
    assert (server.requests, root.exists()) == ([], False)


def test_accepted_terms_open_the_way(sources, root):
    download("closed", root, accept_terms=True, sources=sources)
    assert (root / "vis" / FRAME).exists()


def test_a_hostile_archive_leaves_nothing_behind(sources, root, server, tmp_path):
    server.content = archive({"../../evil": b"evil"})
    with pytest.raises(InputError, match=r"'\.\./\.\./evil' leads out of the folder"):
        download("frames", root, sources=sources)
    assert not list(tmp_path.rglob("evil"))
    assert {path.name for path in (root / "vis").iterdir()} == {"train.zip", "train.zip.sha256"}


def test_an_archive_without_what_it_should_hold_is_told(sources, root, server):
    server.content = archive({FRAME: JPEG})
    with pytest.raises(InputError, match=r"train/instances\.json: is not in train\.zip.*arrange it"):
        download("frames", root, sources=sources)
    assert (root / "vis" / FRAME).exists()


def test_a_file_is_verified_whenever_it_is_asked_for(sources, root, server):
    download("file", root, sources=sources)
    download("file", root, sources=sources)
    assert len(server.requests) == 1
    digest = hashlib.sha256(server.content).hexdigest()
    assert record_path(root / "vis/train.bin").read_text() == f"{digest}  train.bin\n"
    (root / "vis/train.bin").write_bytes(b"changed")
    with pytest.raises(InputError, match="not the file that came first"):
        download("file", root, sources=sources)


def test_the_command_line_tells_and_goes_on(sources, root, server, capfd):
    words = ["download", "--name", "frames", "--root", str(root), "--sources", str(sources)]
    server.script = [serve(sent=9_000), page("<html><title>Quota exceeded</title>")]
    assert cli.main(words) == 2
    assert "novis download: http://127.0.0.1" in capfd.readouterr().err
    assert cli.main(words) == 0
    assert server.requests[-1]["Range"] == "bytes=9000-"
    assert (root / "vis" / FRAME).exists()
