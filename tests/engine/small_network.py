"""A network small enough for tests, its training, and the toy data set as its input."""

from mmengine.config import Config

from novis import config
from tests.paths import ROOT

SMALL = {
    "clip_length": 2,
    "iterations": 6,
    "milestones": [3, 5],
    "num_points": 32,
    "training.batch_size": 4,
    "training.learning_rate": 5e-4,
    "training.micro_batch": 2,
    "training.save_interval": 1,
    "training.log_interval": 1,
    "training.validation_interval": 0,
    "training.validation_size": 32,
    "training.augmentation": {"short_sides": [32, 48], "max_size": 64, "crop": None},
    "model.backbone": {
        "type": "Backbone",
        "name": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 8, 16, 16],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
    "model.pixel_decoder.dim": 32,
    "model.pixel_decoder.mask_dim": 32,
    "model.pixel_decoder.num_layers": 1,
    "model.pixel_decoder.feedforward_dim": 32,
    "model.instance_decoder.dim": 32,
    "model.instance_decoder.mask_dim": 32,
    "model.instance_decoder.feedforward_dim": 32,
    "model.instance_decoder.num_queries": 5,
    "model.instance_decoder.num_layers": 3,
}


def small_config(**changes) -> Config:
    """The resolved configuration of the small network."""
    return config.load(ROOT / "config" / "models" / "novis_shapes.py", SMALL | changes)


def write_small_config(path, **changes):
    config.configure(ROOT / "config" / "models" / "novis_shapes.py", path, SMALL | changes)
    return path
