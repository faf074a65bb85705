"""Small networks for the tests, with random or published weights."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from novis.model.novis import NOVIS
from novis.model.official_weights import translate
from novis.model.structures import FrameFeatures

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, Tensor]:
    """The arrays of a file made by the published code."""
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def golden_network(temporal_encoding: str) -> NOVIS:
    """The network whose head outputs the published code has computed."""
    network = small_network(
        temporal_encoding={"kind": temporal_encoding},
        num_classes=7,
        num_layers=9,
        encoder_layers=6,
        hidden_sizes=[32, 64, 128, 256],
    )
    official = {f"sem_seg_head.{name}": array for name, array in golden("head_small_weights").items()}
    own = {name: array for name, array in network.state_dict().items() if not name.startswith("backbone.")}
    network.load_state_dict(translate(official, own).state_dict, strict=False)
    return network.eval()


def small_network(
    hidden_sizes: tuple[int, ...] = (8, 16, 24, 32),
    encoder_layers: int = 2,
    num_layers: int = 3,
    num_classes: int = 3,
    num_queries: int = 20,
    clip_length: int = 4,
    temporal_encoding: dict | None = None,
    **settings: object,
) -> NOVIS:
    """64 channels, 20 queries, a ResNet of four blocks, and random weights, none of them zero."""
    network = NOVIS(
        backbone={
            "type": "Backbone",
            "name": "resnet",
            "embedding_size": 8,
            "hidden_sizes": list(hidden_sizes),
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
        },
        pixel_decoder={
            "type": "PixelDecoder",
            "dim": 64,
            "mask_dim": 64,
            "num_layers": encoder_layers,
            "feedforward_dim": 128,
        },
        instance_decoder={
            "type": "InstanceDecoder",
            "num_classes": num_classes,
            "clip_length": clip_length,
            "num_queries": num_queries,
            "num_layers": num_layers,
            "dim": 64,
            "mask_dim": 64,
            "feedforward_dim": 128,
            "temporal_encoding": temporal_encoding or {},
        },
        criterion={"type": "Criterion", "num_points": 64},
        **settings,
    )
    return randomise(network).eval()


@torch.no_grad()
def randomise(module: nn.Module, seed: int = 0) -> nn.Module:
    """Every parameter random, since initial zeros (sampling offsets, biases) hide mistakes."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 16
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.add_(noise / fan_in**0.5)
    return module


def random_frames(num_frames: int, height: int = 64, width: int = 96, seed: int = 0) -> Tensor:
    """(T, 3, h, w) uint8 noise, coarse enough to survive the strides of a backbone."""
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, 256, (num_frames, 3, height // 8, width // 8), generator=generator)
    return blocks.repeat_interleave(8, 2).repeat_interleave(8, 3).to(torch.uint8)


def random_features(num_frames: int, seed: int = 0, valid_sizes: Tensor | None = None) -> FrameFeatures:
    """Features of frames of 64x96 pixels, for a decoder of 64 channels."""
    generator = torch.Generator().manual_seed(seed)
    sizes = [(64, 2, 3), (64, 4, 6), (64, 8, 12), (64, 16, 24)]
    *scales, masks = (torch.randn(num_frames, *size, generator=generator) for size in sizes)
    return FrameFeatures(masks, tuple(scales), valid_sizes)


def dividing_direction(vectors: Tensor) -> Tensor:
    """A vector whose products with the (N, C) ``vectors`` are negative for some, positive for others."""
    common = vectors.mean(0)
    return vectors[0] - (vectors[0] @ common) / (common @ common) * common
