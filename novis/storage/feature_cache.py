"""Frame features of one checkpoint at one scale, kept so that every test clip length shares them.

Backbone and pixel decoder see single frames, so their outputs serve clips of any length.
They are stored as float16, one array a feature map, uncompressed: features are as good as
noise to a compressor.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from novis.errors import InputError
from novis.storage.video_store import VideoStore, VideoStoreWriter, read_array
from novis.structures import Video

KIND = "feature cache"
SCHEMA_VERSION = 1

# Root attributes that every writer must give: whose features these are.
REQUIRED = ("config", "checkpoint_sha256", "min_size")


class FrameGroup:
    """The group of a video that is being written, some frames at a time, in order."""

    def __init__(self, group: h5py.Group, writer: VideoStoreWriter, video: Video) -> None:
        self._group = group
        self._writer = writer
        self._video = video
        self.num_written = 0

    def append(self, features: Mapping[str, np.ndarray]) -> None:
        """Write the next frames.

        Args:
            features: by name, (F, C, h, w) arrays of the same F frames.

        Raises:
            InputError: a feature does not fit into 16 bits, or the disk is full.
            ValueError: there are more frames than the video has, or arrays differ in F.
        """
        counts = {len(value) for value in features.values()}
        if len(counts) != 1 or self.num_written + max(counts) > self._video.length:
            raise ValueError(f"video {self._video.id}: {counts} frames after {self.num_written}")
        stop = self.num_written + counts.pop()
        for name, value in features.items():
            self._dataset(name, value)[self.num_written : stop] = self._half(value)
        self.num_written = stop
        self._writer.check()

    def _dataset(self, name: str, value: np.ndarray) -> h5py.Dataset:
        if name in self._group:
            return self._group[name]
        return self._group.create_dataset(name, (self._video.length, *value.shape[1:]), np.float16)

    def _half(self, value: np.ndarray) -> np.ndarray:
        if not np.abs(value).max(initial=0) <= np.finfo(np.float16).max:
            raise InputError(
                f"video {self._video.id}: features are not finite or exceed 16 bits; "
                "keep none for this checkpoint"
            )
        return value.astype(np.float16)


class FeatureCacheWriter(VideoStoreWriter):
    """Writes a feature cache one video at a time; goes on where a killed run stopped.

    Args:
        path: the cache to make.
        attributes: the root attributes of :data:`REQUIRED`, and more if useful.
    """

    def __init__(self, path: Path | str, attributes: Mapping[str, str | int | float]) -> None:
        absent = [name for name in REQUIRED if name not in attributes]
        if absent:
            raise ValueError(f"the attributes of a feature cache lack {', '.join(absent)}")
        super().__init__(path, KIND, SCHEMA_VERSION, attributes)

    @contextmanager
    def video(self, video: Video) -> Iterator[FrameGroup]:
        """Yield the group to append the frames of ``video`` to.

        Raises:
            ValueError: the block ends before the video's last frame.
        """
        with self.group(video) as group:
            frames = FrameGroup(group, self, video)
            yield frames
            if frames.num_written != video.length:
                raise ValueError(f"video {video.id}: {frames.num_written} of {video.length} frames")


class FeatureCache(VideoStore):
    """Reads a feature cache.

    Raises:
        InputError: the file is missing, truncated, foreign, or of another schema version.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, KIND, SCHEMA_VERSION)

    def __reduce__(self) -> tuple[Any, ...]:
        return FeatureCache, (self.path,)

    def features(self, video_id: int, frames: slice = slice(None)) -> dict[str, np.ndarray]:
        """The feature maps of some frames, (F, C, h, w) float16 by name.

        Raises:
            InputError: the cache does not hold this video, or is damaged.
        """
        return {name: read_array(dataset, frames) for name, dataset in self.group(video_id).items()}
