"""Silhouettes: the outlines of the categories and of the things that are no instances.

A silhouette is a tuple of closed contours, each (n, 2) float64 (x, y), about the origin;
a point inside an even number of contours is outside (so a ring has a hole).
"""

import math

import numpy as np

Silhouette = tuple[np.ndarray, ...]


def _polar(radii: list[float], turn: float = 0.0) -> np.ndarray:
    steps = len(radii)
    angles = [turn + 2 * math.pi * k / steps for k in range(steps)]
    return np.array([(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)])


def _arc(centre_x: float, radius: float, first: float, last: float, steps: int) -> list[tuple[float, float]]:
    angles = [first + (last - first) * k / (steps - 1) for k in range(steps)]
    return [(centre_x + radius * math.cos(a), radius * math.sin(a)) for a in angles]


def _disc() -> Silhouette:
    return (_polar([0.92] * 28),)


def _triangle() -> Silhouette:
    return (_polar([1.12] * 3, -math.pi / 2),)


def _cross() -> Silhouette:
    a, b = 0.36, 1.06
    quarter = [(a, a), (a, b), (-a, b)]
    turns = [(1, 0), (0, 1), (-1, 0), (0, -1)]
    return (np.array([(c * x - s * y, s * x + c * y) for c, s in turns for x, y in quarter]),)


def _star() -> Silhouette:
    return (_polar([1.15, 0.47] * 5, -math.pi / 2),)


def _ring() -> Silhouette:
    return (_polar([1.0] * 28), _polar([0.52] * 20))


def _crescent() -> Silhouette:
    # The outer circle about 0 and the bite about 0.55 meet at +-meet, as seen from each centre.
    radius, bite, shift = 1.05, 0.85, 0.55
    meet_x = (radius**2 - bite**2 + shift**2) / (2 * shift)
    outer = math.acos(meet_x / radius)
    inner = math.acos((meet_x - shift) / bite)
    points = _arc(0.0, radius, outer, 2 * math.pi - outer, 26)
    points += _arc(shift, bite, 2 * math.pi - inner, inner, 20)[1:-1]
    return (np.array(points) + np.array((0.3, 0.0)),)


def _corner() -> Silhouette:
    points = [(-0.9, -0.9), (-0.2, -0.9), (-0.2, 0.2), (0.9, 0.2), (0.9, 0.9), (-0.9, 0.9)]
    return (np.array(points) + np.array((0.2, -0.2)),)


def _capsule() -> Silhouette:
    right = _arc(0.75, 0.42, -math.pi / 2, math.pi / 2, 10)
    left = _arc(-0.75, 0.42, math.pi / 2, 3 * math.pi / 2, 10)
    return (np.array(right + left),)


# Radii are set so that areas are alike. The order is that of telling apart at 20 pixels.
CATEGORIES: dict[str, Silhouette] = {
    "disc": _disc(),
    "triangle": _triangle(),
    "cross": _cross(),
    "star": _star(),
    "ring": _ring(),
    "crescent": _crescent(),
    "corner": _corner(),
    "capsule": _capsule(),
}

CATEGORY_NAMES: tuple[str, ...] = tuple(CATEGORIES)


def bar(half_width: float, half_height: float) -> Silhouette:
    """An upright rectangle: a pole or a wall."""
    w, h = half_width, half_height
    return (np.array([(-w, -h), (w, -h), (w, h), (-w, h)]),)


def blob(rng: np.random.Generator) -> Silhouette:
    """A lobed outline with radius about 1, like no category: a bush, a stone, a stain."""
    corners = rng.uniform(0.55, 1.3, 7).tolist()
    radii = []
    for left, right in zip(corners, corners[1:] + corners[:1], strict=True):
        radii += [left + (right - left) * share for share in (0.0, 0.1, 0.35, 0.65, 0.9)]
    return (_polar(radii),)
