"""Predictions beside the ground truth they are judged by, video by video.

Predictions are measured as they come and only counts of pixels are kept: memory does not
grow with the size of their masks.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from novis.errors import InputError
from novis.evaluation.overlaps import Overlaps, Truth, batch_size
from novis.storage.results_json import check_track
from novis.structures import Annotations, Instance, Track, Video

# Videos whose instances are kept at hand, in case their tracks come in turns.
_TRUTHS = 16


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
        rows, columns = defaultdict(list), defaultdict(list)
        for row, category in enumerate(self.track_categories.tolist()):
            rows[category].append(row)
        for column, instance in enumerate(self.instances):
            columns[instance.category_id].append(column)
        for category in sorted(rows.keys() | columns.keys()):
            yield category, np.array(rows[category], int), np.array(columns[category], int)


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
        InputError: there is no ground truth, or a mask of it is broken, or a track has an
            unknown video or category, another number of frames than its video, masks of
            another size or broken ones, or no finite score.
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
    truths = lru_cache(_TRUTHS)(lambda id_: _truth(videos[id_], instances[id_], annotations.source))
    parts: dict[int, list[_Part]] = {id_: [] for id_ in sorted(videos)}
    for batch in _batches(_checked(tracks, annotations, source)):
        id_ = batch[0][1].video_id
        parts[id_].append(_measured(batch, truths(id_), source))
    return [
        _joined(position, videos[id_], tuple(instances[id_]), found or [_measured([], truths(id_), source)])
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


def _batches(tracks: Iterable[tuple[int, Track]]) -> Iterator[list[tuple[int, Track]]]:
    """Successive tracks of one video, a few at once."""
    batch: list[tuple[int, Track]] = []
    for number, track in tracks:
        full = len(batch) == batch_size(len(track.segmentations))
        if batch and (full or track.video_id != batch[0][1].video_id):
            yield batch
            batch = []
        batch.append((number, track))
    if batch:
        yield batch


def _truth(video: Video, instances: Sequence[Instance], source: str) -> Truth:
    """The instances of a video, ready to be measured; a complaint names the annotation."""
    try:
        return Truth(instances, video.length, video.height, video.width)
    except InputError:
        for instance in instances:
            _name_broken_instance(instance, video, source)
        raise


def _name_broken_instance(instance: Instance, video: Video, source: str) -> None:
    """Complain if a mask of this instance is broken."""
    try:
        Truth([instance], video.length, video.height, video.width)
    except InputError as error:
        raise InputError(
            f'{source}: annotation {instance.id} (video {video.id} "{video.name}"): {error}; '
            "the RLE is broken, get the file again"
        ) from error


def _measured(numbered: Sequence[tuple[int, Track]], truth: Truth, source: str) -> _Part:
    """Count the pixels of some tracks' masks; a complaint names the track."""
    tracks = [track for _, track in numbered]
    try:
        overlaps = truth.measure(tracks)
    except InputError:
        for number, track in numbered:
            _name_broken(track, truth, f"{source}: track {number}")
        raise
    return _Part([track.score for track in tracks], [track.category_id for track in tracks], overlaps)


def _name_broken(track: Track, truth: Truth, place: str) -> None:
    """Complain if a mask of this track is broken."""
    try:
        truth.measure([track])
    except InputError as error:
        raise InputError(f"{place}: {error}") from error


def _joined(position: int, video: Video, instances: tuple[Instance, ...], parts: Sequence[_Part]) -> Pairing:
    """All tracks of a video, sorted by score; ties keep the order of the parts."""
    scores = np.array([score for part in parts for score in part.scores], float)
    categories = np.array([category for part in parts for category in part.categories], int)
    order = np.argsort(-scores, kind="stable")
    joined = Overlaps(
        np.concatenate([part.overlaps.track_areas for part in parts])[order],
        parts[0].overlaps.instance_areas,
        np.concatenate([part.overlaps.intersections for part in parts])[order],
    )
    return Pairing(position, video, scores[order], categories[order], instances, joined)
