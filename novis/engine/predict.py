"""Prediction: a checkpoint and videos become a clip cache."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.splits import read_names
from novis.data.staging import staged
from novis.engine.checkpoints import load_model, read_checkpoint
from novis.engine.features import KeptFeatures
from novis.engine.fit import use_threads
from novis.engine.precision import Precision
from novis.engine.stopping import Told
from novis.engine.streaming import ClipRecord, VideoPlan, VideoStream, plan_for
from novis.errors import InputError
from novis.experiment import WHOLE_VIDEO, stage_code
from novis.files import sha256
from novis.storage.clip_cache import ClipCacheWriter
from novis.storage.shards import Shard
from novis.structures import Video

_LOG = logging.getLogger(__name__)


def predict(
    checkpoint: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    clip_length: str | int,
    min_size: int,
    starts: str = "all",
    videos: Path | None = None,
    features: Path | None = None,
    overlap: dict[str, Any] | None = None,
    precision: Precision = "fp32",
    threads: int | None = None,
    shard: str | None = None,
    scratch: Path | None = None,
) -> None:
    """Write the clip cache of a checkpoint: all that tracking needs of the network.

    Frame features are computed once a frame. Told to stop, it ends after the present video; run
    again after any interruption, it goes on at the next.

    Args:
        checkpoint: made by 'novis train'
        annotations: the data set's JSON file
        frames: the folder that its file names start from
        output: the clip cache to write (HDF5)
        clip_length: T of the test, at most that of the training with a learned temporal encoding;
            or 'video': each video is one clip, and memory grows with its length
        min_size: short side of the network's input, pixels
        starts: 'all' for a clip at every frame, or 'every2' for those of stride 2 alone
        videos: a file that names the videos; all of them without it
        features: frame features of this checkpoint ('novis features'); computed anew without it
        overlap: other settings of the overlap embeddings than those of the training (query, mask,
            fallback): they have no parameters; see novis.model.overlap
        precision: of the network's forward pass
        threads: CPU threads of the network
        shard: '2/4' for the second of four parts of the videos; 'novis merge' makes one cache of all
        scratch: a folder on the node's own disk that frames are copied to first
    """
    use_threads(threads)
    stride, length = parse_starts(starts), parse_clip_length(clip_length)
    content = read_checkpoint(checkpoint)
    stream = VideoStream(load_model(checkpoint, content, overlap), precision)
    digest = sha256(checkpoint)
    kept = KeptFeatures(features, digest, min_size, stream.device) if features else None
    attributes = _provenance(content["meta"], digest, kept) | {
        "clip_length": length or WHOLE_VIDEO,
        "starts": starts,
        "min_size": min_size,
        "precision": precision,
    }
    chosen, of_shard = _chosen(annotations, videos, shard)
    plans = {video: plan_for(stream.model, video, length, stride, min_size) for video in chosen}
    told = Told()
    with ClipCacheWriter(output, attributes | of_shard) as writer:
        waiting = {video: plans[video] for video in writer.waiting(chosen)}
        _LOG.info("%d videos, %d of them done before", len(plans), len(plans) - len(waiting))
        frames = frames if kept else staged(frames, [*waiting], scratch)
        _write_videos(writer, stream, waiting, frames, kept, told)
        writer.finish()


def _chosen(
    annotations: Path, videos: Path | None, shard: str | None
) -> tuple[Sequence[Video], dict[str, str]]:
    """The videos to predict, and what a cache says of the shard that they are."""
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    if not shard:
        return truth.videos, {}
    part = Shard.parse(shard)
    return part.choose(truth.videos), part.attributes(truth.videos)


def _provenance(meta: Mapping[str, Any], digest: str, kept: KeptFeatures | None) -> dict[str, str]:
    """Whose predictions these are: the network, and the code of all that was computed."""
    codes = (kept.code, stage_code("predict")) if kept else (stage_code("predict"),)
    return {
        "checkpoint_sha256": digest,
        "config": json.dumps(meta["config"], sort_keys=True),
        "categories": json.dumps(meta["categories"]),
        "features": "kept" if kept else "computed",
        "code": "+".join(dict.fromkeys(codes)),
    }


def _write_videos(
    writer: ClipCacheWriter,
    stream: VideoStream,
    plans: Mapping[Video, VideoPlan],
    frames: Path,
    kept: KeptFeatures | None,
    told: Told,
) -> None:
    """Predict video after video, until told to stop."""
    num_frames = sum(video.length for video in plans)
    with tqdm(total=num_frames, desc="predicting", unit="frame", mininterval=1) as progress:
        for video, plan in plans.items():
            if kept:
                clips = stream.decode(plan, kept.frames(video))
            else:
                clips = stream.clips(plan, partial(read_frame, frames, video))
            _write(writer, video, plan, clips)
            progress.update(video.length)
            told.stop_if_told()


def _write(writer: ClipCacheWriter, video: Video, plan: VideoPlan, clips: Iterator[ClipRecord]) -> None:
    sizes = plan.input_size, plan.padded_size
    with writer.video(video, plan.starts, *sizes, plan.overlap_lengths, plan.clip_length) as group:
        for clip in clips:
            group.append(clip.class_logits, clip.embeddings, clip.overlap_embeddings, clip.mask_codes)


def parse_starts(starts: str) -> int | None:
    """The stride of ``every<S>``, or None for ``all``."""
    if starts == "all":
        return None
    digits = starts.removeprefix("every")
    if digits == starts or not digits.isdigit():
        raise InputError(f"clip starts '{starts}': must be 'all', or 'every' and a stride, such as 'every2'")
    return int(digits)


def parse_clip_length(clip_length: str | int) -> int | None:
    """T, or None for ``video``."""
    if clip_length == WHOLE_VIDEO:
        return None
    if not str(clip_length).isdigit() or int(clip_length) < 1:
        raise InputError(f"clip length '{clip_length}': must be a number of frames, or '{WHOLE_VIDEO}'")
    return int(clip_length)
