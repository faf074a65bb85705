import numpy as np
import pytest

from novis.visualisation.drawing import draw_instances, enlarged, instance_colours

RED, BLUE = (250, 20, 20), (20, 20, 250)


def box_mask(top, left, bottom, right, shape=(200, 300)):
    mask = np.zeros(shape, bool)
    mask[top:bottom, left:right] = True
    return mask


def colour_count(image, colour):
    return int((image == np.array(colour, np.uint8)).all(-1).sum())


@pytest.fixture
def frame():
    return np.full((200, 300, 3), 100, np.uint8)


def test_colours_are_far_apart():
    colours = instance_colours(30).astype(int)
    distances = np.abs(colours[:, None] - colours[None]).sum(-1) + 1000 * np.eye(30, dtype=int)
    assert distances.min() > 25
    first = distances[:10, :10]
    assert first.min() > 80


def test_more_instances_do_not_change_the_first_colours():
    assert (instance_colours(25)[:12] == instance_colours(12)).all()
    assert instance_colours(0).shape == (0, 3)


def test_mask_is_blended_and_the_rest_untouched(frame):
    image = draw_instances(frame, box_mask(80, 100, 160, 220)[None], np.array([RED], np.uint8), [""])
    assert tuple(image[120, 160]) == (175, 60, 60)
    assert (image[:70] == 100).all()
    assert (image[:, :90] == 100).all()
    assert (frame == 100).all()


def test_contour_has_the_full_colour(frame):
    image = draw_instances(frame, box_mask(80, 100, 160, 220)[None], np.array([RED], np.uint8), [""])
    assert colour_count(image, RED) > 300


def test_later_instances_lie_on_top(frame):
    masks = np.stack([box_mask(50, 50, 150, 250), box_mask(50, 50, 150, 250)])
    image = draw_instances(frame, masks, np.array([RED, BLUE], np.uint8), ["", ""])
    assert image[100, 150, 2] > image[100, 150, 0]


def test_empty_mask_draws_nothing(frame):
    image = draw_instances(frame, np.zeros((1, 200, 300), bool), np.array([RED], np.uint8), ["disc 0.90"])
    assert (image == frame).all()


def test_no_instances_leave_the_frame_as_it_is(frame):
    image = draw_instances(frame, np.zeros((0, 200, 300), bool), np.zeros((0, 3), np.uint8), [])
    assert (image == frame).all()


def test_labels_of_one_place_do_not_cover_each_other(frame):
    masks = np.stack([box_mask(80, 100, 160, 220)] * 2)
    alone = draw_instances(frame, masks[:1], np.array([RED], np.uint8), ["disc 0.90"])
    plain = draw_instances(frame, masks[:1], np.array([RED], np.uint8), [""])
    label_area = colour_count(alone, RED) - colour_count(plain, RED)
    assert label_area > 300
    both = draw_instances(frame, masks, np.array([RED, BLUE], np.uint8), ["disc 0.90", "ring 0.80"])
    # The blue contour covers the red one, but not the red label.
    assert colour_count(both, RED) >= label_area


@pytest.mark.parametrize("corner", [(0, 0, 20, 20), (180, 280, 200, 300), (0, 280, 200, 300)])
def test_labels_stay_inside_the_frame(frame, corner):
    mask = box_mask(*corner)[None]
    inside = draw_instances(frame, mask, np.array([RED], np.uint8), ["a long label 0.90"])
    plain = draw_instances(frame, mask, np.array([RED], np.uint8), [""])
    rows, columns = np.nonzero((inside != plain).any(-1))
    assert np.ptp(columns) > 70
    assert np.ptp(rows) > 8


def test_text_is_dark_on_bright_colours_and_bright_on_dark_ones(frame):
    mask = box_mask(100, 50, 160, 250)[None]
    on_bright = draw_instances(frame, mask, np.array([(250, 220, 40)], np.uint8), ["disc"])
    on_dark = draw_instances(frame, mask, np.array([(40, 0, 120)], np.uint8), ["disc"])
    assert (on_bright[:95].max(-1) < 60).sum() > 5
    assert (on_dark[:95].min(-1) > 200).sum() > 5


def test_small_frames_are_enlarged_by_a_whole_factor():
    frame = np.zeros((96, 160, 3), np.uint8)
    mask = np.zeros((1, 96, 160), bool)
    mask[0, 30:60, 40:90] = True
    large, masks = enlarged(frame, mask, 270)
    assert large.shape == (288, 480, 3)
    assert masks.shape == (1, 288, 480)
    assert masks.sum() == pytest.approx(9 * mask.sum(), rel=0.02)
    assert masks[0, 3 * 45, 3 * 65]


def test_large_frames_keep_their_size():
    frame, masks = np.zeros((300, 400, 3), np.uint8), np.zeros((2, 300, 400), bool)
    large, same = enlarged(frame, masks, 270)
    assert large is frame
    assert same is masks


def test_enlarging_without_masks_keeps_their_shape():
    _, masks = enlarged(np.zeros((96, 160, 3), np.uint8), np.zeros((0, 96, 160), bool), 270)
    assert masks.shape == (0, 288, 480)
