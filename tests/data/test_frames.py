import os
import struct
import zlib

import cv2
import numpy as np
import pytest

from novis.data.annotations import write_annotations
from novis.data.frames import find_dataset, read_frame
from novis.errors import InputError
from novis.structures import Annotations, Category, Video

VIDEO = Video(5, 16, 12, ("walk/0.jpg", "walk/1.jpg"))


@pytest.fixture
def folder(tmp_path):
    """A folder with one frame of VIDEO: red on the left, blue on the right."""
    image = np.zeros((12, 16, 3), np.uint8)
    image[:, :8, 2] = image[:, 8:, 0] = 250
    (tmp_path / "walk").mkdir()
    for name in (*VIDEO.file_names, "walk/0.png"):
        cv2.imwrite(str(tmp_path / name), image)
    return tmp_path


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_frame_is_rgb(folder, suffix):
    frame = read_frame(folder, Video(5, 16, 12, (f"walk/0.{suffix}",)), 0)
    assert frame.shape == (12, 16, 3)
    assert frame.dtype == np.uint8
    assert np.abs(frame[6, 2].astype(int) - (250, 0, 0)).max() < 10
    assert np.abs(frame[6, 13].astype(int) - (0, 0, 250)).max() < 10


def test_grey_frames_get_three_channels(folder):
    cv2.imwrite(str(folder / "walk/1.jpg"), np.full((12, 16), 90, np.uint8))
    assert np.abs(read_frame(folder, VIDEO, 1).astype(int) - 90).max() < 5


def test_a_frame_of_impossible_size_is_named(folder):
    """OpenCV raises an error of its own where a header says more than 2^30 pixels."""
    content = bytearray((folder / "walk/0.png").read_bytes())
    content[16:24] = struct.pack(">II", 1 << 17, 1 << 17)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (folder / "walk/0.png").write_bytes(content)
    with pytest.raises(InputError, match=r"walk/0\.png \(frame 0 of video 5\): is no readable image"):
        read_frame(folder, Video(5, 16, 12, ("walk/0.png",)), 0)


def test_a_missing_frame_is_named(folder):
    (folder / "walk/1.jpg").unlink()
    with pytest.raises(InputError, match=r"walk/1\.jpg \(frame 1 of video 5\): no such file"):
        read_frame(folder, VIDEO, 1)


@pytest.mark.parametrize("suffix", ["jpg", "png"])
@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
def test_a_truncated_frame_is_refused_wherever_it_ends(folder, suffix, kept):
    path = folder / f"walk/0.{suffix}"
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    cv2.imwrite(str(path), noise)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InputError, match=rf"walk/0\.{suffix} .*(truncated|no readable image)"):
        read_frame(folder, Video(5, 16, 12, (f"walk/0.{suffix}",)), 0)


def test_a_thumbnails_end_marker_does_not_hide_truncation(folder):
    path = folder / "walk/0.jpg"
    content = path.read_bytes()
    thumbnail = b"\xff\xe1\x00\x08" + b"\xff\xd8\xff\xda\xff\xd9"
    path.write_bytes(content[:2] + thumbnail + content[2:])
    assert read_frame(folder, VIDEO, 0).shape == (12, 16, 3)
    path.write_bytes(content[:2] + thumbnail + content[2:-20])
    with pytest.raises(InputError, match="truncated"):
        read_frame(folder, VIDEO, 0)


def test_bytes_after_the_image_are_no_truncation(folder):
    with (folder / "walk/0.jpg").open("ab") as file:
        file.write(bytes(5000))
    assert read_frame(folder, VIDEO, 0).shape == (12, 16, 3)


@pytest.mark.parametrize("content", [b"", b"<html>quota exceeded</html>", b"\xff\xd8\xff\xd9"])
def test_what_is_no_image_is_refused(folder, content):
    (folder / "walk/0.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"0\.jpg .*no readable image"):
        read_frame(folder, VIDEO, 0)


def test_a_frame_of_another_size_is_refused(folder):
    with pytest.raises(InputError, match="is 16 x 12 pixels, but its video is 12 x 16"):
        read_frame(folder, Video(5, 12, 16, VIDEO.file_names), 0)


LAYOUTS = {
    "YouTube-VIS for Mask2Former": ("train.json", "train/JPEGImages"),
    "YouTube-VIS 2021's archive": ("train/instances.json", "train/JPEGImages"),
    "OVIS in VITA": ("annotations/train.json", "train"),
    "OVIS in MinVIS": ("annotations/annotations_train.json", "train"),
    "OVIS in DeVIS": ("annotations_train.json", "train"),
    "YouTube-VIS 2019 split anew": ("annotations/instances_train_sub.json", "train/JPEGImages"),
    "frames beside the annotations": ("train.json", ""),
}


def lay_out(root, annotation_file, frames):
    annotations = Annotations("", (Category(1, "one"),), (VIDEO,), None)
    write_annotations(root / annotation_file, annotations)
    path = root / frames / VIDEO.file_names[0]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_told_apart(tmp_path, layout):
    annotation_file, frames = LAYOUTS[layout]
    lay_out(tmp_path, annotation_file, frames)
    found = find_dataset(tmp_path, "train")
    assert found.annotations == tmp_path / annotation_file
    assert os.path.normpath(found.frames) == os.path.normpath(tmp_path / frames)


def test_validation_is_found_under_both_its_names(tmp_path):
    lay_out(tmp_path, "valid.json", "valid/JPEGImages")
    assert find_dataset(tmp_path, "val") == find_dataset(tmp_path, "valid")


def test_the_toy_dataset_is_found(toy_dataset):
    found = find_dataset(toy_dataset.root)
    assert (found.annotations, found.frames) == (toy_dataset.annotation_file, toy_dataset.frames)


def test_a_missing_folder_says_where_data_come_from(tmp_path):
    with pytest.raises(InputError, match=r"absent: no such folder.*youtube-vos.*songbai"):
        find_dataset(tmp_path / "absent")


def test_missing_annotations_are_listed(tmp_path):
    with pytest.raises(InputError, match=r"no annotations of the split 'train'; looked for train\.json, .*"):
        find_dataset(tmp_path)


@pytest.mark.parametrize("content", ["", "{}", '{"videos": [{"file_names": ["gone/0.jpg"]}]}'])
def test_missing_frames_are_listed(tmp_path, content):
    (tmp_path / "train.json").write_text(content)
    with pytest.raises(InputError, match=r"frames of train\.json are not there.*train/JPEGImages.*itself"):
        find_dataset(tmp_path)
