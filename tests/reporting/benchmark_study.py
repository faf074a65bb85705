"""A study of Tables 1 and 2 with invented scores, its files written into a folder."""

import json

from novis.reporting.study import read_study

METRICS = {"AP": 0.5, "AP50": 0.74, "AP75": 0.56, "AR1": 0.49, "AR10": 0.6}
HEADER = "dataset,row,AP,AP50,AP75,AR1,AR10,source,date"


def run(dataset, ap=None, exported=True, **fields):
    """One run of the full method, scored where ``ap`` is given."""
    row = {
        "role": "row",
        "dataset": dataset,
        "split": "full",
        "model": "novis_r50",
        "variant": "novis",
        "variant_settings": {},
        "train_clip_length": 4,
        "seed": 0,
        "clip_length": 4,
        "stride": 2,
        "tracker": "overlap_embed",
        "tracker_settings": {"kind": "overlap_embed"},
        "min_size": 360,
        "reading": "own",
        "sequence_length": "video",
    }
    return row | {"ap": ap, "exported": exported} | fields


def swin(dataset, ap=None, **fields):
    return run(dataset, ap, model="novis_swin_l", **({"min_size": 480} | fields))


def minvis(dataset, ap=None, **fields):
    tracker = {"kind": "embed"}
    own = {"variant": "minvis", "clip_length": 1, "train_clip_length": 1, "stride": 1}
    return run(dataset, ap, **own, tracker="embed", tracker_settings=tracker, **fields)


def study(folder, runs, external=None):
    """The study of some runs; ``external`` are lines of a CSV below its header."""
    rows = [_written(folder / str(number), dict(row)) for number, row in enumerate(runs)]
    head = {"name": "table1", "layout": "benchmark", "title": "Benchmark results", "experiment": "paper"}
    if external is not None:
        head["external_scores"] = str(folder / "scores.csv")
        (folder / "scores.csv").write_text("\n".join([HEADER, *external]) + "\n")
    (folder / "study.json").write_text(json.dumps(head | {"rows": rows}))
    return read_study(folder / "study.json")


def _written(folder, row):
    """A row with its files: those of a run that was tracked, and of one that was scored."""
    folder.mkdir()
    ap, exported = row.pop("ap"), row.pop("exported")
    if ap is not None:
        (folder / "metrics.json").write_text(json.dumps(METRICS | {"AP": ap, "num_videos": 3}))
    if exported:
        (folder / "results.json").write_text("[]")
    paths = {name: str(folder / f"{name}.json") for name in ("metrics", "results", "linking")}
    return row | paths
