from dataclasses import replace

import numpy as np
import pytest

from novis.masks import encode
from novis.structures import Annotations, Category, Instance, Video
from novis.tracking.oracle import match_instances, oracle_orders
from tests.tracking.predictions import true_prediction

VIDEO = Video(1, 32, 24, tuple(f"v/{frame}.jpg" for frame in range(6)))


def annotations(*visible):
    """One square object for each tuple of the frames it is visible in; they lie side by side."""
    instances = []
    for number, frames in enumerate(visible):
        masks = np.zeros((VIDEO.length, VIDEO.height, VIDEO.width), bool)
        masks[list(frames), 4:12, 8 * number + 1 : 8 * number + 7] = True
        rles = tuple(rle if mask.any() else None for rle, mask in zip(encode(masks), masks, strict=True))
        instances.append(Instance(number + 1, 1, 1, rles))
    return Annotations("x.json", (Category(1, "square"),), (VIDEO,), tuple(instances))


def objects_of(prediction, truth):
    """For every clip, the object (or None) that each query shows: read from the masks."""
    table = []
    for clip in range(len(prediction.starts)):
        matches = match_instances(prediction, clip, truth.instances)
        shown = {query: instance for instance, query in matches.items()}
        table.append([shown.get(query) for query in range(prediction.class_logits.shape[1])])
    return table


def test_queries_are_matched_to_the_objects_they_show():
    truth = annotations(range(6), range(6), range(6))
    p = true_prediction(truth, VIDEO, 2, num_queries=5)
    for clip in range(len(p.starts)):
        columns = (p.mask_codes[clip] > 127).any((1, 2)).argmax(-1)
        expected = {(int(column) - 1) // 8: query for query, column in enumerate(columns) if column}
        assert match_instances(p, clip, truth.instances) == expected


def test_an_object_that_nobody_shows_is_not_matched():
    truth = annotations(range(6), (0, 1))
    p = true_prediction(truth, VIDEO, 2, num_queries=4)
    assert set(match_instances(p, 0, truth.instances)) == {0, 1}
    assert set(match_instances(p, 3, truth.instances)) == {0}
    assert match_instances(p, 0, ()) == {}


@pytest.mark.parametrize("clip_length", [1, 2, 4, 9])
def test_every_object_has_one_track_of_its_own(clip_length):
    """The third object leaves and comes back, the fourth comes late."""
    truth = annotations(range(6), range(6), (0, 1, 5), (4, 5))
    p = true_prediction(truth, VIDEO, clip_length, num_queries=6)
    orders = oracle_orders(p, range(len(p.starts)), truth.instances)
    objects = np.array(objects_of(p, truth))
    tracks = objects[np.arange(len(orders))[:, None], orders]
    owners = [{shown for shown in column if shown is not None} for column in tracks.T]
    assert sorted(owners, key=str) == sorted([{0}, {1}, {2}, {3}, set(), set()], key=str)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(6), (len(orders), 1)))


@pytest.mark.parametrize("seed", range(4))
def test_what_shows_no_object_keeps_its_slot(seed):
    truth = annotations(range(6))
    p = true_prediction(truth, VIDEO, 2, num_queries=5, seed=seed)
    orders = oracle_orders(p, range(len(p.starts)), truth.instances)
    owner = match_instances(p, 0, truth.instances)[0]
    for clip, order in enumerate(orders):
        query = match_instances(p, clip, truth.instances)[0]
        assert order[owner] == query
        moved = np.flatnonzero(order != np.arange(5))
        # Only the object's query and the one whose slot it took may change places.
        assert set(moved) <= {owner, query}


def test_more_objects_than_queries_still_give_permutations():
    truth = annotations(range(6), range(6), range(6), range(6))
    p = true_prediction(truth, VIDEO, 2, num_queries=4)
    p = replace(
        p,
        class_logits=p.class_logits[:, :2],
        embeddings=p.embeddings[:, :2],
        mask_codes=p.mask_codes[:, :2],
    )
    orders = oracle_orders(p, range(len(p.starts)), truth.instances)
    np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile([0, 1], (len(orders), 1)))


def test_cells_are_those_of_the_frame_without_padding():
    """At half size, with padding: the object's cells are those whose centres it covers."""
    masks = np.zeros((1, 48, 64), bool)
    masks[0, 8:32, 16:64] = True
    truth = annotations(range(6))
    video = replace(VIDEO, width=64, height=48, file_names=("v/0.jpg",))
    instance = Instance(1, 1, 1, tuple(encode(masks)))
    p = true_prediction(replace(truth, videos=(VIDEO,)), VIDEO, 1, num_queries=2)
    codes = np.zeros((1, 2, 1, 8, 12), np.uint8)
    codes[0, 1, 0, 1:4, 2:8] = 255
    codes[0, 0, 0, 1:4, 2:12] = 255
    p = replace(
        p, video=video, input_size=(24, 32), padded_size=(32, 48), mask_codes=codes, starts=np.zeros(1, int)
    )
    # 8..32 of 48 rows are 4..16 of 24, cells 1..3; 16..64 of 64 columns are 8..32 of 32, cells 2..7.
    assert match_instances(p, 0, [instance]) == {0: 1}
