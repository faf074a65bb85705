"""Predictions beside the ground truth they are judged by, video by video."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from novis.errors import InputError
from novis.structures import Annotations, Instance, Track, Video


@dataclass(frozen=True)
class Pairing:
    """One video: its predicted tracks, best score first, and its instances.

    ``position`` is the video's place among all, by ascending id.
    """

    position: int
    video: Video
    tracks: tuple[Track, ...]
    instances: tuple[Instance, ...]

    def categories(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Each category seen here: its id, positions of its tracks and of its instances."""
        tracks = np.array([track.category_id for track in self.tracks], int)
        instances = np.array([instance.category_id for instance in self.instances], int)
        for category in np.union1d(tracks, instances).tolist():
            yield category, np.flatnonzero(tracks == category), np.flatnonzero(instances == category)


def pair(annotations: Annotations, tracks: Iterable[Track], source: str = "results") -> list[Pairing]:
    """Check every track against the annotations and sort it to its video.

    Equal scores keep the order in which the tracks came.

    Args:
        annotations: with ground truth.
        tracks: predictions, in any order.
        source: what to call the predictions in a complaint.

    Raises:
        InputError: there is no ground truth, or a track has an unknown video or category,
            another number of frames than its video, masks of another size, or no finite score.
    """
    if annotations.instances is None:
        raise InputError(
            f'{annotations.source}: holds no ground truth ("annotations" is null), so nothing can be '
            "scored; use the annotations of a training set or of a fold of it"
        )
    videos = {video.id: video for video in annotations.videos}
    categories = {category.id for category in annotations.categories}
    tracks_of, instances_of = defaultdict(list), defaultdict(list)
    for number, track in enumerate(tracks):
        check_track(track, videos, categories, f"{source}: entry {number}", annotations.source)
        tracks_of[track.video_id].append(track)
    for instance in annotations.instances:
        instances_of[instance.video_id].append(instance)
    return [
        Pairing(position, videos[id_], by_score(tracks_of[id_]), tuple(instances_of[id_]))
        for position, id_ in enumerate(sorted(videos))
    ]


def by_score(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Best score first; equal scores keep their order."""
    return tuple(sorted(tracks, key=lambda track: -track.score))


def check_track(
    track: Track, videos: dict[int, Video], categories: set[int], place: str, reference: str
) -> None:
    """See that a predicted track fits the annotations; a complaint names ``place`` and ``reference``."""
    video = videos.get(track.video_id)
    if video is None:
        raise InputError(
            f"{place}: video_id {track.video_id} is not among the {len(videos)} videos of {reference}; "
            "were the results made for another set?"
        )
    if track.category_id not in categories:
        raise InputError(f"{place}: category_id {track.category_id} is no category of {reference}")
    if not np.isfinite(track.score):
        raise InputError(f"{place}: score {track.score} is no finite number")
    if len(track.segmentations) != video.length:
        raise InputError(
            f"{place}: {len(track.segmentations)} segmentations for video {video.id} ('{video.name}'), "
            f"which has {video.length} frames; give one mask or null a frame"
        )
    size = [video.height, video.width]
    for frame, mask in enumerate(track.segmentations):
        if mask is not None and list(mask["size"]) != size:
            raise InputError(
                f"{place}: the mask of frame {frame} has size {mask['size']}, but video {video.id} "
                f"('{video.name}') is {size} (height, width)"
            )
