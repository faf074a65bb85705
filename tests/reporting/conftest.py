"""Studies with invented results: the shape of what the workflow hands over, made from a seed."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novis.evaluation.matches import Matches
from novis.evaluation.precision import average_precision, mean, recall
from novis.reporting.report import study_report
from novis.reporting.study import StudyResults, read_study
from novis.reporting.summary import StudyReport

CATEGORIES = ("disc", "ring", "star", "moon & co_", "cross")
VARIANTS = {
    "plain": {"temporal_encoding": "none", "dice_loss": "per_frame", "mask_loss": "per_frame"},
    "encoding": {"temporal_encoding": "learned", "dice_loss": "per_frame", "mask_loss": "per_frame"},
    "volumetric_mask": {"temporal_encoding": "learned", "dice_loss": "per_frame", "mask_loss": "volumetric"},
    "novis": {"temporal_encoding": "learned", "dice_loss": "volumetric", "mask_loss": "per_frame"},
    "sine": {"temporal_encoding": "sine_3d", "dice_loss": "per_frame", "mask_loss": "per_frame"},
}
ABLATED = ("plain", "encoding", "volumetric_mask", "novis")
TRACKERS = {
    name: {"kind": name} for name in ("heuristic", "embed", "overlap_embed", "identity", "oracle", "unlinked")
} | {f"buffer{n}": {"kind": "embed", "buffer_length": n} for n in (2, 4)}

# How good each invented run is: the chance that an instance is found.
QUALITY = {"plain": -0.02, "encoding": 0.0, "volumetric_mask": -0.005, "novis": 0.01} | {
    "heuristic": 0.0,
    "embed": 0.025,
    "overlap_embed": 0.04,
    "buffer2": 0.03,
    "buffer4": 0.035,
    "identity": -0.06,
    "oracle": 0.15,
    "sine": 0.0,
    "unlinked": 0.2,
}


def run(
    role: str, variant: str, length: int, stride: int, tracker: str, fold: int, seed: int, **changes: Any
) -> dict[str, Any]:
    """The fields of one run, without its files."""
    fields = {
        "dataset": "shapes",
        "split": f"fold{fold}",
        "model": "novis_shapes",
        "variant": variant,
        "variant_settings": VARIANTS[variant],
        "train_clip_length": length,
        "seed": seed,
        "clip_length": length,
        "starts": "all",
        "stride": stride,
        "tracker": tracker,
        "tracker_settings": TRACKERS[tracker],
        "min_size": 96,
        "reading": "own",
        "sequence_length": "video",
        "role": role,
    }
    return fields | changes


def ablation_runs(seeds: int = 1) -> Iterator[dict[str, Any]]:
    """The runs of a small Table 3 with its yardsticks."""
    trackers = [(variant, "heuristic") for variant in ABLATED]
    trackers += [("novis", "embed"), ("novis", "overlap_embed")]
    for (variant, tracker), fold, seed in product(trackers, (0, 1), range(seeds)):
        yield run("row", variant, 4, 2, tracker, fold, seed)
    for variant, tracker, fold, seed in product(ABLATED, ("identity", "oracle"), (0, 1), range(seeds)):
        yield run("yardstick", variant, 4, 2, tracker, fold, seed)


def clip_runs(seeds: int = 1, lengths: tuple[int, ...] = (1, 4)) -> Iterator[dict[str, Any]]:
    """The runs of a small Fig. 3: every overlap of every clip length, online with and without buffer."""
    for fold, seed in product((0, 1), range(seeds)):
        for tracker in ("embed", "buffer2", "buffer4"):
            yield run("row", "novis", 1, 1, tracker, fold, seed)
        for length in lengths[1:]:
            for stride, tracker in product(range(1, length + 1), ("embed", "overlap_embed")):
                yield run("row", "novis", length, stride, tracker, fold, seed)
        for length, tracker in product(lengths, ("identity", "oracle")):
            for stride in range(1, length + 1):
                yield run("yardstick", "novis", length, stride, tracker, fold, seed)


def paradigm_runs(lengths: tuple[int, ...] = (4, 8)) -> Iterator[dict[str, Any]]:
    """The runs of a small Fig. 1: offline, near-online and online networks, and NOVIS, on sequences."""
    for fold, cut in product((0, 1), (*lengths, "video")):
        for trained in (2, 4):
            whole = 1 if cut == "video" else cut
            offline = {"train_clip_length": trained, "sequence_length": cut}
            yield run("row", "sine", cut, whole, "identity", fold, 0, **offline)
            yield run("row", "sine", trained, trained // 2, "embed", fold, 0, sequence_length=cut)
        yield run("row", "plain", 1, 1, "embed", fold, 0, sequence_length=cut)
    for fold, stride, tracker in product((0, 1), (1, 2, 4), ("embed", "overlap_embed")):
        yield run("row", "novis", 4, stride, tracker, fold, 0)


def mask_runs() -> Iterator[dict[str, Any]]:
    """The runs of a small Fig. 4: networks trained with T = 1, 2 and 4 that see images or clips."""
    for fold, trained in product((0, 1), (1, 2, 4)):
        for seen in sorted({1, trained}):
            yield run("row", "novis", seen, seen, "unlinked", fold, 0, train_clip_length=trained)


def quality(fields: Mapping[str, Any]) -> float:
    """Better with T up to 4, worse for long clips, small overlaps and plain embeddings there."""
    length = 36 if fields["clip_length"] == "video" else fields["clip_length"]
    overlap = length - fields["stride"]
    value = 0.4 + 0.03 * min(length, 4) - 0.015 * max(length - 4, 0)
    value += QUALITY[fields["variant"]] + QUALITY[fields["tracker"]]
    value = max(value, 0.1)
    if fields["tracker"] != "oracle" and length > 1:
        value -= 0.05 / (1 + overlap) * (1.0 if fields["tracker"] == "overlap_embed" else 1.6)
    return value


def invented_matches(chance: float, fold: int, seed: int, num_videos: int = 16) -> Matches:
    """Matches of videos whose difficulty depends on the fold alone, so that runs are paired."""
    difficulty = np.random.default_rng(fold).normal(0, 0.15, num_videos)
    rng = np.random.default_rng([fold, seed, 1])
    instances = np.random.default_rng([fold, 2]).integers(1, 3, (len(CATEGORIES), num_videos))
    categories, videos = np.repeat(np.indices(instances.shape).reshape(2, -1), 3, axis=1)
    strictness = np.linspace(0, 0.35, 10)[:, None]
    found = rng.random(len(videos)) + strictness < (chance + difficulty[videos])
    scores = np.where(found[0], rng.beta(5, 2, len(videos)), rng.beta(2, 4, len(videos)))
    order = np.lexsort((-scores, categories))
    found, videos, categories, scores = found[:, order], videos[order], categories[order], scores[order]
    ranks = np.zeros(len(videos), np.int32)
    for k, v in product(range(len(CATEGORIES)), range(num_videos)):
        chosen = np.flatnonzero((categories == k) & (videos == v))
        ranks[chosen] = np.arange(len(chosen))
        found[:, chosen] &= np.cumsum(found[:, chosen], axis=1) <= instances[k, v]
    return Matches(
        video_ids=np.arange(num_videos) + 1000 * fold,
        category_ids=np.arange(1, len(CATEGORIES) + 1),
        instances=instances,
        videos=videos.astype(np.int32),
        categories=categories.astype(np.int32),
        scores=scores,
        ranks=ranks,
        true_positives=found,
        ignored=np.zeros_like(found),
    )


def invented_metrics(matches: Matches) -> dict[str, Any]:
    """What metrics.json holds, from invented matches."""
    ap = average_precision(matches)
    value = float(mean(ap)[0])
    parts = {"small": 0.6, "medium": 1.0, "large": 1.2}
    parts |= {"occlusion_light": 1.3, "occlusion_medium": 0.9, "occlusion_heavy": 0.4}
    return {
        "AP": value,
        "AP50": float(mean(ap[:, :, [0]])[0]),
        "AP75": float(mean(ap[:, :, [5]])[0]),
        **{f"AP_{name}": value * factor for name, factor in parts.items()},
        **{f"AR{n}": float(mean(recall(matches, n))[0]) for n in (1, 10, 100)},
        "per_category": {name: float(mean(ap[:, [k]])[0]) for k, name in enumerate(CATEGORIES)},
        "num_videos": len(matches.video_ids),
    }


def write_run(folder: Path, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The files of one run, and its entry of study.json."""
    fold, seed = int(fields["split"][-1]), fields["seed"]
    trained, cut = fields["train_clip_length"], fields["sequence_length"]
    name = f"{fields['variant']}-T{trained}-test{fields['clip_length']}-{fields['split']}-seed{seed}"
    tracked = folder / name / f"S{fields['stride']}-{fields['tracker']}-{cut}"
    tracked.mkdir(parents=True)
    matches = invented_matches(quality(fields), fold, seed)
    matches.save(tracked / "matches.npz")
    (tracked / "metrics.json").write_text(json.dumps(invented_metrics(matches)))
    fraction = 0.0 if fields["tracker"] == "identity" else 0.08 + 0.02 * fields["stride"]
    linking = {"num_matches": 6000, "non_identity_fraction": fraction}
    linking["exported_non_identity_fraction"] = fraction / 2
    (tracked / "linking.json").write_text(json.dumps(linking))
    (folder / name / "frames.json").write_text(json.dumps({"AP": quality(fields) * 0.9}))
    (folder / name / "training.json").write_text(
        json.dumps({"sha256": "3f" * 32, "code": "0" * 16, "seconds": 71.5, "iterations": 400})
    )
    (folder / name / "predict.tsv").write_text("s\th:m:s\n23.5\t0:00:23\n")
    return dict(fields) | {
        "metrics": str(tracked / "metrics.json"),
        "matches": str(tracked / "matches.npz"),
        "linking": str(tracked / "linking.json"),
        "frame_metrics": str(folder / name / "frames.json"),
        "checkpoint": str(folder / name / "checkpoint.pth"),
        "benchmarks": {"predict": [str(folder / name / "predict.tsv")]},
    }


def write_study(folder: Path, name: str, layout: str, title: str, runs: Iterator[dict[str, Any]]) -> Path:
    """A study.json with all its files."""
    rows = [write_run(folder, fields) for fields in runs]
    study = {"name": name, "layout": layout, "title": title, "experiment": "shapes", "rows": rows}
    path = folder / "study.json"
    path.write_text(json.dumps(study))
    return path


@pytest.fixture(scope="session")
def ablation_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished small Table 3: one seed, two folds."""
    folder = tmp_path_factory.mktemp("ablation")
    return write_study(folder, "table3", "ablation", "Ablation of tracking & losses", ablation_runs())


@pytest.fixture(scope="session")
def clip_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished small Fig. 3: one seed, two folds, T = 1 and 4."""
    folder = tmp_path_factory.mktemp("clips")
    return write_study(folder, "figure3", "clip_analysis", "Clip length and overlap", clip_runs())


@pytest.fixture(scope="session")
def paradigm_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished small Fig. 1."""
    folder = tmp_path_factory.mktemp("paradigms")
    return write_study(folder, "figure1", "paradigms", "Processing paradigms", paradigm_runs())


@pytest.fixture(scope="session")
def mask_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished small Fig. 4."""
    folder = tmp_path_factory.mktemp("masks")
    return write_study(folder, "figure4", "mask_quality", "Mask quality", mask_runs())


@pytest.fixture
def ablation_study(ablation_file: Path) -> StudyResults:
    return read_study(ablation_file)


@pytest.fixture
def clip_study(clip_file: Path) -> StudyResults:
    return read_study(clip_file)


@pytest.fixture
def changed_study(ablation_file: Path, tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], None]], Path]:
    """Write a copy of the ablation's study.json with a change to it."""

    def write(change: Callable[[dict[str, Any]], None]) -> Path:
        study = json.loads(ablation_file.read_text())
        change(study)
        path = tmp_path / "study.json"
        path.write_text(json.dumps(study))
        return path

    return write


@pytest.fixture(scope="session")
def finished(ablation_file: Path, clip_file: Path) -> list[StudyReport]:
    """Both studies, measured once for all tests that only look."""
    return [study_report(path, num_resamples=100) for path in (ablation_file, clip_file)]
