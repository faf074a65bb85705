"""Points on masks: where losses and matching look instead of at every pixel.

Points are (x, y), on volumes (x, y, z), each in 0..1 from the map's first edge to its
last, so one point means the same place on maps of any resolution. All randomness
passes through one function, :data:`Draw`, which a test may replace by a table.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

# (num_rows, num_points, dimensions, device) -> (num_rows, num_points, dimensions) in 0..1.
Draw = Callable[[int, int, int, torch.device], Tensor]


def uniform_points(num_rows: int, num_points: int, dimensions: int, device: torch.device) -> Tensor:
    """Uniform random points from torch's default generator, float32."""
    return torch.rand(num_rows, num_points, dimensions, device=device)


def sample_logits(logits: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of maps at points; outside of the map lie zeros.

    Args:
        logits: (R, h, w) maps or (R, T, h, w) volumes, float.
        points: (R, P, 2) or (R, P, 3), of the same dtype; (1, P, 2) or (1, P, 3) are the
            points of every row. A z between two frame centres blends them.

    Returns:
        (R, P) values, differentiable with respect to ``logits``.
    """
    num_rows, num_points, dimensions = points.shape
    grid = (2 * points - 1).view(num_rows, *[1] * (dimensions - 1), num_points, dimensions)
    maps = logits[None] if num_rows == 1 else logits[:, None]
    return F.grid_sample(maps, grid, align_corners=False).view(len(logits), num_points)


def sample_masks(masks: Tensor, index: Tensor, points: Tensor) -> Tensor:
    """Bilinear values of binary maps at points, without a float copy of the maps.

    Args:
        masks: (M, H, W) bool, at the resolution of the network's input.
        index: int64 in 0..M-1, the map of each point.
        points: (..., 2) float in 0..1; the last axis left aside, its shape and that of ``index`` broadcast.

    Returns:
        Values in 0..1 of the broadcast shape and the dtype of ``points``.
    """
    height, width = masks.shape[-2:]
    # Each point lies between four pixels; one byte holds all four, so one look-up a point will do.
    padded = F.pad(masks, (1, 1, 1, 1)).to(torch.uint8)
    top, bottom = (rows[..., :-1] + 2 * rows[..., 1:] for rows in (padded[:, :-1], padded[:, 1:]))
    x, y = points[..., 0] * width + 0.5, points[..., 1] * height + 0.5
    column, row = x.floor().clamp(0, width), y.floor().clamp(0, height)
    right, below = x - column, y - row
    position = (index * (height + 1) + row.long()) * (width + 1) + column.long()
    pixels = (top + 4 * bottom).flatten()[position]
    upper = (1 - right) * (pixels & 1) + right * (pixels >> 1 & 1)
    lower = (1 - right) * (pixels >> 2 & 1) + right * (pixels >> 3)
    return (1 - below) * upper + below * lower


def important_points(
    logits: Tensor, num_points: int, oversample: float, importance: float, draw: Draw = uniform_points
) -> Tensor:
    """Random points, most of them where the prediction is least certain (logit nearest 0).

    ``oversample`` times as many candidates are drawn; the least certain ones fill the
    share ``importance`` of the result, fresh uniform points the rest.

    Args:
        logits: (R, h, w) for one draw per map, or (R, T, h, w) for one joint draw per volume.
        num_points: P, points in each row.
        oversample: at least 1.
        importance: in 0..1.
        draw: the source of randomness.

    Returns:
        (R, P, 2) points, or (R, P, 3) with z at the centre of a frame; no gradient.
    """
    num_rows, dimensions = len(logits), logits.dim() - 1
    num_important = int(importance * num_points)
    with torch.no_grad():
        candidates = _draw_like(logits, int(oversample * num_points), draw)
        certainty = sample_logits(logits, candidates).abs()
        chosen = certainty.topk(num_important, largest=False, sorted=False).indices
        important = candidates.gather(1, chosen[..., None].expand(num_rows, num_important, dimensions))
        return torch.cat([important, _draw_like(logits, num_points - num_important, draw)], 1)


def frame_of(points: Tensor, num_frames: int) -> Tensor:
    """Index of the frame in which each point (..., 3) of a volume lies, int64 in 0..T-1."""
    return (points[..., 2] * num_frames).long().clamp(0, num_frames - 1)


def _draw_like(logits: Tensor, num_points: int, draw: Draw) -> Tensor:
    """Points for each row of ``logits``; those on a volume are moved to the centre of their frame."""
    points = draw(len(logits), num_points, logits.dim() - 1, logits.device).to(logits.dtype)
    if logits.dim() == 3:
        return points
    num_frames = logits.shape[1]
    depth = (frame_of(points, num_frames) + 0.5) / num_frames
    return torch.cat([points[..., :2], depth[..., None].to(logits.dtype)], -1)
