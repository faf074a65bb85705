"""``shapes``: the embedded benchmark, OVIS-like videos generated from a seed."""

from novis.data.shapes.sampling import ShapesImages, ShapesInstance, render_video
from novis.data.shapes.settings import ShapesSettings
from novis.data.shapes.silhouettes import CATEGORY_NAMES
from novis.data.shapes.writing import generate, generate_images

__all__ = [
    "CATEGORY_NAMES",
    "ShapesImages",
    "ShapesInstance",
    "ShapesSettings",
    "generate",
    "generate_images",
    "render_video",
]
