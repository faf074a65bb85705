"""Resizing and augmentation: one draw for all frames of a clip (Appendix A).

Frames are (T, H, W, 3) uint8, masks (n, T, H, W) bool. Frames are resized by Pillow's
bilinear filter, masks by the nearest pixel centre, as in the parents: their published
weights expect shrunk frames to be smoothed, which OpenCV's bilinear filter does not do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from PIL import Image

from novis.errors import InputError
from novis.experiment import nearest


def test_size(height: int, width: int, min_size: int, max_size: int = 1333) -> tuple[int, int]:
    """Height and width after scaling the short side to ``min_size``, the long one to ``max_size`` at most."""
    scale = min(min_size / min(height, width), max_size / max(height, width))
    return max(int(height * scale + 0.5), 1), max(int(width * scale + 0.5), 1)


# pytest would take the contract's name for a test.
test_size.__test__ = False


def resize_frame(frame: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a frame (H, W, 3) uint8 to ``size`` = (height, width), smoothed where it shrinks."""
    if frame.shape[:2] == tuple(size):
        return frame
    return np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR))


def resize_masks(masks: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize masks (..., H, W) to ``size`` = (height, width): each pixel takes the one at its centre."""
    rows, columns = (
        ((np.arange(new) + 0.5) * old / new).astype(np.int64)
        for new, old in zip(size, masks.shape[-2:], strict=True)
    )
    return masks.take(rows, axis=-2).take(columns, axis=-1)


def resize_clip(
    frames: np.ndarray, masks: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Resize all frames and masks of a clip to ``size`` = (height, width)."""
    if frames.shape[1:3] == tuple(size):
        return frames, masks
    return np.stack([resize_frame(frame, size) for frame in frames]), resize_masks(masks, size)


@dataclass(frozen=True)
class Crop:
    """A crop of a random part, after a resize of its own.

    Attributes:
        probability: of cropping at all.
        short_sides: choices of the short side, in pixels, before the crop.
        sizes: least and most pixels of each side of the crop.
    """

    probability: float = 0.5
    short_sides: tuple[int, ...] = (400, 500, 600)
    sizes: tuple[int, int] = (384, 600)

    def size(self, rng: np.random.Generator, height: int, width: int) -> tuple[int, int]:
        """Height and width of a crop inside a frame of ``height`` x ``width``."""
        low, high = self.sizes
        return tuple(int(rng.integers(min(low, side), min(high, side) + 1)) for side in (height, width))


@dataclass(frozen=True)
class ScaleJitter:
    """Large-scale jitter, as the parent trains on COCO: a random scale, then a square of fixed size.

    The frame is scaled to fit into a square of a random multiple of ``size``. What exceeds
    ``size`` is cropped at a random place; what is missing is padded with grey, right and below.

    Attributes:
        scales: least and most of the multiple.
        size: side of the result, in pixels.
    """

    scales: tuple[float, float] = (0.1, 2.0)
    size: int = 1024

    def __call__(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames and masks of ``size`` x ``size``."""
        height, width = frames.shape[1:3]
        scale = rng.uniform(*self.scales) * self.size / max(height, width)
        scaled = max(round(height * scale), 1), max(round(width * scale), 1)
        frames, masks = resize_clip(frames, masks, scaled)
        top, left = (int(rng.integers(max(side - self.size, 0) + 1)) for side in scaled)
        rows, columns = slice(top, top + self.size), slice(left, left + self.size)
        frames, masks = frames[:, rows, columns], masks[..., rows, columns]
        missing = [(0, self.size - side) for side in frames.shape[1:3]]
        return (
            np.pad(frames, [(0, 0), *missing, (0, 0)], constant_values=_GREY),
            np.pad(masks, [(0, 0), (0, 0), *missing]),
        )


@dataclass(frozen=True)
class ClipAugmentation:
    """How training clips are drawn and changed; the defaults are the paper's normal scale.

    Attributes:
        frame_range: other frames lie at most so far from the reference frame.
        reverse: probability of reversing the clip in time.
        flip: probability of a horizontal flip.
        short_sides: choices of the short side, in pixels; none leaves frames as they are.
        max_size: most pixels of the long side.
        crop: before the resize, or None.
        jitter: in place of crop and short sides, for pre-training on still images, or None.
    """

    frame_range: int = 5
    reverse: float = 0.5
    flip: float = 0.5
    short_sides: tuple[int, ...] = (288, 320, 352, 384, 416, 448, 480, 512)
    max_size: int = 768
    crop: Crop | None = Crop()
    jitter: ScaleJitter | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build from a configuration's ``augmentation``.

        Raises:
            InputError: a key is unknown (the nearest is named), or a value makes no sense.
        """
        settings = _known(cls, config, "augmentation")
        if settings.get("crop") is not None:
            settings["crop"] = Crop(**_known(Crop, settings["crop"], "augmentation.crop"))
        if settings.get("jitter") is not None:
            settings["jitter"] = ScaleJitter(**_known(ScaleJitter, settings["jitter"], "augmentation.jitter"))
        augmentation = cls(**settings)
        augmentation._check()
        return augmentation

    def __call__(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Crop, resize and flip a clip; the result may be a view."""
        if self.jitter is not None:
            # Flipped first: padding stays right and below, where the network is used to it.
            return self.jitter(rng, *self.flipped(rng, frames, masks))
        frames, masks = self._cropped(rng, frames, masks)
        frames, masks = self.resized(rng, frames, masks)
        return self.flipped(rng, frames, masks)

    def flipped(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The whole clip mirrored, or as it is."""
        if rng.random() < self.flip:
            return frames[:, :, ::-1], masks[..., ::-1]
        return frames, masks

    def resized(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scale the short side to one of the choices."""
        if not self.short_sides:
            return frames, masks
        height, width = frames.shape[1:3]
        short_side = int(rng.choice(self.short_sides))
        return resize_clip(frames, masks, test_size(height, width, short_side, self.max_size))

    def _cropped(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        if self.crop is None or rng.random() >= self.crop.probability:
            return frames, masks
        height, width = frames.shape[1:3]
        short_side = int(rng.choice(self.crop.short_sides))
        frames, masks = resize_clip(frames, masks, test_size(height, width, short_side, _NO_LIMIT))
        height, width = self.crop.size(rng, *frames.shape[1:3])
        top = int(rng.integers(frames.shape[1] - height + 1))
        left = int(rng.integers(frames.shape[2] - width + 1))
        rows, columns = slice(top, top + height), slice(left, left + width)
        return frames[:, rows, columns], masks[..., rows, columns]

    def _check(self) -> None:
        probabilities = [self.reverse, self.flip] + ([self.crop.probability] if self.crop else [])
        if not all(0 <= probability <= 1 for probability in probabilities):
            raise InputError(f"augmentation: probabilities {probabilities} must lie in 0..1")
        sides = [*self.short_sides, self.max_size]
        if self.crop:
            sides += [*self.crop.short_sides, *self.crop.sizes]
        if min(sides) < 1 or self.frame_range < 1:
            raise InputError("augmentation: sides and frame_range must be at least 1")
        if self.jitter and (self.crop or self.short_sides):
            raise InputError(
                "augmentation: jitter replaces crop and short_sides; set crop to None and short_sides to []"
            )
        if self.jitter and not (self.jitter.size >= 1 and 0 < self.jitter.scales[0] <= self.jitter.scales[1]):
            raise InputError(
                f"augmentation.jitter: size {self.jitter.size} must be at least 1, and scales "
                f"{list(self.jitter.scales)} positive, the least first"
            )
        if self.crop and (not self.crop.short_sides or self.crop.sizes[0] > self.crop.sizes[1]):
            raise InputError(
                f"augmentation.crop: short_sides {list(self.crop.short_sides)} must not be empty, and "
                f"sizes {list(self.crop.sizes)} give the least side first"
            )


# Before a crop only the short side counts.
_NO_LIMIT = 1 << 30

# What the parent pads its training images with.
_GREY = 128


def _known(cls: type, config: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The settings of ``config`` as keyword arguments of a dataclass, lists as tuples.

    Raises:
        InputError: a key is unknown, or its value of another kind than its default.
    """
    defaults = {field.name: field.default for field in fields(cls)}
    for key in config:
        if key not in defaults:
            raise InputError(f"{place}: unknown key '{key}'{nearest(key, defaults)}")
        if not _fits(config[key], defaults[key]):
            raise InputError(f"{place}.{key} is {config[key]!r}; it must be {_kind(defaults[key])}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in config.items()}


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of a field's default; where that is a pair, it must be one."""
    if isinstance(default, tuple):
        of_length = isinstance(value, list | tuple) and (len(default) != 2 or len(value) == 2)
        return of_length and all(_fits(part, default[0]) for part in value)
    if isinstance(default, float):
        return type(value) in (int, float)
    if isinstance(default, int):
        return type(value) is int
    return value is None or isinstance(value, Mapping)


def _kind(default: Any) -> str:
    """A default's kind in words."""
    if isinstance(default, tuple):
        number = "whole numbers" if isinstance(default[0], int) else "numbers"
        return f"a list of two {number}" if len(default) == 2 else f"a list of {number}"
    return {float: "a number", int: "a whole number"}.get(type(default), "a mapping or None")
