"""Tracks over frames of several videos on one page (Figs. 5 and 6), the videos chosen by a rule."""

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from novis import masks as rle
from novis.data.annotations import read_annotations
from novis.data.frames import read_frame
from novis.data.splits import read_names
from novis.errors import InputError
from novis.files import replacing
from novis.storage.results_json import read_results
from novis.structures import Annotations, Track, Video
from novis.visualisation.drawing import draw_instances, enlarged, instance_colours
from novis.visualisation.overlays import MIN_HEIGHT, best_of_each, evenly

# Inches of the page, and pixels of a frame on it.
_PAGE_WIDTH, _FRAME_WIDTH = 7.2, 480
# TrueType outlines: type 3 fonts are refused by many publishers.
_STYLE = {"font.size": 6.5, "pdf.fonttype": 42}


def gallery(
    results: Path,
    annotations: Path,
    frames: Path,
    output: Path,
    videos: Path | None = None,
    num_videos: int = 8,
    num_frames: int = 4,
    min_score: float = 0.05,
    without: list[str] = (),
) -> None:
    """Draw the tracks of some videos, a row of frames each, as PDF and as PNG.

    The videos are chosen by a rule: those in which something is shown and nothing of the
    categories left out (the paper shows no people), from the emptiest to the most crowded,
    at even distances.

    Args:
        results: the results.json
        annotations: the annotation file of the same videos; its ground truth is not needed
        frames: the folder that its file names start from
        output: the PDF to write; the PNG lies beside it
        videos: a file that names the videos that may be drawn; all of them without it
        num_videos: how many videos to draw
        num_frames: frames of each video, at even distances
        min_score: tracks with a lower score are left out
        without: videos that show one of these categories are not drawn
    """
    if num_videos < 1 or num_frames < 1:
        raise InputError(f"num_videos={num_videos} and num_frames={num_frames} must be at least 1")
    truth = read_annotations(annotations, read_names(videos) if videos else None)
    shown = _shown_tracks(results, truth, min_score)
    chosen = evenly(choose_videos(truth, shown, without), num_videos)
    if not chosen:
        raise InputError(
            f"{results}: no video shows a track with a score of at least {min_score:.0%}"
            + (f" and none of {', '.join(without)}" if without else "")
            + "; nothing can be drawn"
        )
    names = {category.id: category.name for category in truth.categories}
    with mpl.rc_context(_STYLE):
        figure = _page(chosen, shown, names, frames, num_frames)
        for path in (output.with_suffix(".pdf"), output.with_suffix(".png")):
            with replacing(path) as temporary:
                metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
                figure.savefig(temporary, format=path.suffix[1:], dpi=220, metadata=metadata)


def choose_videos(
    truth: Annotations, shown: Mapping[int, Sequence[Track]], without: Collection[str]
) -> list[Video]:
    """The videos that may be drawn, from the fewest to the most tracks shown, then by id.

    Args:
        truth: videos and categories; instances are not read.
        shown: the tracks that are good enough to be drawn, by video.
        without: names of categories.

    Raises:
        InputError: a category is unknown.
    """
    ids = {category.name: category.id for category in truth.categories}
    unknown = [name for name in without if name not in ids]
    if unknown:
        raise InputError(f"gallery: unknown category '{unknown[0]}'; known: {', '.join(sorted(ids))}")
    left_out = {ids[name] for name in without}
    admitted = [
        video
        for video in truth.videos
        if shown.get(video.id) and not left_out & {track.category_id for track in shown[video.id]}
    ]
    return sorted(admitted, key=lambda video: (len(shown[video.id]), video.id))


def _shown_tracks(results: Path, truth: Annotations, min_score: float) -> dict[int, list[Track]]:
    """By video, the tracks of at least ``min_score`` that have a mask."""
    known = {video.id for video in truth.videos}
    tracks: dict[int, list[Track]] = defaultdict(list)
    for track in read_results(results):
        if track.video_id in known and any(track.segmentations):
            tracks[track.video_id].append(track)
    return {id_: best_of_each(found, min_score) for id_, found in tracks.items()}


def _page(
    videos: Sequence[Video],
    shown: Mapping[int, Sequence[Track]],
    names: Mapping[int, str],
    frames: Path,
    num_frames: int,
) -> Figure:
    aspects = [video.height / video.width for video in videos]
    cell = _PAGE_WIDTH / num_frames
    figure = Figure(figsize=(_PAGE_WIDTH, sum(cell * aspect + 0.16 for aspect in aspects)))
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", w_pad=0.01, h_pad=0.01, wspace=0.01, hspace=0.0)
    axes = figure.subplots(len(videos), num_frames, squeeze=False, height_ratios=aspects)
    for line, video in zip(axes, videos, strict=True):
        _row(line, video, shown[video.id], frames)
        line[0].set_title(_caption(shown[video.id], names), loc="left", pad=2, fontsize=6.5)
    return figure


def _row(line: Sequence[Axes], video: Video, tracks: Sequence[Track], frames: Path) -> None:
    """Frames of a video with its tracks, the best on top."""
    colours = instance_colours(len(tracks))[::-1]
    indices = evenly(range(video.length), len(line))
    for axes in line:
        axes.set_axis_off()
    for axes, index in zip(line, indices, strict=False):
        frame = read_frame(frames, video, index)
        masks = [track.segmentations[index] for track in reversed(tracks)]
        empty = np.zeros(frame.shape[:2], bool)
        drawn = np.array([empty if mask is None else rle.decode([mask])[0] for mask in masks])
        picture = draw_instances(*enlarged(frame, drawn, MIN_HEIGHT), colours, [""] * len(tracks))
        axes.imshow(_at_most(picture, _FRAME_WIDTH))


def _at_most(picture: np.ndarray, width: int) -> np.ndarray:
    """A picture made smaller, where it is wider."""
    if picture.shape[1] <= width:
        return picture
    size = (width, round(width * picture.shape[0] / picture.shape[1]))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _caption(tracks: Sequence[Track], names: Mapping[int, str]) -> str:
    """What is shown, such as ``3 fish, turtle``."""
    counts = Counter(names[track.category_id].replace("_", " ") for track in tracks)
    return ", ".join(f"{count} {name}" if count > 1 else name for name, count in counts.most_common())
