import json
import tracemalloc
import zipfile

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from novis.errors import InputError
from novis.storage import results_json
from novis.storage.results_json import check_results, read_results, write_submission_zip, writing_results
from novis.structures import Annotations, Category, Track, Video

VIDEO = Video(3, 20, 10, ("v/0.jpg", "v/1.jpg"))
ANNOTATIONS = Annotations("train.json", (Category(2, "cat"),), (VIDEO,), None)


def rle(seed=0, shape=(10, 20)):
    mask = np.asfortranarray(np.random.default_rng(seed).random(shape) > 0.5, np.uint8)
    encoded = coco_mask.encode(mask)
    return {"size": list(shape), "counts": encoded["counts"].decode()}


def tracks():
    return [
        Track(3, 2, 0.1 + 0.7 / 3, (rle(), None)),
        Track(3, 2, 0.0, (None, None)),
        Track(3, 2, 1.0, (rle(1), rle(2))),
    ]


def entry(**changes):
    return {"video_id": 3, "category_id": 2, "score": 0.5, "segmentations": [rle(), None]} | changes


def write(path, value):
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_tracks_come_back_as_written(tmp_path):
    path = tmp_path / "results.json"
    with writing_results(path) as results:
        for track in tracks():
            results.write(track)
    assert list(read_results(path, ANNOTATIONS)) == tracks()
    assert check_results(path, ANNOTATIONS) == 3


def test_the_file_is_the_official_format(tmp_path):
    with writing_results(tmp_path / "results.json") as results:
        results.write(tracks()[0])
    assert json.loads((tmp_path / "results.json").read_text()) == [
        {"video_id": 3, "category_id": 2, "score": 0.1 + 0.7 / 3, "segmentations": [rle(), None]}
    ]


@pytest.mark.parametrize(
    "size", [None, 200, "10", [], [200], [10, 20, 1], [10.0, 20], [True, 20], [0, 20], [-10, -20], {"10": 20}]
)
def test_a_mask_has_a_height_and_a_width(tmp_path, size):
    """Equal in Python is not equal in kind: 10.0 is no number of pixels."""
    whole = [rle(1), {"size": size, "counts": rle()["counts"]}, rle(2)]
    path = write(tmp_path / "results.json", [entry(), entry(segmentations=whole)])
    with pytest.raises(InputError, match="track 1, frame 1: must be null or a compressed RLE"):
        list(read_results(path, check_runs=False))


def test_runs_are_left_to_a_caller_who_asks_for_it(tmp_path):
    broken = {"size": [10, 20], "counts": "0"}
    path = write(tmp_path / "results.json", [entry(segmentations=[broken, None])])
    assert next(read_results(path, check_runs=False)).segmentations == (broken, None)
    with pytest.raises(InputError, match="track 0, frame 0: the RLE has runs that sum to 0"):
        list(read_results(path))


def test_no_tracks_are_an_empty_list(tmp_path):
    with writing_results(tmp_path / "results.json"):
        pass
    assert json.loads((tmp_path / "results.json").read_text()) == []
    assert list(read_results(tmp_path / "results.json")) == []


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    path = write(tmp_path / "results.json", "[]")
    with pytest.raises(KeyError), writing_results(path) as results:
        results.write(tracks()[0])
        raise KeyError
    assert path.read_text() == "[]"


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_any_layout_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, size, indent):
    monkeypatch.setattr(results_json, "_READ_SIZE", size)
    path = write(tmp_path / "results.json", json.dumps([entry(), entry(score=1)], indent=indent) + "\n ")
    assert [track.score for track in read_results(path)] == [0.5, 1.0]


def test_reading_needs_no_memory_for_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(results_json, "_READ_SIZE", 1 << 14)
    path = tmp_path / "results.json"
    with writing_results(path) as results:
        for _ in range(3000):
            results.write(tracks()[2])
    tracemalloc.start()
    number = sum(1 for _ in read_results(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert number == 3000
    assert peak < path.stat().st_size / 4


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", r"results\.json: is no valid results file: a list of tracks must begin"),
        ("{}", "must begin"),
        (json.dumps([entry()])[:-9], "no valid results file: .*truncated"),
        (json.dumps([entry()])[:-1], "a ',' or ']' is missing"),
        ("[] []", "something behind the list"),
        ("[1]", "track 0 is a int, not an object"),
        ([entry(), {"video_id": 1}], "track 1 lacks the key 'category_id'"),
        ([entry(video_id="3")], "track 0: 'video_id' is '3', not an integer"),
        ([entry(score="high")], "'score' is 'high', not a finite number"),
        ([entry(score=True)], "'score' is True"),
        ([entry(score=10**400)], "not a finite number"),
        ('[{"video_id":3,"category_id":2,"score":NaN,"segmentations":[]}]', "'score' is nan"),
        ([entry(segmentations=None)], "'segmentations' must be a list"),
        (
            [entry(segmentations=[None, {"size": [10, 20]}])],
            "track 0, frame 1: must be null or a compressed RLE",
        ),
        (
            [entry(segmentations=[None, {"size": [10, 20], "counts": [200]}])],
            "frame 1: must be null or a compressed",
        ),
        (
            [entry(segmentations=[None, {"size": [10, 21], "counts": rle()["counts"]}])],
            "frame 1: the RLE has runs that",
        ),
        ([entry(segmentations=[{"size": [10, 20], "counts": "\u00ff"}])], "frame 0: the RLE"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, value, message):
    path = write(tmp_path / "results.json", value)
    with pytest.raises(InputError, match=message):
        list(read_results(path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": 4}, "track 0: video 4 is not in the annotations"),
        ({"category_id": 4}, "track 0: category 4 is not in the annotations"),
        ({"segmentations": [None]}, "1 segmentations, but video 3 has 2 frames"),
        ({"segmentations": [None, rle(0, (20, 10))]}, r"frame 1: RLE of size \[20, 10\], but .* \[10, 20\]"),
    ],
)
def test_tracks_must_fit_the_annotations(tmp_path, changes, message):
    path = write(tmp_path / "results.json", [entry(**changes)])
    assert len(list(read_results(path))) == 1
    with pytest.raises(InputError, match=message):
        check_results(path, ANNOTATIONS)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no such results file"):
        list(read_results(tmp_path / "results.json"))


def test_the_submission_holds_results_json_at_its_root(tmp_path):
    path = write(tmp_path / "any_name.json", [entry()])
    write_submission_zip(path, tmp_path / "a.zip")
    write_submission_zip(path, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == ["results.json"]
        assert archive.read("results.json") == path.read_bytes()
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_broken_results_are_not_zipped(tmp_path):
    path = write(tmp_path / "results.json", [entry(score=None)])
    with pytest.raises(InputError, match="'score'"):
        write_submission_zip(path, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()
