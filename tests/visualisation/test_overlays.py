import cv2
import numpy as np
import pytest

from novis.data.annotations import write_annotations
from novis.errors import InputError
from novis.masks import encode
from novis.storage.results_json import writing_results
from novis.structures import Annotations, Category, Instance, Track, Video
from novis.visualisation.drawing import instance_colours
from novis.visualisation.overlays import evenly, overlay_video, overlays

HEIGHT, WIDTH, LENGTH = 150, 200, 8
CATEGORIES = {1: "disc", 2: "ring"}
ORANGE = (200, 120, 30)


def moving_box(left, top=60, present=range(LENGTH)):
    """A box that moves two pixels a frame."""
    segmentations = []
    for frame in range(LENGTH):
        mask = np.zeros((1, HEIGHT, WIDTH), bool)
        mask[0, top : top + 50, left + 2 * frame : left + 2 * frame + 40] = True
        segmentations.append(encode(mask)[0] if frame in present else None)
    return tuple(segmentations)


def video_of(id_):
    return Video(id_, WIDTH, HEIGHT, tuple(f"video_{id_}/{frame:03}.png" for frame in range(LENGTH)))


@pytest.fixture
def dataset(tmp_path):
    """Three videos of two instances each, with tracks that follow them."""
    videos = tuple(video_of(id_) for id_ in (1, 2, 3))
    instances = []
    for video in videos:
        (tmp_path / f"video_{video.id}").mkdir()
        for name in video.file_names:
            image = np.full((HEIGHT, WIDTH, 3), ORANGE[::-1], np.uint8)
            cv2.imwrite(str(tmp_path / name), image)
        instances += [
            Instance(10 * video.id, video.id, 1, moving_box(10)),
            Instance(10 * video.id + 1, video.id, 2, moving_box(120)),
        ]
    categories = tuple(Category(id_, name) for id_, name in CATEGORIES.items())
    annotations = Annotations("made", categories, videos, tuple(instances))
    write_annotations(tmp_path / "annotations.json", annotations)
    with writing_results(tmp_path / "results.json") as results:
        for video in videos:
            results.write(Track(video.id, 2, 0.9, moving_box(122)))
            results.write(Track(video.id, 1, 0.7, moving_box(12)))
    return tmp_path, annotations


def strip(dataset, tracks, instances=..., **options):
    folder, annotations = dataset
    own = annotations.instances[:2] if instances is ... else instances
    return overlay_video(annotations.videos[0], folder, tracks, own, CATEGORIES, **options)


def count(image, colour):
    return int((image == np.array(colour, np.uint8)).all(-1).sum())


def halves(image):
    """Predictions and ground truth."""
    return np.split(image[: image.shape[0] // 2 * 2], 2)


def test_frames_are_at_even_distances_with_both_ends():
    assert evenly(range(36), 4) == [0, 12, 23, 35]
    assert evenly(range(2), 4) == [0, 1]
    assert evenly("abc", 1) == ["a"]


def test_strip_shows_predictions_above_the_ground_truth(dataset):
    image = strip(dataset, [Track(1, 1, 0.9, moving_box(10))])
    assert image.dtype == np.uint8
    # Enlarged twice, four frames side by side, two rows with captions.
    assert image.shape == (2 * (300 + 24) + 6, 4 * (400 + 6) - 6, 3)
    assert tuple(image[40, 10]) == ORANGE


def test_without_ground_truth_there_is_one_row(dataset):
    image = strip(dataset, [Track(1, 1, 0.9, moving_box(10))], instances=None)
    assert image.shape[0] == 300 + 24


def test_a_track_has_the_colour_of_its_instance_whatever_its_order_and_class(dataset):
    tracks = [Track(1, 1, 0.9, moving_box(122)), Track(1, 2, 0.7, moving_box(12))]
    first, second = instance_colours(2)
    predicted, annotated = halves(strip(dataset, tracks))
    left, right = np.s_[:, :190], np.s_[:, 200:400]
    for row in (predicted, annotated):
        assert count(row[left], first) > 100 > count(row[left], second)
        assert count(row[right], second) > 100 > count(row[right], first)


def test_track_that_follows_nothing_has_a_colour_of_its_own(dataset):
    third = instance_colours(3)[2]
    image = strip(dataset, [Track(1, 1, 0.9, moving_box(60, top=0))])
    predicted, annotated = halves(image)
    assert count(predicted, third) > 100
    assert count(annotated, third) == 0


def test_scores_below_the_least_are_not_drawn(dataset):
    tracks = [Track(1, 1, 0.04, moving_box(10))]
    assert count(halves(strip(dataset, tracks))[0], instance_colours(1)[0]) == 0
    assert count(halves(strip(dataset, tracks, min_score=0.01))[0], instance_colours(1)[0]) > 100


def test_one_query_of_several_classes_is_drawn_once(dataset):
    once = [Track(1, 1, 0.9, moving_box(10))]
    twice = [*once, Track(1, 2, 0.3, moving_box(10))]
    assert (strip(dataset, once) == strip(dataset, twice)).all()


def test_the_best_track_lies_on_top(dataset):
    tracks = [Track(1, 1, 0.9, moving_box(10)), Track(1, 2, 0.3, moving_box(11))]
    best, other = instance_colours(3)[[0, 2]]
    predicted = halves(strip(dataset, tracks))[0]
    # Their contours cross all along, and the upper one is whole.
    assert count(predicted, best) > 1.5 * count(predicted, other)


def test_absent_frames_show_nothing(dataset):
    image = halves(strip(dataset, [Track(1, 1, 0.9, moving_box(10, present=[0]))]))[0]
    colour = instance_colours(1)[0]
    assert count(image[:, :400], colour) > 100
    assert count(image[:, 406:], colour) == 0


def test_command_writes_a_picture_for_evenly_chosen_videos(dataset, tmp_path):
    folder, _ = dataset
    overlays(folder / "results.json", folder / "annotations.json", folder, tmp_path / "out", num_videos=2)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["video_1.png", "video_3.png"]
    image = cv2.imread(str(tmp_path / "out" / "video_1.png"), cv2.IMREAD_COLOR_RGB)
    assert tuple(image[40, 10]) == ORANGE


def test_results_without_a_track_are_refused(dataset, tmp_path):
    folder, _ = dataset
    with writing_results(tmp_path / "empty.json"):
        pass
    with pytest.raises(InputError, match=r"empty\.json: holds no track"):
        overlays(tmp_path / "empty.json", folder / "annotations.json", folder, tmp_path / "out")


def test_number_of_videos_must_be_positive(dataset, tmp_path):
    folder, _ = dataset
    with pytest.raises(InputError, match="num_videos=0"):
        overlays(folder / "results.json", folder / "annotations.json", folder, tmp_path / "out", num_videos=0)
