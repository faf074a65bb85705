"""AdamW with the parent's parameter groups, in fp32, bf16 or fp16."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from torch import nn

Precision = Literal["fp32", "bf16", "fp16"]

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

    Attributes:
        skipped_steps: how many steps were left out because a gradient was not finite.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, precision: Precision = "fp32", max_norm: float = 0.01
    ) -> None:
        super().__init__(optimizer)
        self.precision = precision
        self.max_norm = max_norm
        self.skipped_steps = 0
        self.gradient_norm = 0.0
        device = self._parameters()[0].device.type
        self._scaler = torch.amp.GradScaler(device, enabled=precision == "fp16")

    def backward(self, loss: torch.Tensor, **kwargs: Any) -> None:
        """Accumulate the gradient of one micro-batch's loss."""
        self._scaler.scale(loss).backward(**kwargs)

    def step(self, **kwargs: Any) -> None:
        """Clip, then update, unless the gradient holds an infinity or NaN."""
        self._scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self._parameters(), self.max_norm)
        self.gradient_norm = float(norm)
        if torch.isfinite(norm):
            self._scaler.step(self.optimizer, **kwargs)
        else:
            self.skipped_steps += 1
        self._scaler.update()

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The forward pass's precision."""
        device = self._parameters()[0].device.type
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        with torch.autocast(device, kinds.get(self.precision), enabled=self.precision in kinds):
            yield

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's and the loss scaler's state, and the count of skipped steps."""
        scaler = self._scaler.state_dict()
        return {"optimizer": self.optimizer.state_dict(), "scaler": scaler, "skipped": self.skipped_steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a state made by :meth:`state_dict`."""
        self.optimizer.load_state_dict(state_dict["optimizer"])
        self._scaler.load_state_dict(state_dict["scaler"])
        self.skipped_steps = state_dict["skipped"]

    def _parameters(self) -> list[nn.Parameter]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]
