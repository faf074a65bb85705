import json

import numpy as np
import pytest
from PIL import Image

from novis.errors import InputError
from novis.structures import Annotations, Category, Track, Video
from novis.visualisation.gallery import choose_videos, gallery
from tests.data.toy_dataset import draw_toy_dataset

CATEGORIES = (Category(1, "person"), Category(2, "fish"))


def shown(**counts):
    """Tracks of each video: ``v3="2f"`` are two fish in video 3, ``p`` is a person."""
    category = {"p": 1, "f": 2}
    return {
        int(name[1:]): [Track(int(name[1:]), category[text[1]], 0.9, ())] * int(text[0])
        for name, text in counts.items()
    }


@pytest.fixture
def truth():
    return Annotations("", CATEGORIES, tuple(Video(i, 8, 8, (f"{i}/0.jpg",)) for i in range(1, 6)), None)


def test_videos_go_from_the_emptiest_to_the_most_crowded_whatever_their_order(truth):
    found = choose_videos(truth, shown(v1="3f", v2="1f", v4="2f", v5="1f"), [])
    assert [video.id for video in found] == [2, 5, 4, 1]


def test_videos_that_show_a_category_left_out_are_not_drawn(truth):
    tracks = shown(v1="3f", v2="1p")
    assert [video.id for video in choose_videos(truth, tracks, ["person"])] == [1]
    assert [video.id for video in choose_videos(truth, tracks, [])] == [2, 1]


def test_an_unknown_category_is_named(truth):
    with pytest.raises(InputError, match="unknown category 'persn'; known: fish, person"):
        choose_videos(truth, {}, ["persn"])


@pytest.fixture
def results(tmp_path):
    """The toy data set, and perfect results for it."""
    toy = draw_toy_dataset(tmp_path / "toy")
    content = [
        {
            "video_id": i.video_id,
            "category_id": i.category_id,
            "score": 0.9,
            "segmentations": [None if rle is None else dict(rle) for rle in i.segmentations],
        }
        for i in toy.annotations.instances
    ]
    (tmp_path / "results.json").write_text(json.dumps(content))
    return toy, tmp_path / "results.json"


def test_a_page_of_rows_as_pdf_with_its_fonts_and_as_png(results, tmp_path):
    toy, file = results
    gallery(file, toy.annotation_file, toy.frames, tmp_path / "page.pdf", num_videos=2, num_frames=3)
    content = (tmp_path / "page.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    page = np.asarray(Image.open(tmp_path / "page.png").convert("RGB"))
    assert page.shape[1] == round(7.2 * 220)
    assert len(np.unique(page.reshape(-1, 3), axis=0)) > 10


def test_where_nothing_is_good_enough_that_is_said(results, tmp_path):
    toy, file = results
    with pytest.raises(InputError, match="no video shows a track with a score of at least 95%"):
        gallery(file, toy.annotation_file, toy.frames, tmp_path / "page.pdf", min_score=0.95)
    assert not (tmp_path / "page.pdf").exists()
