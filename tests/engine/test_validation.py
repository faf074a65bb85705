import torch

from novis.engine import validation
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
    def perfect(prediction, settings, stride, top_k, category_ids):
        assert (settings.kind, stride, category_ids) == ("overlap_embed", 1, [3, 7, 8])
        return Tracked(
            [
                Track(i.video_id, i.category_id, 0.9, i.segmentations)
                for i in toy_dataset.annotations.instances
                if i.video_id == prediction.video.id
            ]
        )

    monkeypatch.setattr(validation, "track_video", perfect)
    scores = Validation(toy_dataset.annotations, toy_dataset.frames, 2, 48)(network())
    assert scores == {"AP": 1.0, "AP50": 1.0, "AR10": 1.0}
