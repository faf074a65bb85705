"""Annotation files in YouTube-VIS and OVIS layout: read, checked whole, and written.

The files of YouTube-VIS 2019, 2021 and 2022 and of OVIS differ in small ways (integer
lists or compressed RLE, ``"annotations": null`` where the ground truth is held back,
occlusion labels); one reader takes them all. It trusts nothing: the official evaluator
silently truncates lists of unequal length, this reader refuses them.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from novis import masks
from novis.data.checked_json import CheckedFile, is_path_inside, kind_of, quoted
from novis.files import write_json
from novis.structures import RLE, Annotations, Category, Instance, Video

# The labels of OVIS, in growing order.
OCCLUSION_LABELS = ("no_occlusion", "slight_occlusion", "severe_occlusion")


def read_annotations(
    path: Path | str, video_names: Collection[str] | None = None, check_masks: bool = True
) -> Annotations:
    """Read and check an annotation file.

    Args:
        path: a JSON file with ``videos``, ``categories`` and ``annotations`` (which may be
            null or missing where there is no ground truth).
        video_names: keep these videos only, in the order of the file; None keeps all.
        check_masks: False leaves it to the caller to find RLE with wrong run lengths.

    Returns:
        The annotations; every RLE in them is whole, compressed, and of its video's size.

    Raises:
        InputError: the file is missing or no JSON, or anything in it is wrong; the message
            names the video, annotation and key. Instances of videos left out are not checked.
    """
    file = CheckedFile(path, "annotation file in YouTube-VIS layout")
    categories = read_categories(file)
    all_videos = file.unique(
        (_video(file, entry, place) for entry, place in file.entries("videos", "video")), "video"
    )
    videos = all_videos if video_names is None else _chosen(file, all_videos, video_names)
    if file.content.get("annotations") is None:
        return Annotations(str(path), categories, videos, None)
    instances = _instances(file, categories, all_videos, videos)
    if check_masks:
        check_runs(file, instances, {video.id: video for video in videos})
    return Annotations(str(path), categories, videos, instances)


def write_annotations(
    path: Path | str, annotations: Annotations, info: Mapping[str, Any] | None = None
) -> None:
    """Write ``annotations`` in OVIS layout, with the areas and boxes that go with the masks."""
    lengths = {video.id: video for video in annotations.videos}
    instances = annotations.instances
    write_json(
        path,
        {
            "info": dict(info or {}),
            "categories": [{"id": c.id, "name": c.name} for c in annotations.categories],
            "videos": [_video_entry(video) for video in annotations.videos],
            "annotations": None
            if instances is None
            else [_instance_entry(instance, lengths[instance.video_id]) for instance in instances],
        },
    )


def read_categories(file: CheckedFile) -> tuple[Category, ...]:
    """The categories of a file, ids unique."""
    return file.unique(
        (
            Category(file.value(entry, "id", int, place), file.value(entry, "name", str, place))
            for entry, place in file.entries("categories", "category")
        ),
        "category",
    )


def check_runs(file: CheckedFile, instances: Sequence[Instance], videos: Mapping[int, Video]) -> None:
    """Refuse RLEs with string counts that do not describe a whole mask, all instances at once."""
    present = [
        (instance, frame, rle)
        for instance in instances
        for frame, rle in enumerate(instance.segmentations)
        if rle is not None
    ]
    broken = masks.first_broken([rle for _, _, rle in present])
    if broken is not None:
        instance, frame, _ = present[broken[0]]
        video = videos[instance.video_id]
        file.refuse(
            f'annotation {instance.id} (video {video.id} "{video.name}"): "segmentations" of frame {frame} '
            f"{broken[1]}; the RLE is broken, get the file again"
        )


def _chosen(file: CheckedFile, videos: Sequence[Video], names: Collection[str]) -> tuple[Video, ...]:
    """The videos that ``names`` name, in the order of the file."""
    wanted = set(names)
    unknown = sorted(wanted - {video.name for video in videos})
    if unknown:
        file.refuse(
            f"has no video named {quoted(unknown)} (it has, for instance, {quoted([videos[0].name])}); "
            "the list of videos was made for another annotation file, make it again"
        )
    if not wanted:
        file.refuse("no video is chosen: the list of video names is empty")
    return tuple(video for video in videos if video.name in wanted)


def _video(file: CheckedFile, entry: Mapping[str, Any], place: str) -> Video:
    file_names = file.value(entry, "file_names", list, place)
    if not file_names:
        file.refuse(f'{place}: "file_names" is empty; leave out videos without frames')
    for file_name in file_names:
        if not is_path_inside(file_name):
            file.refuse(f'{place}: "file_names" holds {kind_of(file_name)}, no path inside the frames folder')
    if entry.get("length", len(file_names)) != len(file_names):
        found = kind_of(entry["length"])
        file.refuse(f'{place}: "length" is {found}, but "file_names" has {len(file_names)} entries')
    width, height = file.side_lengths(entry, place)
    return Video(file.value(entry, "id", int, place), width, height, tuple(file_names))


def _instances(
    file: CheckedFile, categories: Sequence[Category], all_videos: Sequence[Video], videos: Sequence[Video]
) -> tuple[Instance, ...]:
    """The instances of ``videos``; of those of other videos only ids are checked."""
    video_of = {video.id: video for video in all_videos}
    kept = {video.id for video in videos}
    category_ids = {category.id for category in categories}
    seen: set[int] = set()
    instances = []
    for entry, place in file.entries("annotations", "annotation", may_be_empty=True):
        instance_id = file.value(entry, "id", int, place)
        if instance_id in seen:
            file.refuse(f"{place}: the id occurs twice; give every annotation its own")
        seen.add(instance_id)
        video_id = file.value(entry, "video_id", int, place)
        file.known(video_id, video_of, "video_id", "video", place)
        if video_id in kept:
            instances.append(_instance(file, entry, place, video_of[video_id], category_ids))
    return tuple(instances)


def _instance(
    file: CheckedFile, entry: Mapping[str, Any], place: str, video: Video, category_ids: Collection[int]
) -> Instance:
    place = f'{place} (video {video.id} "{video.name}")'
    category_id = file.value(entry, "category_id", int, place)
    for key in ("bboxes", "areas"):
        if entry.get(key) is not None:
            _per_frame(file, entry, key, place, video)
    return Instance(
        id=entry["id"],
        video_id=video.id,
        category_id=file.known(category_id, category_ids, "category_id", "category", place),
        segmentations=_segmentations(file, entry, place, video),
        is_crowd=file.flag(entry, "iscrowd", place),
        occlusion=_occlusion(file, entry, place, video),
    )


def _segmentations(
    file: CheckedFile, entry: Mapping[str, Any], place: str, video: Video
) -> tuple[RLE | None, ...]:
    compressed: list[RLE | None] = []
    try:
        for segmentation in _per_frame(file, entry, "segmentations", place, video):
            compressed.append(masks.compressed(segmentation, video.height, video.width))
    except ValueError as error:
        file.refuse(f'{place}: "segmentations" of frame {len(compressed)} {error}')
    return tuple(compressed)


def _occlusion(
    file: CheckedFile, entry: Mapping[str, Any], place: str, video: Video
) -> tuple[str | None, ...] | None:
    if entry.get("occlusion") is None:
        return None
    labels = _per_frame(file, entry, "occlusion", place, video)
    for frame, label in enumerate(labels):
        if label is not None and label not in OCCLUSION_LABELS:
            known = ", ".join(OCCLUSION_LABELS)
            file.refuse(
                f'{place}: "occlusion" of frame {frame} is {kind_of(label)}, not null or one of {known}'
            )
    return tuple(labels)


def _per_frame(file: CheckedFile, entry: Mapping[str, Any], key: str, place: str, video: Video) -> list[Any]:
    values = file.value(entry, key, list, place)
    if len(values) != video.length:
        file.refuse(
            f'{place}: "{key}" has {len(values)} entries, but the video has {video.length} frames; '
            "give one entry a frame, null where the object is absent"
        )
    return values


def _video_entry(video: Video) -> dict[str, Any]:
    return {
        "id": video.id,
        "width": video.width,
        "height": video.height,
        "length": video.length,
        "file_names": list(video.file_names),
    }


def _instance_entry(instance: Instance, video: Video) -> dict[str, Any]:
    present = [rle for rle in instance.segmentations if rle is not None]
    area = iter(masks.areas(present).tolist())
    box = iter(masks.boxes(present).tolist())
    entry = {
        "id": instance.id,
        "video_id": instance.video_id,
        "category_id": instance.category_id,
        "iscrowd": int(instance.is_crowd),
        "height": video.height,
        "width": video.width,
        "length": video.length,
        "segmentations": [None if rle is None else dict(rle) for rle in instance.segmentations],
        "areas": [None if rle is None else next(area) for rle in instance.segmentations],
        "bboxes": [None if rle is None else next(box) for rle in instance.segmentations],
    }
    if instance.occlusion is not None:
        entry["occlusion"] = list(instance.occlusion)
    return entry
