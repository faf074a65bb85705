"""What the stages hand to each other: annotations, clip predictions, tracks.

Plain frozen dataclasses over NumPy, so that the rooms which need no torch stay
without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

# COCO run-length encoding, compressed: {"size": [height, width], "counts": str}.
RLE = Mapping[str, Any]

# Mask logits are stored as unsigned 8-bit codes: linear, clipped at +-LOGIT_RANGE. Trackers take means over
# clips, which notice a clipped logit sooner than a coarse one: +-16 cost 0.1 AP on shapes, +-32 costs none.
LOGIT_RANGE = 32.0
LOGIT_STEP = LOGIT_RANGE / 128


def encode_logits(logits: np.ndarray) -> np.ndarray:
    """Quantise mask logits to uint8 codes of the same shape.

    The 256 levels lie at odd multiples of half a step, none at zero, so the sign of
    every logit, and with it every thresholded mask, survives exactly (0 counts as
    background, as in ``logit > 0``).
    """
    return np.clip(np.ceil(logits / LOGIT_STEP) + 127, 0, 255).astype(np.uint8)


def decode_logits(codes: np.ndarray, count: int = 1) -> np.ndarray:
    """Logits of uint8 ``codes`` as float32: off by at most half a step inside the range.

    Of codes that are sums over ``count`` clips, the mean of their logits.
    """
    summed = (codes.astype(np.float32) - np.float32(127.5 * count)) * np.float32(LOGIT_STEP)
    return summed if count == 1 else summed / np.float32(count)


@dataclass(frozen=True)
class Category:
    """A class of the data set, as its JSON file names it."""

    id: int
    name: str


@dataclass(frozen=True)
class Video:
    """A video of an annotation file. ``file_names`` are relative to the frames folder."""

    id: int
    width: int
    height: int
    file_names: tuple[str, ...]

    @property
    def length(self) -> int:
        """Number of frames."""
        return len(self.file_names)

    @property
    def name(self) -> str:
        """The folder of the frames: what split files call the video."""
        return self.file_names[0].rpartition("/")[0] or str(self.id)


@dataclass(frozen=True)
class Instance:
    """The ground-truth track of one object: an RLE, or None where absent, for each frame."""

    id: int
    video_id: int
    category_id: int
    segmentations: tuple[RLE | None, ...]
    is_crowd: bool = False
    occlusion: tuple[str | None, ...] | None = None


@dataclass(frozen=True)
class Annotations:
    """A checked annotation file. ``instances`` is None where the file holds no ground truth."""

    source: str
    categories: tuple[Category, ...]
    videos: tuple[Video, ...]
    instances: tuple[Instance, ...] | None


@dataclass(frozen=True)
class Track:
    """One predicted track of ``results.json``: an RLE or None for each frame of the video."""

    video_id: int
    category_id: int
    score: float
    segmentations: tuple[RLE | None, ...]


class ArrayLike(Protocol):
    """What a NumPy array and an h5py dataset have in common."""

    shape: tuple[int, ...]

    def __getitem__(self, index: Any) -> np.ndarray: ...


@dataclass(frozen=True)
class VideoPrediction:
    """Everything the network says about one video: M clips of T frames, N queries.

    It is the same whether it lies in memory or in a clip cache: ``mask_codes`` and
    ``overlap_embeddings`` may be read from the file where they are indexed, and only there.

    Attributes:
        video: the video; ``video.height`` and ``video.width`` are the frames' original size.
        clip_length: T of the test.
        input_size: (height, width) of a frame after resizing, before padding.
        padded_size: (height, width) of the network's input; masks have a quarter of it.
        starts: (M,) first frame of each clip, ascending.
        class_logits: (M, N, K + 1) float32, the last class is "no object".
        embeddings: (M, N, C) float32 output embeddings, after the decoder's norm.
        overlap_lengths: (L,) the overlap lengths for which overlap embeddings are there.
        overlap_embeddings: (M, 2, L, N, C) float16; [:, 0] over the first, [:, 1] over
            the last ``overlap_lengths[l]`` frames of the clip (Sec. 4.3, Eq. 1).
        mask_codes: (M, N, T, h, w) uint8, see :func:`decode_logits`.
    """

    video: Video
    clip_length: int
    input_size: tuple[int, int]
    padded_size: tuple[int, int]
    starts: np.ndarray
    class_logits: np.ndarray
    embeddings: np.ndarray
    overlap_lengths: np.ndarray
    overlap_embeddings: ArrayLike
    mask_codes: ArrayLike
