"""Time and memory of reading and splitting annotation files of the official sizes.

``python tests/benchmarks/bench_annotations.py FOLDER`` generates two files there (OVIS:
compressed runs, YouTube-VIS 2021: integer lists), reads each in a process of its own, divides
it into two folds, and prints seconds and peak memory.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
from pycocotools import mask as coco_mask

from novis.data.annotations import read_annotations
from novis.data.splits import split_videos

# Videos, instances, masks, categories, frame size, integer lists.
OFFICIAL = {
    "ovis": (607, 5223, 296_000, 25, (1080, 1920), False),
    "ytvis_2021": (2985, 8171, 232_000, 40, (720, 1280), True),
}
NUM_OUTLINES = 200


def outlines(rng, size, integers):
    """Some blobs of the size and raggedness of real objects, as RLEs."""
    height, width = size
    for _ in range(NUM_OUTLINES):
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        waves = sum(rng.normal(0, 0.3 / k) * np.sin(k * angles + rng.uniform(0, 6)) for k in range(1, 9))
        radius = rng.uniform(0.05, 0.25) * height * (1 + np.clip(waves, -0.6, 0.6))
        centre = rng.uniform(0.2, 0.8, 2) * (width, height)
        points = centre + radius[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        mask = cv2.fillPoly(np.zeros(size, np.uint8), [points.astype(np.int32)], 1)
        if integers:
            pixels = np.concatenate(([0], mask.T.ravel(), [0]))
            runs = np.diff(np.concatenate(([0], np.flatnonzero(np.diff(pixels)), [height * width])))
            yield {"size": list(size), "counts": runs.tolist()}
        else:
            rle = coco_mask.encode(np.asfortranarray(mask))
            yield {"size": list(size), "counts": rle["counts"].decode()}


def generate(path, num_videos, num_instances, num_masks, num_categories, size, integers):
    rng = np.random.default_rng(0)
    drawn = list(outlines(rng, size, integers))
    length = round(num_masks / num_instances * 1.15)
    videos = [
        {
            "id": i + 1,
            "height": size[0],
            "width": size[1],
            "length": int(frames),
            "file_names": [f"video_{i}/img_{frame:07d}.jpg" for frame in range(frames)],
        }
        for i, frames in enumerate(rng.integers(length // 2, 2 * length - length // 2, num_videos))
    ]
    annotations = []
    for number in range(num_instances):
        video = videos[number % num_videos]
        shown = rng.random(video["length"]) < 0.87
        annotations.append(
            {
                "id": number + 1,
                "video_id": video["id"],
                "category_id": int(rng.integers(num_categories)) + 1,
                "segmentations": [drawn[rng.integers(NUM_OUTLINES)] if here else None for here in shown],
            }
        )
    categories = [{"id": i + 1, "name": f"category {i + 1}"} for i in range(num_categories)]
    path.write_text(json.dumps({"videos": videos, "categories": categories, "annotations": annotations}))


def measure(path):
    """Read and split one file; print what it took."""
    start = time.process_time()
    annotations = read_annotations(path)
    read = time.process_time()
    split_videos(annotations, 2, 0)
    done = time.process_time()
    num_masks = sum(rle is not None for i in annotations.instances for rle in i.segmentations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, {len(annotations.videos)} videos, "
        f"{len(annotations.instances)} instances, {num_masks} masks: read in {read - start:.1f} s, "
        f"split in {done - read:.1f} s, peak memory {peak:.0f} MB"
    )


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, numbers in OFFICIAL.items():
        path = folder / f"{name}.json"
        if not path.exists():
            generate(path, *numbers)
        subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[2])) if sys.argv[1] == "--read" else main(sys.argv[1])
