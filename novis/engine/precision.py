"""The numbers that a network's forward pass computes in."""

from typing import Literal

import torch

from novis.errors import InputError
from novis.experiment import nearest

Precision = Literal["fp32", "bf16", "fp16"]

_KINDS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context of a forward pass on ``device``; in ``fp32`` nothing is cast.

    Raises:
        InputError: ``precision`` is none of :data:`Precision`.
    """
    if precision not in _KINDS:
        raise InputError(f"unknown precision '{precision}'{nearest(str(precision), _KINDS)}")
    kind = _KINDS[precision]
    return torch.autocast(device.type, kind, enabled=kind is not None)
