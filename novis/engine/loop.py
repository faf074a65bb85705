"""The training loop: one iteration is one optimiser step over the whole batch of clips.

The batch has the paper's size whatever the number of ranks: each rank takes its share in
micro-batches and accumulates. Every loss is normalised by the whole batch, and every
micro-batch draws its random points from a seed of (run, iteration, first sample), so that
the sum does not depend on how micro-batches were divided among ranks, and an interrupted
run continues as if it had not been, on the CPU bit for bit. On a GPU it cannot: kernels such
as the backward pass of grid_sample add up in an order that changes from run to run.
"""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from mmengine import dist
from mmengine.registry import LOOPS
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader, Dataset, Sampler

from novis.engine import ranks
from novis.errors import InputError
from novis.model.structures import ClipTarget

_LOG = logging.getLogger(__name__)

# What does not stop a run but should be known.
INCIDENTS = ("non_finite_loss", "clips_without_objects", "clips_cropped_empty", "instances_of_one_pixel")


class ReportingDataset(Dataset):
    """A dataset whose bad input is an item: a worker process would wrap an exception in its traceback."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, entry: Any) -> dict[str, Any] | InputError:
        try:
            return self.dataset[entry]
        except InputError as error:
            return error


class IterationSampler(Sampler[list[Any]]):
    """Yields, for every iteration from ``start`` on, this rank's share of the batch's entries.

    Args:
        schedule: ``schedule[iteration]`` gives the entries of the whole batch.
        num_iterations: where training ends.
        rank: this one.
        world_size: number of ranks; it must divide the batch.
    """

    def __init__(self, schedule: Any, num_iterations: int, rank: int = 0, world_size: int = 1) -> None:
        self.schedule = schedule
        self.num_iterations = num_iterations
        self.rank = rank
        self.world_size = world_size
        self.start = 0

    def __len__(self) -> int:
        return self.num_iterations - self.start

    def __iter__(self) -> Iterator[list[Any]]:
        for iteration in range(self.start, self.num_iterations):
            entries = self.schedule[iteration]
            share = len(entries) // self.world_size
            yield entries[self.rank * share : (self.rank + 1) * share]


@LOOPS.register_module()
class ClipTrainLoop(BaseLoop):
    """Trains by :class:`IterationSampler`, one optimiser step an iteration.

    Args:
        runner: mmengine's runner.
        dataloader: yields lists of samples: dicts of ``frames`` (T, 3, h, w) uint8,
            ``labels`` (n,) int64, ``masks`` (n, T, h, w) bool, ``name``, and where frames
            are augmented ``num_lost``, the objects that this left without a pixel.
        max_iters: where training ends.
        micro_batch: clips in one forward and backward pass.
        seed: of the run.
    """

    def __init__(
        self, runner: Runner, dataloader: DataLoader, max_iters: int, micro_batch: int, seed: int
    ) -> None:
        super().__init__(runner, dataloader)
        self.max_iters = max_iters
        self.micro_batch = micro_batch
        self.seed = seed
        self.incidents: Counter[str] = Counter()
        self._iter = 0
        # mmengine takes the whole training for one epoch.
        self.epoch, self.max_epochs = 0, 1

    @property
    def iteration(self) -> int:
        """Number of finished iterations."""
        return self._iter

    @property
    def iter(self) -> int:
        """The same by the name that mmengine's hooks ask for."""
        return self._iter

    def resume_at(self, iteration: int) -> None:
        """Continue after ``iteration`` finished iterations; skipped samples are never read."""
        self._iter = iteration
        self.dataloader.batch_sampler.start = iteration

    def run(self) -> torch.nn.Module:
        """Train from the present iteration to the last."""
        self.runner.call_hook("before_train")
        self.runner.call_hook("before_train_epoch")
        batches = iter(self.dataloader)
        try:
            for batch in batches:
                self.run_iter(batch)
        finally:
            # Its processes end now, not with the last exception that knows of them.
            del batches
        self.runner.call_hook("after_train_epoch")
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_iter(self, data_batch: Sequence[dict[str, Any] | InputError]) -> None:
        """One optimiser step.

        Raises:
            InputError: a sample could not be read, or the training has diverged.
        """
        for sample in data_batch:
            if isinstance(sample, InputError):
                raise sample
        self.runner.model.train()
        self.runner.call_hook("before_train_iter", batch_idx=self._iter, data_batch=data_batch)
        losses = self._step(data_batch)
        self.runner.call_hook("after_train_iter", batch_idx=self._iter, data_batch=data_batch, outputs=losses)
        self._iter += 1

    def _step(self, samples: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        optim_wrapper = self.runner.optim_wrapper
        optim_wrapper.zero_grad()
        counts = self._normalisers(samples)
        world_size = dist.get_world_size()
        totals: Counter[str] = Counter()
        incidents: Counter[str] = Counter()
        for first in range(0, len(samples), self.micro_batch):
            part = samples[first : first + self.micro_batch]
            last = first + self.micro_batch >= len(samples)
            self._seed(dist.get_rank() * len(samples) + first)
            with self._synchronisation(last), optim_wrapper.optim_context(self.runner.model):
                losses = self._losses(part, counts)
                total = sum(losses.values())
                # Data parallelism averages gradients over ranks; the losses are shares of a sum.
                optim_wrapper.backward(total * world_size)
            totals.update({name: float(loss.detach()) for name, loss in losses.items()})
            incidents.update(self._watch(part, total))
        optim_wrapper.step()
        return self._add_up(totals, incidents)

    def _losses(self, part: Sequence[dict[str, Any]], counts: dict[str, float]) -> dict[str, torch.Tensor]:
        device = next(self.runner.model.parameters()).device
        frames = [sample["frames"].to(device, non_blocking=True) for sample in part]
        targets = [ClipTarget(sample["labels"].to(device), sample["masks"].to(device)) for sample in part]
        return self.runner.model(frames, targets, mode="loss", **counts)

    def _normalisers(self, samples: Sequence[dict[str, Any]]) -> dict[str, float]:
        """Objects and clips of the whole batch, over all ranks."""
        counts = ranks.total([sum(len(sample["labels"]) for sample in samples), len(samples)])
        return {"num_instances": int(counts[0]), "num_clips": int(counts[1])}

    def _add_up(self, totals: Counter[str], incidents: Counter[str]) -> dict[str, torch.Tensor]:
        """The losses of the whole batch, by name and as a sum; incidents are counted over all ranks."""
        sums = ranks.total([*totals.values(), *(incidents[name] for name in INCIDENTS)])
        counts = zip(INCIDENTS, sums[len(totals) :], strict=True)
        self.incidents.update({name: int(count) for name, count in counts if count})
        losses = {name: torch.tensor(value) for name, value in zip(totals, sums, strict=False)}
        return {"loss": sum(losses.values()), **losses}

    def _synchronisation(self, last: bool) -> AbstractContextManager[None]:
        """Gradients are exchanged once, with the last micro-batch."""
        model = self.runner.model
        return nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync()

    def _seed(self, position: int) -> None:
        text = f"{self.seed} {self._iter} {position}".encode()
        torch.manual_seed(int.from_bytes(hashlib.sha256(text).digest()[:8]))

    def _watch(self, part: Sequence[dict[str, Any]], total: torch.Tensor) -> Counter[str]:
        """Count and name what does not stop a run but should be known."""
        found: Counter[str] = Counter()
        names = ", ".join(str(sample["name"]) for sample in part)
        if not np.isfinite(float(total.detach())):
            found["non_finite_loss"] += 1
            _LOG.warning("iteration %d: loss is not finite; the step is skipped: %s", self._iter, names)
        for sample in part:
            for incident, count in _oddities(sample):
                found[incident] += count
                _LOG.info("iteration %d: %s: %d %s", self._iter, sample["name"], count, incident)
        return found


def _oddities(sample: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """What is unusual about a sample, by the name it is counted under, and how often."""
    if not len(sample["labels"]):
        yield ("clips_cropped_empty" if sample.get("num_lost") else "clips_without_objects"), 1
    if single := int((sample["masks"].flatten(1).sum(1) == 1).sum()):
        yield "instances_of_one_pixel", single
