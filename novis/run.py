"""The model on a video of one's own: ``novis run VIDEO``."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from novis import config as configuration
from novis.data.footage import Footage, open_footage
from novis.engine.checkpoints import load_model, read_checkpoint, trained_meta
from novis.engine.fit import use_threads
from novis.engine.live import Linking, live_stream, speed_record, track_live, warm_up
from novis.engine.precision import Precision
from novis.engine.streaming import VideoPlan, VideoStream, plan_for
from novis.errors import InputError
from novis.experiment import stage_code
from novis.files import sha256, write_json
from novis.model.novis import NOVIS
from novis.storage.results_json import writing_results
from novis.structures import Track
from novis.tracking.settings import TrackerSettings
from novis.tracking.video import TrackedVideo
from novis.visualisation.film import FILM_ENDING, overlay_frames, write_film, write_pictures

_LOG = logging.getLogger(__name__)

# The small network of the embedded benchmark comes with the checkout.
SMALL_NETWORK = Path(__file__).parents[1] / "config" / "weights" / "novis_shapes.pth"

# Below it, the coarsest of the feature maps has a single cell.
_LEAST_SIZE = 64

# Frames a second of a film made of a folder of frames, which says nothing of time.
_FRAME_RATE = 10.0


@dataclass(frozen=True)
class _Network:
    """A network, what it can name, and how it was trained."""

    checkpoint: Path
    model: NOVIS
    categories: dict[int, str]
    clip_length: int
    min_size: int


def run(
    video: Path,
    /,
    output: Path,
    checkpoint: Path | None = None,
    config: Path | None = None,
    tracker: str = "overlap_embed",
    settings: dict[str, Any] | None = None,
    clip_length: int | None = None,
    stride: int | None = None,
    min_size: int | None = None,
    top_k: int = 10,
    min_score: float = 0.3,
    overlay: Literal["film", "frames", "both", "none"] = "film",
    frame_rate: float | None = None,
    batch: int = 1,
    precision: Precision = "fp32",
    threads: int | None = None,
) -> None:
    """Segment and track the objects of a video of your own, in memory constant in its length.

    Writes results.json in the official layout (the video's id is 1), run.json (how it was
    made, and frames a second from decoded frames to masks), and overlay.webm or frames/.

    Args:
        video: a video file, or a folder of frames in the order of the numbers in their names
        output: the folder to write into
        checkpoint: made by 'novis train'; the small network of the embedded benchmark without it,
            which knows its six shapes and nothing of the world
        config: a resolved configuration ('novis configure') to run the checkpoint with; its own
            without it
        tracker: how clips are linked: heuristic, embed, overlap_embed or identity
        settings: more settings of the tracker, such as buffer_length=4
        clip_length: T, at most that of the training with a learned temporal encoding; that of the
            training without it
        stride: S, frames from one clip to the next, from 1 to T; half of T without it
        min_size: short side of the network's input, pixels; that of its validation without it
        top_k: tracks to keep
        min_score: tracks with a lower score are not drawn (results.json has all that were kept)
        overlay: what is drawn: a film, a folder of frames, both or none
        frame_rate: of the film, frames a second; that of the video without it, or 10
        batch: clips decoded at once; with 4 the tracks are those of 'novis predict' and 'novis track',
            byte for byte
        precision: of the network's forward pass
        threads: CPU threads of the network
    """
    numbers = {"clip_length": clip_length, "stride": stride, "top_k": top_k, "batch": batch}
    _check_numbers(numbers | {"frame_rate": frame_rate}, min_size)
    chosen = TrackerSettings.from_dict({"kind": tracker, **(settings or {})})
    use_threads(threads)
    network = _load(checkpoint or SMALL_NETWORK, config)
    footage = open_footage(video)
    length = clip_length or network.clip_length
    linking = Linking(chosen, stride or max(length // 2, 1), top_k, [*network.categories])
    plan = plan_for(network.model, footage.video, length, linking.stride, min_size or network.min_size)
    stream = live_stream(network.model, precision, linking.stride, batch)
    tracked, speed = _track(stream, plan, footage, linking, output)
    _draw(footage, tracked.tracks, network.categories, output, min_score, overlay, frame_rate)
    about = {"video": str(video)} | _describe(footage, network, plan, linking, tracked)
    write_json(output / "run.json", speed | about, indent=2)


def _describe(
    footage: Footage, network: _Network, plan: VideoPlan, linking: Linking, tracked: TrackedVideo
) -> dict[str, Any]:
    """How the tracks were made."""
    return {
        "frame_size": [footage.video.height, footage.video.width],
        "checkpoint": str(network.checkpoint),
        "checkpoint_sha256": sha256(network.checkpoint),
        "clip_length": plan.clip_length,
        "stride": linking.stride,
        "tracker": asdict(linking.settings),
        "top_k": linking.top_k,
        "linking": asdict(tracked.counts),
        "categories": [{"id": key, "name": name} for key, name in network.categories.items()],
        "code": stage_code("speed"),
    }


def _track(
    stream: VideoStream, plan: VideoPlan, footage: Footage, linking: Linking, output: Path
) -> tuple[TrackedVideo, dict[str, Any]]:
    """Write the tracks; return them, and how fast they came."""
    with writing_results(output / "results.json") as results:
        num_warm_up = warm_up(stream, plan, next(footage.frames()), linking.stride)
        tracked, seconds = track_live(stream, plan, footage.video, footage.frames(), linking, output)
        for track in tracked.tracks:
            results.write(track)
    speed = speed_record(stream, footage.video.length, seconds, plan, linking.stride, num_warm_up)
    said = "%s: %d tracks over %d frames; %.2f frames a second on %s"
    device = speed["hardware"]["device"]
    _LOG.info(said, output, len(tracked.tracks), footage.video.length, speed["fps"], device)
    return tracked, speed


def _load(checkpoint: Path, config: Path | None) -> _Network:
    content = read_checkpoint(checkpoint)
    meta = trained_meta(checkpoint, content)
    categories = {category["id"]: category["name"] for category in meta["categories"]}
    if config:
        meta["config"] = configuration.load(config).to_dict()
        meta["config"]["model"]["instance_decoder"]["num_classes"] = len(categories)
    model = load_model(checkpoint, content)
    training = meta["config"]["training"]
    length = meta["config"]["model"]["instance_decoder"]["clip_length"]
    return _Network(checkpoint, model, categories, length, training["validation_size"])


def _draw(
    footage: Footage,
    tracks: Sequence[Track],
    categories: dict[int, str],
    output: Path,
    min_score: float,
    overlay: str,
    frame_rate: float | None,
) -> None:
    """Draw the tracks over the video, which is decoded once more for it."""
    if overlay in ("film", "both"):
        rate = frame_rate or footage.frame_rate or _FRAME_RATE
        drawn = overlay_frames(footage.frames(), tracks, categories, min_score)
        write_film(output / f"overlay{FILM_ENDING}", drawn, rate)
    if overlay in ("frames", "both"):
        drawn = overlay_frames(footage.frames(), tracks, categories, min_score)
        write_pictures(output / "frames", drawn)


def _check_numbers(numbers: Mapping[str, float | None], min_size: int | None) -> None:
    for name, value in numbers.items():
        if value is not None and value <= 0:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be above 0")
    if min_size is not None and min_size < _LEAST_SIZE:
        raise InputError(f"--min-size {min_size}: the network needs at least {_LEAST_SIZE} pixels")
