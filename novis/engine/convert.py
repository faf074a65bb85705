"""Official Mask2Former weights become a checkpoint of ours."""

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
    """Turn official Mask2Former weights into a checkpoint to start training from.

    Args:
        source: detectron2's .pkl, or a .safetensors or .bin file of transformers
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
    }
    write_checkpoint(output, {"state_dict": translation.state_dict, "meta": meta})
    _log(report, output)
    return report


def _check_download(source: Path) -> None:
    """Official file names end in the first six digits of the file's MD5, their only public checksum."""
    promised = re.search(r"^model_final_([0-9a-f]{6})\.pkl$", source.name)
    if not promised or not source.is_file():
        return
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if not digest.startswith(promised[1]):
        raise InputError(
            f"{source}: its MD5 starts with {digest[:6]}, not with {promised[1]} as its name promises; the "
            "download is damaged, get it again (or rename the file if it is not the official one)"
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
