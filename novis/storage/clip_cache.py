"""The clip cache: everything a network says about the clips of a data set, in one HDF5 file.

Masks are 8-bit logits (:func:`novis.structures.encode_logits`), one chunk for each (clip,
query), so that tracking reads only the queries it exports. deflate at level 1 was chosen by
measurement on blob-like masks: of 6.1 MB a clip (100 queries, 4 frames of 96 x 160) it
leaves 0.8 MB where the background saturates and 3.4 to 4.3 MB where it is noisy, 8 to 25 %
less than lzf at equal reading speed where it saturates. Overlap embeddings are float16: they
enter cosines alone, and with all starts of T = 4 they are still 0.3 MB a clip.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from novis.storage.video_store import LazyArray, VideoStore, VideoStoreWriter, read_array
from novis.structures import Category, Video, VideoPrediction

KIND = "clip cache"
SCHEMA_VERSION = 2

# Root attributes that every writer must give; see docs/architecture.md.
REQUIRED = ("config", "checkpoint_sha256", "clip_length", "starts", "min_size", "categories")


class VideoGroup:
    """The group of a video that is being written, clip by clip in the order of ``starts``."""

    def __init__(self, group: h5py.Group, writer: VideoStoreWriter, num_clips: int) -> None:
        self._group = group
        self._writer = writer
        self._num_clips = num_clips
        self.num_written = 0

    def append(
        self,
        class_logits: np.ndarray,
        embeddings: np.ndarray,
        overlap_embeddings: np.ndarray,
        mask_codes: np.ndarray,
    ) -> None:
        """Write the next clip.

        Args:
            class_logits: (N, K + 1) float32.
            embeddings: (N, C) float32.
            overlap_embeddings: (2, L, N, C) float16.
            mask_codes: (N, T, h, w) uint8.

        Raises:
            InputError: no space left on the disk.
            ValueError: there are more clips than starts, or shapes differ from clip to clip.
        """
        clip = {
            "class_logits": class_logits,
            "embeddings": embeddings,
            "overlap_embeddings": overlap_embeddings,
            "mask_codes": mask_codes,
        }
        if self.num_written == self._num_clips:
            raise ValueError(f"{self._group.name}: more clips than the {self._num_clips} starts")
        for name, value in clip.items():
            dataset = self._group.get(name)
            if dataset is None:
                dataset = _create(self._group, name, value, self._num_clips)
            if dataset.shape[1:] != value.shape:
                raise ValueError(f"{dataset.name}: a clip of shape {value.shape}, not {dataset.shape[1:]}")
            dataset[self.num_written] = value
        self.num_written += 1
        self._writer.check()


class ClipCacheWriter(VideoStoreWriter):
    """Writes a clip cache one video at a time; goes on where a killed run stopped.

    ::

        with ClipCacheWriter(path, attributes) as writer:
            for video in writer.waiting(videos):
                with writer.video(video, starts, ...) as group:
                    for clip in clips:
                        group.append(...)
            writer.finish(seconds_per_clip=0.1)

    Args:
        path: the cache to make; ``<path>.partial`` and ``<path>.partial.commit`` while it grows.
        attributes: the root attributes of :data:`REQUIRED`, and more if useful;
            ``categories`` is the JSON of [{"id", "name"}, ...], see :func:`categories_json`.
    """

    def __init__(self, path: Path | str, attributes: Mapping[str, str | int | float]) -> None:
        absent = [name for name in REQUIRED if name not in attributes]
        if absent:
            raise ValueError(f"the attributes of a clip cache lack {', '.join(absent)}")
        super().__init__(path, KIND, SCHEMA_VERSION, attributes)

    @contextmanager
    def video(
        self,
        video: Video,
        starts: Sequence[int],
        input_size: tuple[int, int],
        padded_size: tuple[int, int],
        overlap_lengths: Sequence[int],
        clip_length: int | None = None,
    ) -> Iterator[VideoGroup]:
        """Yield the group to append the clips of ``video`` to; see :class:`VideoPrediction`.

        ``clip_length`` is that of the cache, unless it differs from video to video.

        Raises:
            ValueError: the block ends with fewer clips than starts.
        """
        with self.group(video) as group:
            group.attrs["clip_length"] = clip_length or self._attributes["clip_length"]
            group.attrs["input_size"] = input_size
            group.attrs["padded_size"] = padded_size
            group["starts"] = np.asarray(starts, np.int64)
            group["overlap_lengths"] = np.asarray(overlap_lengths, np.int64)
            clips = VideoGroup(group, self, len(starts))
            yield clips
            if clips.num_written != len(starts):
                raise ValueError(f"video {video.id}: {clips.num_written} clips for {len(starts)} starts")

    def write(self, prediction: VideoPrediction) -> None:
        """Write a whole video that lies in memory."""
        p = prediction
        sizes = p.input_size, p.padded_size
        with self.video(p.video, p.starts, *sizes, p.overlap_lengths, p.clip_length) as group:
            for clip in range(len(p.starts)):
                group.append(
                    p.class_logits[clip], p.embeddings[clip], p.overlap_embeddings[clip], p.mask_codes[clip]
                )


class ClipCache(VideoStore):
    """Reads a clip cache; ``video_ids``, ``attributes`` and ``video(id)`` are those of any store.

    Raises:
        InputError: the file is missing, truncated, foreign, or of another schema version.
    """

    def __init__(self, path: Path | str) -> None:
        super().__init__(path, KIND, SCHEMA_VERSION)

    def __reduce__(self) -> tuple[Any, ...]:
        return ClipCache, (self.path,)

    @property
    def categories(self) -> tuple[Category, ...]:
        """The classes, in the order of the class logits."""
        return tuple(Category(**category) for category in json.loads(self._file.attrs["categories"]))

    def prediction(self, video_id: int) -> VideoPrediction:
        """What the network says about a video; masks and overlap embeddings are read when indexed.

        Raises:
            InputError: the cache does not hold this video, or is damaged.
        """
        group = self.group(video_id)
        return VideoPrediction(
            video=self.video(video_id),
            clip_length=int(group.attrs["clip_length"]),
            input_size=_size(group.attrs["input_size"]),
            padded_size=_size(group.attrs["padded_size"]),
            starts=read_array(group["starts"]),
            class_logits=read_array(group["class_logits"]),
            embeddings=read_array(group["embeddings"]),
            overlap_lengths=read_array(group["overlap_lengths"]),
            overlap_embeddings=LazyArray(group["overlap_embeddings"]),
            mask_codes=LazyArray(group["mask_codes"]),
        )


def categories_json(categories: Sequence[Category]) -> str:
    """The ``categories`` attribute of a clip cache."""
    return json.dumps([{"id": category.id, "name": category.name} for category in categories])


def _create(group: h5py.Group, name: str, clip: np.ndarray, num_clips: int) -> h5py.Dataset:
    shape = (num_clips, *clip.shape)
    if name == "mask_codes":
        chunks = (1, 1, *clip.shape[1:])
        return group.create_dataset(
            name, shape, np.uint8, chunks=chunks, compression="gzip", compression_opts=1
        )
    return group.create_dataset(name, shape, np.float16 if name == "overlap_embeddings" else np.float32)


def _size(value: np.ndarray) -> tuple[int, int]:
    height, width = value.tolist()
    return height, width
