import numpy as np
import pytest

from novis.evaluation.overlaps import measure
from tests.evaluation.builders import HEIGHT, WIDTH, box, instance, track


def random_masks(rng, num_frames):
    """Noise of every density, with absent, empty and full frames."""
    masks = []
    for _ in range(num_frames):
        density = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])
        mask = rng.random((HEIGHT, WIDTH)) < density
        masks.append(None if rng.random() < 0.2 else mask)
    return masks


def painted(masks):
    return np.array([np.zeros((HEIGHT, WIDTH), bool) if mask is None else mask for mask in masks])


@pytest.mark.parametrize("seed", range(20))
def test_counts_are_those_of_painted_masks(seed):
    rng = np.random.default_rng(seed)
    num_frames = int(rng.integers(1, 7))
    found = [random_masks(rng, num_frames) for _ in range(4)]
    truth = [random_masks(rng, num_frames) for _ in range(3)]
    overlaps = measure(
        [track(1, 1, 0.5, masks) for masks in found],
        [instance(i + 1, 1, 1, masks) for i, masks in enumerate(truth)],
        num_frames,
    )
    first, second = np.array([painted(m) for m in found]), np.array([painted(m) for m in truth])
    assert overlaps.track_areas.tolist() == first.sum((2, 3)).tolist()
    assert overlaps.instance_areas.tolist() == second.sum((2, 3)).tolist()
    both = first[:, None] & second[None]
    assert overlaps.intersections.tolist() == both.sum((3, 4)).tolist()
    either = (first[:, None] | second[None]).sum((2, 3, 4))
    expected = np.divide(both.sum((2, 3, 4)), either, out=np.zeros(either.shape), where=either > 0)
    assert overlaps.track_ious().tolist() == expected.tolist()


def test_masks_that_begin_and_end_with_the_frame():
    """The last pixel of one frame and the first of the next are neighbours in the timeline."""
    corner = np.zeros((HEIGHT, WIDTH), bool)
    corner[0, 0] = corner[-1, -1] = True
    full = np.ones((HEIGHT, WIDTH), bool)
    overlaps = measure(
        [track(1, 1, 0.5, [corner, full, None])], [instance(1, 1, 1, [full, corner, corner])], 3
    )
    assert overlaps.intersections.tolist() == [[[2, 2, 0]]]
    assert overlaps.track_areas.tolist() == [[2, HEIGHT * WIDTH, 0]]


def test_other_categories_are_not_intersected():
    mask = [box(0, 0, 4, 5)]
    overlaps = measure([track(1, 2, 0.5, mask)], [instance(1, 1, 1, mask)], 1)
    assert overlaps.intersections.tolist() == [[[0]]]
    assert overlaps.track_areas.tolist() == [[20]]


def test_frame_ious_are_those_of_each_frame_and_of_crowds_the_share_covered():
    found = [track(1, 1, 0.5, [box(0, 0, 4, 4), None, box(0, 0, 2, 2)])]
    masks = [box(0, 0, 4, 8), box(0, 0, 1, 1), np.zeros((HEIGHT, WIDTH), bool)]
    overlaps = measure(found, [instance(1, 1, 1, masks), instance(2, 1, 1, masks, is_crowd=True)], 3)
    ious = overlaps.frame_ious(np.array([False, True]))
    assert ious[:, 0].tolist() == [[0.5, 1.0], [-1.0, -1.0], [-1.0, -1.0]]


@pytest.mark.parametrize(("num_tracks", "num_instances"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_to_measure(num_tracks, num_instances):
    mask = [box(0, 0, 4, 5)] * 3
    overlaps = measure([track(1, 1, 0.5, mask)] * num_tracks, [instance(1, 1, 1, mask)] * num_instances, 3)
    assert overlaps.track_areas.shape == (num_tracks, 3)
    assert overlaps.intersections.shape == (num_tracks, num_instances, 3)
    assert overlaps.track_ious().shape == (num_tracks, num_instances)


def test_tracks_without_any_mask_lie_in_the_same_timeline():
    nothing = [None, None]
    overlaps = measure(
        [track(1, 1, 0.5, nothing), track(1, 1, 0.4, [box(0, 0, 4, 5)] * 2)], [instance(1, 1, 1, nothing)], 2
    )
    assert overlaps.intersections.tolist() == [[[0, 0]], [[0, 0]]]
    assert overlaps.track_ious().tolist() == [[0.0], [0.0]]
