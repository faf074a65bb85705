import errno
import fcntl
import os

import pytest

from novis.cluster.locking import try_lock
from novis.errors import InputError


def test_a_lock_has_one_holder_or_many_that_share_it(tmp_path):
    with (tmp_path / "lock").open("w") as first, (tmp_path / "lock").open("w") as second:
        assert try_lock(first)
        assert not try_lock(second)
        assert not try_lock(second, shared=True)
        assert try_lock(first, shared=True)
        assert try_lock(second, shared=True)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, number):
    def refuse(file, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with (tmp_path / "lock").open("w") as file, pytest.raises(InputError, match="on Lustre: mounted with"):
        try_lock(file)
