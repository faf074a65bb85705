"""What a time was measured on: a figure without its hardware says nothing."""

import os
import platform
from pathlib import Path

import torch

_CPU_INFO = Path("/proc/cpuinfo")


def describe_hardware(device: torch.device) -> dict[str, str | int | None]:
    """Name the hardware and software that a network on ``device`` runs on.

    Returns:
        ``device`` (the GPU's name, or the processor's), ``processor``, ``cores`` (that
        this process may use), ``threads`` (of torch), ``machine`` (host name), ``torch``, ``cuda``.
    """
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "device": gpu or processor_name(),
        "processor": processor_name(),
        "cores": num_cores(),
        "threads": torch.get_num_threads(),
        "machine": platform.node(),
        "torch": str(torch.__version__),
        "cuda": torch.version.cuda if gpu else None,
    }


def num_cores() -> int | None:
    """The cores that this process may use: a job rarely has all of its machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor_name() -> str:
    """The processor's name as it gives it, else its architecture."""
    if _CPU_INFO.exists():
        for line in _CPU_INFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all that it was given: only then does a clock tell the truth."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
