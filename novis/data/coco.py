"""COCO's still images, as videos of one frame: polygons, crowds, and maps between categories."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from novis import masks
from novis.data.annotations import check_runs, read_categories
from novis.data.checked_json import CheckedFile, is_path_inside, kind_of
from novis.errors import InputError
from novis.experiment import nearest
from novis.files import read_json
from novis.structures import RLE, Annotations, Category, Instance, Video

_MAPS = Path(__file__).parent / "category_maps"


def read_coco(
    path: Path | str,
    category_map: Mapping[int, int] | None = None,
    categories: Sequence[Category] | None = None,
) -> Annotations:
    """Read an ``instances_*.json`` of COCO; every image is a video of one frame.

    Objects of categories without a counterpart are left out, so are images without any
    object, and objects that have no polygon of at least three points (COCO has some).

    Args:
        path: the JSON file.
        category_map: from COCO's category ids to those of ``categories``; None keeps COCO's.
        categories: of the target data set; needed with a map.

    Raises:
        InputError: the file is broken, or the map leads to a category that is not there.
    """
    file = CheckedFile(path, "annotation file of COCO")
    own = read_categories(file)
    target = tuple(own if category_map is None else categories or ())
    target_of = category_map or {category.id: category.id for category in own}
    missing = set(target_of.values()) - {category.id for category in target}
    if missing:
        file.refuse(
            f"the category map leads to ids {sorted(missing)}, which the target data set does not have; "
            "choose the map that was made for it"
        )
    images = file.unique(
        (_image(file, entry, place) for entry, place in file.entries("images", "image")), "image"
    )
    image_of = {image.id: image for image in images}
    instances = _objects(file, image_of, {category.id for category in own}, target_of)
    used = {instance.video_id for instance in instances}
    return Annotations(str(path), target, tuple(image for image in images if image.id in used), instances)


def read_category_map(name: str) -> dict[int, int]:
    """The map ``name`` of this package (``coco_to_ovis``, ...), or of a JSON file of the same layout.

    Raises:
        InputError: there is no such map, or it is no map of ids.
    """
    path = Path(name) if name.endswith(".json") else _MAPS / f"{name}.json"
    if path.parent == _MAPS and not path.is_file():
        known = [file.stem for file in _MAPS.glob("*.json")]
        raise InputError(f"no category map '{name}'{nearest(name, known)}; or name a JSON file")
    content = read_json(path, "category map")
    pairs = content.get("category_ids") if isinstance(content, dict) else None
    try:
        return {int(source): _integer(target) for source, target in pairs.items()}
    except (AttributeError, ValueError) as error:
        raise InputError(f'{path}: needs "category_ids", an object of ids such as {{"1": 26}}') from error


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _image(file: CheckedFile, entry: Mapping[str, Any], place: str) -> Video:
    file_name = entry.get("file_name")
    if not is_path_inside(file_name):
        file.refuse(f'{place}: "file_name" is {kind_of(file_name)}, no path inside the images folder')
    width, height = file.side_lengths(entry, place)
    return Video(file.value(entry, "id", int, place), width, height, (file_name,))


def _objects(
    file: CheckedFile,
    image_of: Mapping[int, Video],
    category_ids: set[int],
    target_of: Mapping[int, int],
) -> tuple[Instance, ...]:
    instances = []
    for entry, place in file.entries("annotations", "annotation"):
        image_id = file.value(entry, "image_id", int, place)
        image = image_of[file.known(image_id, image_of, "image_id", "image", place)]
        category_id = file.value(entry, "category_id", int, place)
        target = target_of.get(file.known(category_id, category_ids, "category_id", "category", place))
        rle = None if target is None else _mask(file, entry, place, image)
        if target is not None and rle is not None:
            object_id = file.value(entry, "id", int, place)
            is_crowd = file.flag(entry, "iscrowd", place)
            instances.append(Instance(object_id, image_id, target, (rle,), is_crowd))
    checked = file.unique(instances, "annotation")
    check_runs(file, checked, image_of)
    return checked


def _mask(file: CheckedFile, entry: Mapping[str, Any], place: str, image: Video) -> RLE | None:
    segmentation = entry.get("segmentation")
    if isinstance(segmentation, list):
        segmentation = [p for p in segmentation if not isinstance(p, list) or len(p) >= 6]
    try:
        return masks.compressed(segmentation, image.height, image.width)
    except ValueError as error:
        return file.refuse(f'{place} (image {image.id}): "segmentation" {error}')
