import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from novis.model.point_sampling import (
    frame_of,
    important_points,
    sample_logits,
    sample_masks,
    uniform_points,
)


def scipy_values(image, points):
    """Bilinear values with zeros outside, by SciPy; x and y from edge to edge."""
    height, width = image.shape
    x, y = points[:, 0] * width - 0.5, points[:, 1] * height - 0.5
    return map_coordinates(image.astype(float), [y, x], order=1, mode="grid-constant", cval=0.0)


@pytest.fixture
def points():
    """Random points, and the corners and edges where values blend with the zeros outside."""
    edges = torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.0], [1.0, 0.3], [0.01, 0.99]])
    generator = torch.Generator().manual_seed(0)
    return torch.cat([torch.rand(50, 2, generator=generator), edges]).double()


def test_logits_at_points_equal_scipys_interpolation(points):
    maps = torch.randn(3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    values = sample_logits(maps, points.expand(3, -1, -1))
    for row in range(3):
        np.testing.assert_allclose(values[row], scipy_values(maps[row].numpy(), points.numpy()), atol=1e-12)


def test_masks_at_points_equal_scipys_interpolation(points):
    masks = torch.rand(4, 6, 9, generator=torch.Generator().manual_seed(2)) > 0.5
    index = torch.tensor([[3], [0], [3]])
    values = sample_masks(masks, index, points.expand(3, -1, -1))
    for row, mask in enumerate([3, 0, 3]):
        np.testing.assert_allclose(values[row], scipy_values(masks[mask].numpy(), points.numpy()), atol=1e-12)
    assert torch.equal(sample_masks(masks, index, points[None]), values)


def test_one_row_of_points_serves_every_map(points):
    maps = torch.randn(3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    shared = sample_logits(maps, points[None])
    torch.testing.assert_close(shared, sample_logits(maps, points.expand(3, -1, -1)))


def test_point_at_a_frames_centre_sees_that_frame_only(points):
    volume = torch.randn(2, 3, 5, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    for frame in range(3):
        depth = torch.full((len(points), 1), (frame + 0.5) / 3, dtype=torch.float64)
        at = torch.cat([points, depth], 1).expand(2, -1, -1)
        assert (frame_of(at, 3) == frame).all()
        torch.testing.assert_close(sample_logits(volume, at), sample_logits(volume[:, frame], at[..., :2]))


def test_frame_of_the_volumes_last_edge_is_the_last_frame():
    assert frame_of(torch.tensor([0.5, 0.5, 1.0]), 4) == 3


def test_uncertain_side_receives_the_important_points():
    torch.manual_seed(0)
    logits = torch.full((1, 8, 8), 10.0)
    logits[..., :4] = 0.1
    x = important_points(logits, 400, oversample=3, importance=0.75)[0, :, 0]
    assert (x[:300] < 0.5).all()
    assert 30 < (x[300:] > 0.5).sum() < 70


def test_joint_draw_crowds_into_the_uncertain_frame():
    torch.manual_seed(0)
    volume = torch.full((1, 4, 8, 8), -10.0)
    volume[:, 2] = 0.1
    points = important_points(volume, 400, oversample=4, importance=0.5)[0]
    frames = frame_of(points, 4)
    assert (frames[:200] == 2).all()
    assert set(frames[200:].tolist()) == {0, 1, 2, 3}
    torch.testing.assert_close(points[:, 2], (frames + 0.5) / 4)


def test_importance_zero_takes_the_draw_as_it_is():
    table = torch.rand(1, 9, 2, generator=torch.Generator().manual_seed(5))

    def draw(rows, num_points, dimensions, device):
        return table[:, :num_points, :dimensions].expand(rows, -1, -1)

    points = important_points(torch.randn(3, 4, 4), 9, oversample=1, importance=0, draw=draw)
    assert torch.equal(points, table.expand(3, -1, -1))


def test_draw_is_seeded_by_torchs_default_generator():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(uniform_points(2, 3, 2, torch.device("cpu")))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize("shape", [(0, 4, 4), (0, 3, 4, 4)])
def test_no_rows_give_no_points(shape):
    points = important_points(torch.zeros(shape), 8, 3, 0.75)
    assert points.shape == (0, 8, len(shape) - 1)
    assert sample_logits(torch.zeros(shape), points).shape == (0, 8)


def test_nan_logits_still_give_points_inside_the_map():
    points = important_points(torch.full((2, 4, 4), torch.nan), 8, 3, 0.75)
    assert ((points >= 0) & (points <= 1)).all()
