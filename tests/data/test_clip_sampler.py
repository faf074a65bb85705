from collections import Counter
from itertools import islice

import numpy as np
import pytest

from novis.data.clip_sampler import ClipSchedule, Draw, sample_clip
from novis.errors import InputError


def clips(num_frames, clip_length, count=400, **options):
    rng = np.random.default_rng(0)
    return [sample_clip(rng, num_frames, clip_length, **options) for _ in range(count)]


@pytest.mark.parametrize("clip_length", [1, 2, 4, 8, 11])
def test_frames_differ_and_lie_within_ten_of_each_other(clip_length):
    for clip in clips(60, clip_length):
        assert clip.shape == (clip_length,)
        assert len(set(clip.tolist())) == clip_length
        assert clip.max() - clip.min() <= 10
        assert clip.min() >= 0
        assert clip.max() < 60


def test_every_frame_and_every_distance_within_the_range_is_drawn():
    drawn = clips(30, 2, 6000, reverse=0.0)
    assert {int(frame) for clip in drawn for frame in clip} == set(range(30))
    assert {int(clip[1] - clip[0]) for clip in drawn} == set(range(1, 11))
    # In the middle of the video the other frame is at most five away from the reference, both ways:
    # distances above five come from windows shifted at the borders.
    assert all(clip.min() < 5 or clip.max() > 24 for clip in drawn if clip[1] - clip[0] > 5)


def test_references_are_uniform():
    counts = Counter(int(clip[0]) for clip in clips(10, 1, 10_000))
    assert all(abs(counts[frame] - 1000) < 120 for frame in range(10))


def test_half_of_the_clips_run_backwards():
    steps = [np.sign(np.diff(clip)) for clip in clips(40, 4, 2000)]
    assert all(len(set(step.tolist())) == 1 for step in steps)
    backwards = np.mean([step[0] < 0 for step in steps])
    assert 0.45 < backwards < 0.55
    assert all((np.diff(clip) > 0).all() for clip in clips(40, 4, reverse=0.0))
    assert all((np.diff(clip) < 0).all() for clip in clips(40, 4, reverse=1.0))


def test_the_window_is_shifted_inside_at_a_border():
    # Frame 0 as reference: +-5 alone would offer five other frames, too few for T = 8.
    at_start = [clip for clip in clips(60, 8, 3000, reverse=0.0) if clip[0] == 0]
    assert {int(frame) for clip in at_start for frame in clip} == set(range(11))


def test_a_clip_longer_than_the_window_takes_neighbouring_frames():
    for clip in clips(60, 14, reverse=0.0):
        assert np.array_equal(clip, np.arange(clip[0], clip[0] + 14))


@pytest.mark.parametrize("num_frames", [1, 2, 3, 5])
def test_frames_repeat_only_where_the_video_is_too_short(num_frames):
    for clip in clips(num_frames, 6, reverse=0.0):
        assert clip.shape == (6,)
        assert set(clip.tolist()) == set(range(num_frames))
        assert (np.diff(clip) >= 0).all()


def test_every_epoch_is_a_fresh_permutation():
    schedule = ClipSchedule(7, 3, seed=1)
    items = [draw.item for iteration in range(14) for draw in schedule[iteration]]
    epochs = [items[start : start + 7] for start in range(0, 42, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 6


def test_a_batch_is_a_function_of_seed_and_iteration_alone():
    forwards = ClipSchedule((5, 9), 4, seed=3, weights=(1, 2))
    batches = [forwards[iteration] for iteration in range(2500)]
    resumed = ClipSchedule((5, 9), 4, seed=3, weights=(1, 2))
    for iteration in (2499, 1300, 1023, 0):
        assert resumed[iteration] == batches[iteration]
    assert ClipSchedule((5, 9), 4, seed=4, weights=(1, 2))[0] != batches[0]


def test_sources_are_mixed_by_weight_and_each_goes_through_permutations():
    schedule = ClipSchedule((5, 9), 8, seed=0, weights=(1.0, 0.75))
    draws = [draw for iteration in range(1500) for draw in schedule[iteration]]
    share = np.mean([draw.source == 1 for draw in draws])
    assert abs(share - 0.75 / 1.75) < 0.02
    for source, size in ((0, 5), (1, 9)):
        items = iter([draw.item for draw in draws if draw.source == source])
        for _ in range(400):
            assert sorted(islice(items, size)) == list(range(size))


def test_a_source_of_weight_zero_is_never_drawn():
    schedule = ClipSchedule((5, 9), 8, seed=0, weights=(0, 1))
    assert {draw.source for iteration in range(50) for draw in schedule[iteration]} == {1}


def test_samples_have_random_streams_of_their_own():
    draws = [draw for iteration in range(20) for draw in ClipSchedule(3, 8, seed=5)[iteration]]
    first = [draw.generator().integers(2**60) for draw in draws]
    assert len(set(first)) == 160
    assert draws[7].generator().integers(2**60) == first[7]
    assert Draw(0, 0, 6, 0, 0).generator().integers(2**60) not in first


@pytest.mark.parametrize("arguments", [(0, 8, 0), ((3, 0), 8, 0), ((), 8, 0), (3, 0, 0)])
def test_nothing_to_draw_from_is_refused(arguments):
    with pytest.raises(InputError, match="nothing to train on"):
        ClipSchedule(*arguments)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, -1.0), (0.0, 0.0)])
def test_weights_that_do_not_fit_are_refused(weights):
    with pytest.raises(InputError, match="mixing weights"):
        ClipSchedule((3, 4), 8, 0, weights)
