import numpy as np
import pytest

from novis.data import transforms
from novis.data.transforms import ClipAugmentation, Crop, ScaleJitter, resize_clip, resize_frame, resize_masks
from novis.errors import InputError


def clip(num_frames=3, height=40, width=60, num_instances=2):
    """Frames whose pixels tell their own place, and masks of the left and upper half."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[..., 0] = np.arange(width)
    frames[..., 1] = np.arange(height)[:, None]
    frames[..., 2] = np.arange(num_frames)[:, None, None]
    masks = np.zeros((num_instances, num_frames, height, width), bool)
    masks[0, :, :, : width // 2] = True
    masks[1:, :, : height // 2] = True
    return frames, masks


@pytest.mark.parametrize(
    ("shape", "min_size", "max_size", "expected"),
    [
        # Worked out by hand; the first two are the sizes that the parents' test resize gives.
        ((1080, 1920), 360, 1333, (360, 640)),
        ((720, 1280), 480, 1333, (480, 853)),
        ((1280, 720), 360, 1333, (640, 360)),
        ((480, 854), 720, 1000, (562, 1000)),
        ((300, 300), 96, 1333, (96, 96)),
        ((2, 4000), 100, 1000, (1, 1000)),
    ],
)
def test_sizes_at_test_time(shape, min_size, max_size, expected):
    assert transforms.test_size(*shape, min_size, max_size) == expected


def test_shrinking_smooths():
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, ::2] = 200
    shrunk = resize_frame(stripes, (16, 16))
    assert shrunk.shape == (16, 16, 3)
    assert np.abs(shrunk.astype(int) - 100).max() <= 15


def test_equal_sizes_change_nothing():
    frames, masks = clip()
    same_frames, same_masks = resize_clip(frames, masks, (40, 60))
    assert same_frames is frames
    assert same_masks is masks


@pytest.mark.parametrize(("old", "new"), [(12, 4), (4, 12), (7, 5), (5, 7)])
def test_masks_take_the_pixel_at_their_centre(old, new):
    line = np.random.default_rng(0).random((1, old)) < 0.5
    resized = resize_masks(line, (1, new))[0]
    for position in range(new):
        centre = (position + 0.5) * old / new
        assert resized[position] == line[0, int(np.floor(centre))]


def test_masks_stay_on_their_objects():
    frames, masks = clip(height=48, width=96)
    frames[..., 0] = 255 * masks[0]
    for size in ((24, 48), (64, 128), (31, 77)):
        resized_frames, resized_masks = resize_clip(frames, masks, size)
        assert (resized_masks[0] != (resized_frames[..., 0] > 127)).mean() < 0.02


def test_a_flip_mirrors_all_frames_and_masks():
    frames, masks = clip()
    flipped, flipped_masks = ClipAugmentation(flip=1.0, short_sides=(), crop=None)(
        np.random.default_rng(0), frames, masks
    )
    assert np.array_equal(flipped, frames[:, :, ::-1])
    assert np.array_equal(flipped_masks, masks[..., ::-1])


def test_no_options_change_nothing():
    frames, masks = clip()
    plain = ClipAugmentation(flip=0.0, short_sides=(), crop=None)
    same, same_masks = plain(np.random.default_rng(0), frames, masks)
    assert np.array_equal(same, frames)
    assert np.array_equal(same_masks, masks)


def test_a_crop_is_the_same_part_of_every_frame():
    frames, masks = clip()
    augmentation = ClipAugmentation(flip=0.0, short_sides=(), crop=Crop(1.0, (40,), (10, 20)))
    corners = set()
    for seed in range(60):
        part, part_masks = augmentation(np.random.default_rng(seed), frames, masks)
        _, height, width, _ = part.shape
        left, top = (int(part[0, 0, 0, channel]) for channel in (0, 1))
        corners.add((left, top, height, width))
        assert 10 <= height <= 20
        assert 10 <= width <= 20
        assert np.array_equal(part, frames[:, top : top + height, left : left + width])
        assert np.array_equal(part_masks, masks[..., top : top + height, left : left + width])
    assert len(corners) > 50


def test_a_crop_never_exceeds_the_frame():
    frames, masks = clip(height=12, width=30)
    augmentation = ClipAugmentation(flip=0.0, short_sides=(), crop=Crop(1.0, (12,), (20, 25)))
    part, _ = augmentation(np.random.default_rng(0), frames, masks)
    assert part.shape[1] == 12
    assert 20 <= part.shape[2] <= 25


def test_short_sides_and_crops_are_drawn_as_often_as_configured():
    frames, masks = clip(num_frames=1)
    augmentation = ClipAugmentation(short_sides=(20, 30), max_size=100, crop=Crop(0.5, (50,), (16, 16)))
    rng = np.random.default_rng(0)
    shapes = [augmentation(rng, frames, masks)[0].shape[1:3] for _ in range(800)]
    # Uncropped frames keep their shape of 2 x 3, cropped ones are square.
    counts = {shape: shapes.count(shape) for shape in set(shapes)}
    assert set(counts) == {(20, 20), (30, 30), (20, 30), (30, 45)}
    assert all(150 < count < 250 for count in counts.values())


def test_the_long_side_is_limited():
    frames, masks = clip(num_frames=1, height=20, width=80)
    augmentation = ClipAugmentation(flip=0.0, short_sides=(40,), max_size=100, crop=None)
    resized, resized_masks = augmentation(np.random.default_rng(0), frames, masks)
    assert resized.shape == (1, 25, 100, 3)
    assert resized_masks.shape == (2, 1, 25, 100)


def jittered(seed, flip=0.0, size=32, scales=(0.1, 2.0), **shape):
    frames, masks = clip(num_frames=1, **shape)
    augmentation = ClipAugmentation(flip=flip, short_sides=(), crop=None, jitter=ScaleJitter(scales, size))
    return augmentation(np.random.default_rng(seed), frames, masks)


def test_jitter_gives_squares_of_one_size():
    for seed in range(30):
        frames, masks = jittered(seed)
        assert frames.shape == (1, 32, 32, 3)
        assert masks.shape == (2, 1, 32, 32)
        assert frames.dtype == np.uint8


def content(frames):
    """Height and width of what is not padding; the blue channel of the clip's only frame is 0."""
    inside = frames[0, ..., 2] != 128
    return int(inside.any(1).sum()), int(inside.any(0).sum())


def test_jitter_scales_uniformly_and_keeps_the_shape():
    # At half the size nothing is cropped, and the frame's long side is the drawn multiple of 32.
    sides = [content(jittered(seed, scales=(0.1, 1.0))[0]) for seed in range(400)]
    assert all(abs(height - width * 40 / 60) <= 1 for height, width in sides)
    widths = np.array([width for _, width in sides])
    assert widths.min() <= 5
    assert widths.max() >= 31
    counts, _ = np.histogram(widths, bins=4, range=(3.2, 32.5))
    assert counts.min() > 70


def test_what_jitter_lacks_is_padded_right_and_below_without_objects():
    for seed in range(20):
        frames, masks = jittered(seed, flip=1.0, scales=(0.2, 0.6))
        height, width = content(frames)
        assert (frames[0, height:] == 128).all()
        assert (frames[0, :, width:] == 128).all()
        assert not masks[..., height:, :].any()
        assert not masks[..., width:].any()
        # Mirrored: the mask of the left half lies right, up to the padding.
        assert masks[0, 0, :height, width - 1].all()
        assert not masks[0, 0, :, 0].any()


def test_jitter_crops_at_random_places_and_masks_follow():
    corners = set()
    for seed in range(60):
        frames, masks = clip(num_frames=1)
        frames[..., 0] = 255 * masks[0]
        jitter = ScaleJitter((2.0, 2.0), 40)
        part, part_masks = jitter(np.random.default_rng(seed), frames, masks)
        # 40 x 60 becomes 53 x 80: its rows tell the place, and the first object covers the left half.
        assert content(part) == (40, 40)
        assert (part_masks[0] != (part[..., 0] > 127)).mean() < 0.03
        corners.add((int(part[0, 0, 0, 1]), int(part_masks[0, 0, 0].sum())))
    assert len(corners) > 40


def test_jitter_never_loses_the_frame():
    frames, _ = jittered(0, scales=(0.001, 0.001), height=4, width=60)
    assert content(frames) == (1, 1)


def test_the_defaults_are_the_papers():
    assert ClipAugmentation.from_config({}) == ClipAugmentation(
        frame_range=5,
        reverse=0.5,
        flip=0.5,
        short_sides=(288, 320, 352, 384, 416, 448, 480, 512),
        max_size=768,
        crop=Crop(0.5, (400, 500, 600), (384, 600)),
    )


def test_a_configuration_is_read():
    config = {"short_sides": [96, 112], "flip": 0, "crop": {"sizes": [80, 96], "short_sides": [100]}}
    assert ClipAugmentation.from_config(config) == ClipAugmentation(
        short_sides=(96, 112), flip=0, crop=Crop(0.5, (100,), (80, 96))
    )
    assert ClipAugmentation.from_config({"crop": None}).crop is None
    jitter = ClipAugmentation.from_config({"jitter": {}, "crop": None, "short_sides": []}).jitter
    assert jitter == ScaleJitter((0.1, 2.0), 1024), "the parent's"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"short_side": [3]}, "augmentation: unknown key 'short_side'; did you mean 'short_sides'"),
        ({"crop": {"size": [3, 4]}}, "augmentation.crop: unknown key 'size'; did you mean 'sizes'"),
        ({"flip": 1.5}, r"must lie in 0\.\.1"),
        ({"short_sides": [0]}, "at least 1"),
        ({"frame_range": 0}, "at least 1"),
        ({"crop": {"sizes": [5, 4]}}, "least side first"),
        ({"crop": {"short_sides": []}}, "must not be empty"),
        ({"jitter": {}}, "jitter replaces crop and short_sides"),
        ({"short_sides": 360}, "augmentation.short_sides is 360; it must be a list of whole numbers"),
        ({"short_sides": [360, "480"]}, "augmentation.short_sides is .*; it must be a list of whole numbers"),
        ({"flip": "often"}, "augmentation.flip is 'often'; it must be a number"),
        ({"max_size": 1.5}, "augmentation.max_size is 1.5; it must be a whole number"),
        ({"crop": 384}, "augmentation.crop is 384; it must be a mapping or None"),
        ({"crop": {"sizes": [384]}}, r"augmentation.crop.sizes is \[384\]; it must be a list of two whole"),
        ({"jitter": {"scales": 2.0}}, "augmentation.jitter.scales is 2.0; it must be a list of two numbers"),
        ({"jitter": {"scale": 1}}, "augmentation.jitter: unknown key 'scale'; did you mean 'scales'"),
        ({"jitter": {"scales": [2, 1]}, "crop": None, "short_sides": []}, "positive, the least first"),
        ({"jitter": {"size": 0}, "crop": None, "short_sides": []}, "must be at least 1"),
    ],
)
def test_a_wrong_configuration_is_refused(config, message):
    with pytest.raises(InputError, match=message):
        ClipAugmentation.from_config(config)
