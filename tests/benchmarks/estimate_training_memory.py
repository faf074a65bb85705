"""What a training step keeps for its backward pass, of any network, without computing it.

    python tests/benchmarks/estimate_training_memory.py

The forward pass runs on tensors without content, and everything that autograd saves is added up,
each piece of memory once, parameters left aside. It is proportional to T: what is printed, in
Markdown, is GiB a frame.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from novis import config
from novis.model.registry import MODELS

PARTS = ("backbone", "pixel_decoder", "instance_decoder")
MODEL_FILES = Path(__file__).parents[2] / "config" / "models"
NETWORKS = ["novis_r50", "novis_swin_l"]
CLIP_LENGTH = 2
SIZES = [(360, 640), (480, 854), (720, 1280)]


class Predictions(nn.Module):
    """All tensors that the criterion is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> list[Tensor]:
        output = self.network.decode(self.network.frame_features(frames), 1, auxiliary=True)
        return [tensor for layer in output.layers for tensor in layer]


def saved(network: nn.Module, clip_length: int, size: tuple[int, int], dtype: torch.dtype | None) -> float:
    """GiB that a clip's forward pass keeps, in ``dtype`` where autocast admits it."""
    predictions, mode = Predictions(network), FakeTensorMode()
    tensors = [*predictions.named_parameters(), *predictions.named_buffers()]
    own = {name: mode.from_tensor(tensor) for name, tensor in tensors}
    known = {tensor.untyped_storage()._cdata for tensor in own.values()}
    kept = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage
        return tensor

    with mode, torch.autocast("cpu", dtype, enabled=dtype is not None):
        padded = (-(-side // 32) * 32 for side in size)
        frames = torch.empty(clip_length, 3, *padded)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            functional_call(predictions, own, (frames,))
    return sum(storage.nbytes() for storage in kept.values()) / 2**30


def main() -> None:
    print("| network | frames | fp32 | bf16 | bf16, checkpointing |\n|---|---|---|---|---|")
    for name in NETWORKS:
        networks = []
        for checkpointing in (False, True):
            changes = {f"model.{part}.activation_checkpointing": checkpointing for part in PARTS}
            settings = config.load(MODEL_FILES / f"{name}.py", changes | {"clip_length": CLIP_LENGTH})
            networks.append(MODELS.build(settings.model).train())
        for size in SIZES:
            plain, recomputing = networks
            values = (
                saved(plain, CLIP_LENGTH, size, None),
                saved(plain, CLIP_LENGTH, size, torch.bfloat16),
                saved(recomputing, CLIP_LENGTH, size, torch.bfloat16),
            )
            columns = " | ".join(f"{value / CLIP_LENGTH:.2f}" for value in values)
            print(f"| {name} | {size[0]}x{size[1]} | {columns} |", flush=True)


if __name__ == "__main__":
    main()
