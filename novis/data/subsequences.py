"""A validation set cut into shorter sequences, to measure how methods bear the length of videos.

Every sequence counts as a video (Fig. 1); :func:`novis.clips.sequences` says where videos are cut.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from novis.clips import sequences
from novis.data.annotations import read_annotations, write_annotations
from novis.structures import Annotations, Instance, Video


def subsequences(annotations: Path, length: int, output: Path) -> None:
    """Cut every video of an annotation file into sequences, each a video of its own.

    Frames stay where they are: file names are kept.

    Args:
        annotations: the data set's JSON file
        length: frames of a sequence; a shorter video is one sequence
        output: the JSON file to write
    """
    cut = cut_annotations(read_annotations(annotations), length)
    write_annotations(output, cut, {"description": f"sequences of {length} frames of {annotations.name}"})


def cut_annotations(annotations: Annotations, length: int) -> Annotations:
    """The sequences of ``length`` frames of every video, in order; instances are numbered from 1 on.

    An instance belongs to every sequence in which it has a mask, as an instance of its own.

    Raises:
        InputError: ``length`` is below 1.
    """
    by_video: dict[int, list[Instance]] = {video.id: [] for video in annotations.videos}
    for instance in annotations.instances or ():
        by_video[instance.video_id].append(instance)
    videos: list[Video] = []
    instances: list[Instance] = []
    for video in annotations.videos:
        for id_, frames in sequences(video.id, video.length, length):
            videos.append(replace(video, id=id_, file_names=video.file_names[frames]))
            instances += [replace(part, video_id=id_) for part in cut_instances(by_video[video.id], frames)]
    numbered = tuple(replace(instance, id=number) for number, instance in enumerate(instances, 1))
    kept = None if annotations.instances is None else numbered
    return replace(annotations, videos=tuple(videos), instances=kept)


def cut_instances(instances: Iterable[Instance], frames: slice) -> list[Instance]:
    """Instances within some frames of their video, without those that have no mask there."""
    parts = [_part(instance, frames) for instance in instances]
    return [part for part in parts if any(rle is not None for rle in part.segmentations)]


def _part(instance: Instance, frames: slice) -> Instance:
    occlusion = instance.occlusion and instance.occlusion[frames]
    return replace(instance, segmentations=instance.segmentations[frames], occlusion=occlusion)
