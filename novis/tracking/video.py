"""One video, from clip predictions to tracks; from a cache or from memory alike."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novis.structures import Instance, Track, VideoPrediction
from novis.tracking.merging import choose_tracks, export_tracks, merge_classes
from novis.tracking.settings import TrackerSettings
from novis.tracking.tracker import Linking, choose_clips, link


@dataclass(frozen=True)
class LinkingCounts:
    """How often linking joined different queries: a tracker does something only where this is above 0.

    A match joins a query of a clip to a query of the next one; ``changed`` matches join
    different indices. ``exported`` counts matches of exported tracks only.
    """

    clips: int = 0
    matches: int = 0
    changed: int = 0
    exported_matches: int = 0
    exported_changed: int = 0


@dataclass(frozen=True)
class TrackedVideo:
    """The tracks of a video, best first, how they were linked, and the seconds this took."""

    tracks: list[Track]
    counts: LinkingCounts
    linking_seconds: float
    export_seconds: float


def track_video(
    prediction: VideoPrediction,
    settings: TrackerSettings,
    stride: int,
    top_k: int,
    category_ids: Sequence[int],
    instances: Sequence[Instance] | None = None,
) -> TrackedVideo:
    """Link the clips of a video and export its best tracks.

    Args:
        prediction: of the video.
        settings: of the tracker.
        stride: S, in 1..T.
        top_k: tracks to keep; of each clip, if they are not linked.
        category_ids: of the data set, in the order of the class logits.
        instances: the video's ground truth, for oracle linking.

    Raises:
        InputError: see :func:`novis.tracking.tracker.link`.
    """
    if settings.kind == "unlinked":
        return _unlinked(prediction, settings, stride, top_k, category_ids)
    begin = time.perf_counter()
    linking = link(prediction, stride, settings, instances)
    top = choose_tracks(merge_classes(prediction, linking, settings.class_merging), top_k)
    linked = time.perf_counter()
    tracks = export_tracks(prediction, linking, top, settings, category_ids)
    return TrackedVideo(tracks, _count(linking, top.slots), linked - begin, time.perf_counter() - linked)


def _unlinked(
    prediction: VideoPrediction,
    settings: TrackerSettings,
    stride: int,
    top_k: int,
    category_ids: Sequence[int],
) -> TrackedVideo:
    """Every clip's predictions as tracks of their own: what per-frame mask AP is measured on.

    A frame belongs to the first clip that covers it; predictions without a mask are left out.
    """
    begin = time.perf_counter()
    tracks: list[Track] = []
    clips = choose_clips(prediction, stride)
    queries = np.arange(prediction.class_logits.shape[1])
    first_frame = 0
    for clip in clips:
        alone = Linking(np.array([clip]), queries[None])
        top = choose_tracks(merge_classes(prediction, alone, settings.class_merging), top_k)
        found = export_tracks(prediction, alone, top, settings, category_ids, first_frame)
        tracks += [track for track in found if any(track.segmentations)]
        first_frame = int(prediction.starts[clip]) + prediction.clip_length
    return TrackedVideo(tracks, LinkingCounts(clips=len(clips)), 0.0, time.perf_counter() - begin)


def _count(linking: Linking, slots: np.ndarray) -> LinkingCounts:
    matches, changed = linking.changes()
    exported_matches, exported_changed = linking.changes(np.unique(slots))
    return LinkingCounts(len(linking.clips), matches, changed, exported_matches, exported_changed)
