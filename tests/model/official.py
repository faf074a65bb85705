"""Names and shapes of official weights, as the published code and transformers list them."""

import ast
import gzip
import re
from pathlib import Path

from novis.config import load

GOLDEN = Path(__file__).parent / "golden"
MODELS = Path(__file__).parents[2] / "config" / "models"
MODEL_FILES = {"r50": MODELS / "novis_r50.py", "swinl": MODELS / "novis_swin_l.py"}


def official_shapes(weights):
    """{name: (shape, is it an integer)} of ``m2f_r50``, ``m2f_swinl``, ``m2fv_...``, ``hf_r50``."""
    lines = [line.split("\t") for line in _lines(weights) if not line.startswith("#")]
    columns = [line if weights == "hf_r50" else line[1:3] for line in lines]
    integers = ("relative_position_index", "num_batches_tracked")
    return {name: (ast.literal_eval(shape), name.endswith(integers)) for name, shape in columns}


def published_parameters(weights):
    """How many parameters the published network has, from the head of the list of names."""
    return int(re.search(r"(\d+) parameter elements", _lines(weights)[0])[1])


def _lines(weights):
    return gzip.decompress((GOLDEN / f"names_{weights}.txt.gz").read_bytes()).decode().splitlines()


def model_file(weights):
    """The model file of the network that can carry these weights."""
    return MODEL_FILES[weights.rpartition("_")[2]]


def model_settings(weights, num_classes=None):
    """Its configuration, with the weights' own number of classes unless told otherwise."""
    settings = load(model_file(weights)).model
    settings.instance_decoder.num_classes = num_classes or (40 if weights.startswith("m2fv") else 80)
    return settings
