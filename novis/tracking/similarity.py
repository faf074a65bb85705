"""What makes a query of one clip the same object as a query of the next: the trackers' only difference.

Each function takes a video and the settings and returns a similarity, to be called for
clip after clip with the clip linked last, or the last ``buffer_length`` of them. Adding a
tracker is adding one such function to :data:`SIMILARITIES` and its name to
:data:`novis.tracking.settings.KINDS` (and to ``BUFFERED`` there, if it looks further back).
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from novis.clips import overlap_length
from novis.errors import InputError
from novis.structures import VideoPrediction, decode_logits
from novis.tracking.settings import TrackerSettings


class LinkedClip(NamedTuple):
    """A clip whose queries have been assigned: ``order[slot]`` is the query that continues track ``slot``."""

    clip: int
    order: np.ndarray


# (the last `buffer_length` linked clips, or those there are; index of the next clip)
# -> (N, N) similarity of tracks to its queries.
Similarity = Callable[[Sequence[LinkedClip], int], np.ndarray]


def embed(prediction: VideoPrediction, settings: TrackerSettings) -> Similarity:
    """Cosine of output embeddings (Sec. 4.2), with a track buffer if ``buffer_length`` B > 1.

    A track is then represented by the mean of its embeddings, as stored after the
    decoder's norm, in the last B clips.
    """

    def similarity(linked: Sequence[LinkedClip], clip: int) -> np.ndarray:
        recent = linked[-settings.buffer_length :]
        target = np.mean([prediction.embeddings[past.clip][past.order] for past in recent], axis=0)
        return cosine(target, prediction.embeddings[clip])

    return similarity


def overlap_embed(prediction: VideoPrediction, settings: TrackerSettings) -> Similarity:
    """Cosine of overlap embeddings (Sec. 4.3): the last clip's end with the next clip's start.

    Both are taken over the frames that the two clips really share, which for a video's
    last clip may be more than T - S. Without shared frames (S = T) output embeddings
    are compared.

    Raises:
        InputError: (from the similarity) overlap embeddings of this length were not predicted.
    """
    plain = embed(prediction, settings)

    def similarity(linked: Sequence[LinkedClip], clip: int) -> np.ndarray:
        previous, order = linked[-1]
        shared = _shared_frames(prediction, previous, clip)
        if shared == 0:
            return plain(linked, clip)
        level = _overlap_level(prediction, shared)
        end = prediction.overlap_embeddings[previous, 1, level]
        start = prediction.overlap_embeddings[clip, 0, level]
        return cosine(end[order], start)

    return similarity


def heuristic(prediction: VideoPrediction, settings: TrackerSettings) -> Similarity:
    """Handcrafted cues of near-online methods before: mask overlap, class, score.

    mask_weight * volumetric soft IoU over the shared frames
    + class_weight * [the most likely foreground classes are equal]
    - score_weight * difference of their probabilities.
    Soft IoU is sum(p q) / sum(p + q - p q) over the mask probabilities p, q at the
    resolution of the mask predictions; 0 without shared frames.
    """
    read = lru_cache(maxsize=2)(lambda clip: prediction.mask_codes[clip])
    classify = lru_cache(maxsize=2)(lambda clip: _best_class(prediction.class_logits[clip]))
    height, width = (-(-side // 4) for side in prediction.input_size)

    def similarity(linked: Sequence[LinkedClip], clip: int) -> np.ndarray:
        previous, order = linked[-1]
        (labels_before, scores_before), (labels, scores) = classify(previous), classify(clip)
        same_class = labels_before[order, None] == labels[None]
        difference = np.abs(scores_before[order, None] - scores[None])
        cues = settings.class_weight * same_class - settings.score_weight * difference
        shared = _shared_frames(prediction, previous, clip)
        if shared == 0:
            return cues
        end = read(previous)[:, -shared:, :height, :width]
        start = read(clip)[:, :shared, :height, :width]
        return cues + settings.mask_weight * soft_iou(end, start)[order]

    return similarity


def identity(prediction: VideoPrediction, settings: TrackerSettings) -> Similarity:
    """Query i continues query i: what learned queries give without any tracking."""

    def similarity(linked: Sequence[LinkedClip], clip: int) -> np.ndarray:
        order = linked[-1].order
        return np.eye(len(order))[order]

    return similarity


SIMILARITIES: dict[str, Callable[[VideoPrediction, TrackerSettings], Similarity]] = {
    "heuristic": heuristic,
    "embed": embed,
    "overlap_embed": overlap_embed,
    "identity": identity,
}

# Mask probability of each 8-bit code.
PROBABILITIES = (1 / (1 + np.exp(-decode_logits(np.arange(256))))).astype(np.float32)


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine similarity of all pairs: (n, C) and (m, C) give (n, m) in -1..1; 0 for a zero vector."""
    return _unit(a) @ _unit(b).T


def soft_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Volumetric soft IoU of all pairs of mask codes: (n, T, h, w) and (m, T, h, w) uint8 give (n, m)."""
    p, q = (PROBABILITIES[codes].reshape(len(codes), -1) for codes in (a, b))
    intersection = p @ q.T
    return intersection / (p.sum(1)[:, None] + q.sum(1)[None] - intersection)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis."""
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


def _best_class(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most likely foreground class of each query and its probability, (N,) each."""
    foreground = softmax(logits)[:, :-1]
    return foreground.argmax(-1), foreground.max(-1)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.promote_types(vectors.dtype, np.float32), copy=False)
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, np.finfo(np.float32).tiny)


def _shared_frames(prediction: VideoPrediction, previous: int, clip: int) -> int:
    starts = prediction.starts
    return overlap_length(int(starts[previous]), int(starts[clip]), prediction.clip_length)


def _overlap_level(prediction: VideoPrediction, shared: int) -> int:
    lengths = [int(length) for length in prediction.overlap_lengths]
    if shared not in lengths:
        raise InputError(
            f"video {prediction.video.id}: clips share {shared} frames, but overlap embeddings were "
            f"predicted for {lengths or 'none'} only; predict with this stride, or with all starts"
        )
    return lengths.index(shared)
