"""A block of a study becomes tracked runs: every combination of its lists, checked.

The standard library only, like all that the workflow needs to know of the package.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from novis.errors import InputError, nearest
from novis.paths import FULL, HOLDOUT, OWN_READING, WHOLE_VIDEO, Prediction, Tracking, Training

_BLOCK_KEYS = (
    "dataset",
    "split",
    "model",
    "variant",
    "clip_length",
    "test_clip_length",
    "stride",
    "tracker",
    "starts",
    "min_size",
    "reading",
    "sequence_length",
    "seed",
)
_NUMBERS = ("clip_length", "test_clip_length", "stride", "min_size", "sequence_length", "seed")
# Unless given, the test clip length is that of the training, the size at test that of the data set, the
# overlap embeddings are read as the model file has it, and videos are not cut.
_OPTIONAL_KEYS = ("test_clip_length", "min_size", "reading", "sequence_length")


def expand_block(study: str, block: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[Tracking]:
    """The runs of a block: lists inside it multiply.

    Args:
        study: its name, for messages.
        block: what it says itself, with the study's defaults.
        config: the configuration, whose ``defaults`` complete it.

    Raises:
        InputError: see :func:`novis.experiment.expand`.
    """
    merged = {**config.get("defaults", {}), **block}
    for key in merged:
        if key not in _BLOCK_KEYS:
            raise InputError(f"study '{study}': unknown key '{key}'{nearest(key, list(_BLOCK_KEYS))}")
    absent = [key for key in _BLOCK_KEYS if merged.get(key) is None and key not in _OPTIONAL_KEYS]
    if absent:
        raise InputError(f"study '{study}': a block lacks '{absent[0]}'; write it there or under 'defaults'")
    chosen = [merged.get(key) for key in _BLOCK_KEYS]
    values = [value if isinstance(value, list) else [value] for value in chosen]
    for combination in product(*values):
        fields = dict(zip(_BLOCK_KEYS, combination, strict=True))
        yield _tracking(study, fields | {key: _number(study, key, fields[key]) for key in _NUMBERS}, config)


def _number(study: str, key: str, value: Any) -> int | str | None:
    """A whole number of a block. Numbers of Snakemake's --config are strings still."""
    if key in ("test_clip_length", "sequence_length") and value == WHOLE_VIDEO:
        return value
    if value is None and key in _OPTIONAL_KEYS:
        return None
    least = 0 if key == "seed" else 1
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if type(number) is not int or number < least:
        raise InputError(f"study '{study}': {key} is {value!r}; it must be a whole number from {least} on")
    return number


def _tracking(study: str, fields: dict[str, Any], config: Mapping[str, Any]) -> Tracking:
    for kind in ("dataset", "model", "variant", "tracker"):
        known(kind, fields[kind], config, study)
    reading = fields["reading"] or OWN_READING
    if reading != OWN_READING:
        known("reading", reading, config, study)
    if fields["starts"] not in ("all", "stride"):
        raise InputError(f"study '{study}': starts '{fields['starts']}' must be 'all' or 'stride'")
    _check_split(study, fields["split"], config["datasets"][fields["dataset"]])
    if fields["split"] == FULL and "validation" not in config["datasets"][fields["dataset"]]:
        raise InputError(
            f"study '{study}': split '{FULL}' is tested on the official validation set, which dataset "
            f"'{fields['dataset']}' does not name; write it under datasets.{fields['dataset']}.validation"
        )
    test_length, stride, sequence_length, starts = _clips(study, fields)
    _refuse_longer(study, fields, test_length, config)
    names = ("dataset", "split", "model", "variant", "clip_length", "seed")
    training = Training(*(fields[name] for name in names))
    min_size = fields["min_size"] or config["datasets"][fields["dataset"]]["min_size"]
    prediction = Prediction(training, test_length, starts, min_size, reading)
    return Tracking(prediction, stride, fields["tracker"], sequence_length)


def _check_split(study: str, split: Any, dataset: Mapping[str, Any]) -> None:
    folds = [f"fold{number}" for number in range(dataset.get("folds", 2))]
    if split not in (*folds, HOLDOUT, FULL):
        raise InputError(
            f"study '{study}': split '{split}' is none of {', '.join((*folds, HOLDOUT, FULL))}; how many "
            "folds there are is 'folds' of the data set"
        )


def _clips(study: str, fields: Mapping[str, Any]) -> tuple[int | str, int, int | str, str]:
    """Test clip length, stride, sequence length and clip starts of a block's row."""
    test_length, stride = fields["test_clip_length"] or fields["clip_length"], fields["stride"]
    sequence_length = fields["sequence_length"] or WHOLE_VIDEO
    if not 1 <= stride <= longest(test_length):
        raise InputError(
            f"study '{study}': stride S={stride} with test clip length T={test_length}; S must lie in 1..T"
            " (and be 1 where each video is one clip)"
        )
    if sequence_length == WHOLE_VIDEO:
        return test_length, stride, sequence_length, _starts(fields["starts"], stride)
    if test_length == WHOLE_VIDEO:
        # A sequence counts as a video: each is one clip, and no two clips share a frame.
        return sequence_length, sequence_length, sequence_length, _starts("stride", sequence_length)
    if sequence_length < test_length:
        raise InputError(
            f"study '{study}': sequences of {sequence_length} frames with test clip length T={test_length}; "
            "a sequence must hold a clip"
        )
    if fields["starts"] == "stride":
        raise InputError(
            f"study '{study}': sequences of {sequence_length} frames with starts 'stride': their last clips "
            "start where a whole video has none; take starts 'all'"
        )
    return test_length, stride, sequence_length, _starts(fields["starts"], stride)


def _starts(starts: str, stride: int) -> str:
    return starts if starts == "all" else f"every{stride}"


def _refuse_longer(
    study: str, fields: Mapping[str, Any], test_length: int | str, config: Mapping[str, Any]
) -> None:
    """A learned temporal encoding cannot stretch."""
    train_length, variant = fields["clip_length"], fields["variant"]
    learned = config["variants"][variant].get("temporal_encoding", "learned") == "learned"
    if learned and (test_length == WHOLE_VIDEO or test_length > train_length):
        raise InputError(
            f"study '{study}': variant '{variant}' trained with T={train_length} cannot be tested "
            f"with T={test_length}: its learned temporal encoding has no rows for the other frames"
        )


def longest(clip_length: int | str) -> int:
    """The largest stride: T, or 1 where there is nothing to stride over."""
    return 1 if clip_length == WHOLE_VIDEO else clip_length


def known(kind: str, name: str, config: Mapping[str, Any], study: str) -> str:
    """The name itself.

    Raises:
        InputError: the configuration has no ``kind`` of this name; the nearest is named.
    """
    if name not in config[f"{kind}s"]:
        raise InputError(f"study '{study}': unknown {kind} '{name}'{nearest(str(name), config[f'{kind}s'])}")
    return name
