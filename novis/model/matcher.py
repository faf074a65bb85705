"""Which query answers for which object: the bipartite matching of the loss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from novis.assignment import assign
from novis.model.losses import pairwise_dice_loss, pairwise_mask_loss
from novis.model.point_sampling import Draw, sample_logits, sample_masks, uniform_points
from novis.model.position_encoding import precise
from novis.model.structures import ClipTarget


@dataclass(frozen=True)
class Matching:
    """The matched pairs of all L decoder outputs over a batch.

    A clip with n objects and N queries has min(n, N) pairs in every output, so the
    pairs of all outputs stack.

    Attributes:
        clips: (m,) int64, the clip of each pair.
        queries: (L, m) int64, its query.
        instances: (L, m) int64, its object, counted over the whole batch.
    """

    clips: Tensor
    queries: Tensor
    instances: Tensor


class Matcher:
    """Hungarian matching of queries and objects, clip by clip, for every decoder output.

    The cost is class_cost * (-p) + mask_cost * BCE + dice_cost * dice. Masks are
    compared on uniform random points, the same for all queries, objects and frames of
    a clip, and over all frames at once: a matched query follows its object through the
    clip. Everything runs in float32 at least, whatever the precision of training.

    Args:
        class_cost: weight of the class probability p.
        mask_cost: weight of the volumetric binary cross-entropy.
        dice_cost: weight of the volumetric dice loss.
        num_points: P, points in each frame.
        draw: the source of randomness.
    """

    def __init__(
        self,
        class_cost: float = 2.0,
        mask_cost: float = 5.0,
        dice_cost: float = 5.0,
        num_points: int = 3136,
        draw: Draw = uniform_points,
    ) -> None:
        self.class_cost = class_cost
        self.mask_cost = mask_cost
        self.dice_cost = dice_cost
        self.num_points = num_points
        self.draw = draw

    @torch.no_grad()
    def __call__(self, outputs: Sequence[tuple[Tensor, Tensor]], targets: Sequence[ClipTarget]) -> Matching:
        """Match the L outputs, each (B, N, K + 1) class and (B, N, T, h, w) mask logits, to B targets."""
        device = outputs[0][0].device
        clips, queries, instances, first = [], [], [], 0
        for clip, target in enumerate(targets):
            costs = self._costs([(classes[clip], masks[clip]) for classes, masks in outputs], target)
            pairs = torch.stack([torch.from_numpy(_by_instance(cost)) for cost in costs.cpu().numpy()])
            clips.append(torch.full((pairs.shape[-1],), clip))
            queries.append(pairs[:, 0])
            instances.append(pairs[:, 1] + first)
            first += len(target.labels)
        return Matching(
            torch.cat(clips).to(device), torch.cat(queries, 1).to(device), torch.cat(instances, 1).to(device)
        )

    def _costs(self, layers: Sequence[tuple[Tensor, Tensor]], target: ClipTarget) -> Tensor:
        """(L, N, n) costs of one clip; its targets are sampled once for all outputs."""
        num_instances, num_frames = target.masks.shape[:2]
        points = self.draw(1, self.num_points, 2, layers[0][1].device)
        index = torch.arange(num_instances * num_frames, device=points.device)[:, None]
        truth = sample_masks(target.masks.flatten(0, 1), index, points)
        truth = truth.view(num_instances, num_frames * self.num_points)
        return torch.stack(
            [self._cost(classes, masks, target.labels, truth, points) for classes, masks in layers]
        )

    def _cost(self, classes: Tensor, masks: Tensor, labels: Tensor, truth: Tensor, points: Tensor) -> Tensor:
        with torch.autocast(masks.device.type, enabled=False):
            maps = masks.to(precise(masks.dtype)).flatten(0, 1)
            sampled = sample_logits(maps, points.to(maps)).view(len(masks), -1)
            truth = truth.to(sampled)
            return (
                self.mask_cost * pairwise_mask_loss(sampled, truth)
                + self.dice_cost * pairwise_dice_loss(sampled, truth)
                - self.class_cost * classes.to(precise(classes.dtype)).softmax(-1)[:, labels]
            )


def _by_instance(cost: np.ndarray) -> np.ndarray:
    """(2, min(N, n)) pairs of query and object of least cost (N, n), ordered by object."""
    pairs = np.stack(assign(cost))
    return pairs[:, pairs[1].argsort()]
