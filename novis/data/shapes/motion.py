"""Motion: where an instance is at each time, from legs between waypoints.

Times are in units of motion time, positions are (x, y) in pixels of the frame. A trajectory
is walked from a meeting point both ways in time, so that instances given the same meeting
point cross there exactly.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from novis.data.shapes.settings import ShapesSettings

Point = tuple[float, float]
# The places where an instance can hide, at a time.
Spots = Callable[[float], list[Point]]


def _smooth(u: float) -> float:
    return u * u * (3 - 2 * u)


def _stop_and_go(u: float) -> float:
    return (_smooth(min(u / 0.38, 1.0)) + _smooth(max((u - 0.62) / 0.38, 0.0))) / 2


# Share of the way covered at share u of the time.
_PACES: tuple[Callable[[float], float], ...] = (
    lambda u: u,
    _smooth,
    lambda u: u * u,
    lambda u: 1 - (1 - u) * (1 - u),
    _stop_and_go,
)


@dataclass(frozen=True)
class Leg:
    """The way from ``start`` to ``end`` between two times, at a pace, swinging sideways."""

    start_time: float
    end_time: float
    start: Point
    end: Point
    pace: int = 0
    swing: float = 0.0

    def position(self, time: float) -> Point:
        """Where the leg is at ``time``, which lies within it."""
        u = (time - self.start_time) / (self.end_time - self.start_time)
        share = _PACES[self.pace](u)
        dx, dy = self.end[0] - self.start[0], self.end[1] - self.start[1]
        side = self.swing * math.sin(2 * math.pi * u) / max(math.hypot(dx, dy), 1.0)
        return self.start[0] + share * dx - side * dy, self.start[1] + share * dy + side * dx


@dataclass(frozen=True)
class Trajectory:
    """Legs before and after a meeting, both in time elapsed from it; gaps are spent outside."""

    meeting_time: float
    after: tuple[Leg, ...]
    before: tuple[Leg, ...]

    def position(self, time: float) -> Point | None:
        """(x, y) at ``time``, or None while the instance is away."""
        elapsed = abs(time - self.meeting_time)
        for leg in self.after if time >= self.meeting_time else self.before:
            if leg.start_time <= elapsed <= leg.end_time:
                return leg.position(elapsed)
        return None


def draw_trajectory(
    rng: np.random.Generator,
    settings: ShapesSettings,
    radius: float,
    meeting: tuple[float, Point],
    duration: float,
    spots: Spots,
) -> Trajectory:
    """A trajectory over times 0 to ``duration`` of an instance that reaches ``radius`` from its centre."""
    time, point = meeting
    walker = _Walker(rng, settings, radius, settings.speed * float(rng.uniform(0.6, 1.3)))
    after = walker.walk(point, duration - time, lambda elapsed: spots(time + elapsed))
    before = walker.walk(point, time, lambda elapsed: spots(time - elapsed))
    return Trajectory(time, tuple(after), tuple(before))


class _Walker:
    """Draws legs one after the other until the time is filled."""

    def __init__(
        self, rng: np.random.Generator, settings: ShapesSettings, radius: float, speed: float
    ) -> None:
        self._rng = rng
        self._settings = settings
        self._height, self._width = settings.frame_size
        self._radius = radius
        self._pixels_per_time = max(speed * self._width, 1e-3)

    def walk(self, point: Point, duration: float, spots: Spots) -> list[Leg]:
        legs: list[Leg] = []
        time = 0.0
        side = -1
        while time <= duration:
            choice = float(self._rng.random())
            hiding = 0.35 * self._settings.occlusion
            if choice < self._settings.leaving:
                side = self._other_side(side)
                legs.append(self._leg(time, point, self._outside(side)))
                time = legs[-1].end_time + float(self._rng.uniform(1, 6))
                side = self._other_side(side)
                point = self._outside(side)
                continue
            if choice < self._settings.leaving + hiding and spots(time):
                legs += self._hide(time, point, spots)
            else:
                legs.append(self._leg(time, point, self._inside(point)))
            time, point, side = legs[-1].end_time, legs[-1].end, -1
        return legs

    def _leg(self, time: float, start: Point, end: Point) -> Leg:
        rng = self._rng
        pace, swing = 0, 0.0
        if float(rng.random()) < self._settings.unevenness:
            pace = int(rng.integers(1, len(_PACES)))
            swing = float(rng.uniform(-0.2, 0.2)) * self._height
        distance = math.hypot(end[0] - start[0], end[1] - start[1])
        length = distance / (self._pixels_per_time * float(rng.uniform(0.75, 1.3)))
        return Leg(time, time + max(length, 2.0), start, end, pace, swing)

    def _hide(self, time: float, point: Point, spots: Spots) -> list[Leg]:
        which = int(self._rng.integers(len(spots(time))))
        arrival = self._leg(time, point, spots(time)[which]).end_time
        leave = arrival + float(self._rng.uniform(2, 7))
        there, later = spots(arrival)[which], spots(leave)[which]
        return [Leg(time, arrival, point, there, 1), Leg(arrival, leave, there, later)]

    def _inside(self, point: Point) -> Point:
        """A place in the frame, the farthest of three from ``point``: legs cross the frame."""
        places = [
            (float(x) * self._width, float(y) * self._height)
            for x, y in self._rng.uniform((0.05, 0.1), (0.95, 0.9), (3, 2))
        ]
        return max(places, key=lambda place: math.hypot(place[0] - point[0], place[1] - point[1]))

    def _other_side(self, side: int) -> int:
        """One of left, right, top and bottom (0 to 3) that is not ``side``."""
        # Left and right twice: frames are wider than high, and a way along them is longer.
        sides = [s for s in (0, 0, 1, 1, 2, 3) if s != side]
        return sides[int(self._rng.integers(len(sides)))]

    def _outside(self, side: int) -> Point:
        along = float(self._rng.uniform(0.1, 0.9))
        reach = self._radius + 1
        return (
            (-reach, along * self._height),
            (self._width + reach, along * self._height),
            (along * self._width, -reach),
            (along * self._width, self._height + reach),
        )[side]
