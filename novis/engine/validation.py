"""Validation AP during training: prediction, tracking and evaluation in memory."""

from dataclasses import dataclass
from pathlib import Path

from mmengine import dist
from torch import nn

from novis.engine.predict import predict_video
from novis.engine.streaming import VideoStream
from novis.evaluation.metrics import summarise
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import match_tracks
from novis.structures import Annotations
from novis.tracking.settings import TrackerSettings
from novis.tracking.video import track_video


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
        stream = VideoStream(model)
        stride = max(self.clip_length // 2, 1)
        settings = TrackerSettings(kind="overlap_embed")
        category_ids = sorted(category.id for category in self.annotations.categories)
        own = {}
        for video in self.annotations.videos[dist.get_rank() :: dist.get_world_size()]:
            prediction = predict_video(stream, video, self.frames, self.clip_length, stride, self.min_size)
            tracked = track_video(prediction, settings, stride, self.top_k, category_ids)
            own[video.id] = tracked.tracks
        found = {number: part for share in dist.all_gather_object(own) for number, part in share.items()}
        tracks = [track for video in self.annotations.videos for track in found[video.id]]
        scores = summarise(match_tracks(self.annotations, pair(self.annotations, tracks)), self.annotations)
        return {name: scores[name] for name in ("AP", "AP50", "AR10") if scores[name] is not None}
