"""Writing ``shapes`` to disk: JPEG frames and annotations in the layout of OVIS."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from novis.data.shapes.sampling import ShapesImages, ShapesInstance, render_video
from novis.data.shapes.seeding import Purpose
from novis.data.shapes.settings import ShapesSettings
from novis.data.shapes.silhouettes import CATEGORY_NAMES
from novis.errors import InputError
from novis.files import replacing
from novis.masks import areas as mask_areas
from novis.masks import boxes as mask_boxes
from novis.masks import encode

# Frames (F, H, W, 3) uint8 RGB and instances of a video, by its index.
_Render = Callable[[int], tuple[np.ndarray, list[ShapesInstance]]]


def shapes(root: Path, num_videos: int, seed: int, settings: dict[str, Any] | None = None) -> None:
    """Generate the embedded benchmark: frames and annotations in the layout of OVIS.

    Args:
        root: the folder to write train/ and annotations_train.json into
        num_videos: how many videos
        seed: equal seeds and settings give equal bytes
        settings: of novis.data.shapes.settings, such as num_frames=36
    """
    generate(ShapesSettings.from_config(settings or {}), root, num_videos, seed)


def generate(settings: ShapesSettings, root: Path, num_videos: int, seed: int) -> None:
    """Write ``root/train/<video>/img_0000001.jpg ...`` and ``root/annotations_train.json``.

    The annotations appear last, when all frames are there; a run that was killed before starts
    over. Video ``i`` depends on the settings, ``seed`` and ``i`` alone.

    Raises:
        InputError: ``num_videos`` is below 1, the disk is full, or ``root`` cannot be written.
    """
    _write(settings, root, "video", num_videos, lambda index: render_video(settings, seed, index))


def generate_images(settings: ShapesSettings, root: Path, num_images: int, seed: int) -> None:
    """Write still images as videos of one frame, in the layout of :func:`generate`.

    They are the images of :class:`ShapesImages`; no video has a scene of theirs.

    Raises:
        InputError: as :func:`generate`.
    """
    source = ShapesImages(settings, seed)
    _write(settings, root, "image", num_images, lambda index: source.render(index, 1, Purpose.IMAGE))


def _write(settings: ShapesSettings, root: Path, what: str, count: int, render: _Render) -> None:
    root = Path(root)
    if count < 1:
        raise InputError(f"{root}: cannot generate {count} {what}s; ask for at least 1")
    annotations, frames, partial = root / "annotations_train.json", root / "train", root / ".train.partial"
    with replacing(annotations) as temporary:
        shutil.rmtree(partial, ignore_errors=True)
        content = _empty_annotations(settings)
        for index in tqdm(range(count), desc=f"generating {what}s", unit=what):
            name = f"{what}_{index:05d}"
            images, instances = render(index)
            file_names = _write_frames(images, partial, name, settings.jpeg_quality)
            _annotate(content, images.shape[1:3], file_names, instances)
        # Without annotations a folder of frames counts as nothing: they go first and come last.
        annotations.unlink(missing_ok=True)
        if frames.exists():
            shutil.rmtree(frames)
        partial.rename(frames)
        temporary.write_text(json.dumps(content, allow_nan=False) + "\n")


def _empty_annotations(settings: ShapesSettings) -> dict[str, Any]:
    names = CATEGORY_NAMES[: settings.num_categories]
    return {
        "info": {"description": "shapes: generated videos in the layout of OVIS"},
        "licenses": [],
        "videos": [],
        "categories": [
            {"id": number, "name": name, "supercategory": "object"} for number, name in enumerate(names, 1)
        ],
        "annotations": [],
    }


def _write_frames(images: np.ndarray, folder: Path, name: str, quality: int) -> list[str]:
    (folder / name).mkdir(parents=True)
    file_names = [f"{name}/img_{number:07d}.jpg" for number in range(1, len(images) + 1)]
    for image, file_name in zip(images, file_names, strict=True):
        bgr = np.ascontiguousarray(image[:, :, ::-1])
        _, encoded = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
        (folder / file_name).write_bytes(encoded.tobytes())
    return file_names


def _annotate(
    content: dict[str, Any], size: tuple[int, int], file_names: list[str], instances: list[ShapesInstance]
) -> None:
    """Add a video and its instances to the annotations' content."""
    height, width = size
    video_id = len(content["videos"]) + 1
    shared = {"width": width, "height": height, "length": len(file_names)}
    content["videos"].append({"id": video_id, **shared, "file_names": file_names})
    for instance in instances:
        content["annotations"].append(
            {
                "id": len(content["annotations"]) + 1,
                "video_id": video_id,
                "category_id": instance.label + 1,
                "iscrowd": 0,
                **shared,
                **_track(instance),
                "occlusion": list(instance.occlusion),
            }
        )


def _track(instance: ShapesInstance) -> dict[str, list[Any]]:
    """Segmentations (compressed RLE), boxes (x, y, width, height) and areas; None where not seen."""
    rles = encode(instance.masks)
    areas, boxes = mask_areas(rles).tolist(), mask_boxes(rles).tolist()
    seen = [area > 0 for area in areas]
    return {
        "segmentations": [rle if s else None for rle, s in zip(rles, seen, strict=True)],
        "bboxes": [box if s else None for box, s in zip(boxes, seen, strict=True)],
        "areas": [area if s else None for area, s in zip(areas, seen, strict=True)],
    }
