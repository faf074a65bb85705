"""What the parts of the network hand to each other: features, outputs, targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class FrameFeatures:
    """What the backbone and the pixel decoder say about F frames, each frame on its own.

    Attributes:
        mask_features: (F, C_mask, H/4, W/4), multiplied with the queries to give masks.
        multi_scale: three maps (F, C, H/s, W/s), s = 32, 16, 8 in this order: what the
            queries attend to.
        valid_sizes: (F, 2) int64, height and width of each frame before padding, or None
            where padded pixels are treated as the parents do, like any other pixel.
    """

    mask_features: Tensor
    multi_scale: tuple[Tensor, Tensor, Tensor]
    valid_sizes: Tensor | None = None

    @property
    def num_frames(self) -> int:
        """F."""
        return self.mask_features.shape[0]

    def __getitem__(self, frames: slice | Tensor | Sequence[int]) -> "FrameFeatures":
        """The features of some frames, as a slice or as indices."""
        return FrameFeatures(
            self.mask_features[frames],
            tuple(level[frames] for level in self.multi_scale),
            None if self.valid_sizes is None else self.valid_sizes[frames],
        )

    @staticmethod
    def concatenate(parts: Sequence["FrameFeatures"]) -> "FrameFeatures":
        """The frames of all ``parts``, one after the other."""
        sizes = [part.valid_sizes for part in parts]
        return FrameFeatures(
            torch.cat([part.mask_features for part in parts]),
            tuple(torch.cat(levels) for levels in zip(*(part.multi_scale for part in parts), strict=True)),
            None if sizes[0] is None else torch.cat(sizes),
        )


class ClipOutputLayer(NamedTuple):
    """The predictions after one decoder layer, for B clips.

    Attributes:
        class_logits: (B, N, K + 1), the last class is "no object".
        mask_logits: (B, N, T, H/4, W/4).
    """

    class_logits: Tensor
    mask_logits: Tensor


@dataclass(frozen=True)
class ClipOutput:
    """What the instance decoder says about B clips of T frames.

    Attributes:
        class_logits: (B, N, K + 1), the last class is "no object".
        mask_logits: (B, N', T, H/4, W/4), N' = N unless masks of fewer queries were asked for.
        embeddings: (B, N, C) output embeddings, after the decoder's norm.
        last_queries: (B, N, C) twice, before the norm: what the last layer was given
            (Q_{L-1}) and what it returned (Q_L).
        auxiliary: the predictions before the first layer and after each one but the last,
            in this order; empty where they were not asked for.
    """

    class_logits: Tensor
    mask_logits: Tensor
    embeddings: Tensor
    last_queries: tuple[Tensor, Tensor]
    auxiliary: tuple[ClipOutputLayer, ...] = ()

    @property
    def layers(self) -> list[ClipOutputLayer]:
        """All predictions that are trained, the final one last."""
        return [*self.auxiliary, ClipOutputLayer(self.class_logits, self.mask_logits)]


@dataclass(frozen=True)
class ClipTarget:
    """The ground truth of one clip: n instances, each present in at least one frame.

    Attributes:
        labels: (n,) int64 class indices in 0..K-1.
        masks: (n, T, h, w) bool; a frame where an instance is absent has a zero mask. As
            given to :meth:`NOVIS.forward` (h, w) is the frames' size; as the criterion
            receives it, their size after padding, four times that of the mask logits.
        name: which sample this is, for messages.
    """

    labels: Tensor
    masks: Tensor
    name: str = ""

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "ClipTarget":
        """The same target on another device."""
        return replace(
            self,
            labels=self.labels.to(device, non_blocking=non_blocking),
            masks=self.masks.to(device, non_blocking=non_blocking),
        )

    def padded(self, height: int, width: int) -> "ClipTarget":
        """The same target with zeros to the right and below, up to ``height`` x ``width``."""
        right, bottom = width - self.masks.shape[-1], height - self.masks.shape[-2]
        return replace(self, masks=F.pad(self.masks, (0, right, 0, bottom)))
