"""Checkpoint files: written whole, read without trust, loaded with every tensor accounted for."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from novis.errors import InputError
from novis.files import replacing

# Tensors that a new data set or clip length replaces: they start afresh where shapes differ (E32).
_REPLACEABLE = ("class_embed", "temporal", "empty_weight")


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors and plain values, whole or not at all."""
    with replacing(path) as temporary:
        torch.save(dict(content), temporary)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint of ours onto the CPU. No code of the file is ever run.

    Raises:
        InputError: the file is missing, truncated, not ours, or holds more than tensors
            and plain values.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such checkpoint") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{path}: is no readable checkpoint ({reason}); it may be truncated, or hold more than "
            "tensors: make it again, or turn foreign weights into ours with 'novis convert'"
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise InputError(f"{path}: holds no 'state_dict'; turn foreign weights into ours with 'novis convert'")
    return content


def initialise(model: nn.Module, path: Path) -> list[str]:
    """Start ``model`` from the weights of a checkpoint.

    The class head and the temporal encoding start afresh where their shapes differ from
    the checkpoint's or they are not in it; everything else must fit.

    Returns:
        The names of the parameters that start afresh.

    Raises:
        InputError: another tensor is missing, left over, or of another shape.
    """
    weights = read_checkpoint(path)["state_dict"]
    own = model.state_dict()
    afresh = [
        name
        for name, tensor in own.items()
        if _replaceable(name) and (name not in weights or weights[name].shape != tensor.shape)
    ]
    fitting = {name: tensor for name, tensor in weights.items() if name in own and name not in afresh}
    wrong = [name for name, tensor in fitting.items() if tensor.shape != own[name].shape]
    missing = [name for name in own if name not in fitting and name not in afresh]
    left_over = [name for name in weights if name not in own and not _replaceable(name)]
    for kind, names in (("other shapes", wrong), ("no weights", missing), ("no place", left_over)):
        if names:
            raise InputError(
                f"{path}: does not fit the model: {kind} for {len(names)} tensors, first '{names[0]}'; "
                "check that the model file is the one it was made with"
            )
    model.load_state_dict(fitting, strict=False)
    return afresh


def _replaceable(name: str) -> bool:
    return any(part in name for part in _REPLACEABLE)
