import os
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from novis.clips import clip_starts
from novis.errors import InputError
from novis.structures import Video, VideoPrediction
from novis.tracking.merging import choose_tracks, merge_classes
from novis.tracking.settings import TrackerSettings
from novis.tracking.similarity import SIMILARITIES, LinkedClip
from novis.tracking.tracker import Linking, choose_clips, link, link_adjacent
from tests.tracking.predictions import random_prediction

LINKED_KINDS = ("heuristic", "embed", "overlap_embed", "identity")


def best_total(similarity):
    """The highest sum that any permutation reaches."""
    rows = np.arange(len(similarity))
    return max(similarity[rows, order].sum() for order in map(np.array, permutations(rows)))


def permuted(prediction, orders):
    """The same prediction with the queries of each clip in another order."""
    clips = np.arange(len(orders))[:, None]
    overlap = np.stack(
        [clip[:, :, order] for clip, order in zip(prediction.overlap_embeddings, orders, strict=True)]
    )
    return replace(
        prediction,
        class_logits=prediction.class_logits[clips, orders],
        embeddings=prediction.embeddings[clips, orders],
        overlap_embeddings=overlap,
        mask_codes=prediction.mask_codes[clips, orders],
    )


def strided(prediction, stride):
    """What a prediction of this stride alone would hold."""
    starts = clip_starts(prediction.video.length, prediction.clip_length, stride)
    clips = [prediction.starts.tolist().index(start) for start in starts]
    names = ("starts", "class_logits", "embeddings", "overlap_embeddings", "mask_codes")
    return replace(prediction, **{name: getattr(prediction, name)[clips] for name in names})


@pytest.mark.parametrize("kind", LINKED_KINDS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_linking_agrees_with_trying_all_permutations(kind, stride):
    p = random_prediction(num_frames=8)
    settings = TrackerSettings(kind)
    similarity = SIMILARITIES[kind](p, settings)
    clips = [p.starts.tolist().index(start) for start in clip_starts(8, 3, stride)]
    found = link(p, stride, settings)
    np.testing.assert_array_equal(found.clips, clips)
    np.testing.assert_array_equal(found.orders[0], np.arange(5))
    linked = [LinkedClip(*pair) for pair in zip(found.clips, found.orders, strict=True)]
    for position, (clip, order) in enumerate(linked[1:], start=1):
        table = similarity(linked[:position], clip)
        assert sorted(order) == [0, 1, 2, 3, 4]
        assert table[np.arange(5), order].sum() == pytest.approx(best_total(table), abs=1e-6)


@pytest.mark.parametrize("kind", ["heuristic", "embed", "overlap_embed"])
def test_permuting_the_queries_of_later_clips_permutes_nothing_in_the_tracks(kind):
    p = random_prediction(num_frames=8)
    rng = np.random.default_rng(1)
    orders = np.stack([np.arange(5), *(rng.permutation(5) for _ in p.starts[1:])])
    settings = TrackerSettings(kind)
    expected, found = link(p, 1, settings), link(permuted(p, orders), 1, settings)
    clips = np.arange(len(orders))[:, None]
    np.testing.assert_array_equal(orders[clips, found.orders], expected.orders)


def test_a_buffer_of_one_clip_is_no_buffer():
    p = random_prediction(num_frames=9)
    with_buffer = link(p, 2, TrackerSettings("embed", buffer_length=3)).orders
    np.testing.assert_array_equal(
        link(p, 2, TrackerSettings("embed", buffer_length=1)).orders,
        link(p, 2, TrackerSettings("embed")).orders,
    )
    assert (with_buffer != link(p, 2, TrackerSettings("embed")).orders).any()


@pytest.mark.parametrize("kind", LINKED_KINDS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_all_starts_serve_every_stride(kind, stride):
    p = random_prediction(num_frames=8)
    settings = TrackerSettings(kind)
    alone = link(strided(p, stride), stride, settings)
    np.testing.assert_array_equal(link(p, stride, settings).orders, alone.orders)
    np.testing.assert_array_equal(alone.clips, np.arange(len(alone.clips)))


def test_identity_changes_nothing():
    linking = link(random_prediction(), 1, TrackerSettings("identity"))
    assert linking.changes() == (4 * 5, 0)


def test_changes_are_counted_between_adjacent_clips():
    linking = Linking(np.arange(3), np.array([[0, 1, 2], [0, 2, 1], [0, 2, 1]]))
    assert linking.changes() == (6, 2)
    assert linking.changes(np.array([0])) == (2, 0)
    assert linking.changes(np.array([2])) == (2, 1)


def test_a_similarity_of_nan_stops_nothing():
    _, found = link_adjacent([0, 1], 3, lambda linked, clip: np.full((3, 3), np.nan))
    assert sorted(found.order) == [0, 1, 2]


def test_a_tracker_sees_no_more_clips_than_its_buffer_holds():
    seen = []
    link = link_adjacent(range(6), 2, lambda linked, clip: seen.append(len(linked)) or np.eye(2), memory=3)
    assert [clip for clip, _ in link] == list(range(6))
    assert seen == [1, 2, 3, 3, 3]


def test_a_stride_that_was_not_predicted_is_refused():
    p = random_prediction(num_frames=9, stride=2)
    with pytest.raises(
        InputError, match=r"video 1: stride S=1 needs a clip that starts at frame 1, .*\[0, 2, 4, 6\]"
    ):
        choose_clips(p, 1)
    with pytest.raises(InputError, match=r"S must lie in 1\.\.T"):
        choose_clips(p, 4)


def test_oracle_linking_asks_for_ground_truth():
    with pytest.raises(InputError, match="video 1: oracle linking needs ground truth"):
        link(random_prediction(), 1, TrackerSettings("oracle"))


@pytest.mark.skipif(
    "NOVIS_GOLDEN" not in os.environ,
    reason="NOVIS_GOLDEN must name the folder of reference outputs; they may not be shipped",
)
def test_online_tracking_agrees_with_minvis():
    with np.load(Path(os.environ["NOVIS_GOLDEN"]) / "minvis_tracker_drift.npz") as golden:
        frames = golden["in_pred_embds"].shape[2]
        prediction = VideoPrediction(
            video=Video(1, 180, 120, tuple(f"v/{frame}.jpg" for frame in range(frames))),
            clip_length=1,
            input_size=tuple(golden["image_size"].tolist()),
            padded_size=tuple(golden["padded_size"].tolist()),
            starts=np.arange(frames),
            class_logits=golden["in_pred_logits"][0],
            embeddings=golden["in_pred_embds"][0].transpose(1, 2, 0),
            overlap_lengths=np.zeros(0, int),
            overlap_embeddings=np.zeros((frames, 2, 0, 20, 64), np.float16),
            mask_codes=np.zeros((frames, 20, 1, 16, 24), np.uint8),
        )
        linking = link(prediction, 1, TrackerSettings("embed"))
        np.testing.assert_array_equal(linking.orders[1:], golden["assignment"])
        probabilities = merge_classes(prediction, linking, "mean_logits")
        logits = golden["out_logits"][0].astype(float)
        expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        np.testing.assert_allclose(probabilities, expected[:, :-1], atol=1e-6)
        top = choose_tracks(probabilities, 10)
        np.testing.assert_allclose(top.scores, np.sort(golden["final_scores"])[::-1], atol=1e-6)
        order = np.argsort(-golden["final_scores"])
        np.testing.assert_array_equal(top.labels, golden["final_labels"][order])
