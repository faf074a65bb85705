from dataclasses import replace

import numpy as np
import pytest

from novis.clips import clip_frames
from novis.masks import decode
from novis.structures import decode_logits
from novis.tracking.merging import choose_tracks, export_tracks, merge_classes, merge_masks
from novis.tracking.resampling import MaskResampler
from novis.tracking.settings import MASK_MERGING, TrackerSettings
from novis.tracking.tracker import Linking
from tests.tracking.predictions import random_prediction

SLOTS = [4, 0, 2]


def random_linking(prediction, seed=0):
    rng = np.random.default_rng(seed)
    queries = prediction.class_logits.shape[1]
    orders = np.stack([rng.permutation(queries) for _ in prediction.starts])
    return Linking(np.arange(len(orders)), orders)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)


def by_hand(p, linking, slot, frame, rule):
    """The merged evidence of one track in one frame, (h, w)."""
    said = []
    for clip, order in zip(linking.clips, linking.orders, strict=True):
        frames = clip_frames(p.starts[clip], p.clip_length, p.video.length)[: p.video.length]
        if frame in frames:
            logits = decode_logits(p.mask_codes[clip, order[slot], list(frames).index(frame)]).astype(float)
            score = softmax(p.class_logits[clip, order[slot]])[:-1].max()
            said.append((score, logits))
    if rule == "mean_logits":
        return np.mean([logits for _, logits in said], axis=0)
    if rule == "mean_probabilities":
        return np.mean([1 / (1 + np.exp(-logits)) for _, logits in said], axis=0) - 0.5
    return said[0][1] if rule == "first_clip" else max(said, key=lambda pair: pair[0])[1]


@pytest.mark.parametrize("rule", MASK_MERGING)
@pytest.mark.parametrize(
    "shape", [(7, 3, 1), (7, 3, 2), (8, 3, 3), (7, 4, 3), (1, 3, 1), (2, 5, 2), (4, 1, 1)]
)
def test_masks_are_merged_as_by_hand(rule, shape):
    p = random_prediction(*shape)
    linking = random_linking(p)
    merged = dict(merge_masks(p, linking, SLOTS, rule))
    assert list(merged) == list(range(p.video.length))
    for frame, evidence in merged.items():
        expected = [by_hand(p, linking, slot, frame, rule) for slot in SLOTS]
        np.testing.assert_allclose(evidence, expected, atol=1e-5)


def test_of_equal_scores_the_first_clip_has_the_word():
    p = random_prediction()
    p = replace(p, class_logits=np.zeros_like(p.class_logits))
    linking = random_linking(p)
    first = dict(merge_masks(p, linking, SLOTS, "first_clip"))
    for frame, evidence in merge_masks(p, linking, SLOTS, "higher_score"):
        np.testing.assert_array_equal(evidence, first[frame])


def test_without_overlap_averaging_is_concatenation():
    p = random_prediction(num_frames=9, clip_length=3, stride=3)
    linking = random_linking(p)
    for frame, evidence in merge_masks(p, linking, SLOTS, "mean_logits"):
        clip, slot_of_clip = divmod(frame, 3)
        codes = p.mask_codes[clip, linking.orders[clip, SLOTS], slot_of_clip]
        np.testing.assert_array_equal(evidence, decode_logits(codes))


class Recorder:
    """Masks that remember what was read of them."""

    def __init__(self, masks):
        self.masks, self.shape, self.read = masks, masks.shape, set()

    def __getitem__(self, index):
        self.read.add(index)
        return self.masks[index]


def test_only_the_masks_of_the_chosen_tracks_are_read():
    p = random_prediction()
    linking, recorder = random_linking(p), Recorder(p.mask_codes)
    list(merge_masks(replace(p, mask_codes=recorder), linking, SLOTS, "mean_logits"))
    assert recorder.read == {(clip, int(query)) for clip in range(5) for query in linking.orders[clip, SLOTS]}


def test_classes_are_merged_over_the_clips_of_a_track():
    p = random_prediction()
    linking = random_linking(p)
    aligned = np.stack([p.class_logits[clip][linking.orders[clip]] for clip in range(5)]).astype(float)
    np.testing.assert_allclose(
        merge_classes(p, linking, "mean_logits"), softmax(aligned.mean(0))[:, :-1], atol=1e-6
    )
    np.testing.assert_allclose(
        merge_classes(p, linking, "mean_probabilities"), softmax(aligned).mean(0)[:, :-1], atol=1e-6
    )


def test_the_best_pairs_are_chosen_and_a_track_may_have_two_classes():
    probabilities = np.array([[0.1, 0.5, 0.4], [0.2, 0.2, 0.3]])
    top = choose_tracks(probabilities, 4)
    assert top.slots.tolist() == [0, 0, 1, 1]
    assert top.labels.tolist() == [1, 2, 2, 0]
    assert top.scores.tolist() == [0.5, 0.4, 0.3, 0.2]
    assert len(choose_tracks(probabilities, 100).scores) == 6


def test_exported_tracks_carry_class_score_and_mask():
    p = random_prediction()
    p = replace(p, mask_codes=np.where(p.mask_codes > 200, 255, 0).astype(np.uint8))
    linking = random_linking(p)
    top = choose_tracks(merge_classes(p, linking, "mean_logits"), 6)
    tracks = export_tracks(p, linking, top, TrackerSettings("embed"), [10, 20, 30])
    assert [track.score for track in tracks] == top.scores.tolist()
    assert [track.category_id for track in tracks] == [10 * (label + 1) for label in top.labels]
    resampler = MaskResampler.of(p)
    for track, slot in zip(tracks, top.slots, strict=True):
        assert len(track.segmentations) == p.video.length
        for frame, evidence in merge_masks(p, linking, [slot], "mean_logits"):
            assert track.segmentations[frame] == resampler.encode(evidence[0])
            if track.segmentations[frame] is not None:
                assert decode([track.segmentations[frame]])[0].shape == (32, 48)


def test_an_empty_track_is_kept_with_none_for_its_frames():
    p = random_prediction()
    p = replace(p, mask_codes=np.zeros_like(p.mask_codes))
    linking = random_linking(p)
    top = choose_tracks(merge_classes(p, linking, "mean_logits"), 3)
    tracks = export_tracks(p, linking, top, TrackerSettings("embed"), [1, 2, 3])
    assert [track.segmentations for track in tracks] == [(None,) * 7] * 3
