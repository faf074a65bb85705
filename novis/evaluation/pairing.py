"""Predictions beside the ground truth they are judged by, video by video.

Predictions are measured as they come and only counts of pixels are kept: memory does not
grow with the size of their masks.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice

import numpy as np

from novis.errors import InputError
from novis.evaluation.overlaps import Overlaps, measure
from novis.storage.results_json import check_track
from novis.structures import Annotations, Instance, Track, Video

# Tracks measured at once: their masks are in memory, with those of the video's instances.
_BATCH = 64


@dataclass(frozen=True)
class Pairing:
    """One video: its predicted tracks, best score first, and its instances.

    Attributes:
        position: the video's place among all, by ascending id.
        video: the video.
        scores: (D,) float64, descending; equal scores in the order the tracks came in.
        track_categories: (D,) int64 category ids.
        instances: the G instances.
        overlaps: of tracks and instances.
    """

    position: int
    video: Video
    scores: np.ndarray
    track_categories: np.ndarray
    instances: tuple[Instance, ...]
    overlaps: Overlaps

    def categories(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each category seen here: its id, positions of its tracks and of its instances."""
        instances = np.array([instance.category_id for instance in self.instances], int)
        for category in np.union1d(self.track_categories, instances).tolist():
            yield (
                category,
                np.flatnonzero(self.track_categories == category),
                np.flatnonzero(instances == category),
            )


def pair(annotations: Annotations, tracks: Iterable[Track], source: str = "results") -> list[Pairing]:
    """Check every track against the annotations and measure how it overlaps the ground truth.

    It is fastest where the tracks of a video follow each other.

    Args:
        annotations: with ground truth.
        tracks: predictions, in any order.
        source: what to call the predictions in a complaint.

    Returns:
        One pairing for each video, by ascending id.

    Raises:
        InputError: there is no ground truth, or a track has an unknown video or category,
            another number of frames than its video, masks of another size or broken ones,
            or no finite score.
    """
    if annotations.instances is None:
        raise InputError(
            f'{annotations.source}: holds no ground truth ("annotations" is null), so nothing can be '
            "scored; use the annotations of a training set or of a fold of it"
        )
    videos = {video.id: video for video in annotations.videos}
    instances = defaultdict(list)
    for instance in annotations.instances:
        instances[instance.video_id].append(instance)
    parts: dict[int, list[_Part]] = {id_: [] for id_ in sorted(videos)}
    for id_, first, batch in _batches(_checked(tracks, annotations, source)):
        parts[id_].append(_measured(batch, instances[id_], f"{source}: track", first))
    return [
        _joined(position, videos[id_], tuple(instances[id_]), found)
        for position, (id_, found) in enumerate(parts.items())
    ]


@dataclass(frozen=True)
class _Part:
    """What is kept of some tracks of a video."""

    scores: list[float]
    categories: list[int]
    overlaps: Overlaps


def _checked(tracks: Iterable[Track], annotations: Annotations, source: str) -> Iterator[tuple[int, Track]]:
    """Each track with its number, after it was seen to fit the annotations."""
    videos = {video.id: video for video in annotations.videos}
    categories = {category.id for category in annotations.categories}
    for number, track in enumerate(tracks):
        check_track(track, videos, categories, f"{source}: track {number}")
        if not math.isfinite(track.score):
            raise InputError(f"{source}: track {number}: score {track.score} is no finite number")
        yield number, track


def _batches(tracks: Iterable[tuple[int, Track]]) -> Iterator[tuple[int, int, list[Track]]]:
    """Successive tracks of one video, with its id and the number of the first."""
    for video_id, group in groupby(tracks, key=lambda numbered: numbered[1].video_id):
        while batch := list(islice(group, _BATCH)):
            yield video_id, batch[0][0], [track for _, track in batch]


def _measured(tracks: Sequence[Track], instances: Sequence[Instance], place: str, first: int) -> _Part:
    """Count the pixels of some tracks' masks; the first track has the number ``first``."""
    num_frames = len(tracks[0].segmentations)
    try:
        overlaps = measure(tracks, instances, num_frames)
    except InputError:
        for number, track in enumerate(tracks, first):
            _name_broken(track, f"{place} {number}")
        raise
    return _Part([track.score for track in tracks], [track.category_id for track in tracks], overlaps)


def _name_broken(track: Track, place: str) -> None:
    """Complain if a mask of this track is broken."""
    try:
        measure([track], [], len(track.segmentations))
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _joined(position: int, video: Video, instances: tuple[Instance, ...], parts: Sequence[_Part]) -> Pairing:
    """All tracks of a video, sorted by score; ties keep the order of the parts."""
    scores = np.array([score for part in parts for score in part.scores], float)
    categories = np.array([category for part in parts for category in part.categories], int)
    order = np.argsort(-scores, kind="stable")
    overlaps = [part.overlaps for part in parts] or [measure([], instances, video.length)]
    joined = Overlaps(
        np.concatenate([part.track_areas for part in overlaps])[order],
        overlaps[0].instance_areas,
        np.concatenate([part.intersections for part in overlaps])[order],
    )
    return Pairing(position, video, scores[order], categories[order], instances, joined)
