import math

import pytest
import torch

from novis.model.deformable_attention import MultiScaleDeformableAttention, deformable_attention
from tests.model.networks import randomise

SHAPES = [(2, 3), (4, 5), (7, 6)]
SIZE = sum(height * width for height, width in SHAPES)


def random_input(frames=2, queries=5, heads=2, dim=3, points=4, dtype=torch.float64):
    torch.manual_seed(0)
    value = torch.randn(frames, SIZE, heads, dim, dtype=dtype)
    # Locations beyond the maps on all sides, too.
    locations = torch.rand(frames, queries, heads, len(SHAPES), points, 2, dtype=dtype) * 1.6 - 0.3
    weights = torch.rand(frames, queries, heads, len(SHAPES), points, dtype=dtype)
    return value, locations, weights


def pixel(value, frame, head, level, y, x):
    height, width = SHAPES[level]
    if not (0 <= y < height and 0 <= x < width):
        return torch.zeros(value.shape[-1], dtype=value.dtype)
    start = sum(h * w for h, w in SHAPES[:level])
    return value[frame, start + y * width + x, head]


def bilinear(value, frame, head, level, location):
    height, width = SHAPES[level]
    x, y = location[0].item() * width - 0.5, location[1].item() * height - 0.5
    left, top = math.floor(x), math.floor(y)
    return sum(
        (1 - abs(x - column)) * (1 - abs(y - row)) * pixel(value, frame, head, level, row, column)
        for row in (top, top + 1)
        for column in (left, left + 1)
    )


def test_core_equals_a_loop_over_sampling_points():
    value, locations, weights = random_input()
    expected = torch.zeros(2, 5, 2, 3, dtype=torch.float64)
    for frame, query, head, level, point in torch.cartesian_prod(*map(torch.arange, weights.shape)).tolist():
        sample = bilinear(value, frame, head, level, locations[frame, query, head, level, point])
        expected[frame, query, head] += weights[frame, query, head, level, point] * sample
    torch.testing.assert_close(deformable_attention(value, SHAPES, locations, weights), expected.flatten(2))


def test_gradients_of_the_core_equal_finite_differences():
    inputs = [tensor.requires_grad_() for tensor in random_input(frames=1, queries=2, dim=2, points=2)]
    assert torch.autograd.gradcheck(
        lambda value, locations, weights: deformable_attention(value, SHAPES, locations, weights), inputs
    )


def test_initial_offsets_point_in_eight_directions_one_to_four_pixels_away():
    attention = MultiScaleDeformableAttention(16, num_heads=8, num_levels=3, num_points=4)
    offsets = attention.sampling_offsets.bias.view(8, 3, 4, 2)
    assert torch.equal(offsets[:, 0], offsets[:, 2])
    distances = offsets.detach().abs().amax(-1)
    torch.testing.assert_close(distances, torch.arange(1.0, 5).expand(8, 3, 4))
    torch.testing.assert_close(offsets[0, 0, 1], torch.tensor([2.0, 0.0]))
    torch.testing.assert_close(offsets[2, 0, 0], torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.fixture
def attention():
    return randomise(MultiScaleDeformableAttention(16, num_heads=2, num_levels=3, num_points=4)).double()


def test_sampling_locations_are_offsets_in_pixels_of_each_map(attention):
    queries, reference = torch.randn(1, 3, 16, dtype=torch.float64), torch.rand(3, 2, dtype=torch.float64)
    locations = attention._sampling_locations(queries, reference, SHAPES)
    offsets = attention.sampling_offsets(queries).view(1, 3, 2, 3, 4, 2)
    for level, (height, width) in enumerate(SHAPES):
        expected = reference[:, None, None] + offsets[:, :, :, level] / torch.tensor([width, height])
        torch.testing.assert_close(locations[:, :, :, level], expected)


def test_attention_weights_of_a_head_add_up_to_one(attention):
    weights = attention._attention_weights(torch.randn(2, 3, 16, dtype=torch.float64))
    assert weights.shape == (2, 3, 2, 3, 4)
    torch.testing.assert_close(weights.sum((-2, -1)), torch.ones(2, 3, 2, dtype=torch.float64))


def test_padded_features_count_as_zero(attention):
    features = torch.randn(1, SIZE, 16, dtype=torch.float64)
    padding = torch.rand(1, SIZE) < 0.5
    queries, reference = torch.randn(1, 3, 16, dtype=torch.float64), torch.rand(3, 2, dtype=torch.float64)
    changed = torch.where(padding[..., None], 100.0, features)
    results = [attention(queries, f, reference, SHAPES, padding) for f in (features, changed)]
    assert torch.equal(*results)
    assert not torch.allclose(results[0], attention(queries, features, reference, SHAPES))
