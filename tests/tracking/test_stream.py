import pytest

from novis.errors import InputError
from novis.tracking.settings import CLASS_MERGING, MASK_MERGING, TrackerSettings
from novis.tracking.similarity import SIMILARITIES
from novis.tracking.stream import num_held_clips, track_stream
from novis.tracking.video import track_video
from tests.tracking.predictions import as_stream, random_prediction, true_prediction

SHAPES = [(9, 3, 1), (9, 3, 2), (8, 3, 3), (1, 3, 1), (2, 5, 2), (7, 1, 1)]


def assert_same_tracks(p, settings, stride, tmp_path, top_k=4, categories=(1, 2, 3)):
    whole = track_video(p, settings, stride, top_k, categories)
    streamed = track_stream(
        as_stream(p, num_held_clips(settings)), settings, stride, top_k, categories, tmp_path
    )
    assert streamed.tracks == whole.tracks
    assert streamed.counts == whole.counts


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", SIMILARITIES)
def test_tracks_of_a_stream_are_those_of_the_whole_prediction(kind, shape, tmp_path):
    for seed in range(3):
        p = random_prediction(*shape, seed=seed)
        assert_same_tracks(p, TrackerSettings(kind), shape[2], tmp_path)


@pytest.mark.parametrize("mask_merging", MASK_MERGING)
@pytest.mark.parametrize("class_merging", CLASS_MERGING)
def test_every_way_of_merging_is_the_same_in_a_stream(mask_merging, class_merging, tmp_path):
    settings = TrackerSettings("embed", mask_merging=mask_merging, class_merging=class_merging)
    assert_same_tracks(random_prediction(9, 3, 2), settings, 2, tmp_path)


@pytest.mark.parametrize("buffer_length", [2, 5, 20])
def test_a_track_buffer_is_the_same_in_a_stream(buffer_length, tmp_path):
    settings = TrackerSettings("embed", buffer_length=buffer_length)
    assert_same_tracks(random_prediction(12, 1, 1), settings, 1, tmp_path)


def test_real_objects_are_the_same_in_a_stream(toy_dataset, tmp_path):
    categories = [category.id for category in toy_dataset.annotations.categories]
    for video in toy_dataset.annotations.videos:
        p = true_prediction(toy_dataset.annotations, video, 3, stride=2)
        assert_same_tracks(p, TrackerSettings("overlap_embed"), 2, tmp_path, 2, categories)


@pytest.mark.parametrize("kind", ["oracle", "unlinked"])
def test_what_needs_more_than_the_clips_is_refused(kind, tmp_path):
    with pytest.raises(InputError, match=f"'{kind}': a running video can only be linked by heuristic, embed"):
        track_stream(random_prediction(), TrackerSettings(kind), 1, 3, [1, 2, 3], tmp_path)
