"""A run in names: checkpoint, clip cache and tracks, and the folder of each.

The standard library only: with :mod:`novis.experiment`, all that the workflow needs to
know of the package.
"""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

# The one template of all paths below the results folder. Hyphens join fields, underscores words.
TRAINING = "{dataset}/{split}/{model}-{variant}/T{train_clip_length}-seed{seed}"
PREDICTION = TRAINING + "/test-T{clip_length}-{starts}-{min_size}px{reading}"
TRACKING = PREDICTION + "/S{stride}-{tracker}{sequences}"

# The test clip length of an offline method (each video is one clip), and the length of
# sequences where videos are not cut.
WHOLE_VIDEO = "video"
# The reading of the overlap embeddings that the model file has.
OWN_READING = "own"

# The split that trains on the whole training set and is tested on the official validation set.
FULL = "full"
# The split that holds one video in so many of the training set out and is tested on them.
HOLDOUT = "holdout"

# What each wildcard of the templates may look like.
WILDCARDS = {
    "dataset": "[a-z0-9_]+",
    "split": f"fold[0-9]+|{HOLDOUT}|{FULL}",
    "model": "[a-z0-9_]+",
    "variant": "[a-z0-9_]+",
    "train_clip_length": "[0-9]+",
    "seed": "[0-9]+",
    "clip_length": f"[0-9]+|{WHOLE_VIDEO}",
    "starts": "all|every[0-9]+",
    "min_size": "[0-9]+",
    "reading": "(-[a-z0-9_]+)?",
    "shard": "[0-9]+",
    "stride": "[0-9]+",
    "tracker": "[a-z0-9_]+",
    "sequences": "(-[0-9]+frames)?",
    "study": "[a-z0-9_]+",
}


@dataclass(frozen=True, order=True)
class Training:
    """One checkpoint: a model variant trained with clips of T frames on one split with one seed."""

    dataset: str
    split: str
    model: str
    variant: str
    train_clip_length: int
    seed: int

    @property
    def folder(self) -> PurePosixPath:
        """Where its files lie, relative to the results folder."""
        return PurePosixPath(TRAINING.format(**vars(self)))


@dataclass(frozen=True, order=True)
class Prediction:
    """One clip cache: a checkpoint applied with test clip length T at a set of clip starts.

    ``clip_length`` is T, or ``video`` where each video is one clip; ``starts`` is ``all``
    (every start: any stride can be tracked from it) or ``every<S>``. ``reading`` names
    other settings of the overlap embeddings than those of the training: they have no
    parameters, so no other training is needed.
    """

    training: Training
    clip_length: int | str
    starts: str
    min_size: int
    reading: str = OWN_READING

    @property
    def folder(self) -> PurePosixPath:
        """Where its files lie, relative to the results folder."""
        return PurePosixPath(PREDICTION.format(**self.fields))

    @property
    def fields(self) -> dict[str, Any]:
        """All wildcards of its path."""
        own = {"clip_length": self.clip_length, "starts": self.starts, "min_size": self.min_size}
        reading = "" if self.reading == OWN_READING else f"-{self.reading}"
        return vars(self.training) | own | {"reading": reading}


@dataclass(frozen=True, order=True)
class Tracking:
    """One results.json: a clip cache linked by one tracker at one stride.

    With a ``sequence_length`` T' the videos are first cut into sequences of T' frames, each
    of which counts as a video (Fig. 1).
    """

    prediction: Prediction
    stride: int
    tracker: str
    sequence_length: int | str = WHOLE_VIDEO

    @property
    def folder(self) -> PurePosixPath:
        """Where its files lie, relative to the results folder."""
        return PurePosixPath(TRACKING.format(**self.fields))

    @property
    def fields(self) -> dict[str, Any]:
        """All wildcards of its path."""
        whole = self.sequence_length == WHOLE_VIDEO
        own = {"stride": self.stride, "tracker": self.tracker}
        return self.prediction.fields | own | {"sequences": "" if whole else f"-{self.sequence_length}frames"}
