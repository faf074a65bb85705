"""Multi-scale deformable attention: each query looks at a few learned points a map."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Shapes = Sequence[tuple[int, int]]


def deformable_attention(
    value: Tensor, spatial_shapes: Shapes, sampling_locations: Tensor, attention_weights: Tensor
) -> Tensor:
    """Weighted sum of bilinear samples; the core that a faster kernel may replace.

    Args:
        value: (F, S, h, d), the maps of L levels, flattened row by row and concatenated.
        spatial_shapes: (height, width) of each level, their products adding up to S.
        sampling_locations: (F, Q, h, L, P, 2), x and y, 0..1 over the map's full extent;
            a sample outside the map counts as zero.
        attention_weights: (F, Q, h, L, P).

    Returns:
        (F, Q, h * d), the dtype of ``value``.
    """
    frames, _, heads, dim = value.shape
    num_queries, levels, points = sampling_locations.shape[1], *sampling_locations.shape[3:5]
    grids = (2 * sampling_locations - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)
    maps = value.permute(0, 2, 3, 1).flatten(0, 1).split([h * w for h, w in spatial_shapes], dim=-1)
    samples = [
        F.grid_sample(
            level.unflatten(-1, shape), grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        for level, shape, grid in zip(maps, spatial_shapes, grids, strict=True)
    ]
    weights = attention_weights.transpose(1, 2).reshape(frames * heads, 1, num_queries, levels * points)
    attended = (torch.cat(samples, dim=-1) * weights).sum(-1)
    return attended.view(frames, heads * dim, num_queries).transpose(1, 2)


class MultiScaleDeformableAttention(nn.Module):
    """Deformable attention with its projections (Zhu et al., 2021).

    Args:
        dim: C, of queries and features.
        num_heads, num_levels, num_points: h, L, P.
    """

    def __init__(self, dim: int, num_heads: int = 8, num_levels: int = 3, num_points: int = 4) -> None:
        super().__init__()
        self.num_heads, self.num_levels, self.num_points = num_heads, num_levels, num_points
        self.sampling_offsets = nn.Linear(dim, num_heads * num_levels * num_points * 2)
        self.attention_weights = nn.Linear(dim, num_heads * num_levels * num_points)
        self.value_proj = nn.Linear(dim, dim)
        self.output_proj = nn.Linear(dim, dim)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Start with equal weights on points 1, 2, ... P pixels away, a direction for each head."""
        for linear in (self.sampling_offsets, self.attention_weights):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        angles = torch.arange(self.num_heads) * (2 * math.pi / self.num_heads)
        directions = torch.stack((angles.cos(), angles.sin()), dim=-1)
        directions /= directions.abs().amax(-1, keepdim=True)
        distances = torch.arange(1, self.num_points + 1)
        offsets = directions[:, None, None] * distances[:, None]
        self.sampling_offsets.bias.copy_(offsets.expand(-1, self.num_levels, -1, -1).flatten())
        for linear in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        queries: Tensor,
        features: Tensor,
        reference_points: Tensor,
        spatial_shapes: Shapes,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Attend from every query to its points in every map.

        Args:
            queries: (F, Q, C), with their position encoding.
            features: (F, S, C), the flattened maps.
            reference_points: (Q, 2), x and y in 0..1.
            spatial_shapes: see :func:`deformable_attention`.
            padding: (F, S) bool, True where a feature counts as zero.

        Returns:
            (F, Q, C).
        """
        value = self.value_proj(features)
        if padding is not None:
            value = value.masked_fill(padding[..., None], 0.0)
        value = value.unflatten(-1, (self.num_heads, -1))
        grid = (self.num_heads, self.num_levels, self.num_points)
        offsets = self.sampling_offsets(queries).unflatten(-1, (*grid, 2))
        sizes = offsets.new_tensor([(width, height) for height, width in spatial_shapes])
        locations = reference_points[:, None, None, None] + offsets / sizes[:, None]
        weights = self.attention_weights(queries).unflatten(-1, (self.num_heads, -1)).softmax(-1)
        attended = deformable_attention(value, spatial_shapes, locations, weights.unflatten(-1, grid[1:]))
        return self.output_proj(attended)
