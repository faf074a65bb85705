from dataclasses import replace

import cv2
import numpy as np
import pytest

from novis import masks
from novis.data.check import broken_frames, check_data, describe, write_picture
from novis.errors import InputError
from novis.structures import Video
from tests.data.toy_dataset import draw_toy_dataset


def test_counts_are_those_of_the_toy_dataset(toy_dataset):
    report = check_data(root=toy_dataset.root)
    instances = toy_dataset.annotations.instances
    assert (report.num_videos, report.num_frames, report.lengths) == (4, 17, (1, 5, 8))
    assert report.sizes == {"64 x 48": 4}
    assert report.num_instances == 8
    assert report.num_masks == sum(rle is not None for i in instances for rle in i.segmentations)
    assert report.most_in_a_frame == 2
    assert report.categories == {"flat": 2, "tall": 3, "square": 3}
    assert report.occlusion == {}
    assert report.complaints == ()
    assert "every frame was read" in report.text()


def test_occlusion_crowds_empty_masks_and_videos_are_noted(toy_dataset):
    first, second, *rest = toy_dataset.annotations.instances
    nothing = masks.encode(np.zeros((1, 48, 64), bool))[0]
    labels = ("no_occlusion",) * 5 + ("severe_occlusion",) * 2 + (None,)
    changed = (
        replace(first, is_crowd=True, occlusion=labels),
        replace(second, segmentations=(nothing,) * 8),
        *(instance for instance in rest if instance.video_id != 3),
    )
    report = describe(replace(toy_dataset.annotations, instances=changed), "frames")
    assert report.occlusion == {"no_occlusion": 5, "severe_occlusion": 2}
    notes = "\n".join(report.notes)
    assert "1 crowds" in notes
    assert "1 instances have no mask" in notes
    assert "1 videos without instances, such as video_3" in notes
    assert "not read" in report.text()


def test_a_file_without_ground_truth_is_described(toy_dataset):
    report = describe(replace(toy_dataset.annotations, instances=None), "frames")
    assert report.num_instances is None
    assert "no ground truth" in report.text()


def test_missing_and_broken_frames_are_named_in_order(tmp_path):
    toy = draw_toy_dataset(tmp_path, lengths=(3, 2))
    first, second = toy.annotations.videos
    (toy.frames / first.file_names[1]).unlink()
    truncated = toy.frames / second.file_names[0]
    truncated.write_bytes(truncated.read_bytes()[:-30])
    cv2.imwrite(str(toy.frames / second.file_names[1]), np.zeros((10, 10, 3), np.uint8))
    missing, cut, small = broken_frames(toy.annotations.videos, toy.frames)
    assert "video_1/img_0000002.jpg (frame 1 of video 1): no such file" in missing
    assert "video_2/img_0000001.jpg (frame 0 of video 2): is truncated" in cut
    assert "is 10 x 10 pixels, but its video is 64 x 48" in small
    with pytest.raises(InputError, match=r"3 of 5 frames are missing or broken, the first: .*img_0000002"):
        check_data(annotations=toy.annotation_file, frames=toy.frames)
    assert check_data(root=tmp_path, skip_frames=True).complaints is None


def test_a_long_list_of_complaints_is_cut(toy_dataset):
    report = describe(toy_dataset.annotations, "frames", [f"frame {i}" for i in range(25)])
    assert "frame 19" in report.text()
    assert "frame 20" not in report.text()
    assert "and 5 more" in report.text()


def test_the_picture_shows_frames_with_tinted_masks(toy_dataset, tmp_path):
    write_picture(tmp_path / "sheet.png", toy_dataset.annotations, toy_dataset.frames)
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    # Four rows of up to three frames of 180 x 240 pixels; the video of one frame has one.
    assert sheet.shape == (4 * 184, 3 * 240, 3)
    no_masks = replace(toy_dataset.annotations, instances=None)
    write_picture(tmp_path / "plain.png", no_masks, toy_dataset.frames)
    plain = cv2.imread(str(tmp_path / "plain.png"))
    instance = toy_dataset.annotations.instances[0]
    mask = masks.decode([instance.segmentations[0]])[0]
    enlarged = cv2.resize(mask.astype(np.uint8), (240, 180), interpolation=cv2.INTER_NEAREST) > 0
    changed = (sheet[:180, :240] != plain[:180, :240]).any(axis=2)
    assert changed[enlarged].mean() > 0.9
    assert changed[~enlarged].mean() < 0.5


def test_a_frame_that_cannot_be_read_is_grey_in_the_picture(toy_dataset, tmp_path):
    video = Video(1, 64, 48, ("gone/0.jpg",))
    annotations = replace(toy_dataset.annotations, videos=(video,), instances=None)
    write_picture(tmp_path / "sheet.png", annotations, toy_dataset.frames)
    assert (cv2.imread(str(tmp_path / "sheet.png"))[:180] == 128).all()


def test_a_folder_or_both_files_are_needed():
    with pytest.raises(InputError, match="give the data set's folder"):
        check_data()
