"""What linked clips say together: classes merged, the best tracks chosen, their masks averaged.

Only masks of chosen tracks are read, and only as many frames as a clip has are held:
memory does not grow with the length of a video.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from novis.clips import clip_frames
from novis.structures import Track, VideoPrediction, decode_logits
from novis.tracking.resampling import MaskResampler
from novis.tracking.settings import TrackerSettings
from novis.tracking.similarity import PROBABILITIES, softmax
from novis.tracking.tracker import Linking

_LOGITS = decode_logits(np.arange(256))


@dataclass(frozen=True)
class TopTracks:
    """The (track, class) pairs of highest probability, best first.

    Attributes:
        slots: (k,) track of each pair; a track may appear with several classes.
        labels: (k,) class, 0..K-1.
        scores: (k,) probability.
    """

    slots: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def merge_classes(prediction: VideoPrediction, linking: Linking, rule: str) -> np.ndarray:
    """Class probabilities of each track, (N, K), "no object" left out; every clip counts alike.

    ``rule``: ``mean_logits`` (softmax of the mean) or ``mean_probabilities`` (mean of softmax).
    """
    logits = prediction.class_logits[linking.clips[:, None], linking.orders]
    if rule == "mean_probabilities":
        return softmax(logits).mean(0)[:, :-1]
    return softmax(logits.mean(0))[:, :-1]


def choose_tracks(probabilities: np.ndarray, top_k: int) -> TopTracks:
    """The ``top_k`` best of all (track, class) pairs of ``probabilities`` (N, K)."""
    flat = probabilities.ravel()
    best = np.argsort(-flat, kind="stable")[:top_k]
    slots, labels = np.divmod(best, probabilities.shape[1])
    return TopTracks(slots, labels, flat[best])


def merge_masks(
    prediction: VideoPrediction, linking: Linking, slots: Sequence[int], rule: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Merge the masks of some tracks, frame after frame.

    Yields:
        Frame index and evidence (n, h, w) float32 for each of the n ``slots``: the
        merged mask is where it is above 0. Slots that pad a short video carry none.
    """
    levels = PROBABILITIES - np.float32(0.5) if rule == "mean_probabilities" else _LOGITS
    winners = _winners(prediction, linking, slots, rule)
    sums: dict[int, np.ndarray] = {}
    counts: dict[int, int] = {}
    for position, clip in enumerate(linking.clips):
        codes = [prediction.mask_codes[int(clip), int(query)] for query in linking.orders[position, slots]]
        values = levels[np.stack(codes)]
        for slot_of_clip, frame in enumerate(_frames(prediction, clip)):
            evidence = values[:, slot_of_clip]
            if winners is not None:
                evidence = evidence * (winners[frame] == position)[:, None, None]
            sums[frame] = sums[frame] + evidence if frame in sums else evidence
            counts[frame] = counts.get(frame, 0) + (winners is None)
        following = linking.clips[position + 1 : position + 2]
        done = [f for f in sums if not len(following) or f < prediction.starts[following[0]]]
        for frame in done:
            yield frame, sums.pop(frame) / max(counts.pop(frame), 1)


def export_tracks(
    prediction: VideoPrediction,
    linking: Linking,
    top: TopTracks,
    settings: TrackerSettings,
    category_ids: Sequence[int],
    first_frame: int = 0,
) -> list[Track]:
    """The chosen tracks with masks at the frames' original size, from ``first_frame`` on.

    A frame without a single foreground pixel is None, which scores as an empty RLE does.
    A track that is empty in all frames is kept, as the parents keep it.
    """
    slots, row = np.unique(top.slots, return_inverse=True)
    resampler = MaskResampler.of(prediction)
    segmentations = [[None] * prediction.video.length for _ in slots]
    for frame, evidence in merge_masks(prediction, linking, slots, settings.mask_merging):
        if frame < first_frame:
            continue
        for track, mask in zip(segmentations, evidence, strict=True):
            track[frame] = resampler.encode(mask)
    return [
        Track(prediction.video.id, category_ids[label], float(score), tuple(segmentations[i]))
        for i, label, score in zip(row, top.labels, top.scores, strict=True)
    ]


def _frames(prediction: VideoPrediction, clip: int) -> list[int]:
    """The frames that a clip speaks of; the slots that pad a short video repeat frames and are left out."""
    length = prediction.video.length
    return clip_frames(int(prediction.starts[clip]), prediction.clip_length, length)[:length].tolist()


def _winners(
    prediction: VideoPrediction, linking: Linking, slots: Sequence[int], rule: str
) -> np.ndarray | None:
    """The linked clip whose word counts, (frames, n); None where all clips count alike."""
    if rule not in ("first_clip", "higher_score"):
        return None
    shape = (prediction.video.length, len(slots))
    best, winners = np.full(shape, -np.inf), np.zeros(shape, np.int64)
    for position, clip in enumerate(linking.clips):
        score = np.full(len(slots), -float(position))
        if rule == "higher_score":
            logits = prediction.class_logits[clip][linking.orders[position, slots]]
            score = softmax(logits)[:, :-1].max(-1)
        frames = _frames(prediction, clip)
        better = score > best[frames]
        best[frames] = np.where(better, score, best[frames])
        winners[frames] = np.where(better, position, winners[frames])
    return winners
