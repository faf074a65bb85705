import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from novis.errors import InputError
from novis.files import make_folder, read_json, replacing, sha256, synchronise_folder, write_json


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"


def test_a_full_disk_is_told_with_the_file(tmp_path):
    with pytest.raises(InputError, match=r"file\.txt: no space left"), replacing(tmp_path / "file.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_real_full_disk_is_told_with_the_file():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(InputError, match="no space left"), replacing(Path("build") / "full.txt"):
        full.write_text("x" * 100_000)


@pytest.mark.parametrize("place", ["file/a", "file/deeper/a", "folder", "n" * 300])
def test_a_path_that_cannot_be_written_is_told(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"{place}: cannot be written"), replacing(tmp_path / place) as path:
        path.write_text("text")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("place", ["file", "file/deeper"])
def test_a_file_where_a_folder_must_be_is_told(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=rf"{place}: cannot be written"):
        make_folder(tmp_path / place)
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_a_new_name_is_on_the_disk_before_anybody_relies_on_it(tmp_path, monkeypatch):
    events, replace, fsync = [], os.replace, os.fsync

    def synchronise(descriptor):
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def rename(source, target):
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(os, "replace", rename)
    write_json(tmp_path / "a.json", 1)
    assert events == [f".a.json.{os.getpid()}.json", "rename", tmp_path.name]


def test_a_file_system_that_cannot_synchronise_folders_is_no_obstacle(tmp_path, monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", refuse)
    synchronise_folder(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{", b"[" * 100_000])
def test_broken_json_names_its_file(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.json"):
        read_json(path)


def test_json_comes_back(tmp_path):
    write_json(tmp_path / "a.json", {"x": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json") == {"x": [1, 2.5, None]}


def test_sha256_is_the_standard_one(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_temporary_file_of_a_killed_process_is_cleared(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    dead = tmp_path / f".a.json.{process.pid}.json"
    fresh = tmp_path / f".a.json.{process.pid + 1}.json"
    ours = tmp_path / f".a.json.{os.getpid()}.json"
    other = tmp_path / ".b.json.1.json"
    for path in (dead, fresh, ours, other):
        path.write_text("half")
    os.utime(dead, (0, 0))
    write_json(tmp_path / "a.json", 1)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"a.json", fresh.name, other.name}
