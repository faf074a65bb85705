"""Fitting a network: a configuration and any source of clips become a checkpoint."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import torch
from mmengine import dist
from mmengine.config import Config
from mmengine.optim import MultiStepLR
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from novis.engine.checkpoints import initialise, write_checkpoint
from novis.engine.hooks import GradientHook, ProgressHook, ResumeHook, ValidationHook, bare
from novis.engine.lock import Lock
from novis.engine.loop import IterationSampler, ReportingDataset
from novis.engine.optimisation import ClipOptimWrapper, parameter_groups
from novis.engine.ranks import parallel
from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import sha256, write_json
from novis.model.registry import MODELS
from novis.structures import Category

_LOG = logging.getLogger(__name__)

# The state of a running training, in its work folder.
STATE = "state.pth"

Validate = Callable[[torch.nn.Module], dict[str, float]]


def fit(
    config: Config,
    categories: Sequence[Category],
    dataset: Dataset,
    schedule: Any,
    output: Path,
    init: Path | None = None,
    work: Path | None = None,
    workers: int = 0,
    validate: Validate | None = None,
    half: bool = False,
    sources: Sequence[Path] = (),
) -> None:
    """Train the model of ``config`` on ``dataset[entry]`` for the entries of ``schedule``.

    Writes the checkpoint ``output`` with its provenance, and the provenance alone as
    ``training.json`` beside it. With ``half`` the weights are rounded to float16: enough to
    start from, in half the space. ``sources`` are the files that say what is trained on
    (annotations, lists of videos): once one of them has other content, an interrupted
    training does not go on.
    """
    work = work or output.parent / "work"
    work.mkdir(parents=True, exist_ok=True)
    with _alone(work) as confirm:
        _fit(
            config,
            categories,
            dataset,
            schedule,
            output,
            init,
            work,
            workers,
            validate,
            half,
            sources,
            confirm,
        )


def _fit(
    config: Config,
    categories: Sequence[Category],
    dataset: Dataset,
    schedule: Any,
    output: Path,
    init: Path | None,
    work: Path,
    workers: int,
    validate: Validate | None,
    half: bool,
    sources: Sequence[Path],
    confirm: Callable[[], None],
) -> None:
    config.model.instance_decoder.num_classes = len(categories)
    provenance = {
        "config": config.to_dict(),
        "categories": [asdict(category) for category in categories],
        "init_sha256": sha256(init) if init else None,
        "data_sha256": [sha256(path) for path in sources],
        "code": stage_code("train"),
    }
    torch.manual_seed(config.training.seed)
    model = MODELS.build(config.model)
    if init:
        afresh = initialise(model, init, provenance["categories"])
        _LOG.info("started from %s; afresh: %s", init, ", ".join(afresh) or "nothing")
    resume = ResumeHook(
        work / STATE,
        config.training.save_interval,
        config.training.save_minutes,
        json.dumps({key: value for key, value in provenance.items() if key != "code"}, sort_keys=True),
        confirm,
    )
    loader = _loader(config, dataset, schedule, workers)
    runner = _runner(config, parallel(model), loader, work, resume, validate)
    runner.train()
    if dist.is_main_process():
        loop = runner.train_loop
        meta = provenance | {
            "iterations": loop.iteration,
            "ranks": dist.get_world_size(),
            "seconds": round(resume.elapsed, 1),
            "incidents": dict(loop.incidents) | {"skipped_steps": runner.optim_wrapper.skipped_steps},
            "torch": str(torch.__version__),
        }
        weights = bare(runner.model).state_dict()
        if half:
            weights = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
        confirm()
        write_checkpoint(output, {"state_dict": weights, "meta": meta})
        write_json(output.with_name("training.json"), meta | {"sha256": sha256(output)}, indent=2)


@contextmanager
def _alone(work: Path) -> Iterator[Callable[[], None]]:
    """Hold the work folder: two trainings must not write one state. Yields what is asked before a write."""
    if dist.is_main_process():
        with Lock(work) as lock:
            yield lock.confirm
    else:
        yield lambda: None


def use_threads(threads: int | None) -> None:
    """Let torch compute with a fixed number of CPU threads: results repeat bit for bit only then."""
    if threads:
        torch.set_num_threads(threads)


def _runner(
    config: Config,
    model: torch.nn.Module,
    loader: DataLoader,
    work: Path,
    resume: ResumeHook,
    validate: Validate | None,
) -> Runner:
    training = config.training
    groups = parameter_groups(
        bare(model), training.learning_rate, training.weight_decay, training.backbone_multiplier
    )
    optimizer = torch.optim.AdamW(groups, lr=training.learning_rate)
    hooks = [resume, GradientHook()]
    if validate and training.validation_interval:
        hooks.append(ValidationHook(validate, training.validation_interval))
    return Runner(
        model=model,
        work_dir=str(work),
        train_dataloader=loader,
        train_cfg={
            "type": "ClipTrainLoop",
            "max_iters": training.iterations,
            "micro_batch": training.micro_batch,
            "seed": training.seed,
        },
        optim_wrapper=ClipOptimWrapper(optimizer, training.precision, training.max_norm),
        param_scheduler=[MultiStepLR(optimizer, milestones=training.milestones, gamma=0.1, by_epoch=False)],
        default_hooks={
            "checkpoint": None,
            "sampler_seed": None,
            "logger": ProgressHook(training.log_interval),
        },
        custom_hooks=hooks,
        # Its own lines go to standard output, among them all hooks by name.
        log_level="WARNING",
        log_processor={"by_epoch": False},
        visualizer={
            "type": "Visualizer",
            "vis_backends": [{"type": "LocalVisBackend"}, {"type": "TensorboardVisBackend"}],
        },
        randomness={"seed": training.seed},
        # mmengine shares its visualizer between runs of one name that start in the same second.
        experiment_name=f"novis_{hashlib.sha256(str(work.resolve()).encode()).hexdigest()[:8]}",
    )


def _loader(config: Config, dataset: Dataset, schedule: Any, workers: int) -> DataLoader:
    rank, world_size = dist.get_rank(), dist.get_world_size()
    if config.training.batch_size % (world_size * config.training.micro_batch):
        raise InputError(
            f"a batch of {config.training.batch_size} clips cannot be divided among {world_size} ranks in "
            f"micro-batches of {config.training.micro_batch}; change training.micro_batch, or start another "
            "number of ranks"
        )
    sampler = IterationSampler(schedule, config.training.iterations, rank, world_size)
    return DataLoader(
        ReportingDataset(dataset),
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=_one_thread,
    )


def _one_thread(worker: int) -> None:
    """OpenCV's threads and forked processes do not go together."""
    cv2.setNumThreads(0)
