"""The settings of ``shapes``: everything that decides how hard a video is."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from novis.errors import InputError

MAX_CATEGORIES = 8


@dataclass(frozen=True)
class ShapesSettings:
    """Content and difficulty of a generated data set. Two equal settings and seeds give equal bytes.

    Attributes:
        frame_size: (height, width) of a frame in pixels.
        num_frames: frames of a video.
        frame_step: units of motion time from one frame to the next; 2 drops every other frame.
        num_categories: the first so many of the eight silhouettes are in use.
        num_instances: least and most instances of a video, both included.
        sparseness: the number of instances is the least of so many uniform draws; with 1 all
            numbers are equally frequent, with more the small ones are.
        object_size: least and most diameter of an instance, in frame heights.
        speed: mean speed of an instance, in frame widths per unit of motion time.
        unevenness: share of an instance's legs that accelerate, brake, swing or stop and go
            instead of running at constant speed.
        crowding: probability that an instance crosses the path of another one at the same time.
        leaving: probability that a leg ends outside the frame; the instance then comes back
            through another side.
        occlusion: 0 to 1: number and width of the foreground occluders, and how often an
            instance stops behind one.
        look_alikes: probability that an instance shares category and texture with an earlier one.
        similarity: 0 to 1: how near the colours of look-alikes are; at 1 they are the same.
        texture_tie: probability that the texture kind of an instance is its category's own
            and not a random one. With 0, categories differ in nothing but their silhouette.
        rotation: largest angular speed, in radians per unit of motion time.
        scale_change: largest relative change of size around an instance's mean size.
        deformation: largest relative change of an instance's aspect.
        camera_motion: amplitude of the camera's path, in frame widths.
        clutter: textured patches of a background (they are no instances), on average.
        noise: largest deviation of the sensor noise, in grey levels.
        min_visible_area: a visible part of fewer pixels counts as hidden.
        jpeg_quality: 1 to 100.
    """

    frame_size: tuple[int, int] = (96, 160)
    num_frames: int = 36
    frame_step: float = 1.0
    num_categories: int = 6
    num_instances: tuple[int, int] = (2, 6)
    sparseness: int = 1
    object_size: tuple[float, float] = (0.28, 0.52)
    speed: float = 0.055
    unevenness: float = 0.5
    crowding: float = 0.5
    leaving: float = 0.35
    occlusion: float = 0.4
    look_alikes: float = 0.5
    similarity: float = 0.5
    texture_tie: float = 0.7
    rotation: float = 0.12
    scale_change: float = 0.25
    deformation: float = 0.15
    camera_motion: float = 0.15
    clutter: float = 4.0
    noise: int = 6
    min_visible_area: int = 8
    jpeg_quality: int = 92

    def __post_init__(self) -> None:
        for name, low, high in _RANGES:
            _check_range(name, getattr(self, name), low, high)
        for name in ("num_instances", "object_size"):
            least, most = getattr(self, name)
            if least > most:
                raise InputError(f"shapes setting {name}: [{least}, {most}] must be [least, most]")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "ShapesSettings":
        """Settings from a configuration's mapping; lists become tuples, missing keys keep their defaults.

        Raises:
            InputError: an unknown key (the message names the nearest known one), or a value of
                the wrong type or out of range.
        """
        names = [field.name for field in fields(cls)]
        for key in config:
            if key not in names:
                raise InputError(_unknown_key(key, names))
        return cls(**{key: _converted(key, value, getattr(cls, key)) for key, value in config.items()})


_RANGES: tuple[tuple[str, float, float], ...] = (
    ("frame_size", 32, 4096),
    ("num_frames", 1, 10_000),
    ("frame_step", 0.05, 20),
    ("num_categories", 1, MAX_CATEGORIES),
    ("num_instances", 1, 50),
    ("sparseness", 1, 10),
    ("object_size", 0.05, 1),
    ("speed", 0, 1),
    ("unevenness", 0, 1),
    ("crowding", 0, 1),
    ("leaving", 0, 1),
    ("occlusion", 0, 1),
    ("look_alikes", 0, 1),
    ("similarity", 0, 1),
    ("texture_tie", 0, 1),
    ("rotation", 0, 3.2),
    ("scale_change", 0, 0.9),
    ("deformation", 0, 0.9),
    ("camera_motion", 0, 2),
    ("clutter", 0, 100),
    ("noise", 0, 127),
    ("min_visible_area", 1, 10_000),
    ("jpeg_quality", 1, 100),
)


def _check_range(name: str, value: Any, low: float, high: float) -> None:
    for number in value if isinstance(value, tuple) else (value,):
        if not low <= number <= high:
            raise InputError(f"shapes setting {name}: {number} does not lie in {low}..{high}")


def _converted(key: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or len(value) != len(default):
            raise InputError(f"shapes setting {key}: {value!r} is no list of {len(default)} numbers")
        return tuple(_converted(key, v, d) for v, d in zip(value, default, strict=True))
    wanted = int if isinstance(default, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        kind = "a whole number" if wanted is int else "a number"
        raise InputError(f"shapes setting {key}: {value!r} is not {kind}")
    return type(default)(value)


def _unknown_key(key: str, known: list[str]) -> str:
    nearest = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)[0]
    return f"shapes settings: unknown key {key!r}; did you mean {nearest!r}?"
