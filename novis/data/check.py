"""One look at a data set: what is in it, what is missing or broken, and a picture of it."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from novis import masks
from novis.data.annotations import OCCLUSION_LABELS, read_annotations
from novis.data.frames import DatasetFiles, find_dataset, read_frame
from novis.data.transforms import resize_frame, resize_masks
from novis.errors import InputError
from novis.files import replacing
from novis.structures import Annotations, Instance, Video

_LOG = logging.getLogger(__name__)

_COMPLAINTS_SHOWN = 20
_PICTURE_VIDEOS, _FRAMES_OF_A_VIDEO, _FRAME_HEIGHT = 4, 3, 180
# Hues a golden angle apart are well told from their neighbours.
_HUE_STEP = 0.618


@dataclass(frozen=True)
class DataReport:
    """What a data set holds.

    Attributes:
        source: the annotation file.
        frames: the folder of the frames.
        num_videos: videos in the file.
        num_frames: frames that the file names.
        lengths: least, median and most frames of a video.
        sizes: number of videos of each "width x height".
        num_instances: None where there is no ground truth.
        num_masks: masks of at least one pixel.
        most_in_a_frame: instances seen at once, at most.
        categories: instances of each category, in the order of the file.
        occlusion: masks of each occlusion label; empty where the file has none.
        notes: what is allowed, but worth knowing.
        complaints: what is wrong with frames, a line each; None where they were not read.
    """

    source: str
    frames: str
    num_videos: int
    num_frames: int
    lengths: tuple[int, int, int]
    sizes: dict[str, int]
    num_instances: int | None
    num_masks: int
    most_in_a_frame: int
    categories: dict[str, int]
    occlusion: dict[str, int]
    notes: tuple[str, ...]
    complaints: tuple[str, ...] | None

    def text(self) -> str:
        """The report for a terminal."""
        low, median, high = self.lengths
        rows = [
            ("annotations", self.source),
            ("frames", self.frames),
            (
                "videos",
                f"{self.num_videos}, {low} to {high} frames (median {median}), {self.num_frames} in all",
            ),
            ("sizes", _counted(self.sizes)),
            ("instances", self._instances()),
            ("categories", _counted({name: count for name, count in self.categories.items() if count})),
            ("occlusion", _counted(self.occlusion) or "no labels"),
            *(("note", note) for note in self.notes),
            *(("broken", line) for line in self._broken()),
        ]
        return "\n".join(f"{title:<12} {value}" for title, value in rows)

    def _broken(self) -> list[str]:
        if self.complaints is None:
            return ["not known: the frames were not read"]
        more = len(self.complaints) - _COMPLAINTS_SHOWN
        shown = list(self.complaints[:_COMPLAINTS_SHOWN]) or ["none: every frame was read"]
        return shown + [f"and {more} more"] * (more > 0)

    def _instances(self) -> str:
        if self.num_instances is None:
            return "no ground truth in the file"
        return f"{self.num_instances}, with {self.num_masks} masks, at most {self.most_in_a_frame} in a frame"


def check_data(
    root: Path | None = None,
    split: str = "train",
    annotations: Path | None = None,
    frames: Path | None = None,
    picture: Path | None = None,
    skip_frames: bool = False,
) -> DataReport:
    """Look over a data set: count what it holds, and name what is missing or broken.

    Give the data set's folder, or its annotation file and its folder of frames.

    Args:
        root: the data set's folder, in any of the layouts of YouTube-VIS and OVIS
        split: of the folder: train, valid, test
        annotations: the JSON file, where the folder's layout is another
        frames: the folder that its file names start from
        picture: PNG file to write, some frames with their masks
        skip_frames: read the annotations only
    """
    files = _located(root, split, annotations, frames)
    truth = read_annotations(files.annotations)
    complaints = None if skip_frames else broken_frames(truth.videos, files.frames)
    report = describe(truth, files.frames, complaints)
    _LOG.info("%s", report.text())
    if picture is not None:
        write_picture(picture, truth, files.frames)
    if complaints:
        raise InputError(
            f"{files.annotations}: {len(complaints)} of {report.num_frames} frames are missing or broken, "
            f"the first: {complaints[0]}"
        )
    return report


def describe(
    annotations: Annotations, frames: Path | str, complaints: Sequence[str] | None = None
) -> DataReport:
    """Count what ``annotations`` hold; ``complaints`` are those of :func:`broken_frames`."""
    lengths = sorted(video.length for video in annotations.videos)
    instances = annotations.instances or ()
    present = [_present_frames(instance) for instance in instances]
    in_frame = Counter(
        (instance.video_id, frame)
        for instance, seen in zip(instances, present, strict=True)
        for frame in seen
    )
    per_category = Counter(instance.category_id for instance in instances)
    labels = Counter(label for instance in instances for label in instance.occlusion or () if label)
    return DataReport(
        source=annotations.source,
        frames=str(frames),
        num_videos=len(lengths),
        num_frames=sum(lengths),
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        sizes=dict(Counter(f"{video.width} x {video.height}" for video in annotations.videos).most_common()),
        num_instances=None if annotations.instances is None else len(instances),
        num_masks=sum(map(len, present)),
        most_in_a_frame=max(in_frame.values(), default=0),
        categories={category.name: per_category[category.id] for category in annotations.categories},
        occlusion={label: labels[label] for label in OCCLUSION_LABELS if labels[label]},
        notes=tuple(_notes(annotations, present)),
        complaints=None if complaints is None else tuple(complaints),
    )


def broken_frames(videos: Sequence[Video], frames: Path | str) -> list[str]:
    """Read every frame of ``videos``, with a progress bar; what is wrong, a line each, in order."""

    def complaint(place: tuple[Video, int]) -> str | None:
        try:
            read_frame(frames, *place)
        except InputError as error:
            return str(error)
        return None

    places = [(video, index) for video in videos for index in range(video.length)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(tqdm(pool.map(complaint, places), "reading frames", len(places), unit="frame"))
    return [line for line in found if line is not None]


def write_picture(path: Path | str, annotations: Annotations, frames: Path | str) -> None:
    """Write a PNG with a row of frames for each of some videos, masks tinted and outlined.

    Videos with many instances come first; frames that cannot be read stay grey.
    """
    by_video: dict[int, list[Instance]] = {video.id: [] for video in annotations.videos}
    for instance in annotations.instances or ():
        by_video[instance.video_id].append(instance)
    fullest = sorted(annotations.videos, key=lambda video: (-len(by_video[video.id]), video.id))
    rows = [_row(video, by_video[video.id], frames) for video in fullest[:_PICTURE_VIDEOS]]
    width = max(row.shape[1] for row in rows)
    sheet = np.concatenate([np.pad(row, ((0, 4), (0, width - row.shape[1]), (0, 0))) for row in rows])
    _, png = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    with replacing(path) as temporary:
        temporary.write_bytes(png.tobytes())


def _located(root: Path | None, split: str, annotations: Path | None, frames: Path | None) -> DatasetFiles:
    if annotations is not None and frames is not None:
        return DatasetFiles(annotations, frames)
    if root is None:
        raise InputError("give the data set's folder, or its annotation file and its folder of frames")
    found = find_dataset(root, split)
    return DatasetFiles(annotations or found.annotations, frames or found.frames)


def _present_frames(instance: Instance) -> list[int]:
    """The frames in which an instance has at least one pixel."""
    frames = [frame for frame, rle in enumerate(instance.segmentations) if rle is not None]
    areas = masks.areas([instance.segmentations[frame] for frame in frames])
    return [frame for frame, area in zip(frames, areas, strict=True) if area]


def _notes(annotations: Annotations, present: Sequence[Sequence[int]]) -> Iterable[str]:
    if annotations.instances is None:
        return
    crowds = sum(instance.is_crowd for instance in annotations.instances)
    unseen = sum(not frames for frames in present)
    ids = {instance.video_id for instance in annotations.instances}
    without = [video.name for video in annotations.videos if video.id not in ids]
    if crowds:
        yield f"{crowds} crowds: evaluation ignores them, training leaves them out"
    if unseen:
        yield f"{unseen} instances have no mask in any frame"
    if without:
        yield f"{len(without)} videos without instances, such as {without[0]}: training leaves them out"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items())


def _row(video: Video, instances: Sequence[Instance], frames: Path | str) -> np.ndarray:
    """Some frames of a video, evenly spread, side by side."""
    indices = sorted({round(i) for i in np.linspace(0, video.length - 1, _FRAMES_OF_A_VIDEO)})
    size = (_FRAME_HEIGHT, max(round(video.width * _FRAME_HEIGHT / video.height), 1))
    return np.concatenate([_picture(video, instances, frames, index, size) for index in indices], axis=1)


def _picture(
    video: Video, instances: Sequence[Instance], frames: Path | str, index: int, size: tuple[int, int]
) -> np.ndarray:
    try:
        image = resize_frame(read_frame(frames, video, index), size).copy()
    except InputError:
        # The report names the frame; the picture shows where it would be.
        return np.full((*size, 3), 128, np.uint8)
    for number, instance in enumerate(instances):
        rle = instance.segmentations[index]
        if rle is not None:
            mask = resize_masks(masks.decode([rle])[0], size)
            colour = np.array(_colour(number))
            image[mask] = (image[mask] * 0.5 + colour * 0.5).astype(np.uint8)
            outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, outlines, -1, colour.tolist(), 1)
    return image


def _colour(number: int) -> tuple[int, int, int]:
    hue = int(180 * (number * _HUE_STEP % 1))
    colour = cv2.cvtColor(np.array([[[hue, 220, 255]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
    return tuple(int(channel) for channel in colour)
