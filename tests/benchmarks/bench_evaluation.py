"""Time and memory of the evaluation on a set of OVIS' size, beside the reference where it is at hand.

    python tests/benchmarks/bench_evaluation.py --reference FOLDER

FOLDER is a checkout of the benchmark's public evaluator (github.com/youtubevos/cocoapi);
nothing of it is needed, or kept, here. Seconds are those of the processor, so that a busy
machine disturbs them less. Two lines of it that current NumPy refuses are
mended in memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

HEIGHT, WIDTH = 720, 1280


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", type=Path, help="checkout of youtubevos/cocoapi")
    parser.add_argument("--categories", type=int, nargs="*", default=[25, 1])
    parser.add_argument("--videos", type=int, default=140)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--folder", type=Path, help="keep the generated files here")
    parser.add_argument("--run", choices=sorted(RUNS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        print(json.dumps(RUNS[options.run](options.folder, options.reference)))
        return
    for categories in options.categories:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (options.folder or Path(temporary)) / f"{categories}_categories"
            # In a process of its own: a child's peak memory begins with its parent's.
            arguments = (folder, options.videos, options.frames, categories)
            generating = get_context("spawn").Process(target=generate, args=arguments)
            generating.start()
            generating.join()
            report(folder, categories, options.reference)


def report(folder: Path, categories: int, reference: Path | None) -> None:
    """Run both evaluators, each in a process of its own, and print what they took."""
    names = ("annotations", "results")
    sizes = ", ".join(f"{name} {(folder / f'{name}.json').stat().st_size / 1e6:.0f} MB" for name in names)
    print(f"\n{categories} categories: {sizes}")
    taken = {name: run(name, folder, reference) for name in RUNS if name == "novis" or reference}
    for name, row in taken.items():
        print(
            f"  {name:<10} load {row['load']:6.2f} s   evaluate {row['evaluate']:6.2f} s   "
            f"in all {row['load'] + row['evaluate']:6.2f} s   "
            f"peak {row['memory']:5.0f} MB   AP {row['AP']:.6f}"
        )
    if reference:
        ours, theirs = taken["novis"], taken["reference"]
        total = (theirs["load"] + theirs["evaluate"]) / (ours["load"] + ours["evaluate"])
        print(f"  ratio: evaluate {theirs['evaluate'] / ours['evaluate']:.1f}, in all {total:.1f}")


def run(name: str, folder: Path, reference: Path | None) -> dict[str, float]:
    command = [sys.executable, __file__, "--run", name, "--folder", str(folder)]
    command += ["--reference", str(reference)] if reference else []
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(output.splitlines()[-1])


def run_novis(folder: Path, _: Path | None) -> dict[str, float]:
    from novis.data.annotations import read_annotations
    from novis.evaluation.evaluate import collector_paused
    from novis.evaluation.metrics import summarise
    from novis.evaluation.pairing import pair
    from novis.evaluation.video_ap import match_tracks
    from novis.storage.results_json import read_results

    start = time.process_time()
    with collector_paused():
        annotations = read_annotations(folder / "annotations.json", check_masks=False)
        # Masks are measured while they are read; the reference measures areas then, overlaps later.
        pairings = pair(annotations, read_results(folder / "results.json", check_runs=False))
    loaded = time.process_time()
    metrics = summarise(match_tracks(annotations, pairings), annotations)
    return measured(start, loaded, metrics["AP"])


def run_reference(folder: Path, reference: Path) -> dict[str, float]:
    track_api, evaluator = (reference_module(reference, name) for name in ("ytvos", "ytvoseval"))
    start = time.process_time()
    truth = track_api["YTVOS"](str(folder / "annotations.json"))
    predictions = truth.loadRes(str(folder / "results.json"))
    loaded = time.process_time()
    evaluation = evaluator["YTVOSeval"](truth, predictions, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return measured(start, loaded, float(evaluation.stats[0]))


def reference_module(reference: Path, name: str) -> dict[str, object]:
    """The reference's module, with what current NumPy and the installed pycocotools ask for."""
    source = (reference / "PythonAPI" / "pycocotools" / f"{name}.py").read_text()
    source = source.replace("from . import mask", "from pycocotools import mask")
    source = source.replace("np.float)", "float)")
    source = source.replace("np.round(", "round(")
    namespace: dict[str, object] = {"__name__": name}
    exec(compile(source, name, "exec"), namespace)
    return namespace


def measured(start: float, loaded: float, ap: float) -> dict[str, float]:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"load": loaded - start, "evaluate": time.process_time() - loaded, "memory": peak, "AP": ap}


RUNS = {"novis": run_novis, "reference": run_reference}


def generate(folder: Path, num_videos: int, num_frames: int, num_categories: int, seed: int = 0) -> None:
    """Write annotations of 6 instances and results of 30 tracks a video, masks of some 500 characters."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    categories = [{"id": k + 1, "name": f"category {k + 1}"} for k in range(num_categories)]
    videos, annotations, results = [], [], []
    for video in range(1, num_videos + 1):
        names = [f"video_{video:04}/{frame:05}.jpg" for frame in range(num_frames)]
        videos.append(
            {"id": video, "height": HEIGHT, "width": WIDTH, "length": num_frames, "file_names": names}
        )
        instances = [Blob(rng, num_frames) for _ in range(6)]
        labels = rng.integers(1, num_categories + 1, 6).tolist()
        for blob, label in zip(instances, labels, strict=True):
            annotations.append(annotation(len(annotations) + 1, video, label, blob.masks(0.0)))
        for number in range(30):
            copied = number < 15
            blob = instances[number % 6] if copied else Blob(rng, num_frames)
            label = labels[number % 6] if copied else int(rng.integers(1, num_categories + 1))
            results.append(
                {
                    "video_id": video,
                    "category_id": label,
                    "score": float(rng.beta(4, 2) if copied else rng.beta(2, 4)),
                    "segmentations": blob.masks(rng.uniform(0, 0.3)),
                }
            )
    content = {"info": {}, "videos": videos, "categories": categories, "annotations": annotations}
    (folder / "annotations.json").write_text(json.dumps(content))
    (folder / "results.json").write_text(json.dumps(results))


def annotation(id_: int, video: int, category: int, masks: list[dict | None]) -> dict:
    areas = [None if mask is None else int(coco_mask.area(mask)) for mask in masks]
    boxes = [None if mask is None else coco_mask.toBbox(mask).tolist() for mask in masks]
    return {
        "id": id_,
        "video_id": video,
        "category_id": category,
        "iscrowd": 0,
        "segmentations": masks,
        "areas": areas,
        "bboxes": boxes,
    }


class Blob:
    """A wobbly ellipse that wanders through a video and is away for a few frames."""

    def __init__(self, rng: np.random.Generator, num_frames: int) -> None:
        self.rng = rng
        self.radii = rng.uniform((60, 60), (190, 190))
        steps = rng.normal(0, 6, (num_frames, 2)).cumsum(0)
        self.centres = rng.uniform((200, 150), (WIDTH - 200, HEIGHT - 150)) + steps
        away = rng.integers(0, num_frames)
        self.present = (np.arange(num_frames) < away) | (np.arange(num_frames) > away + 3)

    def masks(self, error: float) -> list[dict | None]:
        """Its masks, moved by a share of its size that grows to ``error``."""
        shift = error * self.radii * self.rng.choice([-1, 1], 2)
        return [
            self._mask(centre + shift) if present else None
            for centre, present in zip(self.centres, self.present, strict=True)
        ]

    def _mask(self, centre: np.ndarray) -> dict:
        columns = np.arange(max(centre[0] - self.radii[0], 0), min(centre[0] + self.radii[0], WIDTH)).astype(
            int
        )
        reach = np.sqrt(np.maximum(1 - ((columns - centre[0]) / self.radii[0]) ** 2, 0))
        wobble = self.rng.integers(-2, 3, (2, len(columns)))
        top = np.clip(centre[1] - self.radii[1] * reach + wobble[0], 0, HEIGHT - 1).astype(int)
        bottom = np.clip(centre[1] + self.radii[1] * reach + wobble[1], top + 1, HEIGHT).astype(int)
        edges = np.stack([columns * HEIGHT + top, columns * HEIGHT + bottom], 1).ravel()
        counts = np.diff(edges, prepend=0, append=HEIGHT * WIDTH).tolist()
        size = [HEIGHT, WIDTH]
        rle = coco_mask.frPyObjects({"size": size, "counts": counts}, HEIGHT, WIDTH)
        return {"size": size, "counts": rle["counts"].decode()}


if __name__ == "__main__":
    main()
