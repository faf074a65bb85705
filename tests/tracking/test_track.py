import json
import logging

import numpy as np
import pytest

from novis.data.annotations import write_annotations
from novis.errors import InputError
from novis.evaluation.evaluate import evaluate
from novis.storage.clip_cache import ClipCacheWriter, categories_json
from novis.storage.results_json import read_results
from novis.structures import Annotations
from novis.tracking.track import track
from tests.tracking.predictions import drawn, true_prediction


def attributes(annotations):
    """Those of a clip cache of T = 3."""
    return {
        "config": "",
        "checkpoint_sha256": "",
        "clip_length": 3,
        "starts": "2",
        "min_size": 192,
        "categories": categories_json(annotations.categories),
    }


@pytest.fixture(scope="module")
def cache(toy_dataset, tmp_path_factory):
    annotations = toy_dataset.annotations
    path = tmp_path_factory.mktemp("cache") / "clips.h5"
    with ClipCacheWriter(path, attributes(annotations)) as writer:
        for video in reversed(annotations.videos):
            writer.write(true_prediction(annotations, video, 3, stride=2))
        writer.finish()
    return path


def test_a_cache_becomes_results_in_order_of_the_video_ids(toy_dataset, cache, tmp_path):
    track(cache, tmp_path / "results.json", {"kind": "overlap_embed"}, stride=2, top_k=2)
    tracks = list(read_results(tmp_path / "results.json", toy_dataset.annotations))
    assert [found.video_id for found in tracks] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert drawn(tracks) == drawn(toy_dataset.annotations.instances)


def test_linking_json_tells_what_linking_did(cache, tmp_path):
    track(cache, tmp_path / "a" / "results.json", {"kind": "embed"}, stride=2, top_k=2)
    track(cache, tmp_path / "b" / "results.json", {"kind": "identity"}, stride=2, top_k=2)
    embed, identity = (json.loads((tmp_path / x / "linking.json").read_text()) for x in "ab")
    # Videos of 8, 5, 1 and 3 frames: clips at 0 2 4 5, at 0 2, and one each; 6 queries.
    for counts in (embed, identity):
        assert (counts["num_videos"], counts["num_tracks"], counts["num_clips"]) == (4, 8, 8)
        assert (counts["num_matches"], counts["num_exported_matches"]) == (24, 8)
        assert (counts["stride"], counts["top_k"]) == (2, 2)
    assert identity["non_identity_fraction"] == identity["exported_non_identity_fraction"] == 0
    assert 0 < embed["non_identity_fraction"] <= 1
    assert embed["settings"]["kind"] == "embed"


def test_the_number_of_workers_changes_no_byte(cache, tmp_path):
    for workers in (1, 2):
        track(cache, tmp_path / str(workers) / "results.json", {"kind": "embed"}, 2, workers=workers)
    for name in ("results.json", "linking.json"):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_seconds_are_logged_apart(cache, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        track(cache, tmp_path / "results.json", {"kind": "embed"}, 2)
    assert "4 videos; linking took" in caplog.text
    assert "exporting masks" in caplog.text


def test_oracle_linking_reads_the_ground_truth(toy_dataset, cache, tmp_path):
    settings = {"kind": "oracle"}
    track(cache, tmp_path / "results.json", settings, 2, 2, toy_dataset.annotation_file)
    tracks = list(read_results(tmp_path / "results.json"))
    assert drawn(tracks) == drawn(toy_dataset.annotations.instances)


def test_oracle_linking_without_the_right_ground_truth_is_refused(toy_dataset, cache, tmp_path):
    annotations = toy_dataset.annotations
    arguments = (cache, tmp_path / "results.json", {"kind": "oracle"}, 2, 2)
    with pytest.raises(InputError, match="give the annotation file"):
        track(*arguments)
    write_annotations(
        tmp_path / "none.json", Annotations("", annotations.categories, annotations.videos, None)
    )
    with pytest.raises(InputError, match=r"none\.json: holds no ground truth"):
        track(*arguments, tmp_path / "none.json")
    instances = tuple(i for i in annotations.instances if i.video_id != 2)
    videos = tuple(video for video in annotations.videos if video.id != 2)
    write_annotations(tmp_path / "few.json", Annotations("", annotations.categories, videos, instances))
    with pytest.raises(InputError, match=r"few\.json: lacks video 2"):
        track(*arguments, tmp_path / "few.json")
    assert not (tmp_path / "results.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 1}, "stride S=1 needs a clip"),
        ({"stride": 1, "workers": 2}, "stride S=1 needs a clip"),
        ({"stride": 4}, "stride S=4 with clip length T=3"),
        ({"top_k": 0}, "top_k=0"),
        ({"workers": 0}, "workers=0"),
        ({"settings": {"kind": "embed", "bufer_length": 2}}, "did you mean 'buffer_length'"),
        ({"cache": "absent.h5"}, "absent.h5: no such clip cache"),
    ],
)
def test_bad_input_leaves_no_results(cache, tmp_path, changes, message):
    arguments = {"cache": cache, "settings": {"kind": "embed"}, "stride": 2} | changes
    with pytest.raises(InputError, match=message):
        track(output=tmp_path / "results.json", **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_larger_top_k_only_adds_tracks(cache, tmp_path):
    for top_k in (2, 5):
        track(cache, tmp_path / str(top_k) / "results.json", {"kind": "embed"}, 2, top_k)
    few, many = (list(read_results(tmp_path / x / "results.json")) for x in "25")
    for video_id in (1, 2, 3, 4):
        kept = [t for t in many if t.video_id == video_id]
        assert [t for t in few if t.video_id == video_id] == kept[:2]
        assert np.all(np.diff([t.score for t in kept]) <= 0)


def test_sequences_are_tracked_and_scored_as_videos(toy_dataset, tmp_path):
    annotations = toy_dataset.annotations
    with ClipCacheWriter(tmp_path / "clips.h5", attributes(annotations)) as writer:
        for video in annotations.videos:
            writer.write(true_prediction(annotations, video, 3))
        writer.finish()
    for kind in ("embed", "oracle"):
        results = tmp_path / kind / "results.json"
        truth = toy_dataset.annotation_file
        track(tmp_path / "clips.h5", results, {"kind": kind}, 2, 2, truth, sequence_length=4)
        evaluate(truth, results, tmp_path / "metrics.json", sequence_length=4)
        metrics = json.loads((tmp_path / "metrics.json").read_text())
        # Videos of 8, 5, 1 and 3 frames.
        assert (metrics["AP"], metrics["num_videos"]) == (1.0, 2 + 2 + 1 + 1)
