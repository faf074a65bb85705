"""Annotated still images in COCO's layout: bright polygons, a crowd, and an image without objects."""

import json
from pathlib import Path

import cv2
import numpy as np

HEIGHT, WIDTH = 60, 80
CATEGORIES = ((1, "person"), (18, "dog"), (44, "bottle"))


def draw_toy_images(root, num_images=6, seed=0):
    """Write ``num_images`` images and ``instances.json`` to ``root``; the last image has no object."""
    root, rng = Path(root), np.random.default_rng(seed)
    root.mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for image_id in range(1, num_images + 1):
        picture = rng.integers(20, 60, (HEIGHT, WIDTH, 3), np.uint8)
        images.append({"id": image_id, "width": WIDTH, "height": HEIGHT, "file_name": f"{image_id:012}.jpg"})
        for number in range(2 if image_id < num_images else 0):
            category_id, _ = CATEGORIES[(image_id + number) % len(CATEGORIES)]
            polygon = _triangle(rng, left=5 + 38 * number)
            cv2.fillPoly(picture, [polygon], (60 + category_id, 250 - category_id, 200))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "segmentation": [polygon.flatten().tolist()],
                    "iscrowd": 0,
                }
            )
        cv2.imwrite(str(root / images[-1]["file_name"]), picture)
    annotations.append(_crowd(len(annotations) + 1))
    categories = [{"id": category_id, "name": name} for category_id, name in CATEGORIES]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (root / "instances.json").write_text(json.dumps(content))
    return root


def _triangle(rng, left):
    """Three corners (3, 2) in a part of the image of 32 x 50 pixels."""
    top, height = int(rng.integers(5, 15)), int(rng.integers(25, 40))
    return np.array([[left, top + height], [left + 30, top + height], [left + 15, top]], np.int32)


def _crowd(annotation_id):
    counts = [HEIGHT * WIDTH - 40, 40]
    return {
        "id": annotation_id,
        "image_id": 1,
        "category_id": 1,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts},
        "iscrowd": 1,
    }
