"""Rendering: a scene at a time becomes a frame and the visible mask of each instance.

Outlines are filled in fixed point and textures looked up by whole numbers, so that a frame
does not depend on the number of threads or on the processor's vector units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from novis.data.shapes.scene import Pose, Scene
from novis.data.shapes.silhouettes import Silhouette
from novis.data.shapes.textures import TEXTURE_SIZE, Texture, noise_field

_OUTLINE_BITS = 4
_TEXEL_BITS = 12
_TEXEL = 1 << _TEXEL_BITS


@dataclass(frozen=True)
class RenderedFrame:
    """One frame of a scene.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        owners: (H, W) uint8, 1 + the index of the actor seen at a pixel, 0 for none.
        full_areas: (n,) pixels inside the frame that each actor would cover were it in front.
    """

    image: np.ndarray
    owners: np.ndarray
    full_areas: np.ndarray


def render_frames(scene: Scene, times: Sequence[float]) -> list[RenderedFrame]:
    """The scene at each of ``times``; the background is drawn once for all of them."""
    background, left, top = _draw_background(scene, [scene.camera.corner(time) for time in times])
    height, width = scene.settings.frame_size
    frames = []
    for number, time in enumerate(times):
        x, y = scene.camera.corner(time)
        view = background[y - top : y - top + height, x - left : x - left + width]
        frames.append(_render_frame(scene, time, view.copy(), number))
    return frames


def _render_frame(scene: Scene, time: float, canvas: np.ndarray, number: int) -> RenderedFrame:
    owners = np.zeros(canvas.shape[:2], np.uint8)
    full_areas = np.zeros(len(scene.actors), np.int64)
    for index, actor in enumerate(scene.actors):
        pose = actor.pose(time)
        if pose is not None:
            full_areas[index] = _draw(canvas, actor.silhouette, actor.texture, pose, owners, index + 1)
    x, y = scene.camera.corner(time)
    for fixture in scene.occluders:
        _draw(canvas, fixture.silhouette, fixture.texture, _shifted(fixture.pose, x, y), owners, 0)
    return RenderedFrame(_with_noise(canvas, scene, number), owners, full_areas)


def _shifted(pose: Pose, x: int, y: int) -> Pose:
    return Pose(pose.x - x, pose.y - y, pose.angle, pose.scale_x, pose.scale_y)


def _with_noise(canvas: np.ndarray, scene: Scene, number: int) -> np.ndarray:
    amplitude = scene.settings.noise
    if not amplitude:
        return canvas
    height, width = canvas.shape[:2]
    field = noise_field()
    rows = (np.arange(height) + scene.noise_origin[0] + 61 * number) % field.shape[0]
    columns = (np.arange(width) + scene.noise_origin[1] + 97 * number) % field.shape[1]
    noise = field[rows[:, None], columns] * np.int16(amplitude) >> 7
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def _draw_background(scene: Scene, corners: list[tuple[int, int]]) -> tuple[np.ndarray, int, int]:
    """The part of the world that frames at ``corners`` see, and the (x, y) of its corner."""
    left, top = min(x for x, _ in corners), min(y for _, y in corners)
    height = scene.settings.frame_size[0] + max(y for _, y in corners) - top
    width = scene.settings.frame_size[1] + max(x for x, _ in corners) - left
    pose = Pose(-left, -top, 0.0, 1.0, 1.0)
    first, second = (_fill(texture, pose, 0, 0, height, width) for texture in scene.ground)
    canvas = (first & second) + ((first ^ second) >> 1)
    for patch in scene.patches:
        _draw(canvas, patch.silhouette, patch.texture, _shifted(patch.pose, left, top))
    return canvas, left, top


def _draw(
    canvas: np.ndarray,
    silhouette: Silhouette,
    texture: Texture,
    pose: Pose,
    owners: np.ndarray | None = None,
    owner: int = 0,
) -> int:
    """Draw a textured silhouette, note its pixels in ``owners``, and return how many they are."""
    outlines = _outlines(silhouette, pose)
    box_left, box_top, box_right, box_bottom = _box(outlines)
    left, right = max(box_left, 0), min(box_right, canvas.shape[1])
    top, bottom = max(box_top, 0), min(box_bottom, canvas.shape[0])
    if left >= right or top >= bottom:
        return 0
    # Covered as a whole and cut after: cut outlines would be filled a little differently.
    cover = _cover(outlines, box_left, box_top, box_bottom - box_top, box_right - box_left)
    cover = cover[top - box_top : bottom - box_top, left - box_left : right - box_left]
    colours = _fill(texture, pose, left, top, bottom - top, right - left)
    _blend(canvas[top:bottom, left:right], colours, cover)
    inside = cover >= 128
    if owners is not None:
        owners[top:bottom, left:right][inside] = owner
    return int(np.count_nonzero(inside))


def _outlines(silhouette: Silhouette, pose: Pose) -> list[np.ndarray]:
    """Contours in the frame, (n, 2) int32 in sixteenths of a pixel."""
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    unit = 1 << _OUTLINE_BITS
    outlines = []
    for contour in silhouette:
        x, y = contour[:, 0] * pose.scale_x, contour[:, 1] * pose.scale_y
        points = np.stack((pose.x + cos * x - sin * y, pose.y + sin * x + cos * y), axis=1)
        outlines.append(np.rint(points * unit).astype(np.int32))
    return outlines


def _cover(outlines: list[np.ndarray], left: int, top: int, height: int, width: int) -> np.ndarray:
    """(height, width) uint8: the share of each pixel inside the outlines, 255 for all of it."""
    # Filled four times finer; a pixel's centre is its whole coordinate, hence the half pixel.
    fine = np.zeros((4 * height, 4 * width), np.uint8)
    half = 1 << _OUTLINE_BITS - 1
    corner = np.array(((left << _OUTLINE_BITS) - half + 2, (top << _OUTLINE_BITS) - half + 2), np.int32)
    cv2.fillPoly(fine, [outline - corner for outline in outlines], 255, cv2.LINE_8, _OUTLINE_BITS - 2)
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)


def _box(outlines: list[np.ndarray]) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that the outermost outline may touch."""
    # A silhouette's first contour encloses the others.
    left, top = (outlines[0].min(axis=0) >> _OUTLINE_BITS).tolist()
    right, bottom = (outlines[0].max(axis=0) >> _OUTLINE_BITS).tolist()
    return left - 1, top - 1, right + 3, bottom + 3


def _fill(texture: Texture, pose: Pose, left: int, top: int, height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8: the texture painted on what has this pose, seen through a window."""
    cos, sin = math.cos(pose.angle), math.sin(pose.angle)
    along, across = texture.texels / pose.scale_x, texture.texels / pose.scale_y
    x, y = left - pose.x, top - pose.y
    u = _ramp(width, height, x, y, along * cos, along * sin) + texture.origin[0]
    v = _ramp(width, height, x, y, -across * sin, across * cos) + texture.origin[1]
    inside = TEXTURE_SIZE - 1
    grey = texture.pattern.ravel()[(v & inside) * TEXTURE_SIZE + (u & inside)]
    return cv2.applyColorMap(grey, texture.colours)


def _ramp(width: int, height: int, x: float, y: float, by_x: float, by_y: float) -> np.ndarray:
    """(height, width) int32: the floor of ``by_x * column + by_y * row`` counted from (x, y)."""
    step_x, step_y = round(by_x * _TEXEL), round(by_y * _TEXEL)
    columns = np.arange(width, dtype=np.int32) * step_x + round(x * step_x + y * step_y)
    rows = np.arange(height, dtype=np.int32) * step_y
    return (columns + rows[:, None]) >> _TEXEL_BITS


def _blend(canvas: np.ndarray, colours: np.ndarray, cover: np.ndarray) -> None:
    """Lay ``colours`` over ``canvas`` in place, as opaque as ``cover`` says."""
    # 0..255 becomes 0..128: products then fit 16 bits.
    weight = ((cover.astype(np.int16) + 1) >> 1)[:, :, None]
    below = canvas.astype(np.int16)
    canvas[:] = below + ((colours - below) * weight >> 7)
