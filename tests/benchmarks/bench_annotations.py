"""Time and memory of reading and splitting annotation files of the official sizes.

``python tests/benchmarks/bench_annotations.py FOLDER`` generates two files there (OVIS:
compressed runs and occlusion labels, YouTube-VIS 2021: integer lists; rare and frequent
categories), reads each in a process of its own, divides it into two folds, holds out one video
in 7, and prints seconds, peak memory, and what the parts hold.
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

from novis.data.annotations import OCCLUSION_LABELS, read_annotations
from novis.data.balancing import balance_table
from novis.data.splits import held_out_videos, split_videos

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
    # The most frequent category has some fifty times the instances of the rarest.
    shares = 1 / np.arange(2, num_categories + 2) ** 1.5
    annotations = []
    for number in range(num_instances):
        video = videos[number % num_videos]
        shown = rng.random(video["length"]) < 0.87
        severity = rng.dirichlet([1, 0.6, 0.3])
        labels = rng.choice(OCCLUSION_LABELS, video["length"], p=severity)
        annotations.append(
            {
                "id": number + 1,
                "video_id": video["id"],
                "category_id": int(rng.choice(num_categories, p=shares / shares.sum())) + 1,
                "segmentations": [drawn[rng.integers(NUM_OUTLINES)] if here else None for here in shown],
                "occlusion": None
                if integers
                else [str(label) if here else None for label, here in zip(labels, shown, strict=True)],
            }
        )
    categories = [{"id": i + 1, "name": f"category {i + 1}"} for i in range(num_categories)]
    path.write_text(json.dumps({"videos": videos, "categories": categories, "annotations": annotations}))


def measure(path):
    """Read and split one file; print what it took."""
    start = time.process_time()
    annotations = read_annotations(path)
    read = time.process_time()
    folds = split_videos(annotations, 2, 0)
    done = time.process_time()
    held_out = held_out_videos(annotations, 7, 0)
    num_masks = sum(rle is not None for i in annotations.instances for rle in i.segmentations)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, {len(annotations.videos)} videos, "
        f"{len(annotations.instances)} instances, {num_masks} masks: read in {read - start:.1f} s, "
        f"split in {done - read:.1f} s, peak memory {peak:.0f} MB"
    )
    print(balance_table(annotations, dict(zip(("fold 0", "fold 1"), folds, strict=True))))
    print(balance_table(annotations, dict(zip(("train", "valid"), held_out, strict=True))))


def main(folder):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in OFFICIAL:
        path = folder / f"{name}.json"
        # Each in a process of its own: a child's peak memory begins with its parent's.
        if not path.exists():
            subprocess.run([sys.executable, __file__, "--generate", str(path)], check=True)
        subprocess.run([sys.executable, __file__, "--read", str(path)], check=True)


if __name__ == "__main__":
    if sys.argv[1] == "--read":
        measure(Path(sys.argv[2]))
    elif sys.argv[1] == "--generate":
        generate(Path(sys.argv[2]), *OFFICIAL[Path(sys.argv[2]).stem])
    else:
        main(sys.argv[1])
