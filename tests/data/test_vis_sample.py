"""The readers on real files. ``NOVIS_VIS_SAMPLE`` names a folder with

``annotations_train.json`` and ``train/`` (OVIS layout), ``instances_ytvis_uncompressed.json``
(some of the videos with integer lists), and ``coco_train2017_mini`` (images and instances.json).
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from novis import masks
from novis.data.annotations import read_annotations
from novis.data.check import check_data
from novis.data.clip_dataset import ClipDataset
from novis.data.clip_sampler import ClipSchedule
from novis.data.coco import read_category_map, read_coco
from novis.data.coco_clips import ClipMixture, CocoClipDataset
from novis.data.frames import find_dataset

SAMPLE = Path(os.environ.get("NOVIS_VIS_SAMPLE", ""))
pytestmark = pytest.mark.skipif(
    not os.environ.get("NOVIS_VIS_SAMPLE"), reason="NOVIS_VIS_SAMPLE names no folder with the real sample"
)


@pytest.fixture(scope="module")
def annotations():
    return read_annotations(SAMPLE / "annotations_train.json")


def test_all_frames_and_masks_are_there():
    report = check_data(root=SAMPLE)
    assert (report.num_videos, report.num_instances, report.num_frames, report.num_masks) == (
        11,
        32,
        494,
        1395,
    )
    assert report.complaints == ()
    assert report.occlusion == {"no_occlusion": 826, "slight_occlusion": 298, "severe_occlusion": 67}


def test_areas_and_boxes_are_those_of_the_file(annotations):
    entries = json.loads((SAMPLE / "annotations_train.json").read_text())["annotations"]
    for instance, entry in zip(annotations.instances, entries, strict=True):
        present = [rle for rle in instance.segmentations if rle is not None]
        assert masks.areas(present).tolist() == [area for area in entry["areas"] if area is not None]
        assert masks.boxes(present).tolist() == [box for box in entry["bboxes"] if box is not None]


def test_integer_lists_give_the_same_masks(annotations):
    uncompressed = read_annotations(SAMPLE / "instances_ytvis_uncompressed.json")
    assert len(uncompressed.videos) == 3
    id_of = {video.name: video.id for video in annotations.videos}
    for video in uncompressed.videos:
        ours, theirs = (
            [i.segmentations for i in source.instances if i.video_id == video_id]
            for source, video_id in ((uncompressed, video.id), (annotations, id_of[video.name]))
        )
        assert ours == theirs


def test_coco_masks_are_those_of_pycocotools():
    path = SAMPLE / "coco_train2017_mini" / "instances.json"
    reference = COCO(path)
    images = read_coco(path)
    assert len(images.instances) == 165
    for instance in images.instances:
        expected = reference.annToMask(reference.anns[instance.id]).astype(bool)
        assert np.array_equal(masks.decode(instance.segmentations)[0], expected)


def test_batches_of_videos_and_images_have_one_layout(annotations):
    folder = SAMPLE / "coco_train2017_mini"
    images = read_coco(folder / "instances.json", read_category_map("coco_to_ovis"), annotations.categories)
    small = {"short_sides": [96], "crop": {"short_sides": [120], "sizes": [80, 110]}}
    mixture = ClipMixture(
        [
            CocoClipDataset(images, folder / "images", 4, small),
            ClipDataset(annotations, find_dataset(SAMPLE).frames, 4, small),
        ]
    )
    schedule = ClipSchedule(mixture.num_items, 8, 0)
    samples = [mixture[draw] for iteration in range(3) for draw in schedule[iteration]]
    for sample in samples:
        num_frames, _, height, width = sample["frames"].shape
        assert num_frames == 4
        assert sample["masks"].shape == (len(sample["labels"]), 4, height, width)
        assert all(0 <= label < 25 for label in sample["labels"].tolist())
    assert sum(len(sample["labels"]) for sample in samples) > 24
