"""Textures: a small bank of periodic grey patterns, coloured by look-up tables.

The bank is made once a process, in whole numbers, and is the same for every data set: it
belongs to the generator, as the silhouettes do. Scenes draw position, scale and colours.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from novis.data.shapes.seeding import Purpose, random_stream

TEXTURE_SIZE = 256
KINDS: tuple[str, ...] = ("stripes", "dots", "checks", "blotches", "waves", "mesh", "grain", "clouds")
VARIANTS = 4


@dataclass(frozen=True)
class Texture:
    """A coloured pattern.

    Attributes:
        pattern: (256, 256) uint8, periodic.
        colours: (256, 1, 3) uint8, the colour of each grey value, RGB.
        texels: texels to a unit of the silhouette it is painted on.
        origin: (x, y) texel at the silhouette's centre.
    """

    pattern: np.ndarray
    colours: np.ndarray
    texels: float
    origin: tuple[int, int]


@lru_cache(maxsize=1)
def texture_bank() -> dict[str, tuple[np.ndarray, ...]]:
    """``VARIANTS`` patterns (256, 256) uint8 of each kind."""
    bank = {}
    for number, kind in enumerate(KINDS):
        rng = random_stream(0, Purpose.TEXTURE, number)
        bank[kind] = tuple(_PATTERNS[kind](rng, variant) for variant in range(VARIANTS))
    return bank


@lru_cache(maxsize=1)
def noise_field() -> np.ndarray:
    """(512, 512, 3) int16 noise in -128..127, triangular: frames cut their sensor noise from it."""
    rng = random_stream(0, Purpose.TEXTURE, len(KINDS))
    first, second = rng.integers(-64, 64, (2, 512, 512, 3), dtype=np.int16)
    return first + second


def colour_table(dark: np.ndarray, light: np.ndarray) -> np.ndarray:
    """(256, 1, 3) uint8 from colour ``dark`` at 0 to ``light`` at 255; both (3,) in 0..255."""
    dark, light = np.rint(dark).astype(np.int32), np.rint(light).astype(np.int32)
    ramp = np.arange(256, dtype=np.int32)[:, None]
    return ((dark * (255 - ramp) + light * ramp + 127) // 255).astype(np.uint8)[:, None]


def _axes() -> tuple[np.ndarray, np.ndarray]:
    line = np.arange(TEXTURE_SIZE)
    return line[None, :], line[:, None]


def _wave(phase: np.ndarray, period: int) -> np.ndarray:
    """A trapezoid wave of period ``period`` in 0..255: flat tops, slopes of a quarter period."""
    rise = np.abs(phase % period * 4 - 2 * period)
    return np.clip((rise - period // 2) * 255 // period, 0, 255)


def _smooth_noise(rng: np.random.Generator, cell: int) -> np.ndarray:
    """Periodic noise in 0..255 whose features are ``cell`` texels wide."""
    cells = TEXTURE_SIZE // cell
    field = np.kron(rng.integers(0, 256, (cells, cells)), np.ones((cell, cell), np.int64))
    for axis in (0, 1, 0, 1):
        field = sum(np.roll(field, shift, axis) for shift in range(cell)) // cell
    low, high = int(field.min()), int(field.max())
    return (field - low) * 255 // max(high - low, 1)


def _stripes(rng: np.random.Generator, variant: int) -> np.ndarray:
    x, y = _axes()
    return (_wave(x, (16, 32, 16, 32)[variant]) + 0 * y).astype(np.uint8)


def _dots(rng: np.random.Generator, variant: int) -> np.ndarray:
    period = (16, 32, 16, 32)[variant]
    x, y = _axes()
    shift = (y // period) % 2 * (period // 2) * (variant >= 2)
    distance = ((x + shift) % period - period // 2) ** 2 + (y % period - period // 2) ** 2
    return np.clip(255 - (distance * 40 // period - period * 2) * 16, 0, 255).astype(np.uint8)


def _checks(rng: np.random.Generator, variant: int) -> np.ndarray:
    period = (32, 64, 32, 64)[variant]
    x, y = _axes()
    return (np.abs(_wave(x, period) - _wave(y, period))).astype(np.uint8)


def _blotches(rng: np.random.Generator, variant: int) -> np.ndarray:
    noise = _smooth_noise(rng, (8, 16, 8, 16)[variant])
    return np.clip((noise - int(np.median(noise))) * 8 + 128, 0, 255).astype(np.uint8)


def _waves(rng: np.random.Generator, variant: int) -> np.ndarray:
    period = (16, 32, 16, 32)[variant]
    x, y = _axes()
    bend = np.abs(x % 32 - 16) * (1 + variant // 2) // 2
    return _wave(y + bend, period).astype(np.uint8)


def _mesh(rng: np.random.Generator, variant: int) -> np.ndarray:
    period = (16, 32, 16, 32)[variant]
    x, y = _axes()
    near = np.minimum(np.abs(x % period - period // 2), np.abs(y % period - period // 2))
    return np.clip(255 - (near * 32 // period - 4) * 64, 0, 255).astype(np.uint8)


def _grain(rng: np.random.Generator, variant: int) -> np.ndarray:
    return _smooth_noise(rng, 4).astype(np.uint8)


def _clouds(rng: np.random.Generator, variant: int) -> np.ndarray:
    octaves = [_smooth_noise(rng, cell) for cell in (64, 32, 16)]
    return ((4 * octaves[0] + 2 * octaves[1] + octaves[2]) // 7).astype(np.uint8)


_PATTERNS = {
    "stripes": _stripes,
    "dots": _dots,
    "checks": _checks,
    "blotches": _blotches,
    "waves": _waves,
    "mesh": _mesh,
    "grain": _grain,
    "clouds": _clouds,
}
