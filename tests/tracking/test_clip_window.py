from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest

from novis.tracking.clip_window import ClipWindow, prediction_of
from tests.tracking.predictions import as_stream, random_prediction


def test_a_window_reads_no_further_than_asked_and_forgets_the_oldest():
    taken = []
    window = ClipWindow((taken.append(i) or SimpleNamespace(number=i) for i in count()), 2)
    assert window[0].number == 0
    assert taken == [0]
    assert window[3].number == 3
    assert window[2].number == 2
    assert taken == [0, 1, 2, 3]
    with pytest.raises(IndexError, match="only the last 2 of 4 are held"):
        window[1]


def test_a_stream_that_ends_early_is_told():
    with pytest.raises(IndexError, match="clip 2: the stream has only 2"):
        ClipWindow(iter("ab"), 2)[2]


def test_the_arrays_of_a_stream_are_those_of_the_whole_prediction():
    p = random_prediction()
    streamed = as_stream(p, 2)
    np.testing.assert_array_equal(streamed.starts, p.starts)
    for clip in range(len(p.starts)):
        for name in ("class_logits", "embeddings", "overlap_embeddings", "mask_codes"):
            whole, part = getattr(p, name), getattr(streamed, name)
            np.testing.assert_array_equal(part[clip], whole[clip])
            np.testing.assert_array_equal(part[clip, 1], whole[clip, 1])


def test_the_shape_of_a_streamed_array_counts_all_clips():
    p = random_prediction()
    assert as_stream(p, 2).mask_codes.shape == p.mask_codes.shape
    assert prediction_of(iter(()), p.video, 3, (8, 8), (8, 8), [0], [], 1).starts.tolist() == [0]
