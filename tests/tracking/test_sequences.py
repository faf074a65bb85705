from dataclasses import replace

import numpy as np
import pytest

from novis.clips import clip_starts
from novis.data.subsequences import cut_annotations
from novis.errors import InputError
from novis.tracking.sequences import cut_prediction
from novis.tracking.settings import TrackerSettings
from novis.tracking.video import track_video
from tests.tracking.predictions import drawn, random_prediction, true_prediction


def predicted_alone(whole, frames, video):
    """What the network says of a sequence that lies on the disk by itself: the clips within it."""
    starts = np.array(clip_starts(video.length, whole.clip_length, 1))
    clips = np.searchsorted(whole.starts, starts + frames.start)
    arrays = ("class_logits", "embeddings", "overlap_embeddings", "mask_codes")
    changes = {name: getattr(whole, name)[clips] for name in arrays}
    return replace(whole, video=video, starts=starts, **changes)


@pytest.mark.parametrize("length", [3, 5, 7, 11, 40])
@pytest.mark.parametrize("kind", ["heuristic", "embed", "overlap_embed"])
def test_a_sequence_is_tracked_as_if_it_were_all_there_is(length, kind):
    whole = random_prediction(num_frames=11, clip_length=3)
    settings = TrackerSettings(kind)
    for part, frames in cut_prediction(whole, length):
        alone = predicted_alone(whole, frames, part.video)
        for stride in (1, 2, 3):
            tracked = [track_video(p, settings, stride, 4, [1, 2, 3]) for p in (part, alone)]
            assert drawn(tracked[0].tracks) == drawn(tracked[1].tracks)
            assert [t.score for t in tracked[0].tracks] == [t.score for t in tracked[1].tracks]


@pytest.mark.parametrize("length", [3, 4, 6])
def test_perfect_clips_give_perfect_sequences(toy_dataset, length):
    annotations = toy_dataset.annotations
    found = set()
    for video in annotations.videos:
        prediction = true_prediction(annotations, video, 3)
        for part, _ in cut_prediction(prediction, length):
            settings = TrackerSettings("embed")
            category_ids = [category.id for category in annotations.categories]
            count = sum(i.video_id == part.video.id for i in cut_annotations(annotations, length).instances)
            found |= drawn(track_video(part, settings, 2, count, category_ids).tracks)
    assert found == drawn(cut_annotations(annotations, length).instances)


def test_a_video_shorter_than_a_clip_is_a_sequence_of_its_own():
    whole = random_prediction(num_frames=2, clip_length=4)
    [(part, frames)] = cut_prediction(whole, 4)
    assert (part.starts.tolist(), frames) == ([0], slice(0, 2))


def test_sequences_shorter_than_a_clip_are_refused():
    with pytest.raises(InputError, match="sequences of 3 frames are shorter than a clip of T=4"):
        list(cut_prediction(random_prediction(num_frames=9, clip_length=4), 3))


def test_a_cache_of_few_starts_may_hold_no_clip_of_a_sequence():
    strided = random_prediction(num_frames=12, clip_length=4, stride=4)
    with pytest.raises(InputError, match="no clip of T=4 lies within frames 5 to 9; predict with all starts"):
        list(cut_prediction(strided, 5))
