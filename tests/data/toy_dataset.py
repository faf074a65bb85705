"""A miniature data set in OVIS layout: coloured rectangles that move, occlude each other and leave."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from novis import masks
from novis.data.annotations import write_annotations
from novis.structures import Annotations, Category, Instance, Video

HEIGHT, WIDTH = 48, 64
CATEGORIES = (Category(3, "flat"), Category(7, "tall"), Category(8, "square"))
SHAPES = {3: (8, 20), 7: (20, 8), 8: (12, 12)}


@dataclass(frozen=True)
class ToyDataset:
    """Where it lies: ``root/annotations_train.json`` and ``root/train/<video>/img_0000001.jpg``."""

    root: Path
    annotation_file: Path
    frames: Path
    annotations: Annotations


def draw_toy_dataset(root, lengths=(8, 5, 1, 3), num_objects=2, seed=0):
    """Draw one video for each entry of ``lengths``, with ``num_objects`` rectangles each."""
    rng = np.random.default_rng(seed)
    videos, instances = [], []
    for video_id, length in enumerate(lengths, start=1):
        names = tuple(f"video_{video_id}/img_{frame:07d}.jpg" for frame in range(1, length + 1))
        video = Video(video_id, WIDTH, HEIGHT, names)
        category_ids = [list(SHAPES)[(video_id + k) % len(SHAPES)] for k in range(num_objects)]
        visible = _visible(_moving_boxes(rng, category_ids, length))
        for category_id, track in zip(category_ids, visible, strict=True):
            segmentations = tuple(
                rle if mask.any() else None for rle, mask in zip(masks.encode(track), track, strict=True)
            )
            instances.append(Instance(len(instances) + 1, video_id, category_id, segmentations))
        _write_frames(Path(root) / "train", video, visible, rng)
        videos.append(video)
    annotation_file = Path(root) / "annotations_train.json"
    annotations = Annotations(str(annotation_file), CATEGORIES, tuple(videos), tuple(instances))
    write_annotations(annotation_file, annotations)
    return ToyDataset(Path(root), annotation_file, Path(root) / "train", annotations)


def _moving_boxes(rng, category_ids, length):
    """Full masks (objects, length, H, W) of rectangles that move straight on and out of the frame."""
    boxes = np.zeros((len(category_ids), length, HEIGHT, WIDTH), bool)
    for track, category_id in zip(boxes, category_ids, strict=True):
        height, width = SHAPES[category_id]
        y, x = rng.uniform(4, HEIGHT - height - 4), rng.uniform(4, WIDTH - width - 4)
        step_y, step_x = rng.uniform(-4, 4, size=2)
        for frame in range(length):
            top, left = round(y + frame * step_y), round(x + frame * step_x)
            track[frame, max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = True
    return boxes


def _visible(boxes):
    """What is left of each object behind those after it."""
    in_front = np.zeros_like(boxes)
    in_front[:-1] = np.logical_or.accumulate(boxes[::-1])[::-1][1:]
    return boxes & ~in_front


def _write_frames(folder, video, visible, rng):
    colours = rng.integers(80, 256, size=(len(visible), 3))
    for frame, name in enumerate(video.file_names):
        image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
        for track, colour in zip(visible, colours, strict=True):
            image[track[frame]] = colour
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
