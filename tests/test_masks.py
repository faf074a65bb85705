from itertools import pairwise

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from novis import masks


def random_masks(rng, count, height, width):
    """Masks with few and many runs, some empty, some full."""
    density = rng.choice([0.0, 0.02, 0.5, 0.98, 1.0], size=(count, 1, 1))
    return rng.random((count, height, width)) < density


def test_encoding_is_that_of_pycocotools_and_decoding_its_inverse():
    drawn = random_masks(np.random.default_rng(0), 40, 13, 9)
    rles = masks.encode(drawn)
    for rle, mask in zip(rles, drawn, strict=True):
        reference = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        assert rle == {"size": [13, 9], "counts": reference["counts"].decode()}
    decoded = masks.decode(rles)
    assert decoded.dtype == bool
    assert np.array_equal(decoded, drawn)


def test_areas_and_boxes_are_those_of_the_pixels():
    drawn = np.zeros((2, 7, 9), bool)
    drawn[0, 2:5, 3:8] = True
    rles = masks.encode(drawn)
    assert masks.areas(rles).tolist() == [15, 0]
    assert masks.boxes(rles).tolist() == [[3, 2, 5, 3], [0, 0, 0, 0]]


def test_areas_of_many_masks_at_once():
    drawn = random_masks(np.random.default_rng(4), 600, 5, 4)
    assert masks.areas(masks.encode(drawn)).tolist() == drawn.sum((1, 2)).tolist()


def test_no_masks_are_no_error():
    assert masks.encode(np.zeros((0, 4, 5), bool)) == []
    assert masks.decode([]).shape == (0, 0, 0)
    assert masks.areas([]).shape == (0,)
    assert masks.boxes([]).shape == (0, 4)
    assert masks.first_broken([]) is None


def test_run_lengths_are_those_counted_by_hand():
    # Column by column: 2 off, 3 on, 1 off | 6 on; then a full mask, which starts with a run of 0.
    drawn = np.zeros((2, 6, 2), bool)
    drawn[0, 2:5, 0] = drawn[0, :, 1] = True
    drawn[1] = True
    runs, offsets = masks.run_lengths([rle["counts"] for rle in masks.encode(drawn)])
    assert [runs[a:b].tolist() for a, b in pairwise(offsets)] == [[2, 3, 1, 6], [0, 12]]


def test_whole_masks_pass_in_batches_too(monkeypatch):
    monkeypatch.setattr(masks, "_BATCH_CHARACTERS", 50)
    rles = masks.encode(random_masks(np.random.default_rng(1), 60, 40, 30))
    assert masks.first_broken(rles) is None


@pytest.mark.parametrize("position", [0, 17, 59])
@pytest.mark.parametrize("counts", ["", "~", "é0", "0", "P", "ooooooooooooo1", "\x00", "jV1" * 3])
def test_the_first_broken_mask_is_found(monkeypatch, position, counts):
    monkeypatch.setattr(masks, "_BATCH_CHARACTERS", 300)
    rles = masks.encode(random_masks(np.random.default_rng(2), 60, 40, 30))
    rles[position] = {"size": [40, 30], "counts": counts}
    rles[59] = {"size": [40, 30], "counts": "also broken"}
    assert masks.first_broken(rles)[0] == position


def test_every_accepted_mutation_is_decoded_as_pycocotools_encodes_it():
    """A mutated string that passes holds runs that pycocotools understands in the same way."""
    rng = np.random.default_rng(3)
    accepted = 0
    for rle in masks.encode(random_masks(rng, 400, 6, 5)):
        text = list(rle["counts"])
        text[rng.integers(len(text))] = chr(rng.integers(46, 114))
        mutated = {"size": [6, 5], "counts": "".join(text)}
        if masks.first_broken([mutated]) is None:
            runs, _ = masks.run_lengths([mutated["counts"]])
            pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(5, 6).T
            assert np.array_equal(masks.decode([mutated])[0], pixels)
            accepted += 1
    assert 0 < accepted < 400


def test_polygons_are_filled_as_pycocotools_fills_them():
    polygons = [[1.5, 1, 6, 1, 6, 4.5], [7, 5, 9, 5, 9, 7, 7, 7]]
    rle = masks.compressed(polygons, 8, 10)
    reference = coco_mask.merge(coco_mask.frPyObjects(polygons, 8, 10))
    assert rle == {"size": [8, 10], "counts": reference["counts"].decode()}


@pytest.mark.parametrize("absent", [None, []])
def test_absent_is_none(absent):
    assert masks.compressed(absent, 4, 4) is None


@pytest.mark.parametrize("value", [3, "text", {}, {"size": [4, 4]}, {"counts": [16]}, [3], [[]], {"size": 1}])
def test_what_is_no_mask_is_refused(value):
    with pytest.raises(ValueError, match=r"^(is|has) "):
        masks.compressed(value, 4, 4)


def coded(*numbers):
    """The characters of some numbers: five bits each, low bits first, bit 5 where more follow."""
    text = ""
    for number in numbers:
        while not -16 <= number < 16:
            text += chr(48 + (number & 31) + 32)
            number >>= 5
        text += chr(48 + (number & 31))
    return text


def test_the_coder_of_these_tests_is_that_of_pycocotools():
    runs = {"size": [40, 50], "counts": [700, 3, 297, 1000]}
    assert masks.compressed(runs, 40, 50)["counts"] == coded(700, 3, 297, 1000 - 3)


@pytest.mark.parametrize("runs", [(30, -2, 20), (-1, 49), (2**33, 48 - 2**33)])
def test_runs_that_sum_rightly_but_are_negative_are_refused(runs):
    broken = masks.first_broken([{"size": [6, 8], "counts": coded(*runs)}])
    assert broken is not None
    assert broken[0] == 0
