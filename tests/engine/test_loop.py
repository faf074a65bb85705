import torch
from torch import nn
from torch.utils.data import DataLoader

from novis.engine.loop import ClipTrainLoop, IterationSampler
from novis.engine.optimisation import ClipOptimWrapper
from novis.model.registry import MODELS
from tests.engine.small_network import small_config

SCHEDULE = [[f"{iteration}{sample}" for sample in "abcd"] for iteration in range(5)]


def test_a_sampler_resumes_without_reading_what_was_before():
    sampler = IterationSampler(SCHEDULE, 5)
    sampler.start = 3
    assert list(sampler) == SCHEDULE[3:]
    assert len(sampler) == 2


def test_processes_share_a_batch_without_overlap():
    shares = [list(IterationSampler(SCHEDULE, 5, rank, 2)) for rank in range(2)]
    assert [a + b for a, b in zip(*shares, strict=True)] == SCHEDULE


class Recorder:
    """A runner that does nothing but hold a model and an optimiser."""

    def __init__(self, model):
        self.model = model
        self.optim_wrapper = Wrapper()

    def call_hook(self, name, **_):
        pass


class Wrapper:
    def zero_grad(self):
        pass

    def optim_context(self, model):
        return torch.enable_grad()

    def backward(self, loss):
        loss.backward()

    def step(self):
        pass


def samples(count=4):
    generator = torch.Generator().manual_seed(0)
    made = []
    for number in range(count):
        masks = torch.zeros(number, 2, 32, 64, dtype=torch.bool)
        masks[:, :, 4:20, 8:40] = True
        made.append(
            {
                "frames": torch.randint(0, 255, (2, 3, 32, 64), generator=generator, dtype=torch.uint8),
                "labels": torch.arange(number) % 3,
                "masks": masks,
                "name": f"sample {number}",
            }
        )
    return made


def gradients(micro_batch):
    torch.manual_seed(0)
    model = MODELS.build(small_config().model).eval()
    # Every pixel is a point of the loss, so that there is no chance in it.
    table = torch.cartesian_prod((torch.arange(16) + 0.5) / 16, (torch.arange(8) + 0.5) / 8)
    draw = lambda rows, points, dimensions, device: table.expand(rows, -1, -1).clone()  # noqa: E731
    model.criterion.draw = model.criterion.matcher.draw = draw
    model.criterion.oversample, model.criterion.importance = 1.0, 0.0
    model.criterion.num_points = model.criterion.matcher.num_points = len(table)
    loop = ClipTrainLoop(Recorder(model), DataLoader([0]), 1, micro_batch, seed=0)
    # Normalisation over the batch is the claim; batch statistics would depend on the division.
    losses = loop._step(samples())
    return losses["loss"], {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_micro_batches_add_up_to_the_whole_batch():
    whole, whole_gradients = gradients(4)
    for micro_batch in (1, 2):
        loss, parts = gradients(micro_batch)
        torch.testing.assert_close(loss, whole, rtol=1e-5, atol=1e-6)
        largest = max(gradient.abs().max() for gradient in whole_gradients.values())
        for name, gradient in whole_gradients.items():
            assert (parts[name] - gradient).abs().max() < 1e-4 * largest, name


class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, frames, targets, mode, **counts):
        return {"loss_class": (self.weight * float("nan")).sum()}


def test_clips_without_objects_and_broken_losses_are_counted_and_named(caplog):
    loop = ClipTrainLoop(Recorder(Broken()), DataLoader([0]), 1, 2, seed=0)
    loop._step(samples())
    assert loop.incidents == {"non_finite_loss": 2, "clips_without_objects": 1}
    assert "sample 2, sample 3" in caplog.text


def trained(odd, caplog):
    """Train one step on four times the sample ``odd``; the loop, and whether the weights moved."""
    torch.manual_seed(0)
    model = MODELS.build(small_config().model)
    runner = Recorder(model)
    runner.optim_wrapper = ClipOptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3))
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    loop = ClipTrainLoop(runner, DataLoader([0]), 1, 2, seed=0)
    with caplog.at_level("INFO"):
        loss = loop._step([odd] * 4)["loss"]
    assert torch.isfinite(loss)
    assert runner.optim_wrapper.skipped_steps == 0
    assert any(not torch.equal(before[name], tensor) for name, tensor in model.named_parameters())
    assert odd["name"] in caplog.text
    return loop.incidents


def test_a_batch_without_objects_is_trained_on(caplog):
    assert trained(samples()[0], caplog) == {"clips_without_objects": 4}


def test_a_crop_that_loses_everything_is_told_from_a_clip_without_objects(caplog):
    assert trained(samples()[0] | {"num_lost": 2}, caplog) == {"clips_cropped_empty": 4}


def test_an_instance_of_one_pixel_is_trained_on(caplog):
    odd = samples()[3]
    odd["masks"][1] = False
    odd["masks"][1, 0, 5, 7] = True
    assert trained(odd, caplog) == {"instances_of_one_pixel": 4}


def test_a_network_that_says_nan_leaves_its_weights_as_they_are(caplog):
    torch.manual_seed(0)
    model = MODELS.build(small_config().model)
    with torch.no_grad():
        model.instance_decoder.class_embed.bias[0] = float("nan")
    runner = Recorder(model)
    runner.optim_wrapper = ClipOptimWrapper(torch.optim.AdamW(model.parameters(), lr=1e-3))
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    loop = ClipTrainLoop(runner, DataLoader([0]), 1, 2, seed=0)
    loop._step(samples())
    assert loop.incidents["non_finite_loss"] == 2
    assert "sample 0, sample 1" in caplog.text
    assert runner.optim_wrapper.skipped_steps == 1
    assert all(torch.equal(before[n], p) or p.isnan().any() for n, p in model.named_parameters())
