from dataclasses import fields

import numpy as np
import pytest

from novis.errors import InputError
from novis.evaluation.matches import Group, Matches, gather
from novis.evaluation.matching import IGNORED, TRUE_POSITIVE, UNMATCHED
from novis.evaluation.pairing import pair
from novis.evaluation.video_ap import match_tracks
from tests.evaluation.builders import random_scene


def group(video, category, scores, verdicts, instances=1):
    """A group with the same verdicts at every threshold and in one range."""
    outcome = np.broadcast_to(np.array(verdicts, np.int8), (1, 10, len(scores)))
    ranks = np.arange(len(scores), dtype=np.int32)
    return Group(video, category, np.array(scores, float), ranks, outcome, np.array([instances]))


def matches_of(seed):
    scene = random_scene(seed)
    return match_tracks(scene.annotations, pair(scene.annotations, scene.tracks))["all"]


def test_predictions_are_sorted_by_category_score_and_video():
    groups = [
        group(0, 1, [0.9, 0.3], [TRUE_POSITIVE, UNMATCHED]),
        group(0, 0, [0.5], [IGNORED]),
        group(1, 1, [0.9, 0.4], [UNMATCHED, TRUE_POSITIVE], instances=3),
    ]
    found = gather(groups, [10, 20], [5, 6], ["all"])["all"]
    assert found.categories.tolist() == [0, 1, 1, 1, 1]
    assert found.scores.tolist() == [0.5, 0.9, 0.9, 0.4, 0.3]
    assert found.videos.tolist() == [0, 0, 1, 1, 0]
    assert found.ranks.tolist() == [0, 0, 0, 1, 1]
    assert found.true_positives[3].tolist() == [False, True, False, True, False]
    assert found.ignored[9].tolist() == [True, False, False, False, False]
    assert found.instances.tolist() == [[1, 0], [1, 3]]
    assert found.of_category(1) == slice(1, 5)


def test_instances_of_several_groups_add_up():
    found = gather([group(0, 0, [], [], 2), group(0, 0, [0.5], [UNMATCHED], 3)], [1], [1], ["all"])["all"]
    assert found.instances.tolist() == [[5]]
    assert found.scores.tolist() == [0.5]


def test_nothing_at_all():
    found = gather([], [1, 2], [1], ["all", "small"])["small"]
    assert found.true_positives.shape == (10, 0)
    assert found.instances.tolist() == [[0, 0]]


def test_what_is_saved_is_loaded(tmp_path):
    saved = matches_of(3)
    saved.save(tmp_path / "matches.npz")
    loaded = Matches.load(tmp_path / "matches.npz")
    for field in fields(Matches):
        ours, theirs = getattr(saved, field.name), getattr(loaded, field.name)
        assert ours.dtype == theirs.dtype
        assert np.array_equal(ours, theirs)


def test_equal_matches_are_equal_bytes(tmp_path):
    for name in ("a", "b"):
        matches_of(3).save(tmp_path / f"{name}.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_what_is_no_file_of_matches_is_refused(tmp_path, content):
    path = tmp_path / "matches.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"matches.npz: is no file of matches"):
        Matches.load(path)


def test_a_cut_off_file_of_matches_is_refused(tmp_path):
    path = tmp_path / "matches.npz"
    matches_of(3).save(path)
    whole = path.read_bytes()
    for length in range(1, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match="is no file of matches"):
            Matches.load(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", video_ids=np.arange(3))
    with pytest.raises(InputError, match=r"other.npz: is no file of matches"):
        Matches.load(tmp_path / "other.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"matches.npz: no such file"):
        Matches.load(tmp_path / "matches.npz")
