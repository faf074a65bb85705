"""The stage ``evaluate``: ``results.json`` and annotations become ``metrics.json``."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from novis.data.annotations import read_annotations
from novis.data.splits import read_names
from novis.data.subsequences import cut_annotations
from novis.evaluation.frame_ap import match_frames
from novis.evaluation.metrics import summarise
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import match_tracks
from novis.files import write_json
from novis.storage.results_json import read_results

logger = logging.getLogger(__name__)


def evaluate(
    annotations: Path,
    results: Path,
    output: Path,
    videos: Path | None = None,
    per_frame: bool = False,
    matches: Path | None = None,
    sequence_length: int | None = None,
) -> None:
    """Score predicted tracks against ground truth; neither a network nor frames are needed.

    Any results file in the format of the YouTube-VIS and OVIS servers is scored as
    they scored it.

    Args:
        annotations: ground truth, in the layout of YouTube-VIS or OVIS
        results: the results.json to score
        output: the metrics.json to write
        videos: a file that names the videos that count; all of them without it
        per_frame: score masks in single frames instead of tracks (Fig. 4)
        matches: also keep the outcome of matching, from which differences are judged
        sequence_length: score sequences of so many frames as videos of their own (Fig. 1), as
            'novis track' with the same option has tracked them
    """
    with collector_paused():
        # The runs of every mask are seen while its pixels are counted.
        truth = read_annotations(annotations, read_names(videos) if videos else None, check_masks=False)
        truth = cut_annotations(truth, sequence_length) if sequence_length else truth
        tracks = tqdm(read_results(results, check_runs=False), "evaluate", unit="track", disable=None)
        pairings = pair(truth, tracks, str(results))
    matched = (match_frames if per_frame else match_tracks)(truth, pairings)
    metrics = summarise(matched, truth)
    if matches:
        matched["all"].save(matches)
    write_json(output, metrics, indent=1)
    logger.info("%s", describe(metrics))


@contextmanager
def collector_paused() -> Iterator[None]:
    """Let Python's collector of reference cycles rest.

    Files with masks become objects by the hundred thousand. That starts the collector
    again and again, which takes a quarter of the time of reading and finds nothing.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def describe(metrics: dict[str, Any]) -> str:
    """The main numbers in percent, on one line."""
    shown = [(name, metrics[name]) for name in ("AP", "AP50", "AP75", "AR1", "AR10")]
    numbers = (f"{name} {'undefined' if value is None else f'{100 * value:.1f}'}" for name, value in shown)
    return f"{', '.join(numbers)} ({metrics['num_videos']} videos)"
