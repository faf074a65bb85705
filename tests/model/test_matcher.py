from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.special import expit, log_expit, softmax

from novis.model.matcher import Matcher
from novis.model.structures import ClipTarget

POINTS = torch.rand(1, 40, 2, generator=torch.Generator().manual_seed(9))


def table(rows, num_points, dimensions, device):
    return POINTS[:, :num_points].expand(rows, -1, -1)


def random_layer(num_clips=1, num_queries=5, num_frames=2, num_classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(num_clips, num_queries, num_classes + 1, generator=generator),
        4 * torch.randn(num_clips, num_queries, num_frames, 6, 8, generator=generator),
    )


def random_target(num_instances, num_frames=2, num_classes=3, seed=0):
    generator = torch.Generator().manual_seed(100 + seed)
    masks = torch.rand(num_instances, num_frames, 24, 32, generator=generator) > 0.6
    masks[1:2, -1] = False
    return ClipTarget(torch.randint(num_classes, (num_instances,), generator=generator), masks)


def numpy_cost(class_logits, mask_logits, target):
    """The matching cost of one clip, point by point with SciPy."""

    def sampled(maps):
        height, width = maps.shape[-2:]
        at = [POINTS[0, :, 1].numpy() * height - 0.5, POINTS[0, :, 0].numpy() * width - 0.5]
        frames = [map_coordinates(f, at, order=1, mode="grid-constant") for f in maps.numpy().astype(float)]
        return np.concatenate(frames)

    cost = np.zeros((len(mask_logits), len(target.labels)))
    for query, instance in np.ndindex(cost.shape):
        x, t = sampled(mask_logits[query]), sampled(target.masks[instance])
        p = expit(x)
        cross_entropy = -(t * log_expit(x) + (1 - t) * log_expit(-x)).mean()
        dice = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        probability = softmax(class_logits[query].numpy())[target.labels[instance]]
        cost[query, instance] = 5 * cross_entropy + 5 * dice - 2 * probability
    return cost


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("num_frames", [1, 3])
def test_match_is_the_best_of_all_assignments(seed, num_frames):
    layers = [random_layer(num_frames=num_frames, seed=seed + 50 * layer) for layer in range(2)]
    target = random_target(3, num_frames=num_frames, seed=seed)
    matching = Matcher(num_points=40, draw=table)(layers, [target])
    for layer, (classes, masks) in enumerate(layers):
        cost = numpy_cost(classes[0], masks[0], target)
        best = min(permutations(range(5), 3), key=lambda queries: cost[queries, range(3)].sum())
        assert matching.instances[layer].tolist() == [0, 1, 2]
        assert matching.queries[layer].tolist() == list(best)


def test_costs_follow_their_weights():
    classes, masks = random_layer()
    target = random_target(3)
    layers = [(classes[0], masks[0])]
    whole = Matcher(2, 5, 5, 40, table)._costs(layers, target)
    parts = [Matcher(*weights, 40, table)._costs(layers, target) for weights in np.diag([2, 5, 5]).tolist()]
    torch.testing.assert_close(whole, sum(parts))
    np.testing.assert_allclose(whole[0], numpy_cost(classes[0], masks[0], target), rtol=1e-5, atol=1e-5)


def test_instances_count_over_the_whole_batch():
    layers = [random_layer(num_clips=3, seed=layer) for layer in range(4)]
    targets = [random_target(2, seed=1), random_target(0), random_target(3, seed=2)]
    matching = Matcher(num_points=40, draw=table)(layers, targets)
    assert matching.clips.tolist() == [0, 0, 2, 2, 2]
    assert matching.instances.tolist() == [[0, 1, 2, 3, 4]] * 4
    alone = Matcher(num_points=40, draw=table)([(c[2:], m[2:]) for c, m in layers], targets[2:])
    assert torch.equal(matching.queries[:, 2:], alone.queries)


def test_permuted_queries_permute_the_match():
    classes, masks = random_layer()
    order = torch.tensor([3, 0, 4, 1, 2])
    match = Matcher(num_points=40, draw=table)
    queries = match([(classes, masks)], [random_target(3)]).queries
    permuted = match([(classes[:, order], masks[:, order])], [random_target(3)]).queries
    assert torch.equal(order[permuted], queries)


def test_perfect_predictions_match_their_objects():
    target = random_target(4)
    masks = torch.nn.functional.interpolate(target.masks.float(), size=(6, 8), mode="area")
    order = torch.tensor([2, 0, 3, 1])
    classes = 10 * torch.nn.functional.one_hot(target.labels, 4).float()
    matching = Matcher(num_points=2000)([(classes[order][None], (20 * masks - 10)[order][None])], [target])
    assert torch.equal(order[matching.queries[0]], torch.arange(4))


def test_more_objects_than_queries_match_every_query():
    matching = Matcher(num_points=40)([random_layer(num_queries=3)] * 2, [random_target(5)])
    assert matching.queries.shape == matching.instances.shape == (2, 3)
    assert sorted(matching.queries[0].tolist()) == [0, 1, 2]


def test_batch_without_objects_has_no_pairs():
    matching = Matcher(num_points=40)([random_layer(num_clips=2)] * 3, [random_target(0)] * 2)
    assert matching.clips.shape == (0,)
    assert matching.queries.shape == matching.instances.shape == (3, 0)
    assert matching.queries.dtype == matching.instances.dtype == matching.clips.dtype == torch.int64


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_broken_query_is_matched_last(value):
    classes, masks = random_layer()
    masks[0, 2], classes[0, 2] = value, torch.nan
    matching = Matcher(num_points=40)([(classes, masks)], [random_target(4)])
    assert sorted(matching.queries[0].tolist()) == [0, 1, 3, 4]


def test_autocast_does_not_touch_the_costs():
    layer, target = random_layer(), random_target(3)
    layer = [tuple(logits[0].bfloat16() for logits in layer)]
    matcher = Matcher(num_points=40, draw=table)
    with torch.autocast("cpu", torch.bfloat16):
        inside = matcher._costs(layer, target)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, matcher._costs(layer, target))


def test_what_only_float64_tells_apart_is_told_apart():
    classes, masks = (values.double() for values in random_layer(num_queries=2, seed=3))
    classes[:, 1], masks[:, 1] = classes[:, 0], masks[:, 0]
    target = random_target(1)
    # The second query is surer of the object's class by less than a digit of float32.
    classes[:, 1, target.labels[0]] += 1e-11
    matching = Matcher(num_points=40, draw=table)([(classes, masks)], [target])
    assert matching.queries.tolist() == [[1]]
