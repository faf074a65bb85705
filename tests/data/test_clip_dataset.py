import ast
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from novis import masks
from novis.data.clip_dataset import ClipDataset, class_labels
from novis.data.clip_sampler import ClipSchedule, Draw
from novis.data.transforms import ClipAugmentation
from novis.errors import InputError
from novis.structures import Category, Video

PLAIN = ClipAugmentation(flip=0.0, reverse=0.0, short_sides=(), crop=None)


def draw(item, iteration=0):
    return Draw(0, item, 0, iteration, 0)


def frame_indices(sample):
    return ast.literal_eval(sample["name"].partition("frames ")[2])


def test_labels_are_positions_of_sorted_category_ids():
    assert class_labels([Category(9, "x"), Category(2, "y"), Category(5, "z")]) == {2: 0, 5: 1, 9: 2}


def test_a_sample_holds_the_frames_and_masks_of_the_files(toy_dataset):
    dataset = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 3, PLAIN)
    sample = dataset[draw(0)]
    indices = frame_indices(sample)
    assert sample["frames"].shape == (3, 3, 48, 64)
    assert sample["frames"].dtype == torch.uint8
    assert sample["masks"].dtype == torch.bool
    assert sample["labels"].dtype == torch.int64
    video = toy_dataset.annotations.videos[0]
    for slot, index in enumerate(indices):
        image = cv2.imread(str(toy_dataset.frames / video.file_names[index]))[:, :, ::-1]
        assert np.array_equal(sample["frames"][slot].permute(1, 2, 0).numpy(), image)
    instances = [i for i in toy_dataset.annotations.instances if i.video_id == video.id]
    assert len(sample["labels"]) == len(instances)
    for row, instance in enumerate(instances):
        assert [3, 7, 8][int(sample["labels"][row])] == instance.category_id
        for slot, index in enumerate(indices):
            rle = instance.segmentations[index]
            expected = masks.decode([rle])[0] if rle else np.zeros((48, 64), bool)
            assert np.array_equal(sample["masks"][row, slot].numpy(), expected)


def test_objects_that_a_crop_loses_are_counted(toy_dataset):
    crop = {"probability": 1.0, "short_sides": [48], "sizes": [4, 4]}
    options = {"flip": 0.0, "short_sides": [], "crop": crop}
    cropped = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 1, {**options, "frame_range": 1})
    whole = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 1, {**options, "crop": None})
    lost = []
    for iteration in range(20):
        sample, full = cropped[draw(0, iteration)], whole[draw(0, iteration)]
        assert frame_indices(sample) == frame_indices(full)
        assert full["num_lost"] == 0
        assert len(sample["labels"]) + sample["num_lost"] == len(full["labels"])
        lost.append(sample["num_lost"])
    assert max(lost) > 0


def test_a_sample_depends_on_its_draw_alone(toy_dataset):
    first = ClipDataset(
        toy_dataset.annotations, toy_dataset.frames, 2, {"short_sides": [40, 48], "crop": None}
    )
    second = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 2, first.augmentation)
    schedule = ClipSchedule(first.num_items, 4, seed=0)
    for entry in reversed(schedule[1]):
        first[entry]
    for entry in schedule[1]:
        one, other = first[entry], second[entry]
        assert one["name"] == other["name"]
        assert all(torch.equal(one[key], other[key]) for key in ("frames", "labels", "masks"))
    assert len({second[draw(0, iteration)]["name"] for iteration in range(20)}) > 10


def test_workers_change_nothing(toy_dataset):
    dataset = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 2, PLAIN)
    schedule = ClipSchedule(dataset.num_items, 3, seed=0)
    batches = [schedule[iteration] for iteration in range(4)]

    def load(workers):
        loader = torch.utils.data.DataLoader(
            dataset, batch_sampler=batches, num_workers=workers, collate_fn=list
        )
        return [(s["name"], s["frames"], s["masks"]) for batch in loader for s in batch]

    for (name, frames, drawn), (same_name, same_frames, same) in zip(load(0), load(2), strict=True):
        assert name == same_name
        assert torch.equal(frames, same_frames)
        assert torch.equal(drawn, same)


@pytest.mark.parametrize("item", [2, 3])
def test_short_videos_repeat_frames(toy_dataset, item):
    sample = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 4, PLAIN)[draw(item)]
    assert set(frame_indices(sample)) == set(range(toy_dataset.annotations.videos[item].length))
    assert sample["frames"].shape[0] == sample["masks"].shape[1] == 4


def with_segmentations(annotations, changes):
    """The annotations with the segmentations of some instances replaced."""
    instances = tuple(
        replace(instance, **changes[instance.id]) if instance.id in changes else instance
        for instance in annotations.instances
    )
    return replace(annotations, instances=instances)


def test_instances_absent_from_all_frames_are_left_out_and_from_some_kept(toy_dataset):
    first, second = (i for i in toy_dataset.annotations.instances if i.video_id == 4)
    annotations = with_segmentations(
        toy_dataset.annotations,
        {
            first.id: {"segmentations": (None, None, first.segmentations[2])},
            second.id: {"segmentations": (second.segmentations[0], None, None)},
        },
    )
    dataset = ClipDataset(annotations, toy_dataset.frames, 2, PLAIN)
    seen = {}
    for iteration in range(40):
        sample = dataset[draw(3, iteration)]
        seen[tuple(frame_indices(sample))] = sample
    assert set(seen) == {(0, 1), (0, 2), (1, 2)}
    assert len(seen[0, 1]["labels"]) == len(seen[1, 2]["labels"]) == 1
    both = seen[0, 2]["masks"].flatten(2).any(-1)
    assert both.tolist() == [[False, True], [True, False]]


def test_what_a_crop_cuts_off_is_left_out(toy_dataset):
    augmentation = {"short_sides": [], "crop": {"probability": 1.0, "short_sides": [48], "sizes": [4, 4]}}
    dataset = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 1, augmentation)
    counts = [dataset[draw(0, iteration)]["labels"].numel() for iteration in range(40)]
    assert min(counts) == 0
    assert max(counts) > 0
    empty = dataset[draw(0, counts.index(0))]
    assert empty["masks"].shape == (0, 1, 4, 4)


def test_crowds_and_videos_without_objects_are_left_out_by_name(toy_dataset, caplog):
    crowds = {i.id: {"is_crowd": True} for i in toy_dataset.annotations.instances if i.video_id == 2}
    nowhere = {
        i.id: {"segmentations": (None,) * 3} for i in toy_dataset.annotations.instances if i.video_id == 4
    }
    annotations = with_segmentations(toy_dataset.annotations, crowds | nowhere)
    dataset = ClipDataset(annotations, toy_dataset.frames, 1, PLAIN)
    assert dataset.num_items == 2
    assert dataset.left_out == ["video_2", "video_4"]
    assert "2 videos without objects are left out" in caplog.text
    assert dataset[draw(1)]["name"].startswith("video_3")


def test_no_ground_truth_is_refused(toy_dataset):
    with pytest.raises(InputError, match="holds no ground truth"):
        ClipDataset(replace(toy_dataset.annotations, instances=None), toy_dataset.frames, 2)


def test_a_missing_frame_is_named(toy_dataset):
    video = Video(1, 64, 48, ("gone/0.jpg",))
    instance = replace(
        toy_dataset.annotations.instances[0],
        video_id=1,
        segmentations=(masks.encode(np.ones((1, 48, 64), bool))[0],),
    )
    annotations = replace(toy_dataset.annotations, videos=(video,), instances=(instance,))
    with pytest.raises(InputError, match=r"gone/0\.jpg"):
        ClipDataset(annotations, toy_dataset.frames, 2)[draw(0)]
