import errno
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from novis.data.shapes import ShapesImages, ShapesSettings, generate, generate_images, render_video, writing
from novis.errors import InputError

# pycocotools 2.0 predates NumPy 2's signature of __array__.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SETTINGS = ShapesSettings(frame_size=(48, 64), num_frames=10, speed=0.1, leaving=0.8)


def digests(root):
    """SHA-256 of every file below a folder, by its relative path."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def annotations(root):
    return json.loads((root / "annotations_train.json").read_text())


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    generate(SETTINGS, root, 3, seed=7)
    return root


def test_the_same_seed_writes_the_same_bytes(videos, tmp_path):
    generate(SETTINGS, tmp_path, 3, seed=7)
    assert digests(tmp_path) == digests(videos)
    assert len(digests(videos)) == 3 * 10 + 1


def test_a_video_does_not_depend_on_how_many_there_are(videos, tmp_path):
    generate(SETTINGS, tmp_path, 2, seed=7)
    whole, part = annotations(videos), annotations(tmp_path)
    assert part["videos"] == whole["videos"][:2]
    assert part["annotations"] == [a for a in whole["annotations"] if a["video_id"] <= 2]
    frames = {name: digest for name, digest in digests(tmp_path).items() if name.startswith("train")}
    assert frames.items() <= digests(videos).items()


def test_annotations_have_the_layout_of_ovis(videos):
    content = annotations(videos)
    assert [category["id"] for category in content["categories"]] == [1, 2, 3, 4, 5, 6]
    assert content["categories"][0] == {"id": 1, "name": "disc", "supercategory": "object"}
    assert [video["id"] for video in content["videos"]] == [1, 2, 3]
    for video in content["videos"]:
        assert (video["height"], video["width"], video["length"]) == (48, 64, 10)
        assert video["file_names"][0].endswith("/img_0000001.jpg")
        assert all((videos / "train" / name).is_file() for name in video["file_names"])
    tracks = content["annotations"]
    assert [track["id"] for track in tracks] == list(range(1, len(tracks) + 1))
    for track in tracks:
        assert (track["iscrowd"], track["height"], track["width"], track["length"]) == (0, 48, 64, 10)
        assert {len(track[key]) for key in ("segmentations", "bboxes", "areas", "occlusion")} == {10}


def test_segmentations_boxes_and_areas_are_those_of_the_rendered_masks(videos):
    tracks = annotations(videos)["annotations"]
    assert any(None in track["segmentations"] for track in tracks)
    for index in range(3):
        _, instances = render_video(SETTINGS, 7, index)
        of_video = [track for track in tracks if track["video_id"] == index + 1]
        assert [track["category_id"] for track in of_video] == [i.label + 1 for i in instances]
        for track, instance in zip(of_video, instances, strict=True):
            assert track["occlusion"] == list(instance.occlusion)
            for frame, mask in enumerate(instance.masks):
                check_frame(mask, *(track[key][frame] for key in ("segmentations", "bboxes", "areas")))


def decoded(segmentation):
    return coco_mask.decode([segmentation])[:, :, 0]


def check_frame(mask, segmentation, box, area):
    if not mask.any():
        assert (segmentation, box, area) == (None, None, None)
        return
    assert np.array_equal(decoded(segmentation), mask)
    rows, columns = np.nonzero(mask)
    left, top = columns.min(), rows.min()
    assert box == [left, top, columns.max() + 1 - left, rows.max() + 1 - top]
    assert area == mask.sum()


def test_frames_on_disk_are_the_rendered_ones_in_the_right_order_of_colours(videos):
    frames, _ = render_video(SETTINGS, 7, 1)
    names = annotations(videos)["videos"][1]["file_names"]
    for frame, name in zip(frames, names, strict=True):
        read = cv2.imread(str(videos / "train" / name))[:, :, ::-1]
        error = np.abs(read.astype(int) - frame).mean()
        assert error < 10
        assert error < 0.6 * np.abs(read[:, :, ::-1].astype(int) - frame).mean()


def test_a_lower_quality_writes_smaller_files(videos, tmp_path):
    generate(ShapesSettings(frame_size=(48, 64), num_frames=10, jpeg_quality=40), tmp_path, 1, seed=7)
    name = annotations(tmp_path)["videos"][0]["file_names"][0]
    assert (tmp_path / "train" / name).stat().st_size < 0.7 * (videos / "train" / name).stat().st_size


def test_images_are_videos_of_one_frame_and_those_that_stream(tmp_path):
    generate_images(SETTINGS, tmp_path, 5, seed=2)
    content = annotations(tmp_path)
    assert [video["length"] for video in content["videos"]] == [1] * 5
    source = ShapesImages(SETTINGS, seed=2)
    for index in range(5):
        _, labels, masks = source.image(index)
        tracks = [track for track in content["annotations"] if track["video_id"] == index + 1]
        assert [track["category_id"] - 1 for track in tracks] == labels.tolist()
        for track, mask in zip(tracks, masks, strict=True):
            assert np.array_equal(decoded(track["segmentations"][0]), mask)


def interrupted_after(count):
    """A stand-in for ``render_video`` that is killed at video ``count``."""

    def render(settings, seed, index):
        if index == count:
            raise KeyboardInterrupt
        return render_video(settings, seed, index)

    return render


def test_a_killed_run_leaves_no_annotations_and_the_next_starts_over(videos, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(writing, "render_video", interrupted_after(2))
        with pytest.raises(KeyboardInterrupt):
            generate(SETTINGS, tmp_path, 3, seed=7)
    assert not (tmp_path / "annotations_train.json").exists()
    assert not (tmp_path / "train").exists()
    generate(SETTINGS, tmp_path, 3, seed=7)
    assert digests(tmp_path) == digests(videos)


def test_a_killed_rerun_leaves_the_older_data_whole(tmp_path, monkeypatch):
    generate(SETTINGS, tmp_path, 2, seed=0)
    before = digests(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(writing, "render_video", interrupted_after(1))
        with pytest.raises(KeyboardInterrupt):
            generate(SETTINGS, tmp_path, 2, seed=1)
    after = {name: digest for name, digest in digests(tmp_path).items() if ".partial" not in name}
    assert after == before


def test_a_smaller_rerun_leaves_no_video_of_the_larger_one(videos, tmp_path):
    generate(SETTINGS, tmp_path, 2, seed=1)
    generate(SETTINGS, tmp_path, 1, seed=7)
    assert len(digests(tmp_path)) == 10 + 1
    assert digests(tmp_path / "train").items() <= digests(videos / "train").items()


def test_a_full_disk_is_told_and_leaves_nothing_that_looks_whole(tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="no space left"):
        generate(SETTINGS, tmp_path, 1, seed=0)
    assert not (tmp_path / "annotations_train.json").exists()


@pytest.mark.parametrize("write", [generate, generate_images])
def test_no_video_at_all_is_refused(write, tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        write(SETTINGS, tmp_path, 0, 0)
    assert not list(tmp_path.iterdir())
