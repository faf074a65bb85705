"""The pixel decoder: deformable attention across scales, frame by frame (Sec. 4.1)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from novis.model.deformable_attention import MultiScaleDeformableAttention, Shapes
from novis.model.position_encoding import precise, sine_2d
from novis.model.registry import MODELS
from novis.model.structures import FrameFeatures

NORM_GROUPS = 32


class EncoderLayer(nn.Module):
    """Deformable self-attention between the pixels of all scales, then a feed-forward network."""

    def __init__(
        self, dim: int, feedforward_dim: int, num_heads: int, num_levels: int, num_points: int
    ) -> None:
        super().__init__()
        self.self_attn = MultiScaleDeformableAttention(dim, num_heads, num_levels, num_points)
        self.norm1 = nn.LayerNorm(dim)
        self.linear1 = nn.Linear(dim, feedforward_dim)
        self.linear2 = nn.Linear(feedforward_dim, dim)
        self.norm2 = nn.LayerNorm(dim)
        nn.init.xavier_uniform_(self.linear1.weight)
        nn.init.xavier_uniform_(self.linear2.weight)

    def forward(
        self,
        features: Tensor,
        positions: Tensor,
        reference_points: Tensor,
        spatial_shapes: Shapes,
        padding: Tensor | None = None,
    ) -> Tensor:
        """Features (F, S, C) of all scales, with positions of (F or 1, S, C), to the same shape."""
        attended = self.self_attn(features + positions, features, reference_points, spatial_shapes, padding)
        features = self.norm1(features + attended)
        return self.norm2(features + self.linear2(self.linear1(features).relu()))


@MODELS.register_module()
class PixelDecoder(nn.Module):
    """Mask2Former's pixel decoder (Cheng et al., 2022).

    The backbone's maps of strides 8, 16 and 32 exchange information by deformable
    attention; the result at stride 8 joins the map of stride 4 in one step of a feature
    pyramid. It always computes in float32, since offsets in pixels need the precision.

    Args:
        in_channels: of the backbone's maps at strides 4, 8, 16, 32.
        dim: C, of the maps that the queries attend to.
        mask_dim: channels of the mask features.
        num_layers, feedforward_dim, num_heads, num_points: of the encoder.
        activation_checkpointing: recompute the encoder layers in the backward pass.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        dim: int = 256,
        mask_dim: int = 256,
        num_layers: int = 6,
        feedforward_dim: int = 1024,
        num_heads: int = 8,
        num_points: int = 4,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.activation_checkpointing = activation_checkpointing
        finest, *attended = in_channels
        self.input_proj = nn.ModuleList(
            _convolution(channels, dim, 1, bias=True) for channels in attended[::-1]
        )
        self.level_embed = nn.Parameter(torch.randn(len(attended), dim))
        self.encoder = nn.ModuleList(
            EncoderLayer(dim, feedforward_dim, num_heads, len(attended), num_points)
            for _ in range(num_layers)
        )
        self.lateral_conv = _convolution(finest, dim, 1)
        self.output_conv = _convolution(dim, dim, 3)
        self.mask_features = nn.Conv2d(dim, mask_dim, 1)
        self._initialise()

    def _initialise(self) -> None:
        for projection in self.input_proj:
            nn.init.xavier_uniform_(projection[0].weight)
            nn.init.zeros_(projection[0].bias)
        for convolution in (self.lateral_conv[0], self.output_conv[0], self.mask_features):
            nn.init.kaiming_uniform_(convolution.weight, a=1)
        nn.init.zeros_(self.mask_features.bias)

    def forward(self, maps: Sequence[Tensor], valid_sizes: Tensor | None = None) -> FrameFeatures:
        """From the backbone's maps to mask features and multi-scale features.

        Args:
            maps: four of (F, C_i, H/s, W/s), s = 4, 8, 16, 32.
            valid_sizes: (F, 2) int64, height and width in input pixels before padding, to
                leave padded pixels out; None lets them take part, as the parents do.
        """
        with torch.autocast(maps[0].device.type, enabled=False):
            finest, *attended = [level.to(precise(level.dtype)) for level in maps]
            multi_scale = self._encode(attended[::-1], valid_sizes)
            lateral = self.lateral_conv(finest)
            upsampled = F.interpolate(
                multi_scale[-1], lateral.shape[-2:], mode="bilinear", align_corners=False
            )
            fused = self.output_conv(lateral + upsampled).relu()
            return FrameFeatures(self.mask_features(fused), multi_scale, valid_sizes)

    def _encode(self, maps: Sequence[Tensor], valid_sizes: Tensor | None) -> tuple[Tensor, ...]:
        projected = [projection(level) for projection, level in zip(self.input_proj, maps, strict=True)]
        shapes = [tuple(level.shape[-2:]) for level in projected]
        sizes = [level_sizes(valid_sizes, 32 >> i) for i in range(len(projected))]
        positions = [sine_2d(level, size) for level, size in zip(projected, sizes, strict=True)]
        position = torch.cat(
            [_flatten(p) + embed for p, embed in zip(positions, self.level_embed, strict=True)], dim=1
        )
        features = torch.cat([_flatten(level) for level in projected], dim=1)
        padding = None
        if valid_sizes is not None:
            padding = torch.cat(
                [padded_pixels(size, s) for size, s in zip(sizes, shapes, strict=True)], dim=1
            )
        reference = torch.cat([_pixel_centres(shape, features) for shape in shapes])
        for layer in self.encoder:
            features = self._run(layer, features, position, reference, shapes, padding)
        levels = features.split([h * w for h, w in shapes], dim=1)
        return tuple(
            level.transpose(1, 2).unflatten(-1, shape) for level, shape in zip(levels, shapes, strict=True)
        )

    def _run(self, layer: EncoderLayer, *arguments: object) -> Tensor:
        if self.activation_checkpointing and self.training:
            return checkpoint(layer, *arguments, use_reentrant=False)
        return layer(*arguments)


def level_sizes(valid_sizes: Tensor | None, stride: int) -> Tensor | None:
    """(F, 2) sizes in pixels of a map of ``stride``, counting partly covered ones."""
    return None if valid_sizes is None else -(-valid_sizes // stride)


def padded_pixels(valid_sizes: Tensor, shape: tuple[int, int]) -> Tensor:
    """(F, h * w) bool: True beyond the (F, 2) valid heights and widths, in pixels of the map."""
    rows = torch.arange(shape[0], device=valid_sizes.device) >= valid_sizes[:, :1]
    columns = torch.arange(shape[1], device=valid_sizes.device) >= valid_sizes[:, 1:]
    return (rows[:, :, None] | columns[:, None]).flatten(1)


def _convolution(in_channels: int, out_channels: int, kernel_size: int, bias: bool = False) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2, bias=bias)
    return nn.Sequential(convolution, nn.GroupNorm(NORM_GROUPS, out_channels))


def _flatten(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)


def _pixel_centres(shape: tuple[int, int], like: Tensor) -> Tensor:
    """(h * w, 2) x and y of the pixel centres of a map, 0..1 over its full extent."""
    y, x = ((torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size for size in shape)
    return torch.stack((x.repeat(shape[0]), y.repeat_interleave(shape[1])), dim=-1)
