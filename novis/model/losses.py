"""The losses of single terms: what one class prediction or one sampled mask costs.

Nothing is weighted or averaged over instances here. "Per frame" and "volumetric" are a
matter of shape: the last axis holds the points of a frame, or of a whole clip.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def class_loss(class_logits: Tensor, classes: Tensor, no_object_weight: float) -> Tensor:
    """Cross-entropy of each query, weighted where the target is "no object".

    Args:
        class_logits: (..., K + 1) float, the last class is "no object".
        classes: (...) int64 in 0..K.
        no_object_weight: weight of class K; every other class weighs 1.

    Returns:
        (...) weighted negative log likelihoods.
    """
    weight = torch.ones(class_logits.shape[-1], dtype=class_logits.dtype, device=class_logits.device)
    weight[-1] = no_object_weight
    losses = F.cross_entropy(class_logits.flatten(0, -2), classes.flatten(), weight, reduction="none")
    return losses.view(classes.shape)


def mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy over the points of the last axis.

    Args:
        logits: (..., P) float mask logits at the points.
        targets: (..., P) float ground truth in 0..1 at the same points.

    Returns:
        (...) losses.
    """
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(-1)


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Dice loss over the points of the last axis, smoothed by 1; arguments as :func:`mask_loss`.

    With the points of all T frames on that axis it is the volumetric dice loss of
    Sec. 4.1: a frame without the object then adds only its false positives, where on
    its own it would be a term that compares with nothing.
    """
    probabilities = logits.sigmoid()
    intersection = (probabilities * targets).sum(-1)
    return 1 - (2 * intersection + 1) / (probabilities.sum(-1) + targets.sum(-1) + 1)


def pairwise_mask_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """:func:`mask_loss` of every prediction (N, P) with every target (n, P): (N, n)."""
    return (F.softplus(logits).sum(-1)[:, None] - logits @ targets.T) / logits.shape[-1]


def pairwise_dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """:func:`dice_loss` of every prediction (N, P) with every target (n, P): (N, n)."""
    probabilities = logits.sigmoid()
    total = probabilities.sum(-1)[:, None] + targets.sum(-1)
    return 1 - (2 * probabilities @ targets.T + 1) / (total + 1)
