import weakref

import torch

from novis.engine import validation
from novis.engine.streaming import VideoStream
from novis.engine.validation import Validation
from novis.model.registry import MODELS
from novis.structures import Track
from tests.engine.small_network import small_config


class Tracked:
    def __init__(self, tracks):
        self.tracks = tracks


def network():
    torch.manual_seed(0)
    return MODELS.build(small_config(**{"model.instance_decoder.num_classes": 3}).model).eval()


def test_scores_of_an_untrained_network_are_low_and_named(toy_dataset):
    scores = Validation(toy_dataset.annotations, toy_dataset.frames, 2, 48)(network())
    assert set(scores) == {"AP", "AP50", "AR10"}
    assert all(0 <= value < 0.5 for value in scores.values())


def test_perfect_tracks_score_one(toy_dataset, monkeypatch):
    def perfect(stream, plan, video, read, linking, scratch):
        assert (linking.settings.kind, linking.stride) == ("overlap_embed", 1)
        assert linking.category_ids == [3, 7, 8]
        return Tracked(
            [
                Track(i.video_id, i.category_id, 0.9, i.segmentations)
                for i in toy_dataset.annotations.instances
                if i.video_id == video.id
            ]
        )

    monkeypatch.setattr(validation, "track_clips", perfect)
    scores = Validation(toy_dataset.annotations, toy_dataset.frames, 2, 48)(network())
    assert scores == {"AP": 1.0, "AP50": 1.0, "AR10": 1.0}


def test_no_more_clips_are_held_than_are_linked(toy_dataset, monkeypatch):
    made, held = [], []
    original = VideoStream._decode

    def watch(self, plan, starts, window):
        for clip in original(self, plan, starts, window):
            made.append(weakref.ref(clip))
            held.append(sum(one() is not None for one in made))
            yield clip

    monkeypatch.setattr(VideoStream, "_decode", watch)
    Validation(toy_dataset.annotations, toy_dataset.frames, 2, 48)(network())
    # The longest of the videos has 8 frames: 7 clips.
    assert len(held) == 7 + 4 + 1 + 2
    assert max(held) <= 3
