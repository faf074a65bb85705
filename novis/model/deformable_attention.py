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
    grids = (2 * sampling_locations - 1).permute(3, 0, 2, 4, 1, 5).flatten(1, 2)
    weights = attention_weights.permute(3, 4, 0, 2, 1).flatten(2, 3).unsqueeze(3).contiguous()
    maps = value.permute(0, 2, 3, 1).flatten(0, 1).split([h * w for h, w in spatial_shapes], dim=-1)
    attended = value.new_zeros(())
    for level, shape, grid, weight in zip(maps, spatial_shapes, grids, weights, strict=True):
        samples = F.grid_sample(
            level.unflatten(-1, shape), grid, mode="bilinear", padding_mode="zeros", align_corners=False
        )
        # Point by point: one product of (F h, d, Q) at a time stays in the processor's cache.
        for sample, share in zip(samples.unbind(2), weight, strict=True):
            attended = torch.addcmul(attended, sample, share)
    return attended.reshape(frames, heads * dim, -1).transpose(1, 2)


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
        locations = self._sampling_locations(queries, reference_points, spatial_shapes)
        return self.output_proj(
            deformable_attention(value, spatial_shapes, locations, self._attention_weights(queries))
        )

    def _sampling_locations(
        self, queries: Tensor, reference_points: Tensor, spatial_shapes: Shapes
    ) -> Tensor:
        """(F, Q, h, L, P, 2): offsets in pixels of each map around the reference points."""
        sizes = queries.new_tensor([(width, height) for height, width in spatial_shapes])
        grid = (self.num_heads, self.num_levels, self.num_points, 2)
        # Dividing the weights instead of the offsets spares a pass over many small vectors.
        scale = sizes[:, None].expand(grid).reshape(-1).reciprocal()
        linear = self.sampling_offsets
        offsets = F.linear(queries, linear.weight * scale[:, None], linear.bias * scale)
        return (offsets + reference_points.repeat(1, math.prod(grid[:3]))).unflatten(-1, grid)

    def _attention_weights(self, queries: Tensor) -> Tensor:
        """(F, Q, h, L, P), adding up to 1 over levels and points."""
        linear = self.attention_weights
        # Queries last in memory: a softmax over a dozen neighbouring values is slow.
        logits = torch.baddbmm(
            linear.bias[None, :, None], linear.weight.expand(len(queries), -1, -1), queries.mT
        )
        weights = logits.unflatten(1, (self.num_heads, -1)).softmax(2)
        return weights.unflatten(2, (self.num_levels, self.num_points)).movedim(-1, 1)
