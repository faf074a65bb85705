"""AdamW with the parent's parameter groups, in fp32, bf16 or fp16."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

from novis.engine.precision import Precision, autocast
from novis.errors import InputError

# Steps in a row without a finite gradient after which training has failed. The loss scaler of fp16
# begins at 2^16 and halves at each, so that it has found its scale long before.
MAX_SKIPPED = 50

_NORMS = (nn.LayerNorm, nn.GroupNorm, nn.modules.batchnorm._NormBase)


def parameter_groups(
    model: nn.Module, learning_rate: float, weight_decay: float, backbone_multiplier: float
) -> list[dict[str, Any]]:
    """Split the trainable parameters as Mask2Former does.

    The backbone learns at ``backbone_multiplier`` times the rate; norm layers, embeddings
    (``nn.Embedding``) and relative position tables have no weight decay. Groups are
    ordered, so that an optimiser's state can be resumed.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, parameter in module.named_parameters(recurse=False):
            if not parameter.requires_grad or id(parameter) in seen:
                continue
            seen.add(id(parameter))
            rate = learning_rate * (backbone_multiplier if prefix.startswith("backbone") else 1.0)
            exempt = isinstance(module, (*_NORMS, nn.Embedding)) or "relative_position_bias_table" in name
            groups.setdefault((rate, 0.0 if exempt else weight_decay), []).append(parameter)
    return [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]


@OPTIM_WRAPPERS.register_module()
class ClipOptimWrapper(OptimWrapper):
    """An optimiser that clips the full model's gradient and skips steps that are not finite.

    Args:
        optimizer: the optimiser.
        precision: of the forward pass; bf16 needs no loss scaling, fp16 gets it.
        max_norm: of the gradient of all parameters together.
        max_skipped: so many steps in a row that are not finite end the training.

    Attributes:
        skipped_steps: how many steps were left out because a gradient was not finite.

    Raises:
        InputError: an unknown precision.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        precision: Precision = "fp32",
        max_norm: float = 0.01,
        max_skipped: int = MAX_SKIPPED,
    ) -> None:
        super().__init__(optimizer)
        self.max_norm = max_norm
        self.max_skipped = max_skipped
        self.skipped_steps = 0
        self.gradient_norm = 0.0
        self._in_a_row = 0
        self._device = self._parameters()[0].device
        self._precision = precision
        self._autocast()
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=precision == "fp16")

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Accumulate the gradient of one micro-batch's loss."""
        self._scaler.scale(loss).backward(**kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip, then update, unless the gradient holds an infinity or NaN.

        Raises:
            InputError: that is so for the last ``max_skipped`` steps: nothing is learned any more.
        """
        self._scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self._parameters(), self.max_norm)
        self.gradient_norm = float(norm)
        if torch.isfinite(norm):
            self._scaler.step(self.optimizer, **kwargs)
            self._in_a_row = 0
        else:
            self.skipped_steps += 1
            self._in_a_row += 1
        self._scaler.update()
        if self._in_a_row >= self.max_skipped:
            raise InputError(
                f"the last {self._in_a_row} steps had no finite gradient and were skipped; the training has "
                "diverged: lower training.learning_rate, or take training.precision=fp32"
            )

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass's precision."""
        with self._autocast():
            yield

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's and the loss scaler's state, and the count of skipped steps."""
        scaler = self._scaler.state_dict()
        skipped = {"skipped": self.skipped_steps, "in_a_row": self._in_a_row}
        return {"optimizer": self.optimizer.state_dict(), "scaler": scaler, **skipped}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state made by :meth:`state_dict`."""
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._scaler.load_state_dict(state_dict["scaler"])
        self.skipped_steps, self._in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def _autocast(self) -> torch.autocast:
        return autocast(self._device, self._precision)

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]
