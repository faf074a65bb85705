"""Predictions beside the ground truth they are judged by, video by video.

Predictions are measured as they come and only counts of pixels are kept: memory does not
grow with the size of their masks.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, islice

import numpy as np

from novis.errors import InputError
from novis.evaluation.overlaps import Outline, Overlaps, intersect, stack_areas, trace
from novis.storage.results_json import check_track
from novis.structures import Annotations, Instance, Track, Video

# Tracks traced at once: enough to keep NumPy busy, few enough to stay in the processor's cache.
_BATCH = 8


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

    It is fastest where tracks of one video follow each other.

    Args:
        annotations: with ground truth.
        tracks: predictions, in any order.
        source: what to call the predictions in a complaint.

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
    truth = _truth(annotations)
    outlines = lru_cache(maxsize=16)(lambda id_: truth[id_].outlines())
    for id_, batch in _batches(_checked(tracks, annotations, source)):
        truth[id_].add(batch, outlines(id_), source)
    return [
        truth[id_].paired(position, stack_areas(outlines(id_), truth[id_].video.length))
        for position, id_ in enumerate(sorted(truth))
    ]


@dataclass
class _Gathering:
    """What is known of a video's tracks so far: counts of pixels, not masks."""

    video: Video
    instances: list[Instance] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)
    areas: list[np.ndarray] = field(default_factory=list)
    intersections: list[np.ndarray] = field(default_factory=list)

    def outlines(self) -> list[Outline]:
        """Those of the instances."""
        return self._trace(self.instances)

    def add(self, batch: Sequence[tuple[int, Track]], truth: Sequence[Outline], source: str) -> None:
        """Measure some tracks against the outlines of the instances."""
        tracks = [track for _, track in batch]
        try:
            found = self._trace(tracks)
        except InputError:
            self._name_broken(batch, source)
            raise
        instance_categories = [instance.category_id for instance in self.instances]
        self.scores += [track.score for track in tracks]
        self.categories += [track.category_id for track in tracks]
        self.areas += [outline.areas for outline in found]
        self.intersections += [
            intersect(outline, truth, [category == track.category_id for category in instance_categories])
            for track, outline in zip(tracks, found, strict=True)
        ]

    def paired(self, position: int, instance_areas: np.ndarray) -> Pairing:
        """All tracks that were added, sorted by score."""
        scores = np.array(self.scores, float)
        order = np.argsort(-scores, kind="stable")
        shape = (len(scores), len(self.instances), self.video.length)
        overlaps = Overlaps(
            np.array(self.areas, np.int64).reshape(shape[0], shape[2])[order],
            instance_areas,
            np.array(self.intersections, np.int32).reshape(shape)[order],
        )
        categories = np.array(self.categories, int)[order]
        return Pairing(position, self.video, scores[order], categories, tuple(self.instances), overlaps)

    def _trace(self, tracks: Sequence[Track | Instance]) -> list[Outline]:
        return trace([track.segmentations for track in tracks], self.video.height, self.video.width)

    def _name_broken(self, batch: Sequence[tuple[int, Track]], source: str) -> None:
        """Raise for the first track of which a mask is broken, naming it."""
        for number, track in batch:
            try:
                self._trace([track])
            except InputError as error:
                raise InputError(f"{source}: track {number}: {error}") from error


def _truth(annotations: Annotations) -> dict[int, _Gathering]:
    truth = {video.id: _Gathering(video) for video in annotations.videos}
    for instance in annotations.instances or ():
        truth[instance.video_id].instances.append(instance)
    return truth


def _checked(tracks: Iterable[Track], annotations: Annotations, source: str) -> Iterator[tuple[int, Track]]:
    """Each track with its number, after it was seen to fit the annotations."""
    videos = {video.id: video for video in annotations.videos}
    categories = {category.id for category in annotations.categories}
    for number, track in enumerate(tracks):
        check_track(track, videos, categories, f"{source}: track {number}")
        if not math.isfinite(track.score):
            raise InputError(f"{source}: track {number}: score {track.score} is no finite number")
        yield number, track


def _batches(tracks: Iterable[tuple[int, Track]]) -> Iterator[tuple[int, list[tuple[int, Track]]]]:
    """Successive tracks of one video, a few at once, with the video's id."""
    for video_id, group in groupby(tracks, key=lambda numbered: numbered[1].video_id):
        while batch := list(islice(group, _BATCH)):
            yield video_id, batch
