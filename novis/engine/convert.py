"""Official weights, of Mask2Former or of a backbone alone, become a checkpoint of ours."""

import hashlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

import torch

from novis import config as configuration
from novis.engine.checkpoints import write_checkpoint
from novis.engine.weight_files import read_weights
from novis.errors import InputError
from novis.files import sha256
from novis.model.official_weights import translate
from novis.model.registry import MODELS

_LOG = logging.getLogger(__name__)

# The checksum in a name: of Mask2Former's files, and of torchvision's.
_PROMISES = {
    "md5": r"^model_final_([0-9a-f]{6})\.pkl$",
    "sha256": r"^resnet\d+-([0-9a-f]{8})\.pth$",
}


@dataclass(frozen=True)
class ConversionReport:
    """What a conversion did with every tensor.

    Attributes:
        num_read: tensors in the official file.
        num_written: tensors in the checkpoint; official files keep some of ours as one.
        dropped: official names that were not used, each with its reason.
        afresh: our names without weights.
    """

    num_read: int
    num_written: int
    dropped: dict[str, str]
    afresh: tuple[str, ...]


def convert(source: Path, model: Path, output: Path) -> ConversionReport:
    """Turn official weights into a checkpoint to start training from.

    They are those of a whole Mask2Former, or of a backbone trained on ImageNet.

    Args:
        source: Mask2Former as detectron2's .pkl or transformers' .safetensors or .bin; or torchvision's
            ResNet, or the published Swin (.pth)
        model: the model file of the network that is to carry them, such as config/models/novis_r50.py
        output: the checkpoint to write

    Raises:
        InputError: the file is damaged or holds more than arrays, or a tensor is left over,
            missing, or of another shape.
    """
    _check_download(source)
    settings = configuration.load(model)
    with torch.device("meta"):
        own = MODELS.build(settings.model).state_dict()
    weights = read_weights(source)
    try:
        translation = translate(weights, own)
    except InputError as error:
        raise InputError(f"{source} for {model}: {error}") from error
    report = ConversionReport(
        len(weights), len(translation.state_dict), translation.dropped, translation.afresh
    )
    meta = {
        "source": source.name,
        "sha256": sha256(source),
        "dropped": [f"{name}: {reason}" for name, reason in report.dropped.items()],
        "afresh": list(report.afresh),
        "part": translation.part,
    }
    write_checkpoint(output, {"state_dict": translation.state_dict, "meta": meta})
    _log(report, output)
    return report


def _check_download(source: Path) -> None:
    """Official file names end in the first digits of the file's checksum, the only public one."""
    for algorithm, pattern in _PROMISES.items():
        promised = re.search(pattern, source.name)
        if not promised or not source.is_file():
            continue
        with source.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        if not digest.startswith(promised[1]):
            raise InputError(
                f"{source}: its {algorithm.upper()} starts with {digest[: len(promised[1])]}, not with "
                f"{promised[1]} as its name promises; the download is damaged, get it again (or rename the "
                "file if it is not the official one)"
            )


def _log(report: ConversionReport, output: Path) -> None:
    used = report.num_read - len(report.dropped)
    _LOG.info(
        "%s: %d of %d official tensors used, as %d of ours", output, used, report.num_read, report.num_written
    )
    for reason in dict.fromkeys(report.dropped.values()):
        names = [name for name, why in report.dropped.items() if why == reason]
        _LOG.info("dropped %d (%s): %s", len(names), reason, ", ".join(names[:3]))
    _LOG.info("afresh: %s", ", ".join(report.afresh) or "nothing")
