import numpy as np

from novis.structures import LOGIT_RANGE, LOGIT_STEP, Video, decode_logits, encode_logits


def test_quantised_logits_keep_their_sign():
    logits = np.concatenate([np.linspace(-20, 20, 4001), [0.0, 1e-7, -1e-7]]).astype(np.float32)
    np.testing.assert_array_equal(decode_logits(encode_logits(logits)) > 0, logits > 0)


def test_quantised_logits_are_off_by_half_a_step_at_most():
    logits = np.linspace(-LOGIT_RANGE, LOGIT_RANGE, 10_001, dtype=np.float32)
    assert np.abs(decode_logits(encode_logits(logits)) - logits).max() <= LOGIT_STEP / 2 + 1e-5


def test_logits_beyond_the_range_are_clipped():
    codes = encode_logits(np.array([-1e9, -np.inf, np.inf, 1e9]))
    assert codes.tolist() == [0, 0, 255, 255]


def test_a_video_is_named_after_its_folder():
    assert Video(3, 8, 8, ("a/b/001.jpg",)).name == "a/b"
    assert Video(3, 8, 8, ("001.jpg",)).name == "3"
