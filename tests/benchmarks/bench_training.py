"""Time and peak memory of one training step on random clips: forward, loss, backward, AdamW.

    python tests/benchmarks/bench_training.py config/models/novis_r50.py --clip-length 4

On a CPU the peak is that of the whole process (VmHWM), libraries included; on a GPU that of
torch's allocator. Every clip holds five objects. The first step makes AdamW's two moments
and grows the allocator's pool; with ``--steps`` above 1 the last step is timed.
"""

import argparse
import time
from pathlib import Path

import torch

from novis import config
from novis.engine.optimisation import ClipOptimWrapper, parameter_groups
from novis.model.registry import MODELS
from novis.model.structures import ClipTarget

NUM_OBJECTS = 5
PARTS = ("backbone", "pixel_decoder", "instance_decoder")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--clip-length", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(360, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--num-points", type=int, default=3136)
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    parser.add_argument("--steps", type=int, default=1)
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, wrapper = make(options, device)
    for _ in range(options.steps):
        begin = time.perf_counter()
        loss = step(model, wrapper, options, device)
        seconds = time.perf_counter() - begin
    weights = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{options.model.stem}: T={options.clip_length}, {options.size[0]}x{options.size[1]}, "
        f"{options.precision}, checkpointing {'on' if options.checkpointing else 'off'}, on {device.type}: "
        f"loss {loss:.3f}, {wrapper.skipped_steps} skipped, {seconds:.1f} s, peak {peak(device):.2f} GiB, "
        f"of which weights, gradients and moments {weights * 16 / 2**30:.2f} GiB"
    )


def make(options: argparse.Namespace, device: torch.device) -> tuple[torch.nn.Module, ClipOptimWrapper]:
    """The network in training mode and its optimiser."""
    changes = {"clip_length": options.clip_length, "num_points": options.num_points}
    changes |= {f"model.{part}.activation_checkpointing": options.checkpointing for part in PARTS}
    settings = config.load(options.model, changes)
    torch.manual_seed(0)
    model = MODELS.build(settings.model).to(device).train()
    training = settings.training
    rates = training.learning_rate, training.weight_decay, training.backbone_multiplier
    optimizer = torch.optim.AdamW(parameter_groups(model, *rates), lr=training.learning_rate)
    return model, ClipOptimWrapper(optimizer, options.precision, training.max_norm)


def step(
    model: torch.nn.Module, wrapper: ClipOptimWrapper, options: argparse.Namespace, device: torch.device
) -> float:
    """One step on one random clip; its loss."""
    size = (options.clip_length, *options.size)
    frames = torch.randint(0, 256, (size[0], 3, *size[1:]), dtype=torch.uint8, device=device)
    labels = torch.arange(NUM_OBJECTS, device=device)
    masks = torch.rand(NUM_OBJECTS, *size, device=device) < 0.1
    wrapper.zero_grad()
    with wrapper.optim_context(model):
        losses = model([frames], [ClipTarget(labels, masks)], mode="loss")
        total = sum(losses.values())
        wrapper.backward(total)
    wrapper.step()
    return float(total.detach())


def peak(device: torch.device) -> float:
    """GiB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 2**20


if __name__ == "__main__":
    main()
