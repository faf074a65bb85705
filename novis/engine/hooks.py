"""What happens between iterations: saving, resuming, measuring."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from mmengine import dist
from mmengine.hooks import Hook, LoggerHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from novis.engine import ranks
from novis.engine.checkpoints import read_checkpoint, write_checkpoint
from novis.engine.stopping import Interrupted, Told
from novis.errors import InputError

_LOG = logging.getLogger(__name__)


class ResumeHook(Hook):
    """Saves the whole state of training, and takes it up again.

    The state lies in one file, replaced as a whole; a kill at any moment loses the
    iterations since the last save and nothing else. SIGTERM and SIGUSR1 (a time limit
    or a preemption is near) save at the end of the running iteration and stop, all ranks
    at the same one, whichever was told. Rank 0 writes; each rank reads.

    Args:
        path: the state's file.
        interval: iterations between saves.
        minutes: or as many minutes, whichever comes first.
        identity: what the state belongs to; a state of another run is refused.
        confirm: asked before a save; raises where this process must not write any more.
    """

    priority = "VERY_LOW"

    def __init__(
        self,
        path: Path,
        interval: int,
        minutes: float,
        identity: str,
        confirm: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.interval = interval
        self.minutes = minutes
        self.identity = identity
        self.confirm = confirm
        self.seconds = 0.0
        self._saved_at = self._started_at = time.monotonic()
        self._told: Told | None = None

    def before_train(self, runner: Runner) -> None:
        """Take up the saved state, if there is one."""
        self._told = Told()
        iteration = self._resume(runner) if self.path.exists() else 0
        if ranks.total([iteration])[0] != iteration * dist.get_world_size():
            raise InputError(
                f"{self.path}: rank {dist.get_rank()} finds a state after {iteration} iterations, other "
                "ranks another one; the work folder must lie where all nodes see the same files"
            )

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Save when it is time; stop when told to."""
        finished = runner.train_loop.iteration + 1
        late = time.monotonic() - self._saved_at > 60 * self.minutes
        stop = ranks.any_rank(self._told is not None and self._told.told)
        if stop or finished % self.interval == 0 or late:
            self._save(runner, finished)
        if stop:
            _LOG.warning("told to stop: saved after iteration %d", finished)
            raise Interrupted

    def _save(self, runner: Runner, finished: int) -> None:
        self._saved_at = time.monotonic()
        if dist.is_main_process():
            self.confirm()
            write_checkpoint(
                self.path,
                {
                    "identity": self.identity,
                    "iteration": finished,
                    "seconds": self.elapsed,
                    "state_dict": bare(runner.model).state_dict(),
                    "optimizer": runner.optim_wrapper.state_dict(),
                    "schedulers": [scheduler.state_dict() for scheduler in runner.param_schedulers],
                    "incidents": dict(runner.train_loop.incidents),
                },
            )

    def _resume(self, runner: Runner) -> int:
        state = read_checkpoint(self.path)
        if state.get("identity") != self.identity:
            raise InputError(
                f"{self.path}: is the state of a training with another configuration, version or other data; "
                "delete its folder to start over, or restore them to go on"
            )
        bare(runner.model).load_state_dict(state["state_dict"])
        runner.optim_wrapper.load_state_dict(state["optimizer"])
        for scheduler, saved in zip(runner.param_schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        runner.train_loop.resume_at(state["iteration"])
        runner.train_loop.incidents.update(state["incidents"])
        self.seconds = state["seconds"]
        _LOG.info("resumed after iteration %d", state["iteration"])
        return state["iteration"]

    @property
    def elapsed(self) -> float:
        """Seconds of training, over all interruptions."""
        return self.seconds + time.monotonic() - self._started_at


class GradientHook(Hook):
    """Logs what an eye should be on: the gradient's norm and the steps left out."""

    # Before the line is logged.
    priority = "NORMAL"

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Hand both to the logger."""
        runner.message_hub.update_scalar("train/gradient_norm", runner.optim_wrapper.gradient_norm)
        runner.message_hub.update_scalar("train/skipped_steps", runner.optim_wrapper.skipped_steps)


class ProgressHook(LoggerHook):
    """Logs in one line how training goes and how long it will take; every scalar goes to TensorBoard.

    Args:
        interval: iterations between lines.
    """

    def __init__(self, interval: int) -> None:
        super().__init__(interval=interval, log_metric_by_epoch=False)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Log when it is time, and at the end."""
        finished = runner.train_loop.iteration + 1
        if finished % self.interval and finished != runner.max_iters:
            return
        scalars, _ = runner.log_processor.get_log_after_iter(runner, batch_idx, "train")
        runner.visualizer.add_scalars(scalars, step=finished, file_path=self.json_log_path)
        if dist.is_main_process():
            remaining = timedelta(seconds=int(runner.message_hub.get_info("eta")))
            line = f"iteration {finished}/{runner.max_iters}: {format_training(scalars)}, {remaining} left"
            _LOG.info("%s", line)


def format_training(scalars: Mapping[str, float]) -> str:
    """``loss 9.6 (class 2.1, mask 3.0, dice 4.5), ...``: kinds of losses summed over layers."""
    kinds: Counter[str] = Counter()
    for name, value in scalars.items():
        if name.startswith("loss_"):
            kinds[name.removeprefix("loss_").rstrip("_0123456789")] += value
    parts = ", ".join(f"{kind} {value:.3g}" for kind, value in kinds.items())
    line = (
        f"loss {scalars['loss']:.4g} ({parts}), gradient {scalars['gradient_norm']:.3g}, "
        f"learning rate {scalars['lr']:.2g}, {scalars['time']:.2f} s an iteration "
        f"({scalars['data_time']:.2f} s for data)"
    )
    return line + (f", {scalars['memory'] / 1024:.1f} GiB of GPU" if "memory" in scalars else "")


class ValidationHook(Hook):
    """Logs validation AP now and then. It never selects a checkpoint: the last one counts.

    Args:
        validate: gives the scores of the model as it is.
        interval: iterations between validations.
    """

    priority = "LOW"

    def __init__(self, validate: Callable[[torch.nn.Module], dict[str, float]], interval: int) -> None:
        self.validate = validate
        self.interval = interval

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Validate when it is time, on all ranks; one logs."""
        finished = runner.train_loop.iteration + 1
        if finished % self.interval:
            return
        model = bare(runner.model)
        model.eval()
        scores = self.validate(model)
        model.train()
        if dist.is_main_process():
            _LOG.info("iteration %d: validation %s", finished, format_scores(scores))
        runner.visualizer.add_scalars(
            {f"validation/{name}": value for name, value in scores.items()}, step=finished
        )


def format_scores(scores: dict[str, float]) -> str:
    """``AP 25.1, AR1 20.3``: scores in percent."""
    return ", ".join(f"{name} {100 * value:.1f}" for name, value in scores.items())


def bare(model: torch.nn.Module) -> torch.nn.Module:
    """The model without its data-parallel wrapper."""
    return model.module if is_model_wrapper(model) else model
