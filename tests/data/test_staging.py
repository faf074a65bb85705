import os
import shutil

import pytest

from novis.data.frames import read_frame
from novis.data.staging import staged
from novis.errors import InputError


@pytest.fixture
def frames(toy_dataset, tmp_path):
    """The toy data set's frames, in a folder that may be changed."""
    return shutil.copytree(toy_dataset.frames, tmp_path / "frames")


@pytest.fixture
def videos(toy_dataset):
    return toy_dataset.annotations.videos


def test_without_a_scratch_folder_the_frames_stay_where_they_are(frames, videos):
    assert staged(frames, videos, None) == frames


def test_the_frames_of_the_named_videos_are_copied_and_read_the_same(frames, videos, tmp_path):
    folder = staged(frames, videos[:1], tmp_path / "scratch")
    assert folder.parent == tmp_path / "scratch"
    copies = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert [str(path) for path in copies] == sorted(videos[0].file_names)
    assert (read_frame(folder, videos[0], 3) == read_frame(frames, videos[0], 3)).all()


def test_what_is_there_is_not_copied_again_and_what_changed_is(frames, videos, tmp_path):
    folder = staged(frames, videos, tmp_path / "scratch")
    kept, changed = (folder / videos[0].file_names[index] for index in (0, 1))
    before = kept.stat().st_ino
    os.utime(frames / videos[0].file_names[1], (1, 1))
    inode = changed.stat().st_ino
    assert staged(frames, videos, tmp_path / "scratch") == folder
    assert kept.stat().st_ino == before
    assert changed.stat().st_ino != inode


def test_the_users_and_the_nodes_variables_are_known(frames, videos, tmp_path, monkeypatch):
    monkeypatch.setenv("NODE_DISK", str(tmp_path / "disk"))
    assert staged(frames, videos, "$NODE_DISK/mine").parent == tmp_path / "disk" / "mine"


def test_a_missing_frame_is_left_to_its_reader_to_name(frames, videos, tmp_path):
    (frames / videos[0].file_names[0]).unlink()
    folder = staged(frames, videos, tmp_path / "scratch")
    with pytest.raises(InputError, match="no such file; unpack the frames again"):
        read_frame(folder, videos[0], 0)


def test_a_disk_that_is_too_small_is_told_before_it_is_full(frames, videos, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1000, 999, 1))
    with pytest.raises(InputError, match="do not fit; choose another scratch folder"):
        staged(frames, videos, tmp_path / "scratch")
    assert not list((tmp_path / "scratch").rglob("*.jpg"))


def test_a_folder_that_cannot_be_made_is_told(frames, videos, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        staged(frames, videos, tmp_path / "file" / "scratch")
