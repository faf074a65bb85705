"""A validation set cut into shorter sequences, to measure how methods bear the length of videos.

Each video becomes consecutive sequences of T' frames; what is left at its end is a shorter
sequence of its own. Every sequence counts as a video (Fig. 1).
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from novis.data.annotations import read_annotations, write_annotations
from novis.errors import InputError
from novis.structures import Annotations, Instance, Video


def subsequences(annotations: Path, length: int, output: Path) -> None:
    """Cut every video of an annotation file into sequences, each a video of its own.

    Frames stay where they are: file names are kept, ids are numbered anew.

    Args:
        annotations: the data set's JSON file
        length: frames of a sequence; the last one of a video may be shorter
        output: the JSON file to write
    """
    cut = cut_annotations(read_annotations(annotations), length)
    write_annotations(output, cut, {"description": f"sequences of {length} frames of {annotations.name}"})


def cut_annotations(annotations: Annotations, length: int) -> Annotations:
    """The sequences of ``length`` frames of every video, in order, ids from 1 on.

    An instance belongs to every sequence in which it has a mask, as an instance of its own.

    Raises:
        InputError: ``length`` is below 1.
    """
    if length < 1:
        raise InputError(f"sequences of {length} frames: the length must be at least 1")
    by_video: dict[int, list[Instance]] = {video.id: [] for video in annotations.videos}
    for instance in annotations.instances or ():
        by_video[instance.video_id].append(instance)
    videos: list[Video] = []
    instances: list[Instance] = []
    for video in annotations.videos:
        for frames in _pieces(video.length, length):
            sequence = replace(video, id=len(videos) + 1, file_names=video.file_names[frames])
            videos.append(sequence)
            for instance in by_video[video.id]:
                part = _part(instance, frames)
                if any(rle is not None for rle in part.segmentations):
                    instances.append(replace(part, id=len(instances) + 1, video_id=sequence.id))
    kept = None if annotations.instances is None else tuple(instances)
    return replace(annotations, videos=tuple(videos), instances=kept)


def _pieces(num_frames: int, length: int) -> Iterator[slice]:
    for start in range(0, num_frames, length):
        yield slice(start, min(start + length, num_frames))


def _part(instance: Instance, frames: slice) -> Instance:
    occlusion = instance.occlusion and instance.occlusion[frames]
    return replace(instance, segmentations=instance.segmentations[frames], occlusion=occlusion)
