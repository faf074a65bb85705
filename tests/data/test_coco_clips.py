import cv2
import numpy as np
import pytest
import torch

from novis import masks
from novis.data.clip_dataset import ClipDataset
from novis.data.clip_sampler import ClipSchedule, Draw
from novis.data.coco_clips import ClipMixture, CocoClipDataset
from novis.data.transforms import ClipAugmentation, Crop
from novis.structures import Annotations, Category, Instance, Video

HEIGHT, WIDTH = 70, 90
STILL = ClipAugmentation(flip=0.0, short_sides=(), crop=None)
MOVING = ClipAugmentation(flip=0.0, short_sides=(), crop=Crop(1.0, (60,), (30, 30)))


@pytest.fixture
def image(tmp_path):
    """One image: a bright square left of the middle, which is also its only mask, and a crowd."""
    mask = np.zeros((1, HEIGHT, WIDTH), bool)
    mask[0, 20:40, 30:50] = True
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    picture[mask[0]] = 250
    cv2.imwrite(str(tmp_path / "one.png"), picture)
    (rle,) = masks.encode(mask)
    annotations = Annotations(
        "coco.json",
        (Category(5, "far"), Category(2, "near")),
        (Video(1, WIDTH, HEIGHT, ("one.png",)), Video(2, WIDTH, HEIGHT, ("empty.png",))),
        (Instance(1, 1, 5, (rle,)), Instance(2, 1, 2, (rle,), is_crowd=True)),
    )
    return annotations, tmp_path


def samples(image, clip_length, augmentation, count=40, **options):
    dataset = CocoClipDataset(*image, clip_length, augmentation, **options)
    return [dataset[Draw(0, 0, 0, iteration, 0)] for iteration in range(count)]


def test_a_sample_has_the_layout_of_video_clips(image):
    (sample,) = samples(image, 3, {"short_sides": [35], "crop": None}, count=1)
    assert sample["frames"].shape == (3, 3, 35, 45)
    assert sample["frames"].dtype == torch.uint8
    assert sample["masks"].shape == (1, 3, 35, 45)
    assert sample["masks"].dtype == torch.bool
    # The category of id 5 comes second of the sorted ids; the crowd is left out.
    assert sample["labels"].tolist() == [1]
    assert sample["name"] == "one.png"


def test_images_without_objects_are_no_items(image):
    assert CocoClipDataset(*image, 2).num_items == 1


def test_without_motion_every_frame_is_the_image(image):
    (sample,) = samples(image, 3, STILL, count=1, max_angle=0.0)
    picture = torch.from_numpy(cv2.imread(str(image[1] / "one.png"))).permute(2, 0, 1)
    assert all(torch.equal(frame, picture) for frame in sample["frames"])
    assert torch.equal(sample["masks"][0, 1], picture[0] > 128)


@pytest.mark.parametrize(
    "augmentation", [STILL, MOVING, ClipAugmentation(flip=1.0, short_sides=(90,), crop=None)]
)
def test_masks_follow_their_object(image, augmentation):
    for sample in samples(image, 4, augmentation):
        if len(sample["masks"]):
            differs = sample["masks"][0] != (sample["frames"][:, 0] > 155)
            assert differs.float().mean() < 0.02


def turned(sample):
    """The angle of the square in each frame, in degrees, from the moments of its upper edge."""
    angles = []
    for mask in sample["masks"][0].numpy():
        (outline,), _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        angles.append((cv2.minAreaRect(outline)[2] + 45) % 90 - 45)
    return np.array(angles)


def test_rotation_is_steady_within_its_limit_and_goes_both_ways(image):
    directions = set()
    for sample in samples(image, 5, STILL):
        angles = turned(sample)
        assert np.abs(angles).max() < 17
        steps = np.diff(angles)
        assert (steps > -2.5).all() or (steps < 2.5).all()
        directions.add(np.sign(angles[-1] - angles[0]))
    assert directions == {-1.0, 1.0}


def test_outside_the_image_is_black(image):
    corners = [sample["frames"][:, :, 0, 0].amax() for sample in samples(image, 2, STILL)]
    assert min(corners) == 0


def test_the_crop_moves_in_a_straight_line(image):
    # A crop of 60 x 60 always holds the whole square.
    augmentation = ClipAugmentation(flip=0.0, short_sides=(), crop=Crop(1.0, (70,), (60, 60)))
    ways = []
    for sample in samples(image, 5, augmentation, max_angle=0.0):
        assert sample["frames"].shape[2:] == (60, 60)
        assert sample["masks"].sum(dim=(2, 3)).tolist() == [[400] * 5]
        steps = np.diff([np.argwhere(mask)[0] for mask in sample["masks"][0].numpy()], axis=0)
        assert np.ptp(steps, axis=0).max() <= 1
        ways.append(tuple(np.sign(steps.sum(axis=0))))
    assert {(-1, -1), (-1, 1), (1, -1), (1, 1)} <= set(ways)


def test_with_jitter_an_image_does_not_move(image):
    jitter = {"jitter": {"size": 64}, "crop": None, "short_sides": []}
    sizes = set()
    for sample in samples(image, 2, jitter):
        assert sample["frames"].shape == (2, 3, 64, 64)
        assert torch.equal(sample["frames"][0], sample["frames"][1])
        if len(sample["masks"]):
            assert torch.equal(sample["masks"][0, 0], sample["masks"][0, 1])
            # The square is brighter than the rest of the image and the padding.
            assert (sample["masks"][0, 0] != (sample["frames"][0, 0] > 190)).float().mean() < 0.03
            sizes.add(int(sample["masks"][0, 0].sum()))
        else:
            assert sample["num_lost"] == 1
    assert len(sizes) > 15


def test_a_sample_depends_on_its_draw_alone(image):
    first, second = (samples(image, 3, MOVING, count=3) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one["frames"], other["frames"])
        assert torch.equal(one["masks"], other["masks"])
    assert not torch.equal(first[0]["frames"], first[1]["frames"])


def test_videos_and_images_mix_in_one_batch(image, toy_dataset):
    videos = ClipDataset(toy_dataset.annotations, toy_dataset.frames, 2, STILL)
    mixture = ClipMixture([CocoClipDataset(*image, 2, STILL), videos])
    assert mixture.num_items == (1, 4)
    schedule = ClipSchedule(mixture.num_items, 8, seed=0, weights=(1.0, 0.75))
    names = [mixture[draw]["name"] for draw in schedule[0]]
    assert {name == "one.png" for name in names} == {True, False}
    assert [name == "one.png" for name in names] == [draw.source == 0 for draw in schedule[0]]
