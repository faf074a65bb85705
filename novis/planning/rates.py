"""What things take: measured on a machine and dated, or estimated, and never without saying which."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from novis.errors import InputError
from novis.experiment import nearest
from novis.files import replacing

# Every quantity that a plan knows, and its unit. What is "of" a model or a tracker has a rate for each.
QUANTITIES = {
    "train": "seconds per frame and megapixel of a training clip",
    "frame_features": "seconds per frame and megapixel",
    "clip_decoding": "seconds per frame of a clip and megapixel",
    "linking": "seconds per clip",
    "export": "seconds per mask",
    "evaluation": "seconds per frame",
    "startup": "seconds per job",
    "mask_bytes": "bytes per cell of a mask prediction",
    "result_bytes": "bytes per exported mask",
    "checkpoint_bytes": "bytes",
}
# What these depend on most is the model, or the tracker's kind.
ANY = "any"
_ESTIMATED = "estimated"


@dataclass(frozen=True)
class Rate:
    """One quantity of one model or tracker.

    Attributes:
        quantity: one of :data:`QUANTITIES`.
        of: the model or the tracker's kind that it was measured with, or ``any``.
        value: in the quantity's unit.
        origin: the machine and the date of the measurement, or ``estimated`` and from what.
        device: what its seconds are seconds of.
    """

    quantity: str
    of: str
    value: float
    origin: str
    device: Literal["gpu", "cpu"] = "cpu"

    @property
    def estimated(self) -> bool:
        """Whether nobody has measured it."""
        return self.origin.startswith(_ESTIMATED)


@dataclass(frozen=True)
class DatasetSize:
    """How much a data set holds, for those that are not there yet."""

    videos: int
    frames: int
    height: int
    width: int
    origin: str


@dataclass(frozen=True)
class Rates:
    """All that is known: later rates replace earlier ones of the same quantity and model."""

    rates: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    datasets: Mapping[str, DatasetSize] = field(default_factory=dict)

    def find(self, quantity: str, of: str = ANY) -> Rate | None:
        """The rate of a model or tracker, or that of any, or None."""
        return self.rates.get((quantity, of)) or self.rates.get((quantity, ANY))


def read_rates(paths: Iterable[Path]) -> Rates:
    """Read files of rates, later ones first to be asked.

    Raises:
        InputError: a file is missing or broken, or a rate lacks its origin.
    """
    rates: dict[tuple[str, str], Rate] = {}
    datasets: dict[str, DatasetSize] = {}
    for path in paths:
        content = _read(path)
        for number, entry in enumerate(content.get("rates", [])):
            rate = _checked(Rate, entry, f"{path}: rate {number}")
            if rate.quantity not in QUANTITIES:
                hint = nearest(rate.quantity, list(QUANTITIES))
                raise InputError(f"{path}: rate {number}: unknown quantity '{rate.quantity}'{hint}")
            rates[rate.quantity, rate.of] = rate
        for name, entry in content.get("datasets", {}).items():
            datasets[name] = _checked(DatasetSize, entry, f"{path}: data set '{name}'")
    return Rates(rates, datasets)


def write_rates(path: Path, rates: Sequence[Rate]) -> None:
    """Write measured rates as a file that :func:`read_rates` reads."""
    head = "# Written by `novis calibrate`; give it to `novis plan --rates`.\n"
    entries = [asdict(rate) for rate in rates]
    with replacing(path) as temporary:
        temporary.write_text(head + yaml.safe_dump({"rates": entries}, sort_keys=False))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file of rates; make one with 'novis calibrate'") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as a file of rates ({error})") from error
    if not isinstance(content, Mapping) or not set(content) <= {"rates", "datasets"}:
        raise InputError(f"{path}: a file of rates has the keys 'rates' and 'datasets'")
    return content


def _checked(kind: type, entry: Any, place: str) -> Any:
    try:
        made = kind(**entry)
    except TypeError as error:
        raise InputError(f"{place}: {str(error).partition(' ')[2]}") from error
    if not str(made.origin).strip():
        raise InputError(f"{place}: lacks its origin: machine and date, or 'estimated'")
    return made
