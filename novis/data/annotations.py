"""Annotation files in YouTube-VIS and OVIS layout: read, checked whole, and written.

The files of YouTube-VIS 2019, 2021 and 2022 and of OVIS differ in small ways (integer
lists or compressed RLE, ``"annotations": null`` where the ground truth is held back,
occlusion labels); one reader takes them all. It trusts nothing: the official evaluator
silently truncates lists of unequal length, this reader refuses them.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from novis import masks
from novis.errors import InputError
from novis.files import read_json, write_json
from novis.structures import RLE, Annotations, Category, Instance, Video

# The labels of OVIS, in growing order.
OCCLUSION_LABELS = ("no_occlusion", "slight_occlusion", "severe_occlusion")

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_KINDS = {int: "an integer", str: "a text", list: "a list"}


def read_annotations(path: Path | str, video_names: Collection[str] | None = None) -> Annotations:
    """Read and check an annotation file.

    Args:
        path: a JSON file with ``videos``, ``categories`` and ``annotations`` (which may be
            null or missing where there is no ground truth).
        video_names: keep these videos only, in the order of the file; None keeps all.

    Returns:
        The annotations; every RLE in them is whole, compressed, and of its video's size.

    Raises:
        InputError: the file is missing or no JSON, or anything in it is wrong; the message
            names the video, annotation and key. Instances of videos left out are not checked.
    """
    content = read_json(path, "annotation file")
    reader = _Reader(str(path))
    if not isinstance(content, dict):
        reader.refuse(f"holds a {type(content).__name__}, not an object with videos and categories")
    categories = reader.categories(content)
    all_videos = reader.videos(content)
    videos = all_videos if video_names is None else reader.chosen(all_videos, video_names)
    instances = reader.instances(content, categories, all_videos, {video.id for video in videos})
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


class _Reader:
    """Turns the parts of one file into dataclasses; every complaint names the file and the place."""

    def __init__(self, source: str) -> None:
        self.source = source

    def refuse(self, complaint: str) -> NoReturn:
        raise InputError(f"{self.source}: {complaint}")

    def categories(self, content: Mapping[str, Any]) -> tuple[Category, ...]:
        """The categories, ids unique."""
        entries = self._entries(content, "categories")
        categories = tuple(
            Category(self._value(entry, "id", int, place), self._value(entry, "name", str, place))
            for entry, place in entries
        )
        self._check_unique(categories, "category")
        return categories

    def videos(self, content: Mapping[str, Any]) -> tuple[Video, ...]:
        """The videos, ids unique, each of at least one frame."""
        videos = tuple(self._video(entry, place) for entry, place in self._entries(content, "videos"))
        self._check_unique(videos, "video")
        return videos

    def chosen(self, videos: Sequence[Video], names: Collection[str]) -> tuple[Video, ...]:
        """The videos that ``names`` name, in the order of the file."""
        wanted = set(names)
        unknown = sorted(wanted - {video.name for video in videos})
        if unknown:
            self.refuse(
                f"has no video named {_quoted(unknown)} (it has, for instance, {_quoted([videos[0].name])}); "
                "the split was made for another annotation file, make it again"
            )
        if not wanted:
            self.refuse("no video is chosen: the list of video names is empty")
        return tuple(video for video in videos if video.name in wanted)

    def instances(
        self,
        content: Mapping[str, Any],
        categories: Sequence[Category],
        videos: Sequence[Video],
        kept: Collection[int],
    ) -> tuple[Instance, ...] | None:
        """The instances of the videos with ids in ``kept``; None where there is no ground truth."""
        if content.get("annotations") is None:
            return None
        video_of = {video.id: video for video in videos}
        category_ids = {category.id for category in categories}
        entries = self._entries(content, "annotations", may_be_empty=True)
        seen: set[int] = set()
        instances = []
        for entry, place in entries:
            instance_id = self._value(entry, "id", int, place)
            if instance_id in seen:
                self.refuse(f"{place}: the id occurs twice; give every annotation its own")
            seen.add(instance_id)
            video_id = self._value(entry, "video_id", int, place)
            if video_id not in video_of:
                self.refuse(f'{place}: "video_id" is {video_id}, but no video has that id')
            if video_id in kept:
                instances.append(self._instance(entry, place, video_of[video_id], category_ids))
        self._check_runs(instances, video_of)
        return tuple(instances)

    def _video(self, entry: Mapping[str, Any], place: str) -> Video:
        file_names = self._value(entry, "file_names", list, place)
        if not file_names:
            self.refuse(f'{place}: "file_names" is empty; leave out videos without frames')
        for file_name in file_names:
            if not isinstance(file_name, str) or not _is_inside(file_name):
                self.refuse(
                    f'{place}: "file_names" holds {_kind(file_name)}, no path inside the frames folder'
                )
        if entry.get("length", len(file_names)) != len(file_names):
            self.refuse(
                f'{place}: "length" is {entry["length"]}, but "file_names" has {len(file_names)} entries'
            )
        width, height = (self._value(entry, side, int, place) for side in ("width", "height"))
        if not 1 <= min(width, height) <= max(width, height) <= masks.MAX_SIDE:
            self.refuse(f"{place}: frames of {width} x {height} pixels; sides must be 1 to {masks.MAX_SIDE}")
        return Video(self._value(entry, "id", int, place), width, height, tuple(file_names))

    def _instance(
        self, entry: Mapping[str, Any], place: str, video: Video, category_ids: Collection[int]
    ) -> Instance:
        place = f'{place} (video {video.id} "{video.name}")'
        category_id = self._value(entry, "category_id", int, place)
        if category_id not in category_ids:
            self.refuse(f'{place}: "category_id" is {category_id}, but no category has that id')
        is_crowd = entry.get("iscrowd", 0)
        if is_crowd not in (0, 1):
            self.refuse(f'{place}: "iscrowd" is {is_crowd!r}, neither 0 nor 1')
        for key in ("bboxes", "areas"):
            if entry.get(key) is not None:
                self._per_frame(entry, key, place, video)
        return Instance(
            id=entry["id"],
            video_id=video.id,
            category_id=category_id,
            segmentations=self._segmentations(entry, place, video),
            is_crowd=bool(is_crowd),
            occlusion=self._occlusion(entry, place, video),
        )

    def _segmentations(self, entry: Mapping[str, Any], place: str, video: Video) -> tuple[RLE | None, ...]:
        segmentations = self._per_frame(entry, "segmentations", place, video)
        compressed: list[RLE | None] = []
        try:
            for segmentation in segmentations:
                compressed.append(masks.compressed(segmentation, video.height, video.width))
        except ValueError as error:
            self.refuse(f'{place}: "segmentations" of frame {len(compressed)} {error}')
        return tuple(compressed)

    def _occlusion(self, entry: Mapping[str, Any], place: str, video: Video) -> tuple[str | None, ...] | None:
        if entry.get("occlusion") is None:
            return None
        labels = self._per_frame(entry, "occlusion", place, video)
        for frame, label in enumerate(labels):
            if label is not None and label not in OCCLUSION_LABELS:
                known = ", ".join(OCCLUSION_LABELS)
                self.refuse(f'{place}: "occlusion" of frame {frame} is {label!r}, not null or one of {known}')
        return tuple(labels)

    def _check_runs(self, instances: Sequence[Instance], video_of: Mapping[int, Video]) -> None:
        """Refuse string counts that do not describe a whole mask, all instances at once."""
        present = [
            (instance, frame, rle)
            for instance in instances
            for frame, rle in enumerate(instance.segmentations)
            if rle is not None
        ]
        broken = masks.first_broken([rle for _, _, rle in present])
        if broken is None:
            return
        instance, frame, _ = present[broken[0]]
        video = video_of[instance.video_id]
        self.refuse(
            f'annotation {instance.id} (video {video.id} "{video.name}"): "segmentations" of frame {frame} '
            f"{broken[1]}; the RLE is broken, get the file again"
        )

    def _per_frame(self, entry: Mapping[str, Any], key: str, place: str, video: Video) -> list[Any]:
        values = self._value(entry, key, list, place)
        if len(values) != video.length:
            self.refuse(
                f'{place}: "{key}" has {len(values)} entries, but the video has {video.length} frames; '
                "give one entry a frame, null where the object is absent"
            )
        return values

    def _entries(
        self, content: Mapping[str, Any], key: str, may_be_empty: bool = False
    ) -> Iterable[tuple[Mapping[str, Any], str]]:
        """The objects of a list at the top of the file, each with the name of its place."""
        if key not in content:
            found = ", ".join(map(str, content)) or "nothing"
            self.refuse(
                f'"{key}" is missing at the top (found: {found}); is this a YouTube-VIS or OVIS file?'
            )
        if not isinstance(content[key], list):
            self.refuse(f'"{key}" is {_kind(content[key])}, not a list')
        if not content[key] and not may_be_empty:
            self.refuse(f'"{key}" is empty: there is nothing to read')
        singular = {"categories": "category", "videos": "video", "annotations": "annotation"}[key]
        for position, entry in enumerate(content[key]):
            if not isinstance(entry, dict):
                self.refuse(f'entry {position} of "{key}" is {_kind(entry)}, not an object')
            yield (
                entry,
                f"{singular} {_kind(entry['id'])}" if "id" in entry else f'entry {position} of "{key}"',
            )

    def _value(self, entry: Mapping[str, Any], key: str, kind: type, place: str) -> Any:
        value = entry.get(key)
        if type(value) is not kind:
            if key not in entry:
                self.refuse(f'{place}: "{key}" is missing')
            self.refuse(f'{place}: "{key}" is {_kind(value)}, not {_KINDS[kind]}')
        if kind is str and not _is_text(value):
            self.refuse(f'{place}: "{key}" is {value!a}, which is no valid text')
        return value

    def _check_unique(self, items: Sequence[Category] | Sequence[Video], noun: str) -> None:
        seen: set[int] = set()
        for item in items:
            if item.id in seen:
                self.refuse(f"{noun} {item.id}: the id occurs twice; give every {noun} its own")
            seen.add(item.id)


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    shown = ascii(value) if isinstance(value, str) and not _is_text(value) else repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}..."


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _is_text(value: str) -> bool:
    """JSON can spell what no file name or terminal can show: zero bytes and half surrogate pairs."""
    return _NO_TEXT.search(value) is None


def _is_inside(file_name: str) -> bool:
    parts = file_name.split("/")
    return bool(parts[-1]) and bool(parts[0]) and ".." not in parts and _is_text(file_name)


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
