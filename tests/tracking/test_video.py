from dataclasses import replace

import numpy as np
import pytest

from novis.storage.clip_cache import ClipCache, ClipCacheWriter, categories_json
from novis.tracking.settings import KINDS, TrackerSettings
from novis.tracking.video import LinkingCounts, track_video
from tests.tracking.predictions import drawn, random_prediction, true_prediction

LINKING_KINDS = ("heuristic", "embed", "overlap_embed", "oracle")


def truth_of(annotations, video):
    instances = [instance for instance in annotations.instances if instance.video_id == video.id]
    return instances, [category.id for category in annotations.categories]


@pytest.mark.parametrize("kind", LINKING_KINDS)
@pytest.mark.parametrize(("clip_length", "stride"), [(2, 1), (3, 1), (3, 2), (4, 3), (10, 4)])
def test_perfect_clips_become_the_true_tracks(toy_dataset, kind, clip_length, stride):
    for video in toy_dataset.annotations.videos:
        instances, category_ids = truth_of(toy_dataset.annotations, video)
        p = true_prediction(toy_dataset.annotations, video, clip_length)
        tracked = track_video(p, TrackerSettings(kind), stride, len(instances), category_ids, instances)
        assert all(track.score > 0.9 for track in tracked.tracks)
        assert drawn(tracked.tracks) == drawn(instances)


def test_identity_linking_mixes_objects_up_where_queries_change_places(toy_dataset):
    video = toy_dataset.annotations.videos[0]
    instances, category_ids = truth_of(toy_dataset.annotations, video)
    p = true_prediction(toy_dataset.annotations, video, 3)
    tracked = track_video(p, TrackerSettings("identity"), 2, len(instances), category_ids)
    assert not drawn(tracked.tracks) & drawn(instances)
    assert tracked.counts.changed == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_from_the_cache_gives_the_same_tracks_as_from_memory(toy_dataset, tmp_path, kind):
    annotations = toy_dataset.annotations
    attributes = {
        "config": "",
        "checkpoint_sha256": "",
        "clip_length": 3,
        "starts": "all",
        "min_size": 24,
        "categories": categories_json(annotations.categories),
    }
    predictions = [true_prediction(annotations, video, 3) for video in annotations.videos]
    noise = random_prediction(9, 3, num_queries=6, num_classes=3, video_id=9)
    with ClipCacheWriter(tmp_path / "clips.h5", attributes) as writer:
        for prediction in (*predictions, noise):
            writer.write(prediction)
        writer.finish()
    with ClipCache(tmp_path / "clips.h5") as cache:
        for prediction in (*predictions, noise):
            instances, category_ids = truth_of(annotations, prediction.video)
            arguments = (TrackerSettings(kind), 2, 4, category_ids, instances)
            from_cache = track_video(cache.prediction(prediction.video.id), *arguments)
            from_memory = track_video(prediction, *arguments)
            assert from_cache.tracks == from_memory.tracks
            assert from_cache.counts == from_memory.counts


def test_unlinked_clips_are_tracks_of_their_own(toy_dataset):
    video = toy_dataset.annotations.videos[0]
    assert video.length == 8
    instances, category_ids = truth_of(toy_dataset.annotations, video)
    p = true_prediction(toy_dataset.annotations, video, 3, stride=3)
    assert p.starts.tolist() == [0, 3, 5]
    tracked = track_video(p, TrackerSettings("unlinked"), 3, 2, category_ids)
    owned = [range(0, 3), range(3, 6), range(6, 8)]
    parts = [
        replace(i, segmentations=tuple(rle if f in frames else None for f, rle in enumerate(i.segmentations)))
        for i in instances
        for frames in owned
    ]
    expected = drawn(part for part in parts if any(part.segmentations))
    assert drawn(tracked.tracks) == expected
    assert len(tracked.tracks) == len(expected)
    assert tracked.counts == LinkingCounts(clips=3)
    # Asked for everything, each object comes with all three classes, what has no mask with none.
    everything = track_video(p, TrackerSettings("unlinked"), 3, 100, category_ids).tracks
    assert len(everything) == 3 * len(expected)
    assert all(any(track.segmentations) for track in everything)


def test_changed_matches_are_counted_for_all_and_for_exported_tracks():
    p = random_prediction(5, 2, 1, num_queries=3)
    assert len(p.starts) == 4
    orders = np.array([[0, 1, 2], [0, 2, 1], [0, 1, 2], [0, 1, 2]])
    vectors = np.eye(3, 6, dtype=np.float32)
    logits = np.zeros_like(p.class_logits)
    logits[..., 0, 0] = 9
    ranks = np.argsort(orders, axis=1)
    p = replace(p, embeddings=vectors[ranks], class_logits=logits)
    tracked = track_video(p, TrackerSettings("embed"), 1, 1, [1, 2, 3])
    assert tracked.counts == LinkingCounts(
        clips=4, matches=9, changed=4, exported_matches=3, exported_changed=0
    )
