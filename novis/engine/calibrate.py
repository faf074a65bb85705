"""``novis calibrate``: what a training step, a prediction and the rest take on this machine."""

import datetime
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from novis import config as configuration
from novis.data.annotations import read_annotations, write_annotations
from novis.data.frames import read_frame
from novis.data.transforms import test_size
from novis.engine.checkpoints import load_model, read_checkpoint
from novis.engine.fit import use_threads
from novis.engine.hardware import describe_hardware
from novis.engine.live import Stopwatch
from novis.engine.predict import predict
from novis.engine.streaming import VideoPlan, VideoStream, plan_for
from novis.engine.train import train
from novis.errors import InputError
from novis.evaluation.evaluate import evaluate
from novis.files import read_json
from novis.model.structures import FrameFeatures
from novis.planning.rates import ANY, Rate, write_rates
from novis.storage.clip_cache import ClipCache
from novis.structures import Annotations
from novis.tracking.settings import TrackerSettings
from novis.tracking.track import track
from novis.tracking.video import track_video

_LOG = logging.getLogger(__name__)

_TRACKERS = ("overlap_embed", "heuristic")


def calibrate(
    model: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    clip_length: int = 4,
    stride: int = 2,
    min_size: int = 360,
    top_k: int = 30,
    iterations: int = 5,
    num_videos: int = 3,
    checkpoint: Path | None = None,
    threads: int | None = None,
) -> None:
    """Measure on this machine what 'novis plan' reckons with, and write it with machine and date.

    Some steps of training, a prediction of some videos at a stride, their tracking and
    scoring: minutes on a GPU.

    Args:
        model: the model file, such as config/models/novis_r50.py; its name is what the rates are of
        annotations: a data set's JSON file with ground truth, best the one that is planned for
        frames: the folder that its file names start from
        output: the file of rates to write, for 'novis plan --rates'
        clip_length: T
        stride: S
        min_size: short side of the network's input, pixels
        top_k: tracks exported for each video
        iterations: steps of training that are timed, after one to warm up
        num_videos: videos that are predicted, tracked and scored, the first one to warm up
        checkpoint: trained weights of this model, whose masks compress as real ones do; without it
            those of the timed training are used
        threads: CPU threads of the network
    """
    if iterations < 1 or num_videos < 2:
        raise InputError(
            f"iterations={iterations} must be at least 1, and num_videos={num_videos} at least 2"
        )
    use_threads(threads)
    truth = read_annotations(annotations)
    if truth.instances is None:
        raise InputError(
            f"{annotations}: holds no ground truth, without which nothing can be trained or scored"
        )
    made: dict[tuple[str, str], float] = {("startup", ANY): _startup()}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        made |= _training(work, model, annotations, frames, clip_length, iterations, truth)
        weights = checkpoint or work / "checkpoint.pth"
        part = _some(truth, num_videos)
        made |= _prediction(weights, part, frames, clip_length, stride, min_size, model.stem)
        made |= _tracking(work, weights, part, frames, clip_length, stride, min_size, top_k)
    rates = _as_rates(made)
    write_rates(output, rates)
    for rate in rates:
        _LOG.info("%s of %s: %.4g", rate.quantity, rate.of, rate.value)


def _as_rates(made: Mapping[tuple[str, str], float]) -> list[Rate]:
    """What was measured, with machine and date."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    hardware = describe_hardware(device)
    where = f"{hardware['device']}, {hardware['threads']} thread(s), on {hardware['machine']}"
    origin = f"{where}, {datetime.date.today()}"
    return [
        Rate(quantity, of, float(f"{value:.4g}"), origin, "gpu" if _on_gpu(quantity, device) else "cpu")
        for (quantity, of), value in made.items()
    ]


def _on_gpu(quantity: str, device: torch.device) -> bool:
    return device.type == "cuda" and quantity in ("train", "frame_features", "clip_decoding")


def _startup() -> float:
    """Seconds until a stage with the network begins to work."""
    begin = time.perf_counter()
    command = [sys.executable, "-m", "novis.cli", "predict", "--help"]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - begin


def _some(truth: Annotations, count: int) -> Annotations:
    """The first videos alone."""
    videos = truth.videos[:count]
    ids = {video.id for video in videos}
    return replace(truth, videos=videos, instances=tuple(i for i in truth.instances if i.video_id in ids))


def _training(
    work: Path,
    model: Path,
    annotations: Path,
    frames: Path,
    clip_length: int,
    iterations: int,
    truth: Annotations,
) -> dict[tuple[str, str], float]:
    """A step of training: what more steps take more, so that neither start nor end counts."""
    seconds = []
    # The first run warms up.
    for number, steps in enumerate((1, 1, 1 + iterations)):
        settings = {"clip_length": clip_length, "iterations": steps, "training.validation_interval": 0}
        configuration.configure(model, work / "config.json", settings)
        run = work / str(number)
        train(work / "config.json", annotations, frames, run / "checkpoint.pth", work=run / "work")
        seconds.append(read_json(run / "training.json")["seconds"])
    (run / "checkpoint.pth").rename(work / "checkpoint.pth")
    if seconds[2] <= seconds[1]:
        raise InputError(
            f"{1 + iterations} steps of training took no longer than one: this machine is busy with other "
            "things; try again with more --iterations"
        )
    training = read_json(work / "config.json")["training"]
    amount = iterations * training["batch_size"] * clip_length * _training_megapixels(training, truth)
    return {
        ("train", model.stem): (seconds[2] - seconds[1]) / amount,
        ("checkpoint_bytes", model.stem): (work / "checkpoint.pth").stat().st_size,
    }


def _training_megapixels(training: Mapping[str, Any], truth: Annotations) -> float:
    """Megapixels of a training frame, as a plan reckons them: at the mean short side."""
    sides, video = training["augmentation"]["short_sides"], truth.videos[0]
    longest = training["augmentation"]["max_size"]
    height, width = test_size(video.height, video.width, sum(sides) // len(sides), longest)
    return height * width / 1e6


def _prediction(
    weights: Path, part: Annotations, frames: Path, clip_length: int, stride: int, min_size: int, name: str
) -> dict[tuple[str, str], float]:
    """Frame features and decoding apart; the first video warms up."""
    stream = VideoStream(load_model(weights, read_checkpoint(weights)))
    spent, amounts = [0.0, 0.0], [0.0, 0.0]
    for number, video in enumerate(part.videos):
        plan = plan_for(stream.model, video, clip_length, stride, min_size)
        seconds = _seconds(stream, plan, partial(read_frame, frames, video))
        if number:
            megapixels = plan.padded_size[0] * plan.padded_size[1] / 1e6
            work = video.length * megapixels, len(plan.starts) * plan.clip_length * megapixels
            spent = [total + more for total, more in zip(spent, seconds, strict=True)]
            amounts = [total + more for total, more in zip(amounts, work, strict=True)]
    return {
        ("frame_features", name): spent[0] / amounts[0],
        ("clip_decoding", name): spent[1] / amounts[1],
    }


def _seconds(stream: VideoStream, plan: VideoPlan, read: Callable[[int], np.ndarray]) -> tuple[float, float]:
    """Seconds of the frames' features and of decoding the clips, without reading the images.

    The one goes on while the other waits, so that memory does not grow with the video.
    """
    whole, decoding = Stopwatch(stream.device), Stopwatch(stream.device)

    def read_unwatched(index: int) -> np.ndarray:
        with whole.pause():
            return read(index)

    found = stream.features(plan, read_unwatched)

    def features() -> Iterator[tuple[int, FrameFeatures]]:
        while True:
            with decoding.pause():
                item = next(found, None)
            if item is None:
                return
            yield item

    for _ in stream.decode(plan, features()):
        pass
    return whole.seconds - (decoded := decoding.seconds), decoded


def _tracking(
    work: Path,
    weights: Path,
    part: Annotations,
    frames: Path,
    clip_length: int,
    stride: int,
    min_size: int,
    top_k: int,
) -> dict[tuple[str, str], float]:
    """Linking, export and scoring, and what cache and results take on the disk."""
    truth, cache, results = work / "truth.json", work / "clips.h5", work / "results.json"
    write_annotations(truth, part)
    predict(weights, truth, frames, cache, clip_length, min_size, starts=f"every{stride}")
    num_masks = sum(video.length for video in part.videos) * top_k
    with ClipCache(cache) as opened:
        ids = [category.id for category in opened.categories]
        predictions = [opened.prediction(video.id) for video in part.videos]
        cells = sum(_size(p.mask_codes.shape) for p in predictions)
        vectors = sum(
            4 * _size(p.embeddings.shape) + 2 * _size(p.overlap_embeddings.shape) for p in predictions
        )
        clips = sum(len(p.starts) for p in predictions)
        made: dict[tuple[str, str], float] = {}
        for kind in _TRACKERS:
            tracked = [track_video(p, TrackerSettings(kind), stride, top_k, ids) for p in predictions]
            made["linking", kind] = sum(t.linking_seconds for t in tracked) / clips
            made["export", ANY] = sum(t.export_seconds for t in tracked) / num_masks
    made["linking", ANY] = made["linking", _TRACKERS[0]]
    track(cache, results, {"kind": _TRACKERS[0]}, stride, top_k)
    begin = time.perf_counter()
    evaluate(truth, results, work / "metrics.json")
    made["evaluation", ANY] = (time.perf_counter() - begin) * top_k / num_masks
    made["mask_bytes", ANY] = (cache.stat().st_size - vectors) / cells
    made["result_bytes", ANY] = results.stat().st_size / num_masks
    return made


def _size(shape: tuple[int, ...]) -> int:
    return torch.Size(shape).numel()
