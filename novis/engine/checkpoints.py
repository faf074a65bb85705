"""Checkpoint files: written whole, read without trust, loaded with every tensor accounted for."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from novis.errors import InputError
from novis.files import replacing
from novis.model.novis import NOVIS
from novis.model.registry import MODELS

# What a new data set or clip length replaces; see docs/method.md.
_CLASS_HEAD = ("class_embed", "empty_weight")
_TEMPORAL = ("temporal_encoding",)


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
        raise InputError(
            f"{path}: holds no 'state_dict'; turn foreign weights into ours with 'novis convert'"
        )
    return content


def initialise(model: nn.Module, path: Path, categories: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """Start ``model`` from the weights of a checkpoint.

    The class head starts afresh unless the checkpoint was trained for the same
    ``categories``, the temporal encoding where its shape differs or there is none; from the
    weights of a backbone alone, so does all that is no backbone. Everything else must fit.

    Returns:
        The names of the parameters that start afresh.

    Raises:
        InputError: another tensor is missing, left over, or of another shape.
    """
    content = read_checkpoint(path)
    weights = content["state_dict"]
    meta = content.get("meta", {})
    known = meta.get("categories")
    own = model.state_dict()
    replaced = () if known and list(known) == list(categories) else _CLASS_HEAD
    afresh = [
        name
        for name, tensor in own.items()
        if not _covered(name, meta)
        or _names(name, replaced)
        or (_names(name, _TEMPORAL) and (name not in weights or weights[name].shape != tensor.shape))
    ]
    fitting = {name: tensor for name, tensor in weights.items() if name in own and name not in afresh}
    wrong = [name for name, tensor in fitting.items() if tensor.shape != own[name].shape]
    missing = [name for name in own if name not in fitting and name not in afresh]
    left_over = [name for name in weights if name not in own and not _names(name, _CLASS_HEAD + _TEMPORAL)]
    for kind, names in (("other shapes", wrong), ("no weights", missing), ("no place", left_over)):
        if names:
            raise InputError(
                f"{path}: does not fit the model: {kind} for {len(names)} tensors, first '{names[0]}'; "
                "check that the model file is the one it was made with"
            )
    model.load_state_dict(fitting, strict=False)
    return afresh


def load_model(path: Path, content: dict[str, Any]) -> NOVIS:
    """The network of a checkpoint, ready to predict, on the GPU where there is one.

    Raises:
        InputError: the checkpoint has no configuration, or its weights do not fit it.
    """
    try:
        config = Config(content["meta"]["config"])
        model = MODELS.build(config.model)
        model.load_state_dict(content["state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).split("\n")[0]
        raise InputError(
            f"{path}: does not hold a network that can predict ({reason}); use the checkpoint.pth of a "
            "finished training"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval()


def _covered(name: str, meta: Mapping[str, Any]) -> bool:
    """Whether a checkpoint should have weights of this name; that of a backbone alone has few others."""
    part = meta.get("part", "")
    return not part or (name.startswith(part) and name not in meta["afresh"])


def _names(name: str, parts: Sequence[str]) -> bool:
    return any(part in name for part in parts)
