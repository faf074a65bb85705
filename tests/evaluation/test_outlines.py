import numpy as np
import pytest
from pycocotools import mask as coco_mask

from novis.errors import InputError
from novis.evaluation.outlines import trace
from tests.evaluation.builders import HEIGHT, WIDTH, box, rle

PIXELS = HEIGHT * WIDTH


def coded(numbers):
    """Differences as the characters of a run-length code: five bits each, low ones first, signed."""
    text = ""
    for number in numbers:
        while True:
            digit, number = number & 31, number >> 5
            done = number == (-1 if digit & 16 else 0)
            text += chr(48 + digit + (0 if done else 32))
            if done:
                break
    return {"size": [HEIGHT, WIDTH], "counts": text}


def test_edges_are_where_foreground_begins_and_ends_and_where_frames_end():
    """Two columns of 3 and, in the second frame, the last pixel; the third has no mask."""
    first, last = box(2, 0, 3, 2), np.zeros((HEIGHT, WIDTH), bool)
    last[-1, -1] = True
    outline = trace([[rle(first), rle(last), None]], HEIGHT, WIDTH)[0]
    assert outline.edges.tolist() == [
        *(2, 5, HEIGHT + 2, HEIGHT + 5, PIXELS),
        *(2 * PIXELS - 1, 2 * PIXELS, 2 * PIXELS),
        3 * PIXELS,
    ]
    assert outline.starts.tolist() == [0, 5, 8, 9]
    assert outline.areas.tolist() == [6, 1, 0]
    assert outline.spans[:, :2].tolist() == [[2, 2 * PIXELS - 1], [HEIGHT + 5, 2 * PIXELS]]
    assert outline.spans[1, 2] == -1


def test_tracks_traced_together_are_those_traced_alone():
    rng = np.random.default_rng(0)
    tracks = [
        [None if rng.random() < 0.3 else rle(rng.random((HEIGHT, WIDTH)) < 0.5) for _ in range(4)]
        for _ in range(5)
    ]
    other = trace([[rle(rng.random((HEIGHT, WIDTH)) < 0.5) for _ in range(4)]], HEIGHT, WIDTH)[0]
    for masks, together in zip(tracks, trace(tracks, HEIGHT, WIDTH), strict=True):
        alone = trace([masks], HEIGHT, WIDTH)[0]
        assert together.areas.tolist() == alone.areas.tolist()
        assert together.intersections(other).tolist() == alone.intersections(other).tolist()
        assert other.intersections(together).tolist() == alone.intersections(other).tolist()


def test_tracks_that_never_come_near_each_other_have_nothing_in_common():
    left, right = [rle(box(0, 0, 5, 3))] * 2, [rle(box(0, 4, 5, 3))] * 2
    first, second = trace([left, right], HEIGHT, WIDTH)
    assert first.intersections(second).tolist() == [0, 0]


def test_no_tracks():
    assert trace([], HEIGHT, WIDTH) == []


def test_runs_of_no_length_change_nothing():
    """Legal, though no encoder writes them: 3 off, 2 on, 0 off, 4 on, the rest off."""
    counts = [3, 2, 0, 4, HEIGHT * WIDTH - 9]
    odd = coco_mask.frPyObjects({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH)
    odd = {"size": [HEIGHT, WIDTH], "counts": odd["counts"].decode()}
    plain = box(3, 0, 6, 1)
    (outline,) = trace([[odd, odd]], HEIGHT, WIDTH)
    (other,) = trace([[rle(plain), rle(plain)]], HEIGHT, WIDTH)
    assert outline.areas.tolist() == [6, 6]
    assert outline.intersections(other).tolist() == [6, 6]


@pytest.mark.parametrize(
    "counts", ["", "~~", "P", "0", "j0", rle(np.ones((HEIGHT + 1, WIDTH), bool))["counts"], "e3jL2"]
)
def test_broken_masks_are_refused(counts):
    whole = rle(box(0, 0, 4, 5))
    with pytest.raises(InputError, match="the mask of frame 1 has"):
        trace([[whole, whole], [whole, {"size": [HEIGHT, WIDTH], "counts": counts}]], HEIGHT, WIDTH)


def test_a_negative_run_is_refused_though_the_sum_is_right():
    """10 off, 20 on, then 5 back and the rest: 10 + 20 - 5 + 95."""
    assert coded([10, 20, 90])["counts"] == rle(_flat(10, 20))["counts"]
    trace([[coded([10, 20, 90])]], HEIGHT, WIDTH)
    with pytest.raises(InputError, match="the mask of frame 0 has counts with a negative run"):
        trace([[coded([10, 20, -5, 95 - 20])]], HEIGHT, WIDTH)


def _flat(start, length):
    """A mask of one run in column order."""
    mask = np.zeros(PIXELS, bool)
    mask[start : start + length] = True
    return mask.reshape(WIDTH, HEIGHT).T
