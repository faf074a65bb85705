"""From 8-bit frames to the network's input: normalised, padded, on the right device."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor
from torch.nn import functional as F

from novis.model.registry import MODELS
from novis.model.structures import ClipTarget

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


def padded_size(height: int, width: int, divisor: int) -> tuple[int, int]:
    """The next multiples of ``divisor``."""
    return -(-height // divisor) * divisor, -(-width // divisor) * divisor


@MODELS.register_module()
class FramePreprocessor(BaseDataPreprocessor):
    """Normalise RGB frames, then pad them with zeros to a common multiple of ``size_divisor``.

    Padding goes to the right and below, after the normalisation, as in Mask2Former: a
    padded pixel has the mean colour.

    Args:
        mean, std: of the three channels, RGB, on the scale 0..255.
        size_divisor: the coarsest stride of the network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        size_divisor: int = 32,
    ) -> None:
        super().__init__()
        self.size_divisor = size_divisor
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    def cast_data(self, data: Any) -> Any:
        """``data`` with every tensor and every :class:`ClipTarget` in it on the model's device."""
        if isinstance(data, ClipTarget):
            return data.to(self.device, non_blocking=self._non_blocking)
        return super().cast_data(data)

    def batch(self, clips: Sequence[Tensor]) -> Tensor:
        """Stack clips of (T, 3, h, w) uint8 RGB frames, all of one T, sizes may differ.

        Returns:
            (B * T, 3, H, W) float32, clip after clip, H and W multiples of ``size_divisor``.

        Raises:
            ValueError: clips of different length.
        """
        if len({len(clip) for clip in clips}) != 1:
            raise ValueError(f"clips of {[len(clip) for clip in clips]} frames cannot form a batch")
        sides = (max(clip.shape[axis] for clip in clips) for axis in (-2, -1))
        height, width = padded_size(*sides, self.size_divisor)
        return torch.cat([self._normalise(clip, height, width) for clip in clips])

    def _normalise(self, clip: Tensor, height: int, width: int) -> Tensor:
        frames = (clip.to(self.mean) - self.mean) / self.std
        return F.pad(frames, (0, width - frames.shape[-1], 0, height - frames.shape[-2]))
