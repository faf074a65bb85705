import errno
import fcntl

import pytest

from novis.data.downloads.partial import PartialFile
from novis.errors import InputError

URL = "http://example.org/a.zip"


@pytest.fixture
def target(tmp_path):
    return tmp_path / "a.zip"


def test_bytes_and_what_they_belong_to_survive(target):
    with PartialFile(target, URL) as partial:
        partial.restart('"v"', 10)
        partial.append(b"abc")
        partial.append(b"de")
    with PartialFile(target, URL) as partial:
        assert (partial.size, partial.validator, partial.total, partial.is_whole) == (5, '"v"', 10, False)
        partial.append(b"fghij")
        assert partial.is_whole
        partial.move()
    assert target.read_bytes() == b"abcdefghij"
    assert [path.name for path in target.parent.iterdir()] == ["a.zip"]


def test_nothing_is_left_of_nothing(target):
    with PartialFile(target, URL) as partial:
        partial.restart(None, 10)
    assert list(target.parent.iterdir()) == []


def test_bytes_of_another_address_are_forgotten(target):
    with PartialFile(target, URL) as partial:
        partial.restart('"v"', 10)
        partial.append(b"abc")
    with PartialFile(target, URL + "?") as partial:
        assert (partial.size, partial.validator, partial.total) == (0, None, None)


def test_bytes_without_a_journal_are_forgotten(target):
    target.with_name(".a.zip.part").write_bytes(b"abc")
    with PartialFile(target, URL) as partial:
        assert partial.size == 0


def test_a_new_start_forgets_the_bytes(target):
    with PartialFile(target, URL) as partial:
        partial.restart('"v"', 10)
        partial.append(b"abc")
        partial.restart('"w"', None)
        assert (partial.size, partial.validator, partial.is_whole) == (0, '"w"', False)


def test_two_at_once_are_refused(target):
    with PartialFile(target, URL) as partial:
        partial.restart('"v"', 10)
        partial.append(b"abc")
        with pytest.raises(InputError, match=r"a\.zip: another process is downloading it"):
            PartialFile(target, URL).__enter__()
        assert partial.size == 3


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"a\.zip: cannot be written"):
        PartialFile(tmp_path / "file" / "a.zip", URL).__enter__()


class FullDisk:
    """A file on a disk that takes ``room`` more bytes."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = self.file.write(data[: self.room])
        self.room -= written
        return written

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_full_disk_keeps_what_fitted(target):
    with PartialFile(target, URL) as partial:
        partial.restart('"v"', 10)
        partial._file = FullDisk(partial._file, room=7)
        partial.append(b"abcd")
        with pytest.raises(
            InputError, match="no space left on the disk after 7 bytes; free some and run again"
        ):
            partial.append(b"efgh")
    with PartialFile(target, URL) as partial:
        assert partial.size == 7
        partial.append(b"hij")
        partial.move()
    assert target.read_bytes() == b"abcdefghij"


def test_a_file_that_was_moved_meanwhile_is_not_emptied(target, monkeypatch):
    """The loser of a race opens the part before the winner puts it into its place, without its journal."""
    winner = PartialFile(target, URL)
    winner.__enter__()
    winner.restart(None, 3)
    winner.append(b"abc")
    flock, moved = fcntl.flock, []

    def late(descriptor, operation):
        if not moved:
            moved.append(winner.move())
            winner.__exit__(None, None, None)
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with PartialFile(target, URL) as partial:
        assert partial.size == 0
    assert target.read_bytes() == b"abc"
