# What the rules share: the checked configuration, the studies, paths and messages.

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from novis import experiment

# `--config pretrain=true` gives a string.
config["pretrain"] = str(config.get("pretrain", False)).lower() == "true"
validate(config, "../schemas/config.schema.yaml")

RESULTS = config["results"]
REPORT = f"{RESULTS}/{config['name']}"
LOGS = f"{RESULTS}/logs"
BENCHMARKS = f"{RESULTS}/benchmarks"

try:
    STUDIES = {name: experiment.expand(name, config) for name in config["studies"]}
except experiment.InputError as error:
    raise WorkflowError(str(error))


wildcard_constraints:
    **experiment.WILDCARDS,


def candidates(dataset):
    """Where a data set's annotations may lie: every layout found in the wild."""
    root = Path(config["data_root"])
    return [str(root / path) for path in config["datasets"][dataset]["annotations"]]


def annotations(wildcards):
    """The data set's annotation file: the first candidate that is there."""
    paths = candidates(wildcards.dataset)
    return next((path for path in paths if Path(path).exists()), paths[0])


def frames(wildcards):
    """The folder that the data set's file names start from."""
    return str(
        Path(config["data_root"]) / config["datasets"][wildcards.dataset]["frames"]
    )


def videos(part):
    """The file that names the videos of a split's part, ``train`` or ``valid``."""
    return f"{RESULTS}/{{dataset}}/split/{{split}}_{part}.txt"


def dataset_setting(key):
    """A parameter read from the wildcard's data set."""
    return lambda wildcards: config["datasets"][wildcards.dataset][key]


def settings(pairs):
    """A mapping as KEY=VALUE words for the command line, JSON where it is no plain string."""
    import json
    import shlex

    return " ".join(
        shlex.quote(f"{key}={value if isinstance(value, str) else json.dumps(value)}")
        for key, value in pairs.items()
    )


def training_of(wildcards):
    return experiment.Training(
        wildcards.dataset,
        wildcards.split,
        wildcards.model,
        wildcards.variant,
        int(wildcards.train_clip_length),
        int(wildcards.seed),
    )
