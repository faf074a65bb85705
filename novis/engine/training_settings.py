"""The configuration of a training, checked before anything is read for it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config

from novis import config as configuration
from novis.engine.precision import autocast
from novis.errors import InputError


class _Rule(NamedTuple):
    """What a setting must be, in words, and whether a value is that."""

    words: str
    holds: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _is_number(value: Any) -> bool:
    return _is_whole(value) or isinstance(value, float)


def _whole(least: int) -> _Rule:
    return _Rule(f"a whole number from {least} on", lambda value: _is_whole(value) and value >= least)


def _list_of(words: str, holds: Callable[[Any], bool]) -> _Rule:
    return _Rule(
        f"a list of {words}",
        lambda value: isinstance(value, list | tuple) and all(holds(part) for part in value),
    )


_POSITIVE = _Rule("a number above 0", lambda value: _is_number(value) and value > 0)
_NOT_NEGATIVE = _Rule("a number from 0 on", lambda value: _is_number(value) and value >= 0)
_WEIGHTS = _list_of("numbers from 0 on, or None", _NOT_NEGATIVE.holds)

_RULES = {
    "seed": _whole(0),
    "batch_size": _whole(1),
    "micro_batch": _whole(1),
    "iterations": _whole(1),
    "milestones": _list_of("whole numbers", _is_whole),
    "learning_rate": _POSITIVE,
    "backbone_multiplier": _NOT_NEGATIVE,
    "weight_decay": _NOT_NEGATIVE,
    "max_norm": _POSITIVE,
    "augmentation": _Rule("a mapping", lambda value: isinstance(value, Mapping)),
    "mixing_weights": _Rule(_WEIGHTS.words, lambda value: value is None or _WEIGHTS.holds(value)),
    "log_interval": _whole(1),
    "save_interval": _whole(1),
    "save_minutes": _NOT_NEGATIVE,
    "validation_interval": _whole(0),
    "validation_videos": _whole(1),
    "validation_size": _whole(1),
}


def load_training(path: Path) -> Config:
    """Read the configuration of a training.

    Raises:
        InputError: the file is missing or broken, or a key of ``training`` or the clip length
            is absent or not what it must be. What is inside ``augmentation`` and the model is
            checked where they are built.
    """
    settings = configuration.load(path)
    training = settings.training
    for key, rule in _RULES.items():
        if key not in training:
            raise InputError(f"{path}: training lacks '{key}', {rule.words}")
        _check(path, f"training.{key}", training[key], rule)
    autocast(torch.device("cpu"), training.get("precision"))
    decoder = settings.model.get("instance_decoder")
    length = decoder.get("clip_length") if isinstance(decoder, Mapping) else None
    _check(path, "model.instance_decoder.clip_length", length, _whole(1))
    return settings


def _check(path: Path, key: str, value: Any, rule: _Rule) -> None:
    if not rule.holds(value):
        raise InputError(f"{path}: {key} is {value!r}; it must be {rule.words}")
