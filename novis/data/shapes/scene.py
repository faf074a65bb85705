"""A scene: camera, background, occluders and instances, drawn once and posed at any time."""

import math
from dataclasses import dataclass

import numpy as np

from novis.data.shapes.motion import Point, Trajectory, draw_trajectory
from novis.data.shapes.settings import ShapesSettings
from novis.data.shapes.silhouettes import CATEGORIES, CATEGORY_NAMES, Silhouette, bar, blob
from novis.data.shapes.textures import KINDS, TEXTURE_SIZE, VARIANTS, Texture, colour_table, texture_bank


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
class Scene:
    """Everything a frame at any time is drawn from.

    Attributes:
        duration: motion time of a whole video; times lie in 0..duration.
        camera: two oscillations for x and two for y: where the frame's corner is in the world.
        ground: two textures of which the background is the mean.
        patches: background patches, in world coordinates.
        occluders: in world coordinates, in front of all actors.
        actors: from back to front.
    """

    settings: ShapesSettings
    duration: float
    camera: tuple[tuple[Oscillation, ...], tuple[Oscillation, ...]]
    ground: tuple[Texture, Texture]
    patches: tuple[Fixture, ...]
    occluders: tuple[Fixture, ...]
    actors: tuple[Actor, ...]
    noise_origin: tuple[int, int]

    def camera_at(self, time: float) -> tuple[int, int]:
        """World coordinates (x, y) of the frame's corner, in whole pixels."""
        return _camera_at(self.camera, time)


def draw_scene(settings: ShapesSettings, rng: np.random.Generator) -> Scene:
    """Draw a scene from a random stream; it uses up the stream's numbers in a fixed order."""
    duration = max((settings.num_frames - 1) * settings.frame_step, 1.0)
    camera = _draw_camera(settings, rng)
    occluders = _draw_occluders(settings, rng)
    return Scene(
        settings=settings,
        duration=duration,
        camera=camera,
        ground=(_ground_texture(rng, 0.35), _ground_texture(rng, 1.2)),
        patches=_draw_patches(settings, rng),
        occluders=occluders,
        actors=_draw_actors(settings, rng, duration, camera, occluders),
        noise_origin=tuple(rng.integers(0, 128, 2).tolist()),
    )


def _camera_at(camera: tuple[tuple[Oscillation, ...], ...], time: float) -> tuple[int, int]:
    x, y = (sum(part.at(time) for part in axis) for axis in camera)
    return round(x), round(y)


def _draw_camera(
    settings: ShapesSettings, rng: np.random.Generator
) -> tuple[tuple[Oscillation, ...], tuple[Oscillation, ...]]:
    reach = settings.camera_motion * settings.frame_size[1]
    axes = []
    for share in (1.0, 0.4):
        slow = Oscillation(0.8 * share * reach * float(rng.uniform(0.3, 1)), *_rate_and_phase(rng, 24, 60))
        fast = Oscillation(0.2 * share * reach * float(rng.uniform(0, 1)), *_rate_and_phase(rng, 6, 16))
        axes.append((slow, fast))
    return axes[0], axes[1]


def _rate_and_phase(rng: np.random.Generator, shortest: float, longest: float) -> tuple[float, float]:
    """Rate of an oscillation whose period lies between two times, and its phase."""
    period, phase = float(rng.uniform(shortest, longest)), float(rng.uniform(0, 2 * math.pi))
    return 2 * math.pi / period, phase


def _texture(rng: np.random.Generator, kind: str, colours: np.ndarray, texels: float) -> Texture:
    pattern = texture_bank()[kind][int(rng.integers(VARIANTS))]
    origin = tuple(rng.integers(0, TEXTURE_SIZE, 2).tolist())
    return Texture(pattern, colours, texels * float(rng.uniform(0.8, 1.25)), origin)


def _any_kind(rng: np.random.Generator) -> str:
    return KINDS[int(rng.integers(len(KINDS)))]


def _colour_pair(rng: np.random.Generator, contrast: float) -> np.ndarray:
    """Two random colours (2, 3) in 0..255, each channel at least ``contrast`` apart on average."""
    pair = rng.uniform(0, 255, (2, 3))
    middle = pair.mean(axis=0)
    spread = pair - middle
    spread *= max(1.0, contrast / max(float(np.abs(spread).mean()) * 2, 1.0))
    return np.clip(middle + spread, 0, 255)


def _ground_texture(rng: np.random.Generator, texels: float) -> Texture:
    """A pale pattern: the colours of the background keep to the middle of the range."""
    pair = 60 + 0.55 * rng.uniform(0, 255, (2, 3))
    kind = ("clouds", "grain", "blotches")[int(rng.integers(3))]
    return _texture(rng, kind, colour_table(*pair), texels)


def _draw_patches(settings: ShapesSettings, rng: np.random.Generator) -> tuple[Fixture, ...]:
    height, width = settings.frame_size
    count = int(rng.integers(0, 2 * settings.clutter + 1)) if settings.clutter else 0
    patches = []
    for _ in range(count):
        radius = float(rng.uniform(0.08, 0.25)) * height
        place = rng.uniform((-0.2, -0.1), (1.2, 1.1))
        texture = _texture(rng, _any_kind(rng), colour_table(*(40 + 0.7 * _colour_pair(rng, 40))), 1.5)
        patches.append(Fixture(blob(rng), texture, _upright(place[0] * width, place[1] * height, radius)))
    return tuple(patches)


def _upright(x: float, y: float, scale: float, lean: float = 0.0) -> Pose:
    return Pose(float(x), float(y), lean, scale, scale)


def _draw_occluders(settings: ShapesSettings, rng: np.random.Generator) -> tuple[Fixture, ...]:
    """Poles, walls and blobs, two to the frame at full ``occlusion`` and one more beyond each side."""
    height, width = settings.frame_size
    most = round(5 * settings.occlusion)
    count = int(rng.integers((most + 1) // 2, most + 1)) if most else 0
    occluders = []
    for _ in range(count):
        x, y = float(rng.uniform(-0.15, 1.15)) * width, float(rng.uniform(0.2, 0.8)) * height
        texture = _texture(rng, _any_kind(rng), colour_table(*_colour_pair(rng, 60)), 1.5)
        kind = float(rng.random())
        if kind < 0.4:
            half_width = float(rng.uniform(0.03, 0.08)) * height
            outline, pose = (
                bar(half_width, 1.2 * height),
                _upright(x, y, 1.0, float(rng.uniform(-0.35, 0.35))),
            )
        elif kind < 0.7:
            half_width = float(rng.uniform(0.15, 0.15 + 0.12 * settings.occlusion)) * height
            outline, pose = bar(half_width, float(rng.uniform(0.3, 0.6)) * height), _upright(x, y, 1.0)
        else:
            radius = float(rng.uniform(0.15, 0.17 + 0.13 * settings.occlusion)) * height
            outline, pose = blob(rng), _upright(x, y, radius)
        occluders.append(Fixture(outline, texture, pose))
    return tuple(occluders)


@dataclass(frozen=True)
class _Look:
    label: int
    kind: str
    colours: np.ndarray


def _draw_looks(settings: ShapesSettings, rng: np.random.Generator, count: int) -> list[_Look]:
    looks: list[_Look] = []
    for _ in range(count):
        label = int(rng.integers(settings.num_categories))
        kind = KINDS[label] if float(rng.random()) < settings.texture_tie else _any_kind(rng)
        colours = _colour_pair(rng, 110)
        if looks and float(rng.random()) < settings.look_alikes:
            twin = looks[int(rng.integers(len(looks)))]
            mixed = settings.similarity * twin.colours + (1 - settings.similarity) * colours
            label, kind, colours = twin.label, twin.kind, mixed
        looks.append(_Look(label, kind, colours))
    return looks


def _draw_meetings(
    settings: ShapesSettings, rng: np.random.Generator, count: int, duration: float
) -> list[tuple[float, Point]]:
    """A time and a place for each instance; crowded instances take an earlier one's, a little off."""
    height, width = settings.frame_size
    meetings: list[tuple[float, Point]] = []
    for _ in range(count):
        time = float(rng.uniform(0.15, 0.85)) * duration
        x, y = float(rng.uniform(0.15, 0.85)) * width, float(rng.uniform(0.2, 0.8)) * height
        if meetings and float(rng.random()) < settings.crowding:
            time, (x, y) = meetings[int(rng.integers(len(meetings)))]
            x, y = x + float(rng.uniform(-0.06, 0.06)) * height, y + float(rng.uniform(-0.06, 0.06)) * height
        meetings.append((time, (x, y)))
    return meetings


def _draw_actors(
    settings: ShapesSettings,
    rng: np.random.Generator,
    duration: float,
    camera: tuple[tuple[Oscillation, ...], ...],
    occluders: tuple[Fixture, ...],
) -> tuple[Actor, ...]:
    least, most = settings.num_instances
    count = int(rng.integers(least, most + 1))
    looks = _draw_looks(settings, rng, count)
    meetings = _draw_meetings(settings, rng, count, duration)

    def spots(time: float) -> list[Point]:
        left, top = _camera_at(camera, time)
        return [(fixture.pose.x - left, fixture.pose.y - top) for fixture in occluders]

    actors = []
    for look, meeting in zip(looks, meetings, strict=True):
        radius = float(rng.uniform(*settings.object_size)) * settings.frame_size[0] / 2
        reach = 1.2 * radius * (1 + settings.scale_change) * (1 + settings.deformation)
        rate, phase = _rate_and_phase(rng, 10, 30)
        actors.append(
            Actor(
                label=look.label,
                texture=_texture(rng, look.kind, colour_table(*look.colours), 2.0),
                radius=radius,
                trajectory=draw_trajectory(rng, settings, reach, meeting, duration, spots),
                angle=Oscillation(float(rng.uniform(0, 2)) * settings.rotation / rate, rate, phase),
                spin=float(rng.uniform(-0.5, 0.5)) * settings.rotation,
                growth=Oscillation(settings.scale_change, *_rate_and_phase(rng, 20, 60)),
                squash=Oscillation(settings.deformation, *_rate_and_phase(rng, 8, 24)),
            )
        )
    return tuple(actors)
