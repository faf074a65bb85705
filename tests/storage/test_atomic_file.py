import errno
import fcntl
import os
from pathlib import Path

import numpy as np
import pytest

from novis.errors import InputError
from novis.storage.atomic_file import AtomicFile

SYSTEM_CALLS = ("pwrite", "ftruncate", "fsync", "replace")


class Killed(BaseException):
    """Stands for a kill between two system calls."""


def content(path):
    file = AtomicFile(path)
    text = file.read()
    file.close()
    return text


def commit_two_versions(path):
    """Two committed versions; the second overwrites, appends and reaches over page borders."""
    file = AtomicFile(path)
    try:
        file.write(b"a" * 10_000)
        file.commit()
        file.seek(4000)
        file.write(b"b" * 9000)
        file.seek(0)
        file.write(b"c")
        file.commit()
    finally:
        file.close()


VERSIONS = (b"", b"a" * 10_000, b"c" + b"a" * 3999 + b"b" * 9000)


def test_a_committed_file_is_an_ordinary_file(tmp_path):
    commit_two_versions(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == VERSIONS[2]


def test_what_was_not_committed_is_gone_after_reopening(tmp_path):
    file = AtomicFile(tmp_path / "x")
    file.write(b"kept")
    file.commit()
    file.seek(2)
    file.write(b"lost" * 5000)
    file.flush()
    file.close()
    assert content(tmp_path / "x") == b"kept"


@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
def test_a_kill_at_any_system_call_leaves_a_committed_version(tmp_path, monkeypatch, before):
    """At every call in turn; a later version never gives way to an earlier one."""
    seen = []
    for last_call in range(1, 100):
        path = tmp_path / str(last_call)
        with monkeypatch.context() as patch:
            count_down(patch, last_call, before)
            try:
                commit_two_versions(path)
                finished = True
            except Killed:
                finished = False
        found = content(path)
        assert found in VERSIONS
        seen.append(VERSIONS.index(found))
        # The survivor can be written further.
        commit_two_versions(path)
        assert content(path)[:1] == b"c"
        if finished:
            break
    assert finished
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}


def count_down(patch, calls, before):
    """The n-th system call raises Killed, before or after it was carried out."""
    left = [calls]

    def wrap(function):
        def wrapped(*arguments):
            left[0] -= 1
            if left[0] == 0 and before:
                raise Killed
            result = function(*arguments)
            if left[0] == 0:
                raise Killed
            return result

        return wrapped

    for name in SYSTEM_CALLS:
        patch.setattr(os, name, wrap(getattr(os, name)))


def test_a_record_is_in_place_only_when_what_it_refers_to_is_on_the_disk(tmp_path, monkeypatch):
    """A machine that loses its power loses what was not synchronised."""
    events, replace, fsync, pwrite = [], os.replace, os.fsync, os.pwrite

    def synchronise(descriptor):
        events.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def rename(source, target):
        events.append(f"rename to {Path(target).name}")
        replace(source, target)

    def overwrite(descriptor, data, offset):
        events.append(f"write at {offset}")
        return pwrite(descriptor, data, offset)

    with AtomicFile(tmp_path / "x") as file:
        file.write(b"abc")
        file.commit()
        file.seek(0)
        file.write(b"d")
        monkeypatch.setattr(os, "fsync", synchronise)
        monkeypatch.setattr(os, "replace", rename)
        monkeypatch.setattr(os, "pwrite", overwrite)
        file.commit()
        assert events == ["x", "x.commit.new", "rename to x.commit", tmp_path.name, "write at 0"]
        events.clear()
        file.publish(tmp_path / "y")
    assert events == ["x", "rename to y", tmp_path.name]


def test_random_writes_and_reads_agree_with_a_plain_buffer(tmp_path):
    rng = np.random.default_rng(0)
    file, plain, kept = AtomicFile(tmp_path / "x"), bytearray(), b""
    for _ in range(300):
        position, data = int(rng.integers(0, len(plain) + 100)), rng.bytes(int(rng.integers(1, 6000)))
        file.seek(position)
        file.write(data)
        plain.extend(bytes(max(position + len(data) - len(plain), 0)))
        plain[position : position + len(data)] = data
        start, size = rng.integers(0, len(plain), 2)
        file.seek(start)
        assert file.read(int(size)) == plain[start : start + size]
        choice = rng.random()
        if choice < 0.2:
            file.commit()
            kept = bytes(plain)
        elif choice < 0.3:
            file.rollback()
            plain = bytearray(kept)
    file.rollback()
    file.close()
    assert (tmp_path / "x").read_bytes() == kept


def test_a_rolled_back_append_leaves_no_stale_bytes(tmp_path):
    file = AtomicFile(tmp_path / "x")
    file.write(b"abc")
    file.commit()
    file.write(b"x" * 9000)
    file.rollback()
    file.seek(9000)
    file.write(b"z")
    file.commit()
    file.close()
    assert content(tmp_path / "x") == b"abc" + bytes(8997) + b"z"


def test_a_second_writer_is_refused(tmp_path):
    with AtomicFile(tmp_path / "x"), pytest.raises(InputError, match="another process is writing"):
        AtomicFile(tmp_path / "x")


def test_a_full_disk_is_one_message_and_keeps_the_committed(tmp_path, monkeypatch):
    file = AtomicFile(tmp_path / "x")
    file.write(b"kept")
    file.commit()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        file.write(b"more" * 5000)
    with pytest.raises(InputError, match=r"x: .*No space left"):
        file.check()
    with pytest.raises(InputError, match=r"x: .*No space left"):
        file.commit()
    file.rollback()
    file.seek(4)
    file.write(b"!")
    file.commit()
    file.close()
    assert content(tmp_path / "x") == b"kept!"


def test_a_file_that_somebody_cut_is_begun_anew(tmp_path):
    commit_two_versions(tmp_path / "x")
    os.truncate(tmp_path / "x", 5000)
    assert content(tmp_path / "x") == b""


def test_publishing_leaves_the_target_alone_in_its_folder(tmp_path):
    file = AtomicFile(tmp_path / "x.partial")
    file.write(b"whole")
    file.commit()
    file.publish(tmp_path / "x")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_folder_that_cannot_be_is_one_message(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        AtomicFile(tmp_path / "file" / "x")


def test_a_file_that_was_published_meanwhile_is_not_begun_anew(tmp_path, monkeypatch):
    """The loser of a race for a partial file opens it before the winner puts it into its place."""
    winner = AtomicFile(tmp_path / "x.partial")
    winner.write(b"finished")
    winner.commit()
    flock, published = fcntl.flock, []

    def late(descriptor, operation):
        if not published:
            published.append(winner.publish(tmp_path / "x"))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    assert content(tmp_path / "x.partial") == b""
    assert (tmp_path / "x").read_bytes() == b"finished"


@pytest.mark.parametrize("place", ["file/x", "folder"])
def test_a_path_that_cannot_be_written_is_told(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=rf"{place}: cannot be written"):
        AtomicFile(tmp_path / place)
