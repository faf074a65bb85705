import numpy as np
import pytest
import torch
from scipy.special import log_expit, log_softmax

from novis.errors import InputError
from novis.model.criterion import Criterion
from novis.model.structures import ClipTarget

TERMS = ("class", "mask", "dice")
# A table of points: the pixel centres of the mask maps, so that logits are sampled exactly.
HEIGHT, WIDTH = 4, 6
Y, X = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
CENTRES = torch.stack([(X + 0.5) / WIDTH, (Y + 0.5) / HEIGHT], -1).view(1, -1, 2)
P = HEIGHT * WIDTH


def centres(rows, num_points, dimensions, device):
    """Every pixel centre once; on a volume, every pixel centre of every frame once."""
    if num_points == 0 or dimensions == 2:
        return CENTRES[:, :num_points].expand(rows, -1, -1)
    num_frames = num_points // P
    depth = (torch.arange(num_frames).repeat_interleave(P) + 0.5) / num_frames
    return torch.cat([CENTRES[0].repeat(num_frames, 1), depth[:, None]], 1).expand(rows, -1, -1)


def exact(**settings):
    return Criterion(num_points=P, oversample=1, importance=0, draw=centres, **settings)


def random_outputs(num_clips=2, num_queries=5, num_frames=3, num_layers=3, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    classes = (num_layers, num_clips, num_queries, 4)
    masks = (num_layers, num_clips, num_queries, num_frames, HEIGHT, WIDTH)
    return [
        (c.requires_grad_(), m.requires_grad_())
        for c, m in zip(
            torch.randn(classes, generator=generator, dtype=dtype).unbind(),
            (3 * torch.randn(masks, generator=generator, dtype=dtype)).unbind(),
            strict=True,
        )
    ]


def random_target(num_instances, num_frames=3, seed=0):
    """Masks made of whole mask pixels (4 x 4 image pixels); the first instance leaves at the end."""
    generator = torch.Generator().manual_seed(100 + seed)
    cells = torch.rand(num_instances, num_frames, HEIGHT, WIDTH, generator=generator) > 0.6
    cells[:1, 1:] = False
    labels = torch.randint(3, (num_instances,), generator=generator)
    return ClipTarget(labels, cells.repeat_interleave(4, -1).repeat_interleave(4, -2))


def plain_losses(class_logits, mask_logits, targets, pairs):
    """Sum over objects of per-frame mask and dice losses, and the class loss, by plain loops over pixels."""
    mask = dice = nll = weight = 0.0
    for clip, target in enumerate(targets):
        classes = np.full(len(class_logits[clip]), 3)
        for query, instance in pairs[clip]:
            classes[query] = target.labels[instance]
            for frame in range(mask_logits.shape[2]):
                x = mask_logits[clip, query, frame].double().detach().numpy()
                t = target.masks[instance, frame, ::4, ::4].double().numpy()
                p = 1 / (1 + np.exp(-x))
                mask -= (t * log_expit(x) + (1 - t) * log_expit(-x)).mean()
                dice += 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
        for query, label in enumerate(classes):
            factor = 0.1 if label == 3 else 1.0
            nll -= factor * log_softmax(class_logits[clip, query].double().detach().numpy())[label]
            weight += factor
    num_instances = sum(len(target.labels) for target in targets)
    return {"class": 2 * nll / weight, "mask": 5 * mask / num_instances, "dice": 5 * dice / num_instances}


@pytest.mark.parametrize("num_frames", [1, 3])
def test_losses_equal_plain_loops_over_pixels(num_frames):
    outputs = random_outputs(num_clips=3, num_frames=num_frames)
    targets = [random_target(n, num_frames, seed=n) for n in (2, 0, 4)]
    criterion = exact(dice_loss="per_frame")
    losses, matching = criterion(outputs, targets), criterion.matcher(outputs, targets)
    for layer, suffix in enumerate(["_0", "_1", ""]):
        queries = matching.queries[layer].tolist()
        pairs = [
            list(zip(queries[:2], range(2), strict=True)),
            [],
            list(zip(queries[2:], range(4), strict=True)),
        ]
        for term, value in plain_losses(*outputs[layer], targets, pairs).items():
            assert losses[f"loss_{term}{suffix}"].item() == pytest.approx(value, rel=1e-5)


def test_volumetric_dice_equals_one_dice_over_the_whole_clip():
    outputs, targets = random_outputs(num_clips=1, num_layers=1), [random_target(2)]
    criterion = exact(dice_loss="volumetric")
    loss = criterion(outputs, targets)["loss_dice"]
    queries = criterion.matcher(outputs, targets).queries[0]
    p = outputs[0][1][0, queries].sigmoid().flatten(1)
    t = targets[0].masks[:, :, ::4, ::4].flatten(1)
    expected = (1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)).mean()
    torch.testing.assert_close(loss, 5 * expected)


def test_per_frame_and_volumetric_losses_agree_for_clips_of_one_frame():
    outputs = random_outputs(num_frames=1)
    targets = [random_target(2, num_frames=1), random_target(3, num_frames=1, seed=1)]
    per_frame = exact(mask_loss="per_frame", dice_loss="per_frame")(outputs, targets)
    volumetric = exact(mask_loss="volumetric", dice_loss="volumetric")(outputs, targets)
    torch.testing.assert_close(per_frame, volumetric)


def test_volumetric_mask_loss_on_the_frames_points_is_the_mean_over_frames():
    outputs, targets = random_outputs(), [random_target(2), random_target(3, seed=1)]
    total = exact(mask_loss_normalisation="sum")(outputs, targets)["loss_mask"]
    mean = exact(mask_loss_normalisation="mean")(outputs, targets)["loss_mask"]
    volumetric = exact(mask_loss="volumetric")(outputs, targets)["loss_mask"]
    torch.testing.assert_close(total, 3 * mean)
    torch.testing.assert_close(volumetric, mean)


def test_joint_draw_of_the_volumetric_mask_loss_crowds_where_the_network_is_unsure():
    outputs, targets = random_outputs(num_clips=1, num_layers=1), [random_target(5)]
    with torch.no_grad():
        outputs[0][1][:] = -12.0
        outputs[0][1][:, :, 1] = 0.05
    torch.manual_seed(0)
    joint = Criterion(num_points=200, mask_loss="volumetric")(outputs, targets)["loss_mask"]
    torch.manual_seed(0)
    frames = Criterion(num_points=200, mask_loss_normalisation="mean")(outputs, targets)["loss_mask"]
    joint_gradient, frame_gradient = (
        torch.autograd.grad(loss, outputs[0][1])[0][:, :, 1].abs().sum() for loss in (joint, frames)
    )
    assert joint_gradient > 1.5 * frame_gradient


@pytest.mark.parametrize("mask_loss", ["per_frame", "volumetric"])
@pytest.mark.parametrize("dice_loss", ["per_frame", "volumetric"])
def test_gradients_are_those_of_finite_differences(mask_loss, dice_loss):
    outputs = random_outputs(num_clips=1, num_queries=3, num_frames=2, num_layers=2, dtype=torch.float64)
    targets = [random_target(2, num_frames=2)]
    criterion = exact(mask_loss=mask_loss, dice_loss=dice_loss)

    def total(c0, m0, c1, m1):
        return sum(criterion([(c0, m0), (c1, m1)], targets).values())

    assert torch.autograd.gradcheck(total, [logits for layer in outputs for logits in layer])


def test_losses_of_parts_add_up_to_the_loss_of_the_batch():
    outputs = random_outputs(num_clips=4)
    targets = [random_target(n, seed=n) for n in (2, 0, 3, 1)]
    criterion = exact()
    whole = criterion(outputs, targets)
    parts = [
        criterion([(c[part], m[part]) for c, m in outputs], targets[part], num_instances=6, num_clips=4)
        for part in (slice(0, 1), slice(1, 2), slice(2, 4))
    ]
    torch.testing.assert_close({name: sum(part[name] for part in parts) for name in whole}, whole)


def test_each_output_has_its_own_losses():
    losses = exact()(random_outputs(num_layers=3), [random_target(2), random_target(1)])
    assert set(losses) == {f"loss_{term}{suffix}" for term in TERMS for suffix in ("", "_0", "_1")}
    final = exact()(random_outputs(num_layers=3)[2:], [random_target(2), random_target(1)])
    torch.testing.assert_close(final, {name: losses[name] for name in final})


def test_frames_without_the_object_enter_the_mask_losses():
    target = random_target(1)
    outputs = random_outputs(num_clips=1, num_queries=1, num_layers=1)
    for extent in ("per_frame", "volumetric"):
        losses = exact(mask_loss=extent, dice_loss=extent)(outputs, [target])
        for term in ("mask", "dice"):
            gradient = torch.autograd.grad(losses[f"loss_{term}"], outputs[0][1], retain_graph=True)[0]
            assert not target.masks[0, 2].any()
            assert (gradient[0, 0, 2] > 0).all()


def test_unmatched_queries_receive_no_mask_gradient():
    outputs, targets = random_outputs(num_clips=1, num_layers=1), [random_target(2)]
    criterion = exact()
    sum(criterion(outputs, targets).values()).backward()
    matched = set(criterion.matcher(outputs, targets).queries[0].tolist())
    touched = outputs[0][1].grad[0].flatten(1).any(1).nonzero()[:, 0].tolist()
    assert set(touched) == matched


def test_batch_without_objects_trains_the_class_head_only():
    outputs = random_outputs()
    losses = Criterion(num_points=20)(outputs, [random_target(0), random_target(0)])
    assert losses["loss_mask"].item() == losses["loss_dice"].item() == 0
    sum(losses.values()).backward()
    expected = -2 * outputs[-1][0].log_softmax(-1)[..., -1].mean()
    torch.testing.assert_close(losses["loss_class"], expected)
    assert not outputs[-1][1].grad.any()


def test_part_without_objects_of_a_batch_without_objects_is_finite():
    losses = exact()(random_outputs(), [random_target(0)] * 2, num_instances=0, num_clips=8)
    assert torch.isfinite(torch.stack(list(losses.values()))).all()


@pytest.mark.parametrize("extent", ["per_frame", "volumetric"])
def test_instance_of_one_pixel_has_finite_losses_and_gradients(extent):
    masks = torch.zeros(1, 3, 16, 24, dtype=torch.bool)
    masks[0, 1, 7, 9] = True
    outputs = random_outputs(num_clips=1)
    criterion = Criterion(num_points=50, mask_loss=extent, dice_loss=extent)
    total = sum(criterion(outputs, [ClipTarget(torch.tensor([1]), masks)]).values())
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(logits.grad).all() for layer in outputs for logits in layer)


def test_more_objects_than_queries_have_finite_losses():
    losses = Criterion(num_points=50)(random_outputs(num_queries=2), [random_target(4), random_target(1)])
    assert torch.isfinite(torch.stack(list(losses.values()))).all()


def test_nan_logits_give_nan_losses_and_no_crash():
    outputs = random_outputs()
    with torch.no_grad():
        outputs[-1][1][0] = torch.nan
    losses = Criterion(num_points=50)(outputs, [random_target(2), random_target(1)])
    assert torch.isnan(losses["loss_mask"])
    assert torch.isfinite(losses["loss_mask_0"])


def test_losses_are_float32_under_autocast():
    outputs, targets = random_outputs(), [random_target(2), random_target(1)]
    low = [(c.bfloat16(), m.bfloat16()) for c, m in outputs]
    with torch.autocast("cpu", torch.bfloat16):
        inside = exact()(low, targets)
    outside = exact()([(c.float(), m.float()) for c, m in low], targets)
    assert all(torch.equal(inside[name], outside[name]) for name in outside)


def test_random_points_repeat_with_the_seed():
    outputs, targets = random_outputs(), [random_target(2), random_target(1)]
    totals = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        totals.append(sum(Criterion(num_points=50)(outputs, targets).values()))
    assert totals[0] == totals[1] != totals[2]


def test_perfect_prediction_costs_almost_nothing():
    target = random_target(2)
    masks = 60.0 * target.masks[:, :, ::4, ::4].float() - 30
    classes = 30 * torch.nn.functional.one_hot(target.labels, 4).float()
    losses = exact()([(classes[None], masks[None])], [target])
    assert sum(losses.values()).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("switch", ["mask_loss", "dice_loss", "mask_loss_normalisation"])
def test_unknown_value_of_a_switch_is_refused(switch):
    with pytest.raises(InputError, match=switch):
        Criterion(**{switch: "volumetrik"})


def test_criterion_has_no_parameters_of_its_own():
    assert Criterion().state_dict() == {}
