"""What is run: studies, written once in a configuration, expanded into runs and paths.

The standard library only: this is all that the workflow needs to know of the package.
A study is a list of blocks; lists inside a block multiply, blocks add up. Everything
else (paths, wildcards, resolved model configurations, table rows) follows from the
frozen dataclasses below and those of :mod:`novis.paths`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from novis.blocks import expand_block, known, longest
from novis.errors import InputError, nearest
from novis.fingerprint import model_fingerprint, stage_fingerprint
from novis.ground_truth import holds_instances
from novis.paths import (
    FULL,
    HOLDOUT,
    OWN_READING,
    PREDICTION,
    TRACKING,
    TRAINING,
    WHOLE_VIDEO,
    WILDCARDS,
    Prediction,
    Tracking,
    Training,
)

__all__ = [
    "HOLDOUT",
    "OWN_READING",
    "PREDICTION",
    "TRACKING",
    "TRAINING",
    "WHOLE_VIDEO",
    "WILDCARDS",
    "InputError",
    "holds_instances",
    "model_fingerprint",
]

# The stages that are too dear to rerun for every edit of their code: bump a number on
# purpose to have everything that the stage made, and all that follows, made again.
VERSIONS = {"shapes": 1, "split": 1, "train": 1, "predict": 3}

# The code behind each stage. For the cheap ones its fingerprint is a parameter of the rule: an
# edit of the code, but not of comments or layout, makes what they made again. The dear ones
# (those of VERSIONS) only record it, so that a report can mark what other code has made.
STAGES = {
    "train": (
        "novis.model",
        "novis.engine.fit",
        "novis.data.clip_dataset",
        "novis.data.clip_sampler",
        "novis.data.coco_clips",
    ),
    "predict": ("novis.model", "novis.engine.streaming", "novis.engine.features"),
    "merge": ("novis.storage.shards",),
    "track": ("novis.tracking.track",),
    "speed": ("novis.engine.live",),
    "evaluate": ("novis.evaluation.evaluate",),
    "submit": ("novis.evaluation.submit",),
    "report": ("novis.reporting.report",),
    "overlays": ("novis.visualisation.overlays",),
    "gallery": ("novis.visualisation.gallery",),
}

# How data sets are named that are mixed with clips made of COCO images (the rows CC+VIS), and those
# whose schedule is that of Mask2Former for video and MinVIS.
MIXED, PARENTS = "_coco", "_parents"


@dataclass(frozen=True)
class Study:
    """One table or figure: its rows, the yardsticks beside them, and how it is laid out."""

    name: str
    layout: str
    title: str
    rows: tuple[Tracking, ...]
    yardsticks: tuple[Tracking, ...] = ()
    frames: Mapping[Prediction, Tracking] = field(default_factory=dict)
    timed: tuple[Tracking, ...] = ()

    @property
    def needs_scores(self) -> bool:
        """Whether its runs are trained and scored; Table 4 shows their configurations alone."""
        return self.layout != "schedules"

    @property
    def trackings(self) -> tuple[Tracking, ...]:
        """Everything that must be tracked and scored for it, without repetition."""
        return tuple(dict.fromkeys((*self.rows, *self.yardsticks, *self.frames.values())))


def expand(name: str, config: Mapping[str, Any]) -> Study:
    """The runs of the study ``name`` of a configuration.

    ``defaults`` of the study, then those of the configuration complete every block.
    ``yardsticks`` of the study (tracker names) are added to every prediction and stride of its rows, and with
    ``frame_ap`` also the unlinked clips (S = T) from which per-frame mask AP is measured.
    With ``fps`` the first fold and seed of each row is timed.

    Raises:
        InputError: an unknown study, key, dataset, model, variant or tracker (the nearest
            known one is named), a missing field, or a clip length and stride that cannot
            go together.
    """
    study = _look_up("study", name, config["studies"])
    blocks = [{**study.get("defaults", {}), **block} for block in study["blocks"]]
    rows = tuple(
        dict.fromkeys(tracking for block in blocks for tracking in expand_block(name, block, config))
    )
    settings = {replace(row, tracker=""): None for row in rows}
    yardsticks = tuple(
        replace(setting, tracker=known("tracker", tracker, config, name))
        for setting in settings
        for tracker in study.get("yardsticks", ())
    )
    frames = _frames(name, rows, config) if study.get("frame_ap") else {}
    timed = _first_runs(rows) if study.get("fps") else ()
    return Study(name, study["layout"], study["title"], rows, yardsticks, frames, timed)


def extended(config: Mapping[str, Any], read: Callable[[str], Mapping[str, Any]]) -> list[str]:
    """The configurations that one begins with (``extends``), the outermost first: later ones count.

    Args:
        config: where it begins.
        read: gives the content of a configuration file.

    Raises:
        InputError: they lead in a circle.
    """
    found: list[str] = []
    while path := config.get("extends"):
        if path in found:
            raise InputError(f"extends: configurations lead in a circle: {', '.join((*found, path))}")
        found.append(path)
        config = read(path)
    return found[::-1]


def check_variants(key: str, names: list[str], config: Mapping[str, Any]) -> None:
    """Refuse unknown names of variants under a key of the configuration.

    Raises:
        InputError: an unknown variant; the nearest known one is named.
    """
    for name in names:
        if name not in config["variants"]:
            raise InputError(f"{key}: unknown variant '{name}'{nearest(name, config['variants'])}")


def overrides(training: Training, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a training changes in its model file: dotted keys and values.

    The dataset's schedule comes first, then the variant's settings, then T and the seed. The
    official validation set is not looked at in training.
    """
    merged: dict[str, Any] = dict(config["datasets"][training.dataset].get("overrides", {}))
    merged |= config["variants"][training.variant]
    if training.split == FULL:
        merged["training.validation_interval"] = 0
    return merged | {
        "clip_length": training.train_clip_length,
        "seed": training.seed,
    }


def stage_code(stage: str) -> str:
    """The fingerprint of the present code of a stage."""
    return stage_fingerprint(*STAGES[stage])


def row_fields(tracking: Tracking, config: Mapping[str, Any]) -> dict[str, Any]:
    """What a table knows of a tracked run: its wildcards and the settings behind the names."""
    fields = {key: value for key, value in tracking.fields.items() if key != "sequences"}
    return fields | {
        "reading": tracking.prediction.reading,
        "sequence_length": tracking.sequence_length,
        "variant_settings": config["variants"][fields["variant"]],
        "tracker_settings": config["trackers"][fields["tracker"]],
    }


def benchmark_of(dataset: str) -> str:
    """The benchmark that a data set belongs to: its name, without what it is mixed with or whose recipe."""
    return dataset.removesuffix(MIXED).removesuffix(PARENTS)


def _first_runs(rows: tuple[Tracking, ...]) -> tuple[Tracking, ...]:
    """The first fold and seed of each row: the others are as fast."""
    first: dict[tuple[Any, ...], Tracking] = {}
    for row in rows:
        fields = row.fields
        first.setdefault(tuple(fields[key] for key in fields if key not in ("split", "seed")), row)
    return tuple(first.values())


def _look_up(kind: str, name: str, known: Mapping[str, Any]) -> Any:
    if name not in known:
        raise InputError(f"unknown {kind} '{name}'{nearest(name, known)}")
    return known[name]


def _frames(study: str, rows: tuple[Tracking, ...], config: Mapping[str, Any]) -> dict[Prediction, Tracking]:
    """The unlinked clips of each prediction, one beside the other: S = T."""
    frames = {}
    for prediction in dict.fromkeys(row.prediction for row in rows):
        stride = longest(prediction.clip_length)
        predicted = 1 if prediction.starts == "all" else int(prediction.starts.removeprefix("every"))
        if stride % predicted:
            raise InputError(
                f"study '{study}': frame_ap needs clips that start every T={stride} frames, but "
                f"starts 'stride' predicts every S={predicted}; take starts 'all'"
            )
        frames[prediction] = Tracking(prediction, stride, _unlinked(config, study))
    return frames


def _unlinked(config: Mapping[str, Any], study: str) -> str:
    for name, settings in config["trackers"].items():
        if settings.get("kind") == "unlinked":
            return name
    raise InputError(f"study '{study}' wants per-frame AP, but no tracker of kind 'unlinked' is configured")
