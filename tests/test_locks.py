import errno
import fcntl
import os
from pathlib import Path

import pytest

from novis.errors import InputError
from novis.locks import open_alone

WRITING = os.O_RDWR | os.O_CREAT


def test_a_file_that_another_process_has_is_refused(tmp_path):
    first = open_alone(tmp_path / "a", WRITING, "busy")
    with pytest.raises(InputError, match="somebody is at a"):
        open_alone(tmp_path / "a", WRITING, "somebody is at a")
    os.close(first)
    os.close(open_alone(tmp_path / "a", WRITING, "busy"))


def test_a_file_that_its_holder_has_renamed_is_left_alone(tmp_path, monkeypatch):
    """Opened just before the holder puts it into its place, locked just after."""
    (tmp_path / "a.partial").write_text("finished")
    flock, published = fcntl.flock, []

    def late(descriptor, operation):
        if not published:
            published.append((tmp_path / "a.partial").rename(tmp_path / "a"))
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    descriptor = open_alone(tmp_path / "a.partial", WRITING, "busy")
    os.ftruncate(descriptor, 0)
    os.write(descriptor, b"another")
    os.close(descriptor)
    assert (tmp_path / "a").read_text() == "finished"
    assert (tmp_path / "a.partial").read_text() == "another"


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_written_with_a_warning(tmp_path, monkeypatch, caplog, number):
    def refuse(descriptor, operation):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    descriptor = open_alone(tmp_path / "a", WRITING, "busy")
    assert os.write(descriptor, b"text") == 4
    os.close(descriptor)
    assert "its file system has no locks" in caplog.text


def num_open():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_any_other_failure_closes_the_file(tmp_path, monkeypatch):
    before = num_open()

    def fail(descriptor, operation):
        raise OSError(errno.EIO, "a broken disk")

    monkeypatch.setattr(fcntl, "flock", fail)
    with pytest.raises(OSError, match="a broken disk"):
        open_alone(tmp_path / "a", WRITING, "busy")
    assert num_open() == before
