"""NOVIS, the network: backbone, pixel decoder, instance decoder, overlap embeddings."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from mmengine.model import BaseModel
from torch import Tensor

from novis.model.registry import MODELS
from novis.model.structures import ClipOutput, ClipTarget, FrameFeatures


@MODELS.register_module()
class NOVIS(BaseModel):
    """Near-online video instance segmentation (Fig. 2).

    Args:
        backbone, pixel_decoder, instance_decoder, overlap, preprocessor: configurations of
            the parts. The pixel decoder's ``in_channels`` follow from the backbone.
        criterion: configuration of the loss, called as ``criterion(layers, targets)`` with
            a list of :class:`ClipOutputLayer` and one of :class:`ClipTarget`, returning a
            dict of losses; a network that only predicts needs none.
        mask_padding: leave padded pixels out of all attention. The parents do not.
    """

    def __init__(
        self,
        backbone: dict[str, Any],
        pixel_decoder: dict[str, Any],
        instance_decoder: dict[str, Any],
        overlap: dict[str, Any] | None = None,
        preprocessor: dict[str, Any] | None = None,
        criterion: dict[str, Any] | None = None,
        mask_padding: bool = False,
    ) -> None:
        super().__init__(MODELS.build(preprocessor or {"type": "FramePreprocessor"}))
        self.backbone = MODELS.build(backbone)
        self.pixel_decoder = MODELS.build({"in_channels": self.backbone.out_channels, **pixel_decoder})
        self.instance_decoder = MODELS.build(instance_decoder)
        self.overlap = MODELS.build(overlap or {"type": "OverlapEmbeddings"})
        self.criterion = MODELS.build(criterion) if criterion is not None else None
        self.mask_padding = mask_padding

    def forward(
        self,
        inputs: Sequence[Tensor],
        targets: Sequence[ClipTarget] | None = None,
        mode: Literal["loss", "tensor"] = "tensor",
        **batch: int,
    ) -> ClipOutput | dict[str, Tensor]:
        """Segment B clips.

        Args:
            inputs: B clips of (T, 3, h, w) uint8 RGB frames, one T, sizes may differ.
            targets: B ground truths with masks of the same sizes, for the mode ``loss``.
            mode: ``loss`` or ``tensor``.
            batch: ``num_instances`` and ``num_clips`` of the whole batch, where these clips are
                only a part of it; the criterion divides by them.

        Returns:
            The losses by name, or the predictions for the padded frames.
        """
        if mode not in ("loss", "tensor"):
            raise ValueError(f"mode {mode!r}: the network knows loss and tensor")
        frames = self.data_preprocessor.batch(inputs)
        features = self.frame_features(frames, [clip.shape[-2:] for clip in inputs for _ in clip])
        output = self.decode(features, len(inputs), auxiliary=mode == "loss")
        if mode == "tensor":
            return output
        height, width = frames.shape[-2:]
        padded = [target.padded(height, width) for target in targets]
        return self.criterion(output.layers, padded, **batch)

    def init_weights(self) -> None:
        """Nothing: parameters get their values where they are made, or from a checkpoint."""

    def frame_features(
        self, frames: Tensor, valid_sizes: Sequence[tuple[int, int]] | None = None
    ) -> FrameFeatures:
        """Backbone and pixel decoder.

        Args:
            frames: (F, 3, H, W) float32, normalised, H and W multiples of 32.
            valid_sizes: height and width of each frame before padding; counts only with
                ``mask_padding``, None means that there is no padding.
        """
        sizes = None
        if self.mask_padding:
            sizes = torch.tensor(valid_sizes or [frames.shape[-2:]] * len(frames), device=frames.device)
        return self.pixel_decoder(self.backbone(frames), sizes)

    def decode(self, features: FrameFeatures, num_clips: int = 1, auxiliary: bool = False) -> ClipOutput:
        """Decode B clips, see :meth:`InstanceDecoder.forward`."""
        return self.instance_decoder(features, num_clips, auxiliary)

    def overlap_embeddings(self, features: FrameFeatures, output: ClipOutput, frames: slice) -> Tensor:
        """(B, N, C) embeddings with respect to some frames of each clip (Sec. 4.3, Eq. 1)."""
        return self.overlap(self.instance_decoder, features, output, [frames])[:, 0]

    def edge_embeddings(self, features: FrameFeatures, output: ClipOutput, lengths: Sequence[int]) -> Tensor:
        """Overlap embeddings at both ends of each clip, for several overlaps at once.

        Args:
            features: of B * T frames.
            output: what :meth:`decode` made of them.
            lengths: L overlap lengths in 0..T; L may be 0.

        Returns:
            (B, 2, L, N, C): [:, 0] over the first, [:, 1] over the last ``lengths[l]`` frames.
        """
        if not len(lengths):
            batch, num_queries, dim = output.embeddings.shape
            return output.embeddings.new_zeros(batch, 2, 0, num_queries, dim)
        num_frames = features.num_frames // len(output.embeddings)
        heads = [slice(0, length) for length in lengths]
        tails = [slice(num_frames - length, num_frames) for length in lengths]
        edges = self.overlap(self.instance_decoder, features, output, heads + tails)
        return edges.unflatten(1, (2, len(lengths)))
