from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from novis.masks import decode
from novis.tracking.merging import choose_tracks
from novis.tracking.resampling import MaskResampler, encode_region, interpolation
from novis.tracking.similarity import softmax

GOLDEN = Path(__file__).parent / "golden" / "post_m2f_video.npz"


def smooth(rng, height, width):
    return cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), 2)


def two_steps(evidence, padded, resized, frame):
    """As the parents do it: to the padded input, without its padding, to the frame."""
    volume = torch.from_numpy(evidence)[None, None]
    volume = torch.nn.functional.interpolate(volume, size=padded, mode="bilinear", align_corners=False)
    volume = volume[:, :, : resized[0], : resized[1]]
    return torch.nn.functional.interpolate(volume, size=frame, mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()


@pytest.mark.parametrize(("source", "target"), [(5, 20), (20, 5), (7, 7), (6, 11), (1, 4), (4, 1)])
def test_interpolation_agrees_with_torch_and_opencv(source, target):
    line = np.random.default_rng(0).normal(size=source).astype(np.float32)
    found = interpolation(source, target) @ line
    size = (target, 1)
    expected = torch.nn.functional.interpolate(torch.from_numpy(line)[None, None, :], target, mode="linear")
    np.testing.assert_allclose(found, expected[0, 0], atol=1e-5)
    np.testing.assert_allclose(
        found, cv2.resize(line[None], size, interpolation=cv2.INTER_LINEAR)[0], atol=1e-5
    )


@pytest.mark.parametrize(
    ("padded", "resized", "frame"),
    [
        ((64, 96), (60, 90), (120, 180)),
        ((64, 96), (64, 96), (31, 47)),
        ((96, 160), (90, 160), (71, 213)),
        ((32, 32), (20, 30), (200, 300)),
    ],
)
def test_masks_agree_with_resizing_in_two_steps(padded, resized, frame):
    rng = np.random.default_rng(0)
    resampler = MaskResampler(padded, resized, frame)
    for threshold in (-0.3, 0.0, 0.2, 0.35):
        evidence = smooth(rng, padded[0] // 4, padded[1] // 4) - np.float32(threshold)
        expected = two_steps(evidence, padded, resized, frame)
        rle = resampler.encode(evidence)
        found = np.zeros(frame, bool) if rle is None else decode([rle])[0]
        decided = np.abs(expected) > 1e-6
        assert decided.mean() > 0.99
        np.testing.assert_array_equal(found[decided], (expected > 0)[decided])


def test_a_lone_strong_cell_reaches_as_far_as_in_two_steps():
    """Its neighbours are barely negative, so it decides every pixel that mixes it in."""
    sizes = ((64, 96), (60, 90), (31, 47))
    for row, column in ((7, 9), (0, 0), (14, 21), (8, 3)):
        evidence = np.random.default_rng(row).uniform(-0.02, -0.01, (16, 24)).astype(np.float32)
        evidence[row, column] = 10
        expected = two_steps(evidence, *sizes) > 0
        np.testing.assert_array_equal(decode([MaskResampler(*sizes).encode(evidence)])[0], expected)


def test_a_mask_in_the_padding_alone_is_none():
    evidence = np.full((16, 24), -1.0, np.float32)
    evidence[14:, :] = 1
    assert MaskResampler((64, 96), (40, 96), (80, 192)).encode(evidence) is None


def test_no_positive_evidence_is_none():
    assert MaskResampler((64, 96), (60, 96), (60, 96)).encode(np.zeros((16, 24), np.float32)) is None


@pytest.mark.parametrize("density", [0.02, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("top", [0, 2, 5])
@pytest.mark.parametrize("left", [0, 3, 6])
def test_a_region_is_encoded_as_pycocotools_encodes_the_frame(density, top, left):
    height, width = 12, 14
    region = np.random.default_rng(0).random((8, 7)) < density
    frame = np.zeros((height, width), np.uint8, order="F")
    frame[top : top + 7, left : left + 8] = region.T
    expected = coco_mask.encode(frame)["counts"].decode()
    assert encode_region(region, top, left, (height, width)) == {"size": [12, 14], "counts": expected}


def test_a_whole_frame_is_one_run():
    expected = coco_mask.encode(np.ones((5, 4), np.uint8, order="F"))["counts"].decode()
    assert encode_region(np.ones((4, 5), bool), 0, 0, (5, 4))["counts"] == expected


def test_post_processing_agrees_with_mask2former():
    with np.load(GOLDEN) as golden:
        sizes = [tuple(golden[name].tolist()) for name in ("padded_size", "image_size", "output_size")]
        resampler = MaskResampler(*sizes)
        top = choose_tracks(softmax(golden["in_logits"][0])[:, :-1], 10)
        order = np.argsort(-golden["scores"])
        np.testing.assert_allclose(top.scores, golden["scores"][order], atol=1e-6)
        np.testing.assert_array_equal(top.labels, golden["labels"][order])
        for slot, expected in zip(top.slots, golden["masks"][order], strict=True):
            for evidence, mask in zip(golden["in_masks"][0, slot], expected, strict=True):
                rle = resampler.encode(evidence)
                found = np.zeros_like(mask) if rle is None else decode([rle])[0]
                np.testing.assert_array_equal(found, mask)
