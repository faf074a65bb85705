from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from novis.errors import InputError
from novis.structures import decode_logits
from novis.tracking.settings import TrackerSettings
from novis.tracking.similarity import SIMILARITIES, LinkedClip, cosine, soft_iou, softmax
from tests.tracking.predictions import random_prediction

ORDER = np.array([3, 0, 4, 1, 2])
OTHER = np.array([1, 2, 3, 4, 0])


def similarity(prediction, kind, linked, clip, **settings):
    return SIMILARITIES[kind](prediction, TrackerSettings(kind, **settings))(linked, clip)


def reference_cosine(a, b):
    return 1 - cdist(a.astype(float), b.astype(float), "cosine")


def sigmoid(codes):
    return 1 / (1 + np.exp(-decode_logits(codes).astype(float)))


def test_cosine_agrees_with_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 4, 6))
    np.testing.assert_allclose(cosine(a, b[:3]), reference_cosine(a, b[:3]), atol=1e-12)


def test_a_zero_vector_resembles_nothing():
    assert cosine(np.zeros((1, 3), np.float32), np.ones((2, 3), np.float32)).tolist() == [[0, 0]]


def test_embed_compares_the_tracks_with_the_next_clip():
    p = random_prediction()
    found = similarity(p, "embed", [LinkedClip(0, OTHER), LinkedClip(1, ORDER)], 2)
    np.testing.assert_allclose(found, reference_cosine(p.embeddings[1][ORDER], p.embeddings[2]), atol=1e-6)


@pytest.mark.parametrize(("buffer_length", "clips"), [(2, [1, 2]), (3, [0, 1, 2]), (9, [0, 1, 2])])
def test_a_buffer_is_the_mean_of_the_last_aligned_embeddings(buffer_length, clips):
    p = random_prediction()
    orders = [OTHER, ORDER, np.roll(ORDER, 1)]
    linked = [LinkedClip(clip, order) for clip, order in enumerate(orders)]
    found = similarity(p, "embed", linked, 3, buffer_length=buffer_length)
    mean = sum(p.embeddings[clip][orders[clip]] for clip in clips) / len(clips)
    np.testing.assert_allclose(found, reference_cosine(mean, p.embeddings[3]), atol=1e-6)


def test_overlap_embed_compares_the_end_of_a_clip_with_the_start_of_the_next():
    p = random_prediction(stride=2, clip_length=4, num_frames=9)
    assert p.starts.tolist() == [0, 2, 4, 5]
    assert p.overlap_lengths.tolist() == [2, 3]
    for previous, clip, level in ((1, 2, 0), (2, 3, 1)):
        found = similarity(p, "overlap_embed", [LinkedClip(previous, ORDER)], clip)
        end, start = p.overlap_embeddings[previous, 1, level], p.overlap_embeddings[clip, 0, level]
        np.testing.assert_allclose(found, reference_cosine(end[ORDER], start), atol=1e-6)


def test_overlap_embed_is_embed_where_clips_share_no_frame():
    p = random_prediction(stride=3, clip_length=3, num_frames=9)
    linked = [LinkedClip(0, ORDER)]
    expected = similarity(p, "embed", linked, 1)
    np.testing.assert_array_equal(similarity(p, "overlap_embed", linked, 1), expected)


def test_cosines_of_half_precision_embeddings_are_computed_in_single():
    # Squares of 300 overflow float16, and sums of many squares lose their last digits in it.
    a = np.random.default_rng(0).normal(scale=300, size=(5, 256)).astype(np.float16)
    np.testing.assert_allclose(cosine(a, a[::-1]), reference_cosine(a, a[::-1]), atol=1e-6)


def test_overlap_embeddings_of_another_length_are_not_used():
    p = random_prediction()
    p = replace(p, overlap_lengths=p.overlap_lengths[:1])
    with pytest.raises(InputError, match=r"video 1: clips share 2 frames, .* for \[1\] only"):
        similarity(p, "overlap_embed", [LinkedClip(0, ORDER)], 1)


def test_soft_iou_is_volumetric():
    a, b = np.random.default_rng(0).integers(0, 256, (2, 3, 2, 4, 5), np.uint8)
    p, q = sigmoid(a), sigmoid(b)
    expected = [[(p[i] * q[j]).sum() / (p[i] + q[j] - p[i] * q[j]).sum() for j in range(2)] for i in range(3)]
    np.testing.assert_allclose(soft_iou(a, b[:2]), expected, rtol=1e-5)


def test_heuristic_adds_mask_overlap_class_and_score_on_the_shared_frames():
    p = random_prediction(clip_length=3)
    found = similarity(
        p, "heuristic", [LinkedClip(0, ORDER)], 1, mask_weight=2.0, class_weight=0.5, score_weight=3.0
    )
    foreground = np.exp(p.class_logits) / np.exp(p.class_logits).sum(-1, keepdims=True)
    foreground = foreground[..., :-1]
    for slot, query in enumerate(ORDER):
        for other in range(5):
            # Frames 1 and 2 are shared; 24 x 40 of the padded input are 6 x 10 cells.
            a = sigmoid(p.mask_codes[0, query, 1:, :6, :10])
            b = sigmoid(p.mask_codes[1, other, :2, :6, :10])
            iou = (a * b).sum() / (a + b - a * b).sum()
            same = foreground[0, query].argmax() == foreground[1, other].argmax()
            difference = abs(foreground[0, query].max() - foreground[1, other].max())
            assert found[slot, other] == pytest.approx(2 * iou + 0.5 * same - 3 * difference, abs=1e-5)


def test_heuristic_without_shared_frames_compares_classes():
    p = random_prediction(stride=3, clip_length=3, num_frames=9)
    found = similarity(p, "heuristic", [LinkedClip(0, ORDER)], 1)
    labels = p.class_logits[..., :-1].argmax(-1)
    np.testing.assert_array_equal(found, labels[0][ORDER][:, None] == labels[1][None])


def test_identity_joins_equal_queries():
    found = similarity(random_prediction(), "identity", [LinkedClip(0, ORDER)], 1)
    np.testing.assert_array_equal(found.argmax(1), ORDER)


def test_softmax_of_huge_logits_is_finite():
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0]])
