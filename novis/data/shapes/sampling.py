"""Whole videos, still images and clips of ``shapes``, rendered on the fly."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novis.data.shapes.composition import draw_scene
from novis.data.shapes.rendering import RenderedFrame, render_frames
from novis.data.shapes.scene import Scene
from novis.data.shapes.seeding import Purpose, random_stream
from novis.data.shapes.settings import ShapesSettings

NO_OCCLUSION, SLIGHT_OCCLUSION, SEVERE_OCCLUSION = "no_occlusion", "slight_occlusion", "severe_occlusion"


@dataclass(frozen=True)
class ShapesInstance:
    """One instance of a rendered video that is seen at least once.

    Attributes:
        label: position of its category, 0-based.
        masks: (F, H, W) bool, the visible part, disjoint from all others'; empty where hidden or away.
        occlusion: OVIS' level for each frame, None where the mask is empty.
    """

    label: int
    masks: np.ndarray
    occlusion: tuple[str | None, ...]


def occlusion_level(visible: int, total: int) -> str | None:
    """OVIS' level of an instance of which ``visible`` of ``total`` pixels in the frame are seen."""
    if not visible:
        return None
    share = visible / total
    if share > 0.95:
        return NO_OCCLUSION
    return SLIGHT_OCCLUSION if share > 0.5 else SEVERE_OCCLUSION


def render_video(
    settings: ShapesSettings, seed: int, index: int, purpose: Purpose = Purpose.VIDEO
) -> tuple[np.ndarray, list[ShapesInstance]]:
    """Video ``index`` of the data set of ``seed``: frames (F, H, W, 3) uint8 RGB, and its instances."""
    scene = draw_scene(settings, random_stream(seed, purpose, index))
    times = [frame * settings.frame_step for frame in range(settings.num_frames)]
    return _collected(scene, render_frames(scene, times))


class ShapesImages:
    """Still images and clips without end, each from a scene of its own that no video shows.

    Index after index, in any order, gives the same picture for the same seed. Labels are
    positions of categories, 0-based; instances that are not seen are left out.
    """

    def __init__(self, settings: ShapesSettings, seed: int) -> None:
        self.settings = settings
        self.seed = seed

    def image(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frame (H, W, 3) uint8 RGB, labels (n,) int64, masks (n, H, W) bool."""
        frames, instances = self.render(index, 1, Purpose.IMAGE)
        labels, masks = _stacked(instances, frames.shape[:3])
        return frames[0], labels, masks[:, 0]

    def clip(self, index: int, clip_length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Frames (T, H, W, 3) uint8 RGB in order, labels (n,) int64, masks (n, T, H, W) bool."""
        frames, instances = self.render(index, clip_length, Purpose.CLIP)
        return frames, *_stacked(instances, frames.shape[:3])

    def render(
        self, index: int, clip_length: int, purpose: Purpose
    ) -> tuple[np.ndarray, list[ShapesInstance]]:
        """``clip_length`` consecutive frames from a random moment of scene ``index`` of a purpose."""
        rng = random_stream(self.seed, purpose, index)
        scene = draw_scene(self.settings, rng)
        step = self.settings.frame_step
        start = float(rng.uniform(0, max(scene.duration - (clip_length - 1) * step, 0.0)))
        return _collected(scene, render_frames(scene, [start + step * slot for slot in range(clip_length)]))


def _collected(scene: Scene, frames: Sequence[RenderedFrame]) -> tuple[np.ndarray, list[ShapesInstance]]:
    images = np.stack([frame.image for frame in frames])
    owners = np.stack([frame.owners for frame in frames])
    totals = np.stack([frame.full_areas for frame in frames])
    instances = []
    for index, actor in enumerate(scene.actors):
        masks = owners == index + 1
        masks[masks.sum(axis=(1, 2)) < scene.settings.min_visible_area] = False
        visible = masks.sum(axis=(1, 2)).tolist()
        if any(visible):
            levels = tuple(map(occlusion_level, visible, totals[:, index].tolist()))
            instances.append(ShapesInstance(actor.label, masks, levels))
    return images, instances


def _stacked(instances: list[ShapesInstance], shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    labels = np.array([instance.label for instance in instances], np.int64)
    masks = np.stack([i.masks for i in instances]) if instances else np.zeros((0, *shape), bool)
    return labels, masks
