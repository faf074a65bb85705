import numpy as np
import pytest

from novis.clips import clip_frames, clip_starts, latency, overlap_length, overlap_lengths, sequences
from novis.errors import InputError


def test_last_clip_slides_back_to_end_on_the_last_frame():
    assert clip_starts(10, 4, 3) == [0, 3, 6]
    assert clip_starts(11, 4, 3) == [0, 3, 6, 7]


def test_short_video_has_one_clip():
    assert clip_starts(3, 4, 2) == [0]


@pytest.mark.parametrize("length", range(1, 30))
@pytest.mark.parametrize("clip_length", range(1, 9))
def test_every_plan_covers_every_frame(length, clip_length):
    for stride in range(1, clip_length + 1):
        covered = {
            int(frame)
            for start in clip_starts(length, clip_length, stride)
            for frame in clip_frames(start, clip_length, length)
        }
        assert covered == set(range(length))


@pytest.mark.parametrize("stride", [0, 5])
def test_stride_outside_of_the_clip_is_refused(stride):
    with pytest.raises(InputError, match=r"must lie in 1\.\.T"):
        clip_starts(10, 4, stride)


@pytest.mark.parametrize(
    ("num_frames", "expected"),
    [(1, [0, 0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0, 1]), (3, [0, 1, 2, 1, 0, 1]), (4, [0, 1, 2, 3, 2, 1])],
)
def test_short_video_is_padded_as_a_palindrome(num_frames, expected):
    np.testing.assert_array_equal(clip_frames(0, 6, num_frames), expected)


def test_overlap_is_counted_in_shared_frames():
    shared = set(clip_frames(2, 4, 20)) & set(clip_frames(4, 4, 20))
    assert overlap_length(2, 4, 4) == len(shared) == 2
    assert overlap_length(0, 4, 4) == 0


def test_overlap_lengths_include_that_of_the_shifted_last_clip():
    assert overlap_lengths(11, 4, 3) == [1, 3]
    assert overlap_lengths(12, 4, 4) == []


@pytest.mark.parametrize("num_frames", range(1, 30))
@pytest.mark.parametrize("length", range(1, 9))
def test_sequences_cover_every_frame_and_have_one_length(num_frames, length):
    parts = sequences(7, num_frames, length)
    assert {f for part in parts for f in range(*part.frames.indices(num_frames))} == set(range(num_frames))
    assert {part.frames.stop - part.frames.start for part in parts} == {min(length, num_frames)}
    assert [part.id for part in parts] == [700000 + part.frames.start for part in parts]


@pytest.mark.parametrize(("num_frames", "length", "message"), [(10, 0, "at least 1"), (10**5, 3, "too many")])
def test_what_cannot_be_cut_is_refused(num_frames, length, message):
    with pytest.raises(InputError, match=message):
        sequences(7, num_frames, length)


@pytest.mark.parametrize(("clip_length", "stride"), [(1, 1), (4, 1), (4, 2), (4, 3), (4, 4), (8, 6)])
def test_latency_counts_the_frames_that_must_be_seen(clip_length, stride):
    """Against counting over a long video, its border left out."""
    starts = clip_starts(stride * 30 + clip_length, clip_length, stride)
    first, settled = 0, 0
    for frame in range(clip_length, stride * 28):
        ends = [start + clip_length - 1 for start in starts if start <= frame < start + clip_length]
        first, settled = max(first, ends[0] - frame), max(settled, ends[-1] - frame)
    found = latency(clip_length, stride)
    assert (found.first, found.settled) == (first, settled)
