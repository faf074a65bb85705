"""A scene: camera, background, occluders and instances, which can be posed at any time."""

import math
from dataclasses import dataclass

import numpy as np

from novis.data.shapes.motion import Trajectory
from novis.data.shapes.settings import ShapesSettings
from novis.data.shapes.silhouettes import CATEGORIES, CATEGORY_NAMES, Silhouette
from novis.data.shapes.textures import Texture


@dataclass(frozen=True)
class Pose:
    """Place of a silhouette: centre (x, y) in pixels, angle in radians, scale along its own axes."""

    x: float
    y: float
    angle: float
    scale_x: float
    scale_y: float


@dataclass(frozen=True)
class Oscillation:
    """``amplitude * sin(rate * time + phase)``."""

    amplitude: float
    rate: float
    phase: float

    def at(self, time: float) -> float:
        """Value at ``time``."""
        return self.amplitude * math.sin(self.rate * time + self.phase)


@dataclass(frozen=True)
class Fixture:
    """A textured thing that stands still in the world: an occluder, or a patch of the background."""

    silhouette: Silhouette
    texture: Texture
    pose: Pose

    @property
    def cover(self) -> float:
        """Radius of what can hide behind it, in pixels, roughly: half its narrower side."""
        return float(np.abs(self.silhouette[0]).max(axis=0).min()) * self.pose.scale_x


@dataclass(frozen=True)
class Actor:
    """An instance: what it looks like and how it moves."""

    label: int
    texture: Texture
    radius: float
    trajectory: Trajectory
    angle: Oscillation
    spin: float
    growth: Oscillation
    squash: Oscillation

    @property
    def silhouette(self) -> Silhouette:
        """The category's outline, radius 1."""
        return CATEGORIES[CATEGORY_NAMES[self.label]]

    def pose(self, time: float) -> Pose | None:
        """Pose at ``time``, None while away."""
        point = self.trajectory.position(time)
        if point is None:
            return None
        scale = self.radius * (1 + self.growth.at(time))
        squash = self.squash.at(time)
        angle = self.spin * time + self.angle.at(time)
        return Pose(*point, angle, scale * (1 + squash), scale * (1 - squash))


@dataclass(frozen=True)
class Camera:
    """The camera's path over the world: for each axis a slow and a fast oscillation."""

    x: tuple[Oscillation, ...]
    y: tuple[Oscillation, ...]

    def corner(self, time: float) -> tuple[int, int]:
        """World coordinates (x, y) of the frame's corner, in whole pixels."""
        x, y = (sum(part.at(time) for part in axis) for axis in (self.x, self.y))
        return round(x), round(y)


@dataclass(frozen=True)
class Scene:
    """Everything a frame at any time is drawn from.

    Attributes:
        duration: motion time of a whole video; times lie in 0..duration.
        camera: where the frame lies in the world.
        ground: two textures of which the background is the mean.
        patches: background patches, in world coordinates.
        occluders: in world coordinates, in front of all actors.
        actors: from back to front.
    """

    settings: ShapesSettings
    duration: float
    camera: Camera
    ground: tuple[Texture, Texture]
    patches: tuple[Fixture, ...]
    occluders: tuple[Fixture, ...]
    actors: tuple[Actor, ...]
    noise_origin: tuple[int, int]
