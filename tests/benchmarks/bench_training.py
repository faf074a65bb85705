"""Time and peak memory of training steps on random clips: forward, loss, backward, AdamW.

    python tests/benchmarks/bench_training.py config/models/novis_r50.py --clip-length 4
    python tests/benchmarks/bench_training.py --grid

The second command goes through full-size networks and prints a row of Markdown for each: R50
with T = 2, 4, 8 and Swin-L with T = 4, at a short side of 480 and 720, with and without
checkpointing, in bf16. It is meant for a GPU; what does not fit is said to be out of memory.

On a CPU the peak is that of the whole process so far (VmHWM), libraries included; on a GPU that of
torch's allocator. Every clip holds five objects. The first step makes AdamW's two moments and
grows the allocator's pool: the peak is that of all steps, the time that of those after the first.
"""

import argparse
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import torch

from novis import config
from novis.engine.optimisation import ClipOptimWrapper, parameter_groups
from novis.model.registry import MODELS
from novis.model.structures import ClipTarget

NUM_OBJECTS = 5
PARTS = ("backbone", "pixel_decoder", "instance_decoder")
MODEL_FILES = Path(__file__).parents[2] / "config" / "models"
HEADER = (
    "| network | T | frames | precision | checkpointing | peak, GiB | clips/s | loss | skipped |\n"
    + "|---" * 9
    + "|"
)


@dataclass(frozen=True)
class Setting:
    """What is trained, and how."""

    model: Path
    clip_length: int
    size: tuple[int, int]
    num_points: int
    precision: str
    checkpointing: bool
    steps: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, nargs="?", default=MODEL_FILES / "novis_r50.py")
    parser.add_argument("--clip-length", type=int, default=4)
    parser.add_argument("--size", type=int, nargs=2, default=(360, 640), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--num-points", type=int, default=3136)
    parser.add_argument("--precision", choices=("fp32", "bf16", "fp16"), default="fp32")
    parser.add_argument("--checkpointing", action="store_true", help="recompute activations")
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--grid", action="store_true", help="all full-size networks, sizes and clip lengths")
    options = vars(parser.parse_args())
    grid = options.pop("grid")
    asked = Setting(**options | {"size": tuple(options["size"])})
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(
        torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    )
    print(HEADER, flush=True)
    for setting in full_size(asked) if grid else [asked]:
        print(row(setting, device), flush=True)


def full_size(asked: Setting) -> Iterator[Setting]:
    """The configurations of the grid, with the number of steps that was asked for, at least five."""
    networks = [("novis_r50.py", length) for length in (2, 4, 8)] + [("novis_swin_l.py", 4)]
    for (name, length), (size, points), checkpointing in product(
        networks, (((480, 854), 3136), ((720, 1280), 6272)), (False, True)
    ):
        yield replace(
            asked,
            model=MODEL_FILES / name,
            clip_length=length,
            size=size,
            num_points=points,
            precision="bf16",
            checkpointing=checkpointing,
            steps=max(asked.steps, 5),
        )


def row(setting: Setting, device: torch.device) -> str:
    """A line of the table."""
    size, switch = "x".join(map(str, setting.size)), "on" if setting.checkpointing else "off"
    known = f"| {setting.model.stem} | {setting.clip_length} | {size} | {setting.precision} | {switch} |"
    try:
        memory, speed, loss, skipped = measure(setting, device)
    except torch.cuda.OutOfMemoryError:
        return f"{known} out of memory | | | |"
    finally:
        gc.collect()
        torch.cuda.empty_cache()
    return f"{known} {memory:.2f} | {speed:.3f} | {loss:.3f} | {skipped} |"


def measure(setting: Setting, device: torch.device) -> tuple[float, float, float, int]:
    """Peak in GiB, clips a second after the first step, the last loss, steps that were skipped."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    model, wrapper = make(setting, device)
    seconds = []
    for _ in range(setting.steps):
        begin = time.perf_counter()
        # Reading the loss waits for the device.
        loss = step(model, wrapper, setting, device)
        seconds.append(time.perf_counter() - begin)
    timed = seconds[1:] or seconds
    return peak(device), len(timed) / sum(timed), loss, wrapper.skipped_steps


def make(setting: Setting, device: torch.device) -> tuple[torch.nn.Module, ClipOptimWrapper]:
    """The network in training mode and its optimiser."""
    changes = {"clip_length": setting.clip_length, "num_points": setting.num_points}
    changes |= {f"model.{part}.activation_checkpointing": setting.checkpointing for part in PARTS}
    settings = config.load(setting.model, changes)
    torch.manual_seed(0)
    model = MODELS.build(settings.model).to(device).train()
    training = settings.training
    rates = training.learning_rate, training.weight_decay, training.backbone_multiplier
    optimizer = torch.optim.AdamW(parameter_groups(model, *rates), lr=training.learning_rate)
    return model, ClipOptimWrapper(optimizer, setting.precision, training.max_norm)


def step(model: torch.nn.Module, wrapper: ClipOptimWrapper, setting: Setting, device: torch.device) -> float:
    """One step on one random clip; its loss."""
    size = (setting.clip_length, *setting.size)
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
