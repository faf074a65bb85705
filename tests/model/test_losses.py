import math

import pytest
import torch

from novis.model.losses import (
    class_loss,
    dice_loss,
    mask_loss,
    pairwise_dice_loss,
    pairwise_mask_loss,
)


@pytest.fixture
def sampled():
    """Logits (4, 30) of predictions and soft targets (3, 30) in float64."""
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(4, 30, dtype=torch.float64, generator=generator)
    return logits, torch.rand(3, 30, dtype=torch.float64, generator=generator)


def test_mask_loss_by_hand():
    # sigmoid(log 3) = 3/4; the targets are 1 and 0.
    loss = mask_loss(torch.tensor([math.log(3), math.log(3)]), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(4)) / 2)


def test_dice_loss_by_hand():
    # 1 - (2 * 3/4 + 1) / (3/4 + 3/4 + 1 + 1)
    loss = dice_loss(torch.tensor([math.log(3), math.log(3)]), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(1 - 2.5 / 3.5)


def test_dice_loss_of_empty_prediction_and_empty_target_vanishes():
    assert dice_loss(torch.full((10,), -50.0), torch.zeros(10)).item() == pytest.approx(0, abs=1e-6)


def test_dice_over_a_clip_differs_from_the_sum_over_its_frames():
    logits = torch.tensor([[9.0, 9.0], [9.0, -9.0]])
    targets = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    p = torch.sigmoid(torch.tensor(9.0)).item()
    q = 1 - p
    assert dice_loss(logits, targets).sum().item() == pytest.approx(
        2 - (4 * p + 1) / (2 * p + 3) - 1 / (p + q + 1), abs=1e-6
    )
    assert dice_loss(logits.flatten(), targets.flatten()).item() == pytest.approx(
        1 - (4 * p + 1) / (3 * p + q + 3), abs=1e-6
    )


def test_pairwise_losses_equal_single_ones(sampled):
    logits, targets = sampled
    for pairwise, single in ((pairwise_mask_loss, mask_loss), (pairwise_dice_loss, dice_loss)):
        expected = torch.stack([torch.stack([single(x, t) for t in targets]) for x in logits])
        torch.testing.assert_close(pairwise(logits, targets), expected)


def test_losses_of_huge_logits_are_finite():
    logits, targets = torch.tensor([[1e4, -1e4]]), torch.tensor([[0.0, 1.0]])
    for loss in (mask_loss, dice_loss, pairwise_mask_loss, pairwise_dice_loss):
        assert torch.isfinite(loss(logits, targets)).all()


def test_class_loss_over_its_weights_is_torchs_weighted_mean():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 6, 4, generator=generator)
    classes = torch.tensor([[0, 1, 2, 3, 3, 3], [3, 3, 3, 3, 3, 2]])
    weight = torch.tensor([1.0, 1.0, 1.0, 0.1])
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), classes.flatten(), weight)
    loss = class_loss(logits, classes, 0.1)
    assert loss.shape == classes.shape
    torch.testing.assert_close(loss.sum() / weight[classes].sum(), expected)


def test_gradients_are_those_of_finite_differences(sampled):
    logits, targets = sampled[0][:3].requires_grad_(), sampled[1]
    assert torch.autograd.gradcheck(lambda x: mask_loss(x, targets), logits)
    assert torch.autograd.gradcheck(lambda x: dice_loss(x, targets), logits)
    classes = torch.tensor([1, 29, 0])
    assert torch.autograd.gradcheck(lambda x: class_loss(x, classes, 0.1), logits)
