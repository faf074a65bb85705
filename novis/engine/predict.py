"""Prediction: a checkpoint and videos become a clip cache."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from mmengine.config import Config
from tqdm import tqdm

from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.splits import read_names
from novis.engine.checkpoints import read_checkpoint
from novis.engine.fit import use_threads
from novis.engine.streaming import ClipRecord, VideoPlan, VideoStream, plan_video
from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import sha256
from novis.model.novis import NOVIS
from novis.model.registry import MODELS
from novis.storage.clip_cache import ClipCacheWriter
from novis.structures import Video, VideoPrediction

_LOG = logging.getLogger(__name__)


def predict(
    checkpoint: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    clip_length: int,
    min_size: int,
    starts: str = "all",
    videos: Path | None = None,
    precision: Literal["fp32", "bf16", "fp16"] = "fp32",
    threads: int | None = None,
) -> None:
    """Write the clip cache of a checkpoint: all that tracking needs of the network.

    Frame features are computed once a frame. Run again after an interruption, it goes on
    at the next video.

    Args:
        checkpoint: made by 'novis train'
        annotations: the data set's JSON file
        frames: the folder that its file names start from
        output: the clip cache to write (HDF5)
        clip_length: T of the test, at most that of the training with a learned temporal encoding
        min_size: short side of the network's input, pixels
        starts: 'all' for a clip at every frame, or 'every2' for those of stride 2 alone
        videos: a file that names the videos; all of them without it
        precision: of the network's forward pass
        threads: CPU threads of the network
    """
    use_threads(threads)
    content = read_checkpoint(checkpoint)
    model = load_model(checkpoint, content)
    stride = parse_starts(starts)
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    attributes = {
        "config": json.dumps(content["meta"]["config"], sort_keys=True),
        "checkpoint_sha256": sha256(checkpoint),
        "code": stage_code("predict"),
        "clip_length": clip_length,
        "starts": starts,
        "min_size": min_size,
        "precision": precision,
        "categories": json.dumps(content["meta"]["categories"]),
    }
    stream = VideoStream(model, precision)
    with ClipCacheWriter(output, attributes) as writer:
        waiting = [video for video in truth.videos if video.id not in writer.finished]
        _LOG.info("%d videos, %d of them done before", len(truth.videos), len(truth.videos) - len(waiting))
        num_frames = sum(video.length for video in waiting)
        with tqdm(total=num_frames, desc="predicting", unit="frame", mininterval=1) as progress:
            for video in waiting:
                plan = plan_for(model, video, clip_length, stride, min_size)
                with writer.video(
                    video, plan.starts, plan.input_size, plan.padded_size, plan.overlap_lengths
                ) as group:
                    for clip in stream.clips(plan, lambda i, video=video: read_frame(frames, video, i)):
                        group.append(
                            clip.class_logits, clip.embeddings, clip.overlap_embeddings, clip.mask_codes
                        )
                progress.update(video.length)
        writer.finish()


def load_model(path: Path, content: dict[str, Any]) -> NOVIS:
    """The network of a checkpoint, ready to predict, on the GPU where there is one.

    Raises:
        InputError: the checkpoint has no configuration, or its weights do not fit it.
    """
    try:
        config = Config(content["meta"]["config"])
        model = MODELS.build(config.model)
        model.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{path}: does not hold a network that can predict ({reason}); use the checkpoint.pth of a "
            "finished training"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval()


def parse_starts(starts: str) -> int | None:
    """The stride of ``every<S>``, or None for ``all``."""
    if starts == "all":
        return None
    digits = starts.removeprefix("every")
    if digits == starts or not digits.isdigit():
        raise InputError(f"clip starts '{starts}': must be 'all', or 'every' and a stride, such as 'every2'")
    return int(digits)


def plan_for(model: NOVIS, video: Video, clip_length: int, stride: int | None, min_size: int) -> VideoPlan:
    """Sizes and clip starts of a video for this model."""
    divisor = model.data_preprocessor.size_divisor
    return plan_video(video.length, video.height, video.width, clip_length, stride, min_size, divisor)


def predict_video(
    stream: VideoStream, video: Video, frames: Path, clip_length: int, stride: int | None, min_size: int
) -> VideoPrediction:
    """What the network says about one video, in memory."""
    plan = plan_for(stream.model, video, clip_length, stride, min_size)
    clips = list(stream.clips(plan, lambda index: read_frame(frames, video, index)))
    return gather(video, plan, clips)


def gather(video: Video, plan: VideoPlan, clips: Sequence[ClipRecord]) -> VideoPrediction:
    """The clips of one video as one structure of arrays."""
    return VideoPrediction(
        video=video,
        clip_length=plan.clip_length,
        input_size=plan.input_size,
        padded_size=plan.padded_size,
        starts=np.array(plan.starts),
        class_logits=np.stack([clip.class_logits for clip in clips]),
        embeddings=np.stack([clip.embeddings for clip in clips]),
        overlap_lengths=np.array(plan.overlap_lengths, int),
        overlap_embeddings=np.stack([clip.overlap_embeddings for clip in clips]),
        mask_codes=np.stack([clip.mask_codes for clip in clips]),
    )
