"""Mutated results files: each is read rightly, or refused with a message that names the place.

``NOVIS_MUTATIONS`` sets how many files are tried (10000 take a minute).
"""

import json
import os
import random
import zipfile

import pytest

from novis import masks
from novis.errors import InputError
from novis.storage.results_json import read_results, write_submission_zip
from novis.structures import Annotations, Category, Video
from tests.mutations import mutate_bytes, mutate_values, runs_of

NUM_MUTATIONS = int(os.environ.get("NOVIS_MUTATIONS", "600"))
BATCHES = 6
VIDEOS = {1: Video(1, 8, 6, ("a/0.jpg", "a/1.jpg", "a/2.jpg")), 2: Video(2, 8, 6, ("b/0.jpg", "b/1.jpg"))}
ANNOTATIONS = Annotations("valid.json", (Category(4, "cat"), Category(9, "dog")), (*VIDEOS.values(),), None)


def results():
    """Tracks of two videos: masks of several runs, absent frames, both kinds of number, what nobody reads."""
    few, many = (
        dict(masks.compressed({"size": [6, 8], "counts": counts}, 6, 8))
        for counts in ([10, 4, 34], [0, 3, 5, 2, 20, 18])
    )
    return [
        {
            "video_id": 1,
            "category_id": 4,
            "score": 0.75,
            "segmentations": [few, None, many],
            "areas": [4, None, 5],
        },
        {"video_id": 1, "category_id": 9, "score": 1, "segmentations": [None, None, None]},
        {
            "video_id": 2,
            "category_id": 4,
            "score": 1e-9,
            "segmentations": [many, few],
            "query": {"number": 7},
        },
    ]


def check_accepted(track):
    """Everything that an accepted track promises, checked one value at a time."""
    video = VIDEOS[track.video_id]
    assert track.category_id in (4, 9)
    assert type(track.score) is float
    assert abs(track.score) < float("inf")
    assert len(track.segmentations) == video.length
    for rle in filter(None, track.segmentations):
        assert rle["size"] == [6, 8]
        runs = runs_of(rle["counts"])
        assert min(runs) >= 0
        assert sum(runs) == 48
        assert masks.decode([rle]).sum() == sum(runs[1::2])


def read_or_refusal(data, path):
    """The tracks of a file, or None where it is refused as it must be."""
    try:
        return list(read_results(path, ANNOTATIONS))
    except InputError as refusal:
        message = str(refusal)
        assert message.startswith(str(path)), data
        assert "\n" not in message, data
        message.encode()
        assert not is_list(data) or f"{path}: track " in message, data
        return None


def is_list(data):
    """Whether a file is a whole JSON list, so that only a track in it can be wrong."""
    try:
        return isinstance(json.loads(data), list)
    except ValueError:
        return False


@pytest.mark.parametrize("mutate", [mutate_values, mutate_bytes])
@pytest.mark.parametrize("batch", range(BATCHES))
def test_mutated_files_are_read_rightly_or_refused_by_name(tmp_path, mutate, batch):
    rng = random.Random(f"{mutate.__name__} {batch}")
    path = tmp_path / "results.json"
    accepted = 0
    count = max(NUM_MUTATIONS // (2 * BATCHES), 1)
    for _ in range(count):
        data = mutate(rng, results())
        path.write_bytes(data)
        tracks = read_or_refusal(data, path)
        if tracks is not None:
            assert len(tracks) == len(json.loads(data)), data
            for track in tracks:
                check_accepted(track)
            accepted += 1
    assert 0 < accepted < count


@pytest.mark.parametrize("batch", range(2))
def test_what_is_refused_is_not_submitted_and_the_rest_is_as_it_came(tmp_path, batch):
    rng = random.Random(batch)
    path, submission = tmp_path / "results.json", tmp_path / "results.zip"
    for _ in range(10):
        path.write_bytes(mutate_values(rng, results()))
        submission.unlink(missing_ok=True)
        try:
            write_submission_zip(path, submission, ANNOTATIONS)
        except InputError:
            assert not submission.exists()
        else:
            assert zipfile.ZipFile(submission).read("results.json") == path.read_bytes()
