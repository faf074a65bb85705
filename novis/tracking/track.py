"""The stage ``track``: a clip cache becomes ``results.json``, and ``linking.json`` beside it."""

import logging
import multiprocessing
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from novis.data.annotations import read_annotations
from novis.data.subsequences import cut_instances
from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import write_json
from novis.storage.clip_cache import ClipCache
from novis.storage.results_json import writing_results
from novis.structures import Instance
from novis.tracking.sequences import cut_prediction
from novis.tracking.settings import TrackerSettings
from novis.tracking.video import TrackedVideo, track_video

logger = logging.getLogger(__name__)

# A video and, for oracle linking, its ground truth.
_Job = tuple[int, list[Instance] | None]


def track(
    cache: Path,
    output: Path,
    settings: dict[str, Any],
    stride: int,
    top_k: int = 10,
    annotations: Path | None = None,
    sequence_length: int | None = None,
    workers: int = 1,
) -> None:
    """Link the clips of a cache into tracks, without the network.

    Memory does not grow with the number of videos. Equal input gives equal bytes,
    whatever the number of workers.

    Args:
        cache: the clip cache of a checkpoint
        output: the results.json to write; linking.json is written beside it
        settings: of the tracker, such as kind=overlap_embed; see novis.tracking.settings
        stride: frames from one clip to the next, from 1 to the clip length
        top_k: tracks to keep of each video (of each clip, if clips are not linked)
        annotations: ground truth of the videos; only oracle linking reads it
        sequence_length: cut each video into sequences of so many frames, at least the clip length,
            and track each as a video of its own (Fig. 1); whole videos without it
        workers: processes that share the videos
    """
    chosen = TrackerSettings.from_dict(settings)
    if top_k < 1 or workers < 1:
        raise InputError(f"top_k={top_k} and workers={workers} must be at least 1")
    jobs = _jobs(cache, chosen, annotations)
    run = partial(_track_cached, Path(cache), chosen, stride, top_k, sequence_length)
    totals: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    with writing_results(output) as results, _mapping(workers) as mapping:
        progress = tqdm(mapping(run, jobs), "track", len(jobs), unit="video", disable=None)
        for tracked in chain.from_iterable(progress):
            for found in tracked.tracks:
                results.write(found)
            totals.update(asdict(tracked.counts), videos=1, tracks=len(tracked.tracks))
            seconds.update(linking=tracked.linking_seconds, export=tracked.export_seconds)
    about = {
        "code": stage_code("track"),
        "settings": asdict(chosen),
        "stride": stride,
        "top_k": top_k,
        "sequence_length": sequence_length,
    }
    write_json(Path(output).with_name("linking.json"), about | _summary(totals), indent=2)
    logger.info(
        "%s: %d videos; linking took %.1f s, exporting masks %.1f s",
        output,
        len(jobs),
        seconds["linking"],
        seconds["export"],
    )


def _jobs(cache: Path, settings: TrackerSettings, annotations: Path | None) -> list[_Job]:
    with ClipCache(cache) as opened:
        video_ids = opened.video_ids
    if settings.kind != "oracle":
        return [(video_id, None) for video_id in video_ids]
    if annotations is None:
        raise InputError(
            f"{cache}: oracle linking needs the ground truth of its videos; give the annotation file"
        )
    truth = read_annotations(annotations)
    if truth.instances is None:
        raise InputError(f"{annotations}: holds no ground truth, which oracle linking needs")
    absent = set(video_ids) - {video.id for video in truth.videos}
    if absent:
        raise InputError(f"{annotations}: lacks video {min(absent)}, which is in {cache}")
    instances = defaultdict(list)
    for instance in truth.instances:
        instances[instance.video_id].append(instance)
    return [(video_id, instances[video_id]) for video_id in video_ids]


def _track_cached(
    cache: Path,
    settings: TrackerSettings,
    stride: int,
    top_k: int,
    sequence_length: int | None,
    job: _Job,
) -> list[TrackedVideo]:
    """The tracks of a video, or of each of its sequences."""
    video_id, instances = job
    with ClipCache(cache) as opened:
        category_ids = [category.id for category in opened.categories]
        whole = opened.prediction(video_id)
        parts = cut_prediction(whole, sequence_length) if sequence_length else [(whole, slice(None))]
        return [
            track_video(
                part,
                settings,
                stride,
                top_k,
                category_ids,
                None if instances is None else cut_instances(instances, frames),
            )
            for part, frames in parts
        ]


@contextmanager
def _mapping(workers: int) -> Iterator[Callable[..., Iterable[list[TrackedVideo]]]]:
    """Yield ``map`` or its like over worker processes, results in order."""
    if workers == 1:
        yield map
        return
    # Spawned, not forked: a fork of a process with threads or an open HDF5 library may hang.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield pool.imap


def _summary(totals: Counter[str]) -> dict[str, Any]:
    """Counts over all videos, and the fractions of matches that joined different queries."""
    return {
        "num_videos": totals["videos"],
        "num_tracks": totals["tracks"],
        "num_clips": totals["clips"],
        "num_matches": totals["matches"],
        "non_identity_fraction": _fraction(totals["changed"], totals["matches"]),
        "num_exported_matches": totals["exported_matches"],
        "exported_non_identity_fraction": _fraction(totals["exported_changed"], totals["exported_matches"]),
    }


def _fraction(part: int, whole: int) -> float | None:
    return part / whole if whole else None
