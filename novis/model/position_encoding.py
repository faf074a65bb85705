"""Where a feature lies: sine in the plane, sine or a learned table along time."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from novis.errors import InputError

TEMPERATURE = 10000.0
EPSILON = 1e-6


def precise(dtype: torch.dtype) -> torch.dtype:
    """float32, or ``dtype`` where that is more precise."""
    return torch.promote_types(dtype, torch.float32)


def sine_features(positions: Tensor, num_features: int) -> Tensor:
    """Sines (even features) and cosines (odd ones) of positions in 0..2 pi.

    Args:
        positions: (...) float.
        num_features: even; the wavelengths form a geometric series up to 10000.

    Returns:
        (..., num_features) float.
    """
    exponents = torch.arange(0, num_features, 2, device=positions.device, dtype=positions.dtype)
    angles = positions[..., None] / TEMPERATURE ** (exponents / num_features)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def _positions(size: int, valid: Tensor | None, like: Tensor) -> Tensor:
    """(F or 1, size): 1, 2, ... scaled so that the last (valid) one is at 2 pi."""
    index = torch.arange(1, size + 1, device=like.device, dtype=precise(like.dtype))[None]
    if valid is None:
        return index / (size + EPSILON) * 2 * math.pi
    valid = valid[:, None].to(index)
    return torch.minimum(index, valid) / (valid + EPSILON) * 2 * math.pi


def sine_2d(features: Tensor, valid_sizes: Tensor | None = None) -> Tensor:
    """The encoding of Mask2Former for maps of (F, C, h, w).

    Args:
        features: gives size, number of channels and device, its values do not count.
        valid_sizes: (F, 2) height and width that count, in pixels of these maps; None
            where padding is not told from content.

    Returns:
        (F or 1, C, h, w), float32 at least: C/2 features of y, then C/2 of x.
    """
    channels, height, width = features.shape[1:]
    valid_height, valid_width = (None, None) if valid_sizes is None else valid_sizes.unbind(1)
    y = sine_features(_positions(height, valid_height, features), channels // 2)
    x = sine_features(_positions(width, valid_width, features), channels // 2)
    y = y[:, :, None].expand(-1, -1, width, -1)
    x = x[:, None].expand(-1, height, -1, -1)
    return torch.cat((y, x), dim=-1).permute(0, 3, 1, 2)


class TemporalEncoding(nn.Module):
    """What tells the frames of a clip apart (Sec. 4.1).

    Args:
        kind: ``learned``, a table with a row for each frame of the clip (NOVIS);
            ``sine_3d``, sines over the frames, scaled to the number of frames
            (Mask2Former for video); ``none``, frames are told apart by content alone.
        clip_length: T, the rows of the learned table.
        dim: C.
        num_levels: how many feature scales there are.
        per_level: a table for each feature scale instead of one for all.
        init_std: standard deviation of the table's initial values.
        add_to: ``keys``, like the spatial encoding, or ``features``: keys and values.
    """

    def __init__(
        self,
        clip_length: int,
        dim: int,
        num_levels: int = 3,
        kind: Literal["learned", "sine_3d", "none"] = "learned",
        per_level: bool = False,
        init_std: float = 1.0,
        add_to: Literal["keys", "features"] = "keys",
    ) -> None:
        super().__init__()
        if kind not in ("learned", "sine_3d", "none") or add_to not in ("keys", "features"):
            raise InputError(
                f"temporal encoding kind={kind!r}, add_to={add_to!r}: kind must be learned, sine_3d or none, "
                "add_to must be keys or features"
            )
        self.kind = kind
        self.clip_length = clip_length
        self.dim = dim
        self.add_to = add_to
        self.tables = nn.ModuleList()
        if kind == "learned":
            self.tables.extend(nn.Embedding(clip_length, dim) for _ in range(num_levels if per_level else 1))
        for table in self.tables:
            nn.init.normal_(table.weight, std=init_std)

    def forward(self, num_frames: int, level: int, like: Tensor) -> Tensor | None:
        """(num_frames, C), one row a frame, on the device of ``like``; None for the kind ``none``.

        Raises:
            InputError: more frames than the learned table has rows; it cannot stretch.
        """
        if self.kind == "none":
            return None
        if self.kind == "sine_3d":
            return sine_features(_positions(num_frames, None, like)[0], self.dim)
        if num_frames > self.clip_length:
            raise InputError(
                f"clips of {num_frames} frames for a network trained on {self.clip_length}: its learned "
                "temporal encoding has no row for the others; test with a clip length of at most "
                f"{self.clip_length}, or train with temporal encoding sine_3d or none"
            )
        return self.tables[level % len(self.tables)].weight[:num_frames]
