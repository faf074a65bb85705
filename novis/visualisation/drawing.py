"""Drawing instances over a frame: coloured masks, contours and labels."""

import colorsys
import itertools
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Bright, far apart, and told from each other by most colour-blind readers when neighbours differ.
_FIRST_COLOURS = (
    (0, 158, 255),
    (255, 138, 0),
    (0, 200, 120),
    (240, 70, 160),
    (250, 220, 40),
    (150, 100, 255),
    (90, 225, 240),
    (230, 50, 40),
    (160, 200, 30),
    (255, 175, 170),
)
_FILL = 0.5
_LABEL_PADDING = 2


def instance_colours(count: int) -> np.ndarray:
    """``count`` distinct colours, (count, 3) uint8 RGB; the first ones never change.

    After a fixed few, each is the candidate farthest from all before it.
    """
    colours = np.array(_FIRST_COLOURS, float)
    candidates = _candidates()
    while len(colours) < count:
        distances = np.linalg.norm(candidates[:, None] - colours[None], axis=2).min(1)
        colours = np.vstack([colours, candidates[distances.argmax()]])
    return colours[:count].astype(np.uint8)


@cache
def _candidates() -> np.ndarray:
    """Colours that are neither dark nor pale, (n, 3) float64 in 0..255."""
    steps = itertools.product(np.arange(48) / 48, (0.45, 0.7, 1.0), (0.7, 1.0))
    return np.rint([[255 * channel for channel in colorsys.hsv_to_rgb(*step)] for step in steps])


def draw_instances(
    frame: np.ndarray, masks: np.ndarray, colours: np.ndarray, labels: Sequence[str]
) -> np.ndarray:
    """Draw instances over a frame, the first at the bottom.

    Args:
        frame: (H, W, 3) uint8 RGB, left as it is.
        masks: (n, H, W) bool; an empty mask draws nothing, not even its label.
        colours: (n, 3) uint8 RGB.
        labels: n texts; an empty one is left out.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    image = frame.copy()
    for mask, colour in zip(masks, colours, strict=True):
        image[mask] = np.rint((1 - _FILL) * image[mask] + _FILL * colour).astype(np.uint8)
    for mask, colour in zip(masks, colours, strict=True):
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        width = max(2, round(min(mask.shape) / 160))
        cv2.drawContours(image, outlines, -1, (15, 15, 15), width + 2, cv2.LINE_AA)
        cv2.drawContours(image, outlines, -1, tuple(map(int, colour)), width, cv2.LINE_AA)
    return _with_labels(image, masks, colours, labels)


def enlarged(frame: np.ndarray, masks: np.ndarray, min_height: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame and masks at the least whole multiple of their size that is ``min_height`` pixels high.

    Args:
        frame: (H, W, 3) uint8.
        masks: (n, H, W) bool; their edges are smoothed, not stepped.
    """
    factor = max(1, -(-min_height // frame.shape[0]))
    if factor == 1:
        return frame, masks
    size = (frame.shape[1] * factor, frame.shape[0] * factor)
    smooth = [
        cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5 for mask in masks
    ]
    return (
        cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC),
        np.array(smooth, bool).reshape(-1, size[1], size[0]),
    )


@cache
def label_font(size: int) -> ImageFont.FreeTypeFont:
    """A sans-serif font of this size in pixels, the one that comes with matplotlib."""
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), size)


def _with_labels(
    image: np.ndarray, masks: np.ndarray, colours: np.ndarray, labels: Sequence[str]
) -> np.ndarray:
    """Labels at the tops of their masks, moved down where another label is in the way."""
    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    font = label_font(max(10, round(min(image.shape[:2]) / 24)))
    taken: list[tuple[int, int, int, int]] = []
    for mask, colour, label in zip(masks, colours, labels, strict=True):
        if label and mask.any():
            box = _label_box(mask, draw.textbbox((0, 0), label, font=font), taken)
            taken.append(box)
            draw.rectangle(box, fill=tuple(map(int, colour)))
            ink = (0, 0, 0) if colour @ (0.299, 0.587, 0.114) > 120 else (255, 255, 255)
            draw.text((box[0] + _LABEL_PADDING, box[3] - _LABEL_PADDING), label, ink, font, anchor="ld")
    return np.asarray(canvas)


def _label_box(
    mask: np.ndarray, text_box: tuple[float, ...], taken: Sequence[tuple[int, int, int, int]]
) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a label inside the image, clear of those that are ``taken``."""
    height, width = mask.shape
    label_width = int(text_box[2]) + 2 * _LABEL_PADDING
    label_height = int(text_box[3]) + 2 * _LABEL_PADDING
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    left = int(np.clip((columns[0] + columns[-1] - label_width) // 2, 0, max(width - label_width, 0)))
    first = int(np.clip(rows[0] - label_height, 0, max(height - label_height, 0)))
    for top in range(first, max(height - label_height, 0) + 1, label_height):
        box = (left, top, left + label_width, top + label_height)
        if not any(_overlap(box, other) for other in taken):
            return box
    return (left, first, left + label_width, first + label_height)


def _overlap(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
