import math
from itertools import combinations

import cv2
import numpy as np
import pytest

from novis.data.shapes.silhouettes import CATEGORIES, CATEGORY_NAMES, bar, blob

TURNS = 36


def raster(silhouette, diameter, angle=0.0):
    """The silhouette at a diameter in pixels, as (64, 64) bool."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[cos, sin], [-sin, cos]]) * diameter / 2
    canvas = np.zeros((64, 64), np.uint8)
    cv2.fillPoly(canvas, [np.rint(c @ turn * 16 + 32 * 16).astype(np.int32) for c in silhouette], 1, shift=4)
    return canvas.astype(bool)


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def best_overlap(name, other, diameter=20):
    """IoU of two categories at the best of 36 turns."""
    still = raster(CATEGORIES[name], diameter)
    turned = (raster(CATEGORIES[other], diameter, 2 * math.pi * k / TURNS) for k in range(TURNS))
    return max(overlap(still, mask) for mask in turned)


@pytest.mark.parametrize(("name", "other"), list(combinations(CATEGORY_NAMES, 2)))
def test_two_categories_differ_at_twenty_pixels_however_they_turn(name, other):
    assert best_overlap(name, other) < 0.8


def test_a_ring_has_a_hole():
    ring = raster(CATEGORIES["ring"], 40)
    assert not ring[32, 32]
    assert ring[32, 32 + 15]


def test_a_blob_looks_like_no_disc():
    disc = raster(CATEGORIES["disc"], 40)
    likeness = [overlap(raster(blob(np.random.default_rng(k)), 40), disc) for k in range(20)]
    assert max(likeness) < 0.9


@pytest.mark.parametrize("silhouette", [*CATEGORIES.values(), bar(0.2, 1), blob(np.random.default_rng(0))])
def test_the_first_contour_encloses_the_others_and_all_stay_near_the_unit_circle(silhouette):
    outer, *inner = [contour.astype(np.float32) for contour in silhouette]
    assert np.linalg.norm(outer, axis=1).max() < 1.35
    for contour in inner:
        assert all(cv2.pointPolygonTest(outer, point.tolist(), False) > 0 for point in contour)
