import copy
import json

import pytest
from pycocotools import mask as coco_mask

from novis.data.annotations import read_annotations, write_annotations
from novis.errors import InputError

SQUARE = [[1, 1, 5, 1, 5, 4, 1, 4]]


def ground_truth():
    """Two videos of two and one frames of 6 x 8 pixels, one instance each."""
    return {
        "videos": [
            {"id": 1, "height": 6, "width": 8, "length": 2, "file_names": ["a/0.jpg", "a/1.jpg"]},
            {"id": 2, "height": 6, "width": 8, "length": 1, "file_names": ["b/0.jpg"]},
        ],
        "categories": [{"id": 4, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {"id": 11, "video_id": 1, "category_id": 4, "segmentations": [runs(10, 4, 34), None]},
            {"id": 12, "video_id": 2, "category_id": 9, "segmentations": [SQUARE], "iscrowd": 1},
        ],
    }


def runs(*counts, size=(6, 8)):
    return {"size": list(size), "counts": list(counts)}


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, **options):
        path = tmp_path / "truth.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return read_annotations(path, **options)

    return write_and_read


def test_integer_runs_and_polygons_become_compressed_text(read):
    annotations = read(ground_truth())
    (first, absent), (square,) = (instance.segmentations for instance in annotations.instances)
    assert absent is None
    assert first["size"] == [6, 8]
    assert isinstance(first["counts"], str)
    # Column by column: 10 background pixels end at row 4 of the second column.
    expected = [[0] * 8 for _ in range(6)]
    expected[4][1] = expected[5][1] = expected[0][2] = expected[1][2] = 1
    assert coco_mask.decode(dict(first)).tolist() == expected
    polygon = coco_mask.merge(coco_mask.frPyObjects(SQUARE, 6, 8))
    assert square["counts"] == polygon["counts"].decode()
    assert annotations.instances[1].is_crowd


def test_videos_and_categories_are_as_in_the_file(read):
    annotations = read(ground_truth())
    assert [(c.id, c.name) for c in annotations.categories] == [(4, "cat"), (9, "dog")]
    assert [(v.id, v.name, v.length, v.height, v.width) for v in annotations.videos] == [
        (1, "a", 2, 6, 8),
        (2, "b", 1, 6, 8),
    ]


@pytest.mark.parametrize("value", [None, "missing"])
def test_a_file_without_ground_truth_has_no_instances(read, value):
    content = ground_truth()
    content["annotations"] = None
    if value == "missing":
        del content["annotations"]
    assert read(content).instances is None


def test_an_empty_list_of_annotations_is_ground_truth_of_nothing(read):
    assert read(ground_truth() | {"annotations": []}).instances == ()


def test_chosen_videos_keep_their_instances_only(read):
    annotations = read(ground_truth(), video_names=["b"])
    assert [video.id for video in annotations.videos] == [2]
    assert [instance.id for instance in annotations.instances] == [12]


def test_an_unknown_chosen_video_is_named(read):
    with pytest.raises(InputError, match='no video named "zebra"'):
        read(ground_truth(), video_names=["a", "zebra"])


def test_writing_and_reading_again_changes_nothing(read, tmp_path):
    content = ground_truth()
    content["annotations"][0]["occlusion"] = ["slight_occlusion", None]
    annotations = read(content)
    write_annotations(tmp_path / "again.json", annotations)
    again = read_annotations(tmp_path / "again.json")
    assert (again.videos, again.categories, again.instances) == (
        annotations.videos,
        annotations.categories,
        annotations.instances,
    )
    entry = json.loads((tmp_path / "again.json").read_text())["annotations"][0]
    assert entry["areas"] == [4, None]
    assert entry["bboxes"] == [[1, 0, 2, 6], None]


def test_toy_dataset_is_read_as_it_was_drawn(toy_dataset):
    annotations = read_annotations(toy_dataset.annotation_file)
    assert annotations == toy_dataset.annotations


def edit(*path, value=None, drop=False):
    """A change at ``path``: a new value, or the key dropped."""

    def apply(content):
        *parents, last = path
        for key in parents:
            content = content[key]
        if drop:
            del content[last]
        else:
            content[last] = value

    return apply


WRONG = {
    "no videos key": (edit("videos", drop=True), '"videos" is missing'),
    "no categories key": (edit("categories", drop=True), '"categories" is missing'),
    "empty videos": (edit("videos", value=[]), '"videos" is empty'),
    "empty categories": (edit("categories", value=[]), '"categories" is empty'),
    "videos no list": (edit("videos", value={}), '"videos" is an object, not a list'),
    "video no object": (edit("videos", 1, value=7), 'entry 1 of "videos" is 7'),
    "video without id": (edit("videos", 1, "id", drop=True), 'entry 1 of "videos": "id" is missing'),
    "duplicate video": (edit("videos", 1, "id", value=1), "video 1: the id occurs twice"),
    "duplicate category": (edit("categories", 1, "id", value=4), "category 4: the id occurs twice"),
    "duplicate annotation": (edit("annotations", 1, "id", value=11), "annotation 11: the id occurs twice"),
    "id a float": (edit("videos", 0, "id", value=1.0), '"id" is 1.0, not an integer'),
    "id a bool": (edit("annotations", 0, "id", value=True), '"id" is True, not an integer'),
    "height a text": (edit("videos", 0, "height", value="6"), "\"height\" is '6', not an integer"),
    "no pixels": (edit("videos", 0, "width", value=0), "video 1: 0 x 6 pixels"),
    "no frames": (edit("videos", 0, "file_names", value=[]), '"file_names" is empty'),
    "frame outside": (edit("videos", 0, "file_names", 1, value="a/../../b.jpg"), "no path inside"),
    "frame absolute": (edit("videos", 0, "file_names", 1, value="/etc/passwd"), "no path inside"),
    "frame no text": (edit("videos", 0, "file_names", 1, value=3), '"file_names" holds 3'),
    "half a surrogate": (edit("categories", 0, "name", value="\ud800"), "no valid text"),
    "length": (edit("videos", 0, "length", value=3), '"length" is 3, but "file_names" has 2 entries'),
    "unknown video": (edit("annotations", 0, "video_id", value=5), '"video_id" is 5, but no video'),
    "unknown category": (edit("annotations", 0, "category_id", value=5), '"category_id" is 5, but no'),
    "short list": (
        edit("annotations", 0, "segmentations", value=[None]),
        r'annotation 11 \(video 1 "a"\): "segmentations" has 1 entries, but the video has 2 frames',
    ),
    "short boxes": (edit("annotations", 0, "bboxes", value=[None]), '"bboxes" has 1 entries'),
    "short areas": (edit("annotations", 0, "areas", value=[1, 2, 3]), '"areas" has 3 entries'),
    "short occlusion": (edit("annotations", 0, "occlusion", value=[None]), '"occlusion" has 1 entries'),
    "odd occlusion": (edit("annotations", 0, "occlusion", value=[None, "some"]), "frame 1 is 'some'"),
    "odd crowd": (edit("annotations", 0, "iscrowd", value=2), '"iscrowd" is 2'),
    "no segmentations": (edit("annotations", 0, "segmentations", drop=True), '"segmentations" is missing'),
    "runs too long": (
        edit("annotations", 0, "segmentations", 1, value=runs(48, 1)),
        '"segmentations" of frame 1 has runs that sum to 49, not to 6 x 8 = 48',
    ),
    "negative run": (edit("annotations", 0, "segmentations", 0, value=runs(50, -2)), "a negative run"),
    "runs of floats": (edit("annotations", 0, "segmentations", 0, value=runs(48.0)), "neither a string"),
    "wrong size": (
        edit("annotations", 0, "segmentations", 0, value=runs(48, size=(8, 6))),
        r"has size \[8, 6\], but the frames are \[6, 8\]",
    ),
    "two points": (edit("annotations", 0, "segmentations", 0, value=[[1, 1, 2, 2]]), "three points"),
    "odd polygon": (edit("annotations", 0, "segmentations", 0, value=[[1, 1, 2, 2, 3, 3, 4]]), "three"),
    "endless polygon": (edit("annotations", 0, "segmentations", 0, value=[[1, 1, 2, 2, 3, 1e9]]), "far out"),
    "text in polygon": (
        edit("annotations", 0, "segmentations", 0, value=[[1, 1, 2, 2, 3, "4"]]),
        "no numbers",
    ),
    "broken text": (
        edit("annotations", 0, "segmentations", 0, value={"size": [6, 8], "counts": "oops~"}),
        r'annotation 11 \(video 1 "a"\): "segmentations" of frame 0 has counts that are no run-length code',
    ),
    "text too short": (
        edit("annotations", 0, "segmentations", 0, value={"size": [6, 8], "counts": "5"}),
        "frame 0 has runs that sum to 5, not to 6 x 8 = 48",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_name(read, case, tmp_path):
    change, message = WRONG[case]
    content = copy.deepcopy(ground_truth())
    change(content)
    with pytest.raises(InputError, match=message) as refusal:
        read(content)
    assert str(refusal.value).startswith(str(tmp_path / "truth.json"))


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "null", '{"videos": NaN}', "[" * 100_000])
def test_what_is_no_annotation_file_is_refused(read, text):
    with pytest.raises(InputError, match=r"truth\.json"):
        read(text)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json: no such annotation file"):
        read_annotations(tmp_path / "absent.json")
