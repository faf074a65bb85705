"""Tracking while the clips come: the same tracks as from a cache, in memory constant in the video's length.

Linking needs the clips of the track buffer, merging the frames that the next clip may still
cover. What all tracks say of earlier frames waits on the disk until the best are known.
"""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from novis.errors import InputError
from novis.structures import VideoPrediction
from novis.tracking.mask_spill import spilling
from novis.tracking.merging import ClassMerger, TopTracks, assemble, choose_tracks, merge_masks
from novis.tracking.resampling import MaskResampler
from novis.tracking.settings import TrackerSettings
from novis.tracking.similarity import SIMILARITIES, LinkedClip
from novis.tracking.tracker import choose_clips, link_as_they_come
from novis.tracking.video import LinkingCounts, TrackedVideo


def num_held_clips(settings: TrackerSettings) -> int:
    """How many clips of a stream must be held: those of the track buffer, and the one that is linked."""
    return settings.buffer_length + 1


def track_stream(
    prediction: VideoPrediction,
    settings: TrackerSettings,
    stride: int,
    top_k: int,
    category_ids: Sequence[int],
    scratch: Path,
) -> TrackedVideo:
    """Link the clips of a video as they come and export its best tracks.

    Args:
        prediction: of the video, of which the last :func:`num_held_clips` clips can be read.
        settings: of a tracker that compares clips (neither oracle nor unlinked).
        stride: S, in 1..T.
        top_k: tracks to keep.
        category_ids: of the data set, in the order of the class logits.
        scratch: a folder on a disk with room for the masks of all tracks.

    Returns:
        The tracks that :func:`novis.tracking.video.track_video` gives for the same clips. Of
        its seconds, those of linking include what making the clips took.

    Raises:
        InputError: the tracker needs more than the clips, or the disk is full.
    """
    if settings.kind not in SIMILARITIES:
        raise InputError(
            f"tracker kind '{settings.kind}': a running video can only be linked by {', '.join(SIMILARITIES)}"
        )
    begin = time.perf_counter()
    progress = _Progress(prediction, settings)
    linked = progress.watch(link_as_they_come(prediction, choose_clips(prediction, stride), settings))
    with spilling(scratch) as spill:
        for frame, evidence in merge_masks(prediction, linked, slice(None), settings.mask_merging):
            spill.append(frame, evidence)
        top = choose_tracks(progress.classes.probabilities(), top_k)
        streamed = time.perf_counter()
        slots = np.unique(top.slots).tolist()
        resampler = MaskResampler.of(prediction)
        segmentations = {slot: [None] * prediction.video.length for slot in slots}
        for frame, crops in spill.read(slots):
            for slot, part in zip(slots, crops, strict=True):
                segmentations[slot][frame] = resampler.encode_crop(part) if part else None
    tracks = assemble(prediction.video, top, segmentations, category_ids)
    return TrackedVideo(tracks, progress.counts(top), streamed - begin, time.perf_counter() - streamed)


class _Progress:
    """What is known of the tracks so far: their classes, and how often they changed their query."""

    def __init__(self, prediction: VideoPrediction, settings: TrackerSettings) -> None:
        self.classes = ClassMerger(settings.class_merging)
        self._prediction = prediction
        self._last_order: np.ndarray | None = None
        self._changes: np.ndarray | None = None
        self._num_clips = 0

    def watch(self, linked: Iterator[LinkedClip]) -> Iterator[LinkedClip]:
        """Pass linked clips on and take note of them."""
        for clip, order in linked:
            self.classes.add(self._prediction.class_logits[clip][order])
            if self._last_order is None:
                self._changes = np.zeros(len(order), np.int64)
            else:
                self._changes += order != self._last_order
            self._last_order = order
            self._num_clips += 1
            yield LinkedClip(clip, order)

    def counts(self, top: TopTracks) -> LinkingCounts:
        """Matches of all and of the exported tracks."""
        exported = np.unique(top.slots)
        steps = self._num_clips - 1
        return LinkingCounts(
            clips=self._num_clips,
            matches=steps * len(self._changes),
            changed=int(self._changes.sum()),
            exported_matches=steps * len(exported),
            exported_changed=int(self._changes[exported].sum()),
        )
