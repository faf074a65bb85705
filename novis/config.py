"""A model file and the switches of an experiment become one resolved configuration.

This is the only place where clip length, loss variant and seed enter a configuration.
A value lives either in a model file (constant in the paper) or in a study (varied).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from novis.errors import InputError
from novis.experiment import nearest
from novis.files import write_json

# The switches of the paper and of docs/method.md, by the short name that studies use.
SWITCHES = {
    "clip_length": "model.instance_decoder.clip_length",
    "temporal_encoding": "model.instance_decoder.temporal_encoding.kind",
    "dice_loss": "model.criterion.dice_loss",
    "mask_loss": "model.criterion.mask_loss",
    "mask_loss_normalisation": "model.criterion.mask_loss_normalisation",
    "num_points": "model.criterion.num_points",
    "overlap_query": "model.overlap.query",
    "overlap_mask": "model.overlap.mask",
    "overlap_fallback": "model.overlap.fallback",
    "seed": "training.seed",
    "iterations": "training.iterations",
    "milestones": "training.milestones",
}


def load(model_file: Path | str, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a model file and apply ``overrides``.

    Args:
        model_file: an mmengine configuration with ``model`` and ``training``.
        overrides: short names of :data:`SWITCHES`, or dotted keys that the file has.

    Raises:
        InputError: the file is missing or broken, lacks a section, or a key is not there (the
            nearest is named).
    """
    try:
        config = Config.fromfile(str(model_file), lazy_import=False)
    except FileNotFoundError as error:
        raise InputError(f"{model_file}: no such model configuration") from error
    except (SyntaxError, OSError, ValueError, TypeError, KeyError, NameError, ImportError) as error:
        raise InputError(f"{model_file}: is no mmengine configuration: {error}") from error
    resolved = config.to_dict()
    for section in ("model", "training"):
        if not isinstance(resolved.get(section), Mapping):
            raise InputError(
                f"{model_file}: has no section '{section}'; give a model file such as "
                "config/models/novis_r50.py, or what 'novis configure' made of one"
            )
    for key, value in (overrides or {}).items():
        _set(resolved, SWITCHES.get(key, key), value, key, str(model_file))
    return Config(resolved)


def configure(model: Path, output: Path, set: dict[str, Any] | None = None) -> None:
    """Resolve a model file and switches into one configuration, as JSON.

    Args:
        model: the model file, such as config/models/novis_r50.py
        output: the resolved configuration to write
        set: switches (dice_loss=volumetric) or dotted keys (training.batch_size=8) to change
    """
    write_json(output, load(model, set).to_dict(), indent=2)


def _set(config: dict[str, Any], dotted: str, value: Any, name: str, source: str) -> None:
    """Replace the value of an existing key, a mapping as a whole."""
    *parents, last = dotted.split(".")
    node: Any = config
    for part in parents:
        node = node.get(part) if isinstance(node, Mapping) else None
    if not isinstance(node, Mapping) or last not in node:
        known = [*SWITCHES, *_dotted_keys(config)]
        raise InputError(f"{source}: there is no key '{name}' to set{nearest(name, known)}")
    node[last] = value


def _dotted_keys(config: Mapping[str, Any], prefix: str = "") -> list[str]:
    keys = []
    for key, value in config.items():
        keys.append(prefix + key)
        if isinstance(value, Mapping):
            keys.extend(_dotted_keys(value, f"{prefix}{key}."))
    return keys
