"""Checkpoint files: written whole, read without trust, loaded with every tensor accounted for."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import nn

from novis.engine.weight_files import BROKEN
from novis.errors import InputError
from novis.experiment import nearest
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
    except BROKEN as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: is no readable checkpoint ({reason}); it may be truncated, or hold more than "
            "tensors: make it again, or turn foreign weights into ours with 'novis convert'"
        ) from error
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, Mapping) or not all(isinstance(w, torch.Tensor) for w in weights.values()):
        raise InputError(
            f"{path}: holds no 'state_dict' of tensors; turn foreign weights into ours with 'novis convert'"
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


def trained_meta(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its network: ``config`` with ``model`` and ``training``, ``categories``, ...

    Raises:
        InputError: it lacks one of these, as weights to start from do.
    """
    meta = content.get("meta")
    config = meta.get("config") if isinstance(meta, Mapping) else None
    sections = [config.get(name) for name in ("model", "training")] if isinstance(config, Mapping) else []
    if not sections or not all(isinstance(s, Mapping) for s in sections) or not meta.get("categories"):
        raise InputError(
            f"{path}: holds weights to start a training from, not a trained network; give the "
            "checkpoint.pth of a finished training"
        )
    return meta


def load_model(path: Path, content: Mapping[str, Any], overlap: Mapping[str, Any] | None = None) -> NOVIS:
    """The network of a checkpoint, ready to predict, on the GPU where there is one.

    Args:
        path: of the checkpoint, for messages.
        content: as read. Nothing is built that is not registered, whatever its configuration says.
        overlap: other settings of the overlap embeddings, which have no parameters. They are
            written into the configuration of ``content``.

    Raises:
        InputError: the checkpoint is of no trained network, its weights do not fit its
            configuration, or a setting of ``overlap`` is unknown.
    """
    config = trained_meta(path, content)["config"]
    _set_overlap(config["model"], overlap or {})
    try:
        model = MODELS.build(Config(config).model)
        model.load_state_dict(content["state_dict"])
    except (InputError, *BROKEN) as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: does not hold a network that can predict ({reason}); use the checkpoint.pth of a "
            "finished training"
        ) from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval()


def _set_overlap(model: dict[str, Any], settings: Mapping[str, Any]) -> None:
    own = model.get("overlap", {})
    known = [name for name in own if name != "type"]
    for name, value in settings.items():
        if name not in known:
            raise InputError(f"overlap embeddings: unknown setting '{name}'{nearest(name, known)}")
        own[name] = value


def _covered(name: str, meta: Mapping[str, Any]) -> bool:
    """Whether a checkpoint should have weights of this name; that of a backbone alone has few others."""
    part = meta.get("part", "")
    return not part or (name.startswith(part) and name not in meta["afresh"])


def _names(name: str, parts: Sequence[str]) -> bool:
    return any(part in name for part in parts)
