"""Image features from a ResNet or a Swin Transformer, behind one adapter."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from itertools import chain, islice
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoBackbone, AutoConfig

from novis.errors import InputError
from novis.model.registry import MODELS

STAGES = ["stage1", "stage2", "stage3", "stage4"]


class PartlyFrozen(nn.Module, ABC):
    """A network whose first parts, or whose batch norms, can be kept as they are.

    Args:
        frozen_stages: how many of the first :meth:`parts` stay as they are.
        frozen_batch_norm: batch norms keep their statistics and their parameters.
    """

    def __init__(self, frozen_stages: int, frozen_batch_norm: bool) -> None:
        super().__init__()
        self.frozen_stages = frozen_stages
        self.frozen_batch_norm = frozen_batch_norm

    @abstractmethod
    def parts(self) -> Iterator[nn.Module]:
        """The stem, then the stages."""

    def freeze(self) -> None:
        """Freeze what is to be frozen; called once, when the network is complete."""
        for parameter in chain.from_iterable(module.parameters() for module in self._frozen_modules()):
            parameter.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Self:
        """Switch between training and evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def _frozen_modules(self) -> Iterator[nn.Module]:
        yield from islice(self.parts(), self.frozen_stages)
        if self.frozen_batch_norm:
            yield from (module for module in self.modules() if isinstance(module, nn.BatchNorm2d))


@MODELS.register_module()
class Backbone(PartlyFrozen):
    """A four-stage image network of the transformers library, with random weights.

    Args:
        name: ``resnet`` (v1.5: the stride sits on the 3x3 convolution) or ``swin``.
        frozen_stages: how many of the first parts stay as they are, the stem counting as
            the first: 0 freezes nothing, 1 the stem, 2 the stem and the first stage, ...
        frozen_batch_norm: batch norms keep their statistics and their parameters, as with
            pre-trained weights; otherwise they learn, as from random ones.
        activation_checkpointing: recompute each block in the backward pass: less memory,
            more time.
        settings: of the library's configuration: ``depths``, ``hidden_sizes``,
            ``embedding_size``, ``layer_type`` (ResNet); ``depths``, ``embed_dim``,
            ``num_heads``, ``window_size``, ``drop_path_rate`` (Swin).

    Attributes:
        out_channels: of the four maps.

    Raises:
        InputError: ``name`` is another one.
    """

    def __init__(
        self,
        name: str,
        frozen_stages: int = 0,
        frozen_batch_norm: bool = False,
        activation_checkpointing: bool = False,
        **settings: Any,
    ) -> None:
        super().__init__(frozen_stages, frozen_batch_norm)
        if name not in ("resnet", "swin"):
            raise InputError(f"backbone name={name!r}: only resnet and swin are known")
        self.network = AutoBackbone.from_config(AutoConfig.for_model(name, out_features=STAGES, **settings))
        # Channels beside each other in memory: convolutions and pooling take a fifth less time.
        self.network.to(memory_format=torch.channels_last)
        self.out_channels: tuple[int, ...] = tuple(self.network.channels)
        if name == "swin":
            # The library's classifier norm would be a parameter that no gradient reaches.
            self.network.swin.layernorm = nn.Identity()
        if activation_checkpointing:
            for block in self._blocks():
                block.forward = partial(_checkpointed, block, block.forward)
        self.freeze()

    def forward(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Normalised frames (F, 3, H, W) to four maps (F, C_i, H/s, W/s), s = 4, 8, 16, 32."""
        return self.network(frames.contiguous(memory_format=torch.channels_last)).feature_maps

    def parts(self) -> Iterator[nn.Module]:
        """The stem, then the stages."""
        swin = getattr(self.network, "swin", None)
        yield swin.embeddings if swin else self.network.embedder
        yield from swin.encoder.layers if swin else self.network.encoder.stages

    def _blocks(self) -> Iterator[nn.Module]:
        for stage in islice(self.parts(), 1, None):
            yield from getattr(stage, "blocks", None) or stage.layers


def _checkpointed(block: nn.Module, forward: Any, *arguments: Any, **settings: Any) -> Any:
    if not block.training:
        return forward(*arguments, **settings)
    return checkpoint(forward, *arguments, use_reentrant=False, **settings)
