"""Keeping frame features: what backbone and pixel decoder say, once for all test clip lengths."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.splits import read_names
from novis.data.staging import staged
from novis.engine.checkpoints import load_model, read_checkpoint
from novis.engine.fit import use_threads
from novis.engine.stopping import Told
from novis.engine.streaming import VideoStream, plan_for
from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import sha256
from novis.model.structures import FrameFeatures
from novis.storage.feature_cache import FeatureCache, FeatureCacheWriter
from novis.structures import Video


def features(
    checkpoint: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    min_size: int,
    videos: Path | None = None,
    threads: int | None = None,
    scratch: Path | None = None,
) -> None:
    """Keep the frame features of a checkpoint, so that every test clip length shares them.

    Told to stop, it ends after the present video; run again, it goes on at the next.

    Args:
        checkpoint: made by 'novis train'
        annotations: the data set's JSON file
        frames: the folder that its file names start from
        output: the feature cache to write (HDF5, float16)
        min_size: short side of the network's input, pixels
        videos: a file that names the videos; all of them without it
        threads: CPU threads of the network
        scratch: a folder on the node's own disk that frames are copied to first
    """
    use_threads(threads)
    content = read_checkpoint(checkpoint)
    stream = VideoStream(load_model(checkpoint, content))
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    attributes = {
        "config": json.dumps(content["meta"]["config"], sort_keys=True),
        "checkpoint_sha256": sha256(checkpoint),
        "min_size": min_size,
        "code": stage_code("predict"),
    }
    plans = {video: plan_for(stream.model, video, 1, 1, min_size) for video in truth.videos}
    told = Told()
    with FeatureCacheWriter(output, attributes) as writer:
        waiting = writer.waiting(truth.videos)
        frames = staged(frames, waiting, scratch)
        for video in tqdm(waiting, desc="keeping features", unit="video"):
            with writer.video(video) as group:
                for _, found in stream.features(plans[video], partial(read_frame, frames, video)):
                    group.append(_as_arrays(found))
            told.stop_if_told()
        writer.finish()


class KeptFeatures:
    """The frame features of a cache, as the network takes them.

    Args:
        path: written by :func:`features`.
        checkpoint_sha256: of the checkpoint that is to use them.
        min_size: of the prediction, pixels.
        device: where the network is.

    Attributes:
        code: that made them.

    Raises:
        InputError: the features belong to another checkpoint or size, or the file is broken.
    """

    def __init__(self, path: Path, checkpoint_sha256: str, min_size: int, device: torch.device) -> None:
        self._cache = FeatureCache(path)
        self._device = device
        self.code: str = self._cache.attributes.get("code", "unknown")
        wanted = {"checkpoint_sha256": checkpoint_sha256, "min_size": min_size}
        for name, value in wanted.items():
            found = self._cache.attributes[name]
            if found != value:
                raise InputError(
                    f"{path}: holds features with {name} {found}, not {value}; "
                    "make them again with 'novis features'"
                )

    def frames(self, video: Video) -> Iterator[tuple[int, FrameFeatures]]:
        """Index and features of every frame of a video, in order.

        Raises:
            InputError: they are not there, or of a video of other frames or another size.
        """
        if self._cache.video(video.id) != video:
            raise InputError(
                f"{self._cache.path}: video {video.id} has other frames or another size there than in the "
                "annotations; make the features again with 'novis features'"
            )
        for index in range(video.length):
            arrays = self._cache.features(video.id, slice(index, index + 1))
            yield index, _as_features(arrays, self._device)


def _as_arrays(found: FrameFeatures) -> dict[str, object]:
    named = {"mask_features": found.mask_features}
    named |= {f"scale_{level}": maps for level, maps in enumerate(found.multi_scale)}
    if found.valid_sizes is not None:
        named["valid_sizes"] = found.valid_sizes
    return {name: tensor.float().cpu().numpy() for name, tensor in named.items()}


def _as_features(arrays: dict[str, object], device: torch.device) -> FrameFeatures:
    tensors = {name: torch.from_numpy(array).to(device).float() for name, array in arrays.items()}
    sizes = tensors.get("valid_sizes")
    scales = tuple(tensors[f"scale_{level}"] for level in range(3))
    return FrameFeatures(tensors["mask_features"], scales, None if sizes is None else sizes.long())
