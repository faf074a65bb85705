"""The stage ``submit``: ``results.json`` becomes the zip that benchmark servers take."""

import logging
from pathlib import Path

from novis.data.annotations import read_annotations
from novis.evaluation.evaluate import collector_paused
from novis.storage.results_json import write_submission_zip

logger = logging.getLogger(__name__)


def submit(results: Path, annotations: Path, output: Path) -> None:
    """Check predicted tracks against a benchmark's videos and zip them for its server.

    Neither a network nor ground truth is needed. The zip holds ``results.json`` at its
    root; it is written only if every track fits.

    Args:
        results: the results.json to hand in
        annotations: the benchmark's file of videos and categories; its ground truth may be held back
        output: the zip to write
    """
    with collector_paused():
        known = read_annotations(annotations)
        tracks = write_submission_zip(results, output, known)
    logger.info(
        "%s: %d tracks in %d of %d videos, %.1f MB",
        output,
        tracks.total(),
        len(tracks),
        len(known.videos),
        output.stat().st_size / 1e6,
    )
