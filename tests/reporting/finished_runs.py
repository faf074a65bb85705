"""Runs on disk as the workflow leaves them, and the tables of their study."""

import hashlib
import json

from novis.experiment import Prediction, Tracking, Training, stage_code
from novis.reporting.collect import aggregate, tidy, write_csv
from novis.reporting.study import read_study
from novis.storage.clip_cache import ClipCacheWriter
from tests.reporting.benchmark_study import METRICS

WEIGHTS = b"weights"
HASH = hashlib.sha256(WEIGHTS).hexdigest()


def tracking(fold, tracker="overlap_embed"):
    training = Training("toy", f"fold{fold}", "small", "novis", 4, 0)
    return Tracking(Prediction(training, 4, "all", 96), 2, tracker)


def write_run(results, run, ap, cached=HASH):
    """All files of a run as the workflow leaves them; its row in study.json."""
    folder = results / run.folder
    trained, predicted = results / run.prediction.training.folder, results / run.prediction.folder
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps(METRICS | {"AP": ap, "num_videos": 3}))
    (folder / "linking.json").write_text(json.dumps({"code": "0" * 16}))
    (trained / "checkpoint.pth").write_bytes(WEIGHTS)
    (trained / "config.json").write_text("{}")
    record = {"sha256": HASH, "code": stage_code("train"), "iterations": 160, "seconds": 69.9}
    (trained / "training.json").write_text(json.dumps(record))
    attributes = {"config": "", "clip_length": 4, "starts": "all", "min_size": 96, "categories": "[]"}
    if not (predicted / "clips.h5").exists():
        with ClipCacheWriter(predicted / "clips.h5", attributes | {"checkpoint_sha256": cached}) as writer:
            writer.finish()
    for stage, at in (("track", run.folder), ("train", run.prediction.training.folder)):
        log = results / "logs" / stage / f"{at}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text("done")
    names = ("train_clip_length", "model", "variant", "split", "seed", "dataset", "clip_length", "min_size")
    fields = {name: run.fields[name] for name in (*names, "stride", "tracker")}
    fields |= {"reading": "own", "sequence_length": "video", "variant_settings": {}, "tracker_settings": {}}
    return fields | {"role": "row", "metrics": str(folder / "metrics.json"), "checkpoint": None}


def write_results(tmp_path):
    """Two trackers on two folds, with the tables of their study."""
    folder = tmp_path / "results"
    scores = {(0, "overlap_embed"): 0.2, (1, "overlap_embed"): 0.3, (0, "embed"): 0.111, (1, "embed"): 0.115}
    rows = [write_run(folder, tracking(*key), ap) for key, ap in scores.items()]
    head = {"name": "table3", "layout": "ablation", "title": "A table", "experiment": "small"}
    (folder / "small").mkdir()
    (folder / "small" / "study.json").write_text(json.dumps(head | {"rows": rows}))
    runs = tidy(read_study(folder / "small" / "study.json"))
    write_csv(runs, folder / "small" / "table3.csv")
    write_csv(aggregate(runs), folder / "small" / "table3_mean.csv")
    return folder
