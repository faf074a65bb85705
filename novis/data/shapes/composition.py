"""Drawing a scene: every choice that random numbers make about it."""

import math
from dataclasses import dataclass

import numpy as np

from novis.data.shapes.motion import Point, Spots, draw_trajectory
from novis.data.shapes.scene import Actor, Camera, Fixture, Oscillation, Pose, Scene
from novis.data.shapes.settings import ShapesSettings
from novis.data.shapes.silhouettes import Silhouette, bar, blob
from novis.data.shapes.textures import KINDS, TEXTURE_SIZE, VARIANTS, Texture, colour_table, texture_bank


def draw_scene(settings: ShapesSettings, rng: np.random.Generator) -> Scene:
    """Draw a scene from a random stream; it uses up the stream's numbers in a fixed order."""
    duration = max((settings.num_frames - 1) * settings.frame_step, 1.0)
    camera = _draw_camera(settings, rng)
    occluders = _draw_occluders(settings, rng)
    return Scene(
        settings=settings,
        duration=duration,
        camera=camera,
        ground=(_ground_texture(rng, 0.8), _ground_texture(rng, 1.3)),
        patches=_draw_patches(settings, rng),
        occluders=occluders,
        actors=_draw_actors(settings, rng, duration, camera, occluders),
        noise_origin=tuple(rng.integers(0, 128, 2).tolist()),
    )


def _draw_camera(settings: ShapesSettings, rng: np.random.Generator) -> Camera:
    reach = settings.camera_motion * settings.frame_size[1]
    axes = []
    for share in (1.0, 0.4):
        slow = Oscillation(0.8 * share * reach * float(rng.uniform(0.3, 1)), *_rate_and_phase(rng, 24, 60))
        fast = Oscillation(0.2 * share * reach * float(rng.uniform(0, 1)), *_rate_and_phase(rng, 6, 16))
        axes.append((slow, fast))
    return Camera(*axes)


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
        texture = _texture(
            rng, _any_kind(rng), colour_table(*(40 + 0.7 * _colour_pair(rng, 40))), 1.5 * radius
        )
        patches.append(Fixture(blob(rng), texture, _upright(place[0] * width, place[1] * height, radius)))
    return tuple(patches)


def _upright(x: float, y: float, scale: float, lean: float = 0.0) -> Pose:
    return Pose(float(x), float(y), lean, scale, scale)


def _draw_occluders(settings: ShapesSettings, rng: np.random.Generator) -> tuple[Fixture, ...]:
    """Poles, walls and blobs, up to five at full ``occlusion``, spread a little beyond the frame."""
    height, width = settings.frame_size
    most = round(5 * settings.occlusion)
    count = int(rng.integers((most + 1) // 2, most + 1)) if most else 0
    occluders = []
    for _ in range(count):
        x, y = float(rng.uniform(-0.15, 1.15)) * width, float(rng.uniform(0.2, 0.8)) * height
        outline, lean = _draw_outline(settings, rng)
        texture = _texture(rng, _any_kind(rng), colour_table(*_colour_pair(rng, 60)), 1.5 * height)
        occluders.append(Fixture(outline, texture, _upright(x, y, height, lean)))
    return tuple(occluders)


def _draw_outline(settings: ShapesSettings, rng: np.random.Generator) -> tuple[Silhouette, float]:
    """An occluder's outline in frame heights, and the angle at which it leans."""
    kind = float(rng.random())
    if kind < 0.4:
        return bar(float(rng.uniform(0.03, 0.08)), 1.2), float(rng.uniform(-0.35, 0.35))
    if kind < 0.7:
        half_width = float(rng.uniform(0.15, 0.15 + 0.15 * settings.occlusion))
        return bar(half_width, float(rng.uniform(0.3, 0.6))), 0.0
    radius = float(rng.uniform(0.15, 0.17 + 0.13 * settings.occlusion))
    return tuple(radius * contour for contour in blob(rng)), 0.0


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


def _hiding_spots(camera: Camera, fixtures: list[Fixture]) -> Spots:
    def spots(time: float) -> list[Point]:
        left, top = camera.corner(time)
        return [(fixture.pose.x - left, fixture.pose.y - top) for fixture in fixtures]

    return spots


def _draw_actors(
    settings: ShapesSettings,
    rng: np.random.Generator,
    duration: float,
    camera: Camera,
    occluders: tuple[Fixture, ...],
) -> tuple[Actor, ...]:
    least, most = settings.num_instances
    count = int(rng.integers(least, most + 1, settings.sparseness).min())
    looks = _draw_looks(settings, rng, count)
    meetings = _draw_meetings(settings, rng, count, duration)

    actors = []
    for look, meeting in zip(looks, meetings, strict=True):
        radius = float(rng.uniform(*settings.object_size)) * settings.frame_size[0] / 2
        reach = 1.2 * radius * (1 + settings.scale_change) * (1 + settings.deformation)
        spots = _hiding_spots(camera, [fixture for fixture in occluders if fixture.cover > 0.7 * radius])
        rate, phase = _rate_and_phase(rng, 10, 30)
        actors.append(
            Actor(
                label=look.label,
                texture=_texture(rng, look.kind, colour_table(*look.colours), 2 * radius),
                radius=radius,
                trajectory=draw_trajectory(rng, settings, reach, meeting, duration, spots),
                angle=Oscillation(float(rng.uniform(0, 2)) * settings.rotation / rate, rate, phase),
                spin=float(rng.uniform(-0.5, 0.5)) * settings.rotation,
                growth=Oscillation(settings.scale_change, *_rate_and_phase(rng, 20, 60)),
                squash=Oscillation(settings.deformation, *_rate_and_phase(rng, 8, 24)),
            )
        )
    return tuple(actors)
