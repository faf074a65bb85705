# What the rules share: the checked configuration, the studies, paths and messages.

import json
import os
import shlex
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from novis import experiment
from novis.cluster import frozen, preflight
from novis.tracking.settings import check_trackers

if not workflow.is_main_process:
    # A job runs what it was submitted for, whatever has been edited since.
    frozen.thaw(config)

# `--config pretrain=true` gives a string.
config["pretrain"] = str(config.get("pretrain", False)).lower() == "true"
validate(config, "../schemas/config.schema.yaml")

RESULTS = config["results"]
REPORT = f"{RESULTS}/{config['name']}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"
# Where a cluster's settings name a scratch folder. Not a parameter: it changes nothing in what is made.
SCRATCH = '${NOVIS_SCRATCH:+--scratch "$NOVIS_SCRATCH"}'

try:
    check_trackers(config["trackers"])
    STUDIES = {name: experiment.expand(name, config) for name in config["studies"]}
    experiment.check_variants("keep_features", config["keep_features"], config)
except experiment.InputError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    **experiment.WILDCARDS,


def below_data_root(paths):
    return [str(Path(config["data_root"]) / path) for path in paths]


def is_here(path):
    """Whether a file is there, or a folder with a file somewhere below it."""
    path = Path(path)
    if path.is_dir():
        return any(is_here(entry.path) for entry in os.scandir(path))
    return path.is_file()


def first_present(paths):
    """The first of some files that is there; the first of all where none is."""
    return next((path for path in paths if Path(path).exists()), paths[0])


def candidates(dataset):
    """Where a data set's annotations may lie: every layout found in the wild."""
    return below_data_root(config["datasets"][dataset]["annotations"])


def annotations(wildcards):
    """The data set's annotation file: the first candidate that is there."""
    return first_present(candidates(wildcards.dataset))


def frames(wildcards):
    """The folder that the data set's file names start from."""
    return below_data_root([config["datasets"][wildcards.dataset]["frames"]])[0]


def tested(run):
    """The set that a run is tested on: a part of the data set, or the official validation set."""
    dataset = config["datasets"][run.dataset]
    return dataset["validation"] if run.split == experiment.FULL else dataset


def test_annotations(wildcards):
    """The annotation file that lists the videos of the test; its ground truth may be held back."""
    return first_present(below_data_root(tested(wildcards)["annotations"]))


def test_frames(wildcards):
    """The folder that file names of the test start from."""
    return below_data_root([tested(wildcards)["frames"]])[0]


def is_scored(run):
    """Whether the ground truth of the videos that a run is tested on lies here."""
    return run.split != experiment.FULL or bool(validation_truth(run.dataset))


@cache
def validation_truth(dataset):
    """The file with the ground truth of the official validation set; None where it is held back."""
    validation = config["datasets"][dataset]["validation"]
    files = below_data_root(validation["ground_truth"] + validation["annotations"])
    return next((file for file in files if experiment.holds_instances(file)), None)


def ground_truth(wildcards):
    """The annotation file that results are scored against."""
    if not is_scored(wildcards):
        validation = config["datasets"][wildcards.dataset]["validation"]
        files = below_data_root(validation["ground_truth"] + validation["annotations"])
        raise WorkflowError(
            f"{wildcards.dataset}: the ground truth of the official validation set is not here, so its "
            f"results can be exported (results.zip) but not scored; looked for {', '.join(files)}"
        )
    return (
        validation_truth(wildcards.dataset)
        if wildcards.split == experiment.FULL
        else annotations(wildcards)
    )


def videos(part):
    """The file that names the videos of a split's part, ``train`` or ``valid``."""
    return f"{RESULTS}/{{dataset}}/split/{{split}}_{part}.txt"


def dataset_setting(key):
    """A parameter read from the wildcard's data set."""
    return lambda wildcards: config["datasets"][wildcards.dataset][key]


def settings(pairs):
    """A mapping as KEY=VALUE words for the command line, JSON where it is no plain string."""
    return " ".join(
        shlex.quote(f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        for key, value in pairs.items()
    )


def option(name, files):
    """An option of the command line and its files, as words for the shell; nothing without any."""
    words = [files] if isinstance(files, str) else list(files)
    return shlex.join([name, *words]) if words else ""


def code_of(stage):
    """The fingerprint of a cheap stage's code, as a parameter: edited code makes its outputs again."""

    def fingerprint(wildcards):
        try:
            return frozen.code_of(stage, job=not workflow.is_main_process)
        except experiment.InputError as error:
            raise WorkflowError(str(error))

    return fingerprint


def growing(mem_mb):
    """Memory in MB that grows with every new attempt of a job."""
    return lambda wildcards, attempt: preflight.grown(mem_mb, attempt)


def training_of(wildcards):
    return experiment.Training(
        wildcards.dataset,
        wildcards.split,
        wildcards.model,
        wildcards.variant,
        int(wildcards.train_clip_length),
        int(wildcards.seed),
    )
