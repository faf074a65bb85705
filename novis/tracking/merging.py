"""What linked clips say together: classes merged, the best tracks chosen, their masks averaged.

Only masks of chosen tracks are read, and only as many frames as a clip has are held:
memory does not grow with the length of a video.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from novis.clips import clip_frames
from novis.structures import RLE, Track, Video, VideoPrediction, decode_logits
from novis.tracking.resampling import MaskResampler
from novis.tracking.settings import TrackerSettings
from novis.tracking.similarity import PROBABILITIES, LinkedClip, softmax
from novis.tracking.tracker import Linking

# How far the mask probability of each 8-bit code lies above one half.
_LEVELS = PROBABILITIES - np.float32(0.5)


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


class ClassMerger:
    """Merges what the clips say of the classes of N tracks, one clip after another; all count alike.

    Args:
        rule: ``mean_logits`` (softmax of the mean) or ``mean_probabilities`` (mean of softmax).
    """

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._sum: np.ndarray | None = None
        self._count = 0

    def add(self, logits: np.ndarray) -> None:
        """Take in the next clip: (N, K + 1) class logits in the order of the tracks."""
        values = softmax(logits) if self._rule == "mean_probabilities" else logits
        self._sum = values if self._sum is None else self._sum + values
        self._count += 1

    def probabilities(self) -> np.ndarray:
        """Class probabilities of each track, (N, K), "no object" left out."""
        mean = self._sum / np.float32(self._count)
        return (mean if self._rule == "mean_probabilities" else softmax(mean))[:, :-1]


def merge_classes(prediction: VideoPrediction, linked: Iterable[LinkedClip], rule: str) -> np.ndarray:
    """Class probabilities of each track over all linked clips; see :class:`ClassMerger`."""
    merger = ClassMerger(rule)
    for clip, order in linked:
        merger.add(prediction.class_logits[clip][order])
    return merger.probabilities()


def choose_tracks(probabilities: np.ndarray, top_k: int) -> TopTracks:
    """The ``top_k`` best of all (track, class) pairs of ``probabilities`` (N, K)."""
    flat = probabilities.ravel()
    best = np.argsort(-flat, kind="stable")[:top_k]
    slots, labels = np.divmod(best, probabilities.shape[1])
    return TopTracks(slots, labels, flat[best])


def merge_masks(
    prediction: VideoPrediction, linked: Iterable[LinkedClip], slots: Sequence[int] | slice, rule: str
) -> Iterator[tuple[int, np.ndarray]]:
    """Merge the masks of some tracks, frame after frame, while the clips come.

    Args:
        prediction: of one video.
        linked: its linked clips, in order of their starts.
        slots: the n tracks; ``slice(None)`` for all.
        rule: one of :data:`novis.tracking.settings.MASK_MERGING`.

    Yields:
        Frame index and evidence (n, h, w) float32 for each of the ``slots``: the merged
        mask is where it is above 0. Slots that pad a short video carry none. A frame
        comes as soon as a clip begins after it.
    """
    merge = _Said.add if rule.startswith("mean_") else _Said.replace
    open_frames: dict[int, _Said] = {}
    for position, (clip, order) in enumerate(linked):
        settled = [frame for frame in open_frames if frame < prediction.starts[clip]]
        for frame in settled:
            yield frame, open_frames.pop(frame).evidence()
        queries = order[slots]
        values = np.stack([prediction.mask_codes[clip, int(query)] for query in queries])
        if rule == "mean_probabilities":
            values = _LEVELS[values]
        weights = _weights(prediction, clip, queries, position, rule)
        for slot_of_clip, frame in enumerate(_frames(prediction, clip)):
            merge(open_frames.setdefault(frame, _Said()), values[:, slot_of_clip], weights)
    for frame in list(open_frames):
        yield frame, open_frames.pop(frame).evidence()


class _Said:
    """What the clips so far say of one frame: 8-bit codes, whose sums are exact, or float32."""

    def __init__(self) -> None:
        self._values: np.ndarray | None = None
        self._weights: np.ndarray | None = None
        self._count = 0

    def add(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Let all clips count alike."""
        if self._values is None:
            self._values = values.astype(np.uint16) if values.dtype == np.uint8 else values
        else:
            self._values = self._values + values
        self._count += 1

    def replace(self, values: np.ndarray, weights: np.ndarray) -> None:
        """Of each track (n,), let the clip of highest weight have the word, of equal ones the first."""
        if self._values is None:
            self._values, self._weights, self._count = values, weights, 1
            return
        better = weights > self._weights
        self._values = np.where(better[:, None, None], values, self._values)
        self._weights = np.where(better, weights, self._weights)

    def evidence(self) -> np.ndarray:
        """The merged values, (n, h, w) float32."""
        if self._values.dtype == np.float32:
            return self._values / np.float32(self._count)
        return decode_logits(self._values, self._count)


def _weights(
    prediction: VideoPrediction, clip: int, queries: np.ndarray, position: int, rule: str
) -> np.ndarray:
    """How much a clip's word weighs for each track, (n,), where only one clip counts."""
    if rule == "higher_score":
        return softmax(prediction.class_logits[clip][queries])[:, :-1].max(-1)
    return np.full(len(queries), -position)


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
    slots = np.unique(top.slots)
    resampler = MaskResampler.of(prediction)
    segmentations = [[None] * prediction.video.length for _ in slots]
    for frame, evidence in merge_masks(prediction, linking, slots, settings.mask_merging):
        if frame < first_frame:
            continue
        for track, mask in zip(segmentations, evidence, strict=True):
            track[frame] = resampler.encode(mask)
    return assemble(
        prediction.video, top, dict(zip(slots.tolist(), segmentations, strict=True)), category_ids
    )


def assemble(
    video: Video,
    top: TopTracks,
    segmentations: Mapping[int, Sequence[RLE | None]],
    category_ids: Sequence[int],
) -> list[Track]:
    """The chosen (track, class) pairs as tracks, best first.

    Args:
        video: whose tracks they are.
        top: the choice.
        segmentations: an RLE or None for each frame, by slot.
        category_ids: of the data set, in the order of the class logits.
    """
    return [
        Track(video.id, category_ids[label], float(score), tuple(segmentations[int(slot)]))
        for slot, label, score in zip(top.slots, top.labels, top.scores, strict=True)
    ]


def _frames(prediction: VideoPrediction, clip: int) -> list[int]:
    """The frames that a clip speaks of; the slots that pad a short video repeat frames and are left out."""
    length = prediction.video.length
    return clip_frames(int(prediction.starts[clip]), prediction.clip_length, length)[:length].tolist()
