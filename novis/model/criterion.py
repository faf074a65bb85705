"""The training loss: class, mask and dice over all decoder outputs and matched pairs (Sec. 4.1)."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from novis.model.losses import class_loss, dice_loss, mask_loss
from novis.model.matcher import Matcher, Matching
from novis.model.point_sampling import (
    Draw,
    frame_of,
    important_points,
    sample_logits,
    sample_masks,
    uniform_points,
)
from novis.model.position_encoding import precise
from novis.model.registry import MODELS, check_choice
from novis.model.structures import ClipTarget

Extent = Literal["per_frame", "volumetric"]


@MODELS.register_module()
class Criterion(nn.Module):
    """Weighted losses of a batch of clips, with deep supervision of every decoder output.

    Each output is matched to the objects on its own. Mask losses compare sampled points:
    per-frame losses and the volumetric dice on P points drawn for each frame, the
    volumetric mask loss on one joint draw of T * P points over the volume. Everything is
    computed in float32 at least.

    Args:
        class_weight: weight of the class loss; of its cost in the matching, too.
        mask_weight: weight of the mask loss; of its cost in the matching, too.
        dice_weight: weight of the dice loss; of its cost in the matching, too.
        no_object_weight: weight of "no object" within the class loss.
        num_points: P, points drawn in each frame, in loss and matching.
        oversample: candidates drawn for each point of the loss.
        importance: share of the points of the loss that goes to the least certain candidates.
        mask_loss: binary cross-entropy of each frame, or of the whole volume.
        dice_loss: dice of each frame, or of the whole volume (Sec. 4.1).
        mask_loss_normalisation: whether the per-frame mask losses of an object are summed
            over its frames, as in the parent's code, or averaged.
        draw: the source of the random points.

    Raises:
        InputError: a switch has another value than those named.
    """

    def __init__(
        self,
        class_weight: float = 2.0,
        mask_weight: float = 5.0,
        dice_weight: float = 5.0,
        no_object_weight: float = 0.1,
        num_points: int = 3136,
        oversample: float = 3.0,
        importance: float = 0.75,
        mask_loss: Extent = "per_frame",
        dice_loss: Extent = "volumetric",
        mask_loss_normalisation: Literal["sum", "mean"] = "sum",
        draw: Draw = uniform_points,
    ) -> None:
        super().__init__()
        check_choice("criterion", "mask_loss", mask_loss, ("per_frame", "volumetric"))
        check_choice("criterion", "dice_loss", dice_loss, ("per_frame", "volumetric"))
        check_choice("criterion", "mask_loss_normalisation", mask_loss_normalisation, ("sum", "mean"))
        self.weights = {"class": class_weight, "mask": mask_weight, "dice": dice_weight}
        self.no_object_weight = no_object_weight
        self.num_points = num_points
        self.oversample = oversample
        self.importance = importance
        self.mask_loss = mask_loss
        self.dice_loss = dice_loss
        self.mask_loss_normalisation = mask_loss_normalisation
        self.draw = draw
        self.matcher = Matcher(class_weight, mask_weight, dice_weight, num_points, draw)

    def forward(
        self,
        outputs: Sequence[tuple[Tensor, Tensor]],
        targets: Sequence[ClipTarget],
        num_instances: int | None = None,
        num_clips: int | None = None,
    ) -> dict[str, Tensor]:
        """The losses of B clips.

        Args:
            outputs: of each of L decoder outputs, the final one last, the class logits
                (B, N, K + 1) and the mask logits (B, N, T, h, w).
            targets: B targets, padded alike, with T frames each.
            num_instances: objects of the whole batch, if these clips are only a part of it
                (a micro-batch, the share of one process). The losses of the parts then add
                up to the loss of the batch.
            num_clips: clips of the whole batch.

        Returns:
            Scalars ``loss_class``, ``loss_mask``, ``loss_dice`` of the final output, and the
            same with ``_0``, ``_1``, ... of the earlier ones, all weighted. Their sum is the
            loss. They are 0 where there is nothing to compare, and NaN if the logits are.
        """
        matching = self.matcher(outputs, targets)
        if num_instances is None:
            num_instances = sum(len(target.labels) for target in targets)
        if num_clips is None:
            num_clips = len(targets)
        with torch.autocast(outputs[0][0].device.type, enabled=False):
            losses = {"class": self._class_losses(outputs, targets, matching, num_instances, num_clips)}
            losses |= self._mask_losses(outputs, targets, matching, max(num_instances, 1))
        return self._named(losses)

    def _class_losses(
        self,
        outputs: Sequence[tuple[Tensor, Tensor]],
        targets: Sequence[ClipTarget],
        matching: Matching,
        num_instances: int,
        num_clips: int,
    ) -> Tensor:
        """(L,) weighted cross-entropies, divided by the sum of the weights over the batch."""
        logits = torch.stack([class_logits.to(precise(class_logits.dtype)) for class_logits, _ in outputs])
        num_layers, _, num_queries, num_outcomes = logits.shape
        classes = torch.full(logits.shape[:-1], num_outcomes - 1, device=logits.device)
        layers = torch.arange(num_layers, device=logits.device)[:, None]
        labels = torch.cat([target.labels for target in targets])
        classes[layers, matching.clips, matching.queries] = labels[matching.instances]
        unmatched = max(num_clips * num_queries - num_instances, 0)
        total_weight = num_instances + self.no_object_weight * unmatched
        return class_loss(logits, classes, self.no_object_weight).sum((1, 2)) / total_weight

    def _mask_losses(
        self,
        outputs: Sequence[tuple[Tensor, Tensor]],
        targets: Sequence[ClipTarget],
        matching: Matching,
        num_instances: int,
    ) -> dict[str, Tensor]:
        """(L,) mask and (L,) dice losses, summed over pairs and divided by the objects of the batch."""
        chosen = zip(outputs, matching.queries, strict=True)
        logits = torch.stack(
            [maps[matching.clips, queries].to(precise(maps.dtype)) for (_, maps), queries in chosen]
        )
        masks = torch.cat([target.masks for target in targets])
        frames = self._on_frames(logits, masks, matching.instances)
        volume = tuple(values.flatten(2)[:, :, None] for values in frames)
        dice = dice_loss(*(frames if self.dice_loss == "per_frame" else volume))
        if self.mask_loss == "per_frame":
            mask = mask_loss(*frames)
            mask = mask / mask.shape[-1] if self.mask_loss_normalisation == "mean" else mask
        else:
            mask = mask_loss(*self._on_volume(logits, masks, matching.instances))
        return {
            "mask": mask.flatten(1).sum(1) / num_instances,
            "dice": dice.flatten(1).sum(1) / num_instances,
        }

    def _on_frames(self, logits: Tensor, masks: Tensor, instances: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and ground truth, both (L, m, T, P), at points drawn for each frame."""
        num_frames = logits.shape[2]
        maps = logits.flatten(0, 2)
        points = important_points(maps, self.num_points, self.oversample, self.importance, self.draw)
        index = instances[..., None] * num_frames + torch.arange(num_frames, device=masks.device)
        truth = sample_masks(masks.flatten(0, 1), index.flatten()[:, None], points)
        shape = (*logits.shape[:3], self.num_points)
        return sample_logits(maps, points).view(shape), truth.view(shape)

    def _on_volume(self, logits: Tensor, masks: Tensor, instances: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and ground truth, both (L, m, T * P), at points drawn jointly for each volume."""
        num_frames = logits.shape[2]
        volumes = logits.flatten(0, 1)
        num_points = num_frames * self.num_points
        points = important_points(volumes, num_points, self.oversample, self.importance, self.draw)
        index = instances.flatten()[:, None] * num_frames + frame_of(points, num_frames)
        truth = sample_masks(masks.flatten(0, 1), index, points[..., :2])
        shape = (*logits.shape[:2], num_points)
        return sample_logits(volumes, points).view(shape), truth.view(shape)

    def _named(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        named = {}
        for name, values in losses.items():
            *auxiliary, final = (self.weights[name] * values).unbind()
            named[f"loss_{name}"] = final
            named |= {f"loss_{name}_{layer}": value for layer, value in enumerate(auxiliary)}
        return named
