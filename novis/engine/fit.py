"""Fitting a network: a configuration and any source of clips become a checkpoint."""

import hashlib
import json
import logging
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
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
from novis.engine.optimisation import MAX_SKIPPED, ClipOptimWrapper, parameter_groups
from novis.engine.ranks import parallel
from novis.engine.stopping import SIGNALS
from novis.errors import InputError
from novis.experiment import VERSIONS, stage_code
from novis.files import make_folder, sha256, write_json
from novis.model.registry import MODELS
from novis.structures import Category

_LOG = logging.getLogger(__name__)

# The state of a running training, in its work folder.
STATE = "state.pth"

Validate = Callable[[torch.nn.Module], dict[str, float]]


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained on.

    Attributes:
        categories: in the order of the class logits.
        dataset: ``dataset[entry]`` is a clip, see :class:`novis.engine.loop.ClipTrainLoop`.
        schedule: ``schedule[iteration]`` gives the entries of a batch.
        files: that say what is trained on (annotations, lists of videos).
        settings: what else decides it (seeds, mappings), as JSON has it. Once these or the
            content of a file are others, an interrupted training does not go on.
    """

    categories: Sequence[Category]
    dataset: Dataset
    schedule: Any
    files: Sequence[Path] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def fit(
    config: Config,
    data: TrainingData,
    output: Path,
    init: Path | None = None,
    work: Path | None = None,
    workers: int = 0,
    validate: Validate | None = None,
    half: bool = False,
) -> None:
    """Train the model of ``config`` on ``data``.

    Writes the checkpoint ``output`` with its provenance, and the provenance alone as
    ``training.json`` beside it. Interrupted, it goes on from its state in the folder ``work``.
    The state is removed at the end: a finished training that is run again starts over. With
    ``half`` the weights are rounded to float16: enough to start from, in half the space.

    Raises:
        InputError: the state is of another training, another process trains in ``work``, the
            batch cannot be divided, or ``init`` does not fit the model.
    """
    work = work or output.parent / "work"
    make_folder(work)
    config.model.instance_decoder.num_classes = len(data.categories)
    with _alone(work) as confirm:
        provenance = _provenance(config, data, init)
        torch.manual_seed(config.training.seed)
        model = MODELS.build(config.model)
        if init:
            afresh = initialise(model, init, provenance["categories"])
            _LOG.info("started from %s; afresh: %s", init, ", ".join(afresh) or "nothing")
        loader = _loader(config, data, workers)
        resume = _resume_hook(config, work, provenance, confirm)
        runner = _runner(config, parallel(model), loader, work, resume, validate)
        runner.train()
        if dist.is_main_process():
            confirm()
            _write(output, runner, provenance | {"seconds": round(resume.elapsed, 1)}, half)
            # Last: killed before, the training is finished once more by the same state.
            resume.path.unlink(missing_ok=True)


def _provenance(config: Config, data: TrainingData, init: Path | None) -> dict[str, Any]:
    """Where a checkpoint comes from, as it is recorded with the weights."""
    return {
        "config": config.to_dict(),
        "categories": [asdict(category) for category in data.categories],
        "init_sha256": sha256(init) if init else None,
        "data_sha256": [sha256(path) for path in data.files],
        "data_settings": dict(data.settings),
        "version": VERSIONS["train"],
        "code": stage_code("train"),
    }


def _resume_hook(
    config: Config, work: Path, provenance: Mapping[str, Any], confirm: Callable[[], None]
) -> ResumeHook:
    """Saves and resumes. Edited code alone keeps a state: its version says when it must not."""
    training = config.training
    identity = {key: value for key, value in provenance.items() if key != "code"}
    return ResumeHook(
        work / STATE,
        training.save_interval,
        training.save_minutes,
        json.dumps(identity, sort_keys=True),
        confirm,
    )


def _write(output: Path, runner: Runner, provenance: Mapping[str, Any], half: bool) -> None:
    """The checkpoint of a finished training, and its provenance beside it."""
    loop = runner.train_loop
    meta = {
        **provenance,
        "iterations": loop.iteration,
        "ranks": dist.get_world_size(),
        "incidents": dict(loop.incidents) | {"skipped_steps": runner.optim_wrapper.skipped_steps},
        "torch": str(torch.__version__),
    }
    weights = bare(runner.model).state_dict()
    if half:
        weights = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
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
    """Let torch compute with a fixed number of CPU threads: results repeat bit for bit only then.

    Raises:
        InputError: there are none.
    """
    if threads is not None and threads < 1:
        raise InputError(f"--threads {threads}: must be at least 1")
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
    # A short training has failed before as many steps as a long one.
    skipped = min(MAX_SKIPPED, max(training.iterations // 2, 1))
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
        optim_wrapper=ClipOptimWrapper(optimizer, training.precision, training.max_norm, skipped),
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


def _loader(config: Config, data: TrainingData, workers: int) -> DataLoader:
    rank, world_size = dist.get_rank(), dist.get_world_size()
    if workers < 0:
        raise InputError(f"--workers {workers}: must be at least 0")
    if config.training.batch_size % (world_size * config.training.micro_batch):
        raise InputError(
            f"a batch of {config.training.batch_size} clips cannot be divided among {world_size} ranks in "
            f"micro-batches of {config.training.micro_batch}; change training.micro_batch, or start another "
            "number of ranks"
        )
    sampler = IterationSampler(data.schedule, config.training.iterations, rank, world_size)
    return DataLoader(
        ReportingDataset(data.dataset),
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=_set_up_worker,
    )


def _set_up_worker(worker: int) -> None:
    """In a process that loads clips: the training itself decides when it stops, also for this one."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    # OpenCV's threads and forked processes do not go together.
    cv2.setNumThreads(0)
