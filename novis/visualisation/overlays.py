"""Predicted tracks beside the ground truth, over four frames of a video (the layout of Figs. 5 and 6)."""

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw

from novis import masks as rle
from novis.assignment import assign
from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.errors import InputError
from novis.evaluation.overlaps import measure
from novis.files import replacing
from novis.storage.results_json import read_results
from novis.structures import RLE, Instance, Track, Video
from novis.visualisation.drawing import draw_instances, enlarged, instance_colours, label_font

Item = TypeVar("Item")

_LOG = logging.getLogger(__name__)

# Smaller frames are enlarged, so that labels can be read.
MIN_HEIGHT = 270
_GUTTER = 6
_CAPTION = 24
# A predicted track takes the colour of the instance that it overlaps at least so far.
_SAME_COLOUR_IOU = 0.1


@dataclass(frozen=True)
class Layer:
    """What is drawn of one track: its masks by frame, its colour and its label."""

    segmentations: Sequence[RLE | None]
    colour: np.ndarray
    label: str


def overlays(
    results: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    num_videos: int = 6,
    min_score: float = 0.05,
    num_frames: int = 4,
) -> None:
    """Draw predicted tracks beside the ground truth, over four frames of some videos.

    The videos are chosen by a rule: at even distances in the list of those that the
    results hold. One PNG is written for each, named after the video.

    Args:
        results: the results.json
        annotations: the annotation file of the same videos
        frames: the folder that its file names start from
        output: the folder to write the pictures into
        num_videos: how many videos to draw
        min_score: tracks with a lower score are left out
        num_frames: frames of each video, at even distances
    """
    if num_videos < 1 or num_frames < 1:
        raise InputError(f"num_videos={num_videos} and num_frames={num_frames} must be at least 1")
    truth = read_annotations(annotations)
    names = {category.id: category.name for category in truth.categories}
    tracks: dict[int, list[Track]] = defaultdict(list)
    for track in read_results(results, truth):
        tracks[track.video_id].append(track)
    videos = [video for video in truth.videos if video.id in tracks]
    if not videos:
        raise InputError(f"{results}: holds no track of a video in {annotations}; nothing can be drawn")
    for video in evenly(videos, num_videos):
        instances = None
        if truth.instances is not None:
            instances = [instance for instance in truth.instances if instance.video_id == video.id]
        strip = overlay_video(video, frames, tracks[video.id], instances, names, min_score, num_frames)
        with replacing(output / f"{video.name.replace('/', '_')}.png") as temporary:
            Image.fromarray(strip).save(temporary, format="PNG")
    _LOG.info("%s: %d pictures", output, min(num_videos, len(videos)))


def overlay_video(
    video: Video,
    frames: Path,
    tracks: Sequence[Track],
    instances: Sequence[Instance] | None,
    categories: Mapping[int, str],
    min_score: float = 0.05,
    num_frames: int = 4,
) -> np.ndarray:
    """A strip of frames at even distances: predictions above, the ground truth below.

    Of several tracks with the same masks (a query may be listed with several classes) the
    one with the highest score is drawn. A track has the colour of the instance that it
    overlaps most, so that a lost or swapped identity shows.

    Args:
        video: its frames are read from the folder ``frames``.
        tracks: its predictions; those below ``min_score`` are left out.
        instances: its ground truth, None where there is none.
        categories: names by category id.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    shown = best_of_each(tracks, min_score)
    colours = instance_colours(len(instances or ()) + len(shown))
    own = _colour_numbers(shown, instances or (), video.length)
    predicted = layers_of(shown, [colours[number] for number in own], categories)
    rows = [(f"predictions, score \N{GREATER-THAN OR EQUAL TO} {min_score:.0%}", predicted)]
    if instances is not None:
        annotated = [
            Layer(instance.segmentations, colours[number], categories[instance.category_id])
            for number, instance in enumerate(instances)
        ]
        rows.append(("ground truth", annotated))
    indices = evenly(range(video.length), num_frames)
    pictures = {index: read_frame(frames, video, index) for index in indices}
    return _stack(
        [
            _captioned(
                [draw_layers(pictures[index], layers, index) for index in indices],
                [f"{name}   {video.name}, frame {indices[0] + 1} of {video.length}"]
                + [f"frame {index + 1}" for index in indices[1:]],
            )
            for name, layers in rows
        ]
    )


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` of the items at even distances, the first and the last among them."""
    positions = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[position] for position in positions]


def best_of_each(tracks: Sequence[Track], min_score: float) -> list[Track]:
    """Tracks of at least ``min_score``, best first, without those whose masks came before."""
    seen = set()
    best = []
    for track in sorted(tracks, key=lambda track: -track.score):
        masks = tuple(mask["counts"] if mask is not None else None for mask in track.segmentations)
        if track.score >= min_score and masks not in seen:
            best.append(track)
            seen.add(masks)
    return best


def _colour_numbers(tracks: Sequence[Track], instances: Sequence[Instance], num_frames: int) -> list[int]:
    """For each track the number of the instance it overlaps most, one to one; then unused numbers."""
    numbers = {}
    if tracks and instances:
        # Whatever its class: a track of the wrong class still follows an instance.
        overlaps = measure(
            [replace(track, category_id=0) for track in tracks],
            [replace(instance, category_id=0) for instance in instances],
            num_frames,
        )
        ious = overlaps.track_ious()
        pairs = zip(*assign(-ious), strict=True)
        numbers = {int(row): int(column) for row, column in pairs if ious[row, column] >= _SAME_COLOUR_IOU}
    return [numbers.get(position, len(instances) + position) for position in range(len(tracks))]


def layers_of(
    tracks: Sequence[Track], colours: Sequence[np.ndarray], categories: Mapping[int, str]
) -> list[Layer]:
    """Tracks with a colour each, labelled with class and score; the best, which come first, on top."""
    labels = [f"{categories[track.category_id]} {track.score:.2f}" for track in tracks]
    triples = zip(tracks, colours, labels, strict=True)
    return [Layer(track.segmentations, colour, label) for track, colour, label in triples][::-1]


def draw_layers(frame: np.ndarray, layers: Sequence[Layer], index: int) -> np.ndarray:
    """Draw what is present in frame ``index`` over it, enlarged so that labels can be read."""
    present = [layer for layer in layers if layer.segmentations[index] is not None]
    masks = rle.decode([layer.segmentations[index] for layer in present])
    frame, masks = enlarged(frame, masks.reshape(-1, *frame.shape[:2]), MIN_HEIGHT)
    colours = np.array([layer.colour for layer in present], np.uint8).reshape(-1, 3)
    return draw_instances(frame, masks, colours, [layer.label for layer in present])


def _captioned(images: Sequence[np.ndarray], captions: Sequence[str]) -> np.ndarray:
    """Images side by side on white, a caption above each."""
    height, width = images[0].shape[:2]
    shape = (height + _CAPTION, len(images) * (width + _GUTTER) - _GUTTER, 3)
    canvas = Image.fromarray(np.full(shape, 255, np.uint8))
    draw = ImageDraw.Draw(canvas)
    for position, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = position * (width + _GUTTER)
        canvas.paste(Image.fromarray(image), (left, _CAPTION))
        draw.text((left + 2, _CAPTION // 2), caption, (40, 40, 40), label_font(13), anchor="lm")
    return np.asarray(canvas)


def _stack(rows: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((_GUTTER, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (row, gap)][:-1])
