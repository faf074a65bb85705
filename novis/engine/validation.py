"""Validation AP during training: prediction, tracking and evaluation at once."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmengine import dist
from torch import nn

from novis.data.frames import read_frame
from novis.engine.live import Linking, track_clips
from novis.engine.streaming import VideoStream, plan_for
from novis.evaluation.metrics import summarise
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import match_tracks
from novis.structures import Annotations, Track, Video
from novis.tracking.settings import TrackerSettings


@dataclass(frozen=True)
class Validation:
    """Scores a network on some videos, linked by its own overlap embeddings.

    Each rank tracks a share of the videos; all know the scores.

    Attributes:
        annotations: the videos and their ground truth.
        frames: the folder that file names start from.
        clip_length: T; the stride is half of it.
        min_size: short side of the network's input, pixels.
        top_k: tracks kept of each video.
    """

    annotations: Annotations
    frames: Path
    clip_length: int
    min_size: int
    top_k: int = 10

    def __call__(self, model: nn.Module) -> dict[str, float]:
        """AP, AP50 and AR10 in 0..1; scores that are undefined are left out."""
        own = {}
        for video in self.annotations.videos[dist.get_rank() :: dist.get_world_size()]:
            own[video.id] = self._tracks(VideoStream(model), video)
        found = {number: part for share in dist.all_gather_object(own) for number, part in share.items()}
        tracks = [track for video in self.annotations.videos for track in found[video.id]]
        scores = summarise(match_tracks(self.annotations, pair(self.annotations, tracks)), self.annotations)
        return {name: scores[name] for name in ("AP", "AP50", "AR10") if scores[name] is not None}

    def _tracks(self, stream: VideoStream, video: Video) -> list[Track]:
        """The tracks of one video, in memory constant in its length."""
        stride = max(self.clip_length // 2, 1)
        category_ids = sorted(category.id for category in self.annotations.categories)
        linking = Linking(TrackerSettings("overlap_embed"), stride, self.top_k, category_ids)
        plan = plan_for(stream.model, video, self.clip_length, stride, self.min_size)
        with tempfile.TemporaryDirectory() as scratch:
            read = partial(read_frame, self.frames, video)
            return track_clips(stream, plan, video, read, linking, Path(scratch)).tracks
