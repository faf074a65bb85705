import json
from pathlib import Path

import pytest
from pycocotools import mask as coco_mask

from novis.data import coco
from novis.data.coco import read_category_map, read_coco
from novis.errors import InputError
from novis.structures import Category

TRIANGLE = [1.0, 1.0, 7.0, 1.0, 1.0, 6.0]


def content():
    """Three images of 8 x 10 pixels: two objects, a crowd, and one of a category without counterpart."""
    return {
        "images": [
            {"id": image_id, "width": 10, "height": 8, "file_name": f"{image_id}.jpg"}
            for image_id in (50, 60, 70)
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}, {"id": 90, "name": "brush"}],
        "annotations": [
            annotation(1, 50, 18, [TRIANGLE]),
            annotation(2, 50, 1, [TRIANGLE, [6, 6, 9, 6, 9, 7, 6, 7]]),
            annotation(3, 60, 1, {"size": [8, 10], "counts": [20, 5, 55]}, iscrowd=1),
            annotation(4, 70, 90, [TRIANGLE]),
        ],
    }


def annotation(number, image_id, category_id, segmentation, **more):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": segmentation,
        **more,
    }


@pytest.fixture
def read(tmp_path):
    def write_and_read(value, *arguments):
        (tmp_path / "instances.json").write_text(json.dumps(value))
        return read_coco(tmp_path / "instances.json", *arguments)

    return write_and_read


def test_images_are_videos_of_one_frame(read):
    annotations = read(content())
    assert [(v.id, v.length, v.width, v.height, v.file_names) for v in annotations.videos] == [
        (50, 1, 10, 8, ("50.jpg",)),
        (60, 1, 10, 8, ("60.jpg",)),
        (70, 1, 10, 8, ("70.jpg",)),
    ]
    assert [(i.id, i.category_id, i.is_crowd) for i in annotations.instances] == [
        (1, 18, False),
        (2, 1, False),
        (3, 1, True),
        (4, 90, False),
    ]
    parts = coco_mask.frPyObjects([TRIANGLE, [6, 6, 9, 6, 9, 7, 6, 7]], 8, 10)
    assert annotations.instances[1].segmentations[0]["counts"] == coco_mask.merge(parts)["counts"].decode()


def test_mapped_categories_are_the_targets_and_others_are_left_out(read):
    target = (Category(4, "Dog"), Category(7, "Person"))
    annotations = read(content(), {1: 7, 18: 4}, target)
    assert annotations.categories == target
    assert [(i.id, i.category_id) for i in annotations.instances] == [(1, 4), (2, 7), (3, 7)]
    # Image 70 shows nothing but a brush.
    assert [video.id for video in annotations.videos] == [50, 60]


def test_polygons_of_two_points_are_skipped_as_the_parents_do(read):
    value = content()
    value["annotations"][0]["segmentation"] = [[1, 1, 2, 2], TRIANGLE]
    value["annotations"][3]["segmentation"] = [[1, 1, 2, 2]]
    annotations = read(value)
    assert [i.id for i in annotations.instances] == [1, 2, 3]
    expected = coco_mask.frPyObjects([TRIANGLE], 8, 10)[0]["counts"].decode()
    assert annotations.instances[0].segmentations[0]["counts"] == expected


def change(**values):
    def apply(value):
        value["annotations"][0].update(values)

    return apply


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change(image_id=51), 'annotation 1: "image_id" is 51, but no image has that id'),
        (change(category_id=5), 'annotation 1: "category_id" is 5, but no category'),
        (change(id=2), "annotation 2: the id occurs twice"),
        (change(iscrowd="no"), "\"iscrowd\" is 'no'"),
        (change(segmentation=[[1, 2, 3, 4, 5, "6"]]), r"annotation 1 \(image 50\): \"segmentation\" has a"),
        (change(segmentation=3), '"segmentation" is a int'),
        (change(segmentation={"size": [8, 10], "counts": "zz"}), "the RLE is broken"),
        (lambda value: value["images"].append(value["images"][0]), "image 50: the id occurs twice"),
        (lambda value: value["images"][0].update(file_name="../x.jpg"), "no path inside"),
        (lambda value: value["images"][0].update(height=0), "10 x 0 pixels"),
        (lambda value: value.update(images=[]), '"images" is empty'),
        (lambda value: value.pop("annotations"), '"annotations" is missing'),
    ],
)
def test_what_is_wrong_is_refused_by_name(read, edit, message):
    value = content()
    edit(value)
    with pytest.raises(InputError, match=message):
        read(value)


def test_a_map_for_another_data_set_is_refused(read):
    with pytest.raises(InputError, match=r"leads to ids \[40\]"):
        read(content(), {1: 40}, (Category(7, "Person"),))


OVIS = (
    "Person Bird Cat Dog Horse Sheep Cow Elephant Bear Zebra Giraffe Poultry Giant_panda Lizard Parrot "
    "Monkey Rabbit Tiger Fish Turtle Bicycle Motorcycle Airplane Boat Vehical"
)
YOUTUBE_VIS_2021 = (
    "airplane bear bird boat car cat cow deer dog duck earless_seal elephant fish flying_disc fox frog "
    "giant_panda giraffe horse leopard lizard monkey motorbike mouse parrot person rabbit shark "
    "skateboard snake snowboard squirrel surfboard tennis_racket tiger train truck turtle whale zebra"
)
YOUTUBE_VIS_2019 = (
    "person giant_panda lizard parrot skateboard sedan ape dog snake monkey hand rabbit duck cat cow fish "
    "train horse turtle bear motorbike giraffe leopard fox deer owl surfboard airplane truck zebra tiger "
    "elephant snowboard boat shark mouse frog eagle earless_seal tennis_racket"
)
COCO = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 8: "truck",
    9: "boat", 16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 22: "elephant",
    23: "bear", 24: "zebra", 25: "giraffe", 34: "frisbee", 35: "skis", 36: "snowboard", 41: "skateboard",
    42: "surfboard", 43: "tennis_racket",
}  # fmt: skip
SAME = {
    "frisbee": "flying_disc", "skis": "snowboard", "bicycle": "motorbike", "motorcycle": "motorbike",
    "car": "sedan",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "target", "size"),
    [
        ("coco_to_ytvis_2019", YOUTUBE_VIS_2019, 21),
        ("coco_to_ytvis_2021", YOUTUBE_VIS_2021, 23),
        ("coco_to_ovis", OVIS, 17),
    ],
)
def test_maps_lead_to_categories_of_the_same_name(name, target, size):
    names = target.lower().split()
    pairs = {COCO[source]: names[number - 1] for source, number in read_category_map(name).items()}
    assert len(pairs) == size
    for source, found in pairs.items():
        vehicle = found == "vehical" and source in ("car", "bus", "truck")
        assert vehicle or found in (source, SAME.get(source)), (source, found)


def test_every_map_of_the_package_is_readable():
    names = [path.stem for path in Path(coco.__file__).parent.glob("category_maps/*.json")]
    assert sorted(names) == ["coco_to_ovis", "coco_to_ytvis_2019", "coco_to_ytvis_2021"]


def test_a_map_of_ones_own_is_read(tmp_path):
    (tmp_path / "own.json").write_text('{"category_ids": {"1": 3}}')
    assert read_category_map(str(tmp_path / "own.json")) == {1: 3}


@pytest.mark.parametrize("text", ["[]", "{}", '{"category_ids": {"one": 1}}', '{"category_ids": {"1": "2"}}'])
def test_what_is_no_map_is_refused(tmp_path, text):
    (tmp_path / "own.json").write_text(text)
    with pytest.raises(InputError, match=r"own\.json: needs \"category_ids\""):
        read_category_map(str(tmp_path / "own.json"))


def test_a_misspelt_map_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'coco_to_ovis'"):
        read_category_map("coco_to_ovi")
