import subprocess
import sys
from dataclasses import fields, replace

import h5py
import numpy as np
import pytest

from novis.errors import InputError
from novis.storage.clip_cache import ClipCache, ClipCacheWriter, categories_json
from novis.structures import Category
from tests.tracking.predictions import random_prediction

CATEGORIES = (Category(2, "cat"), Category(5, "dög"))
ATTRIBUTES = {
    "config": "model = {}",
    "checkpoint_sha256": "0" * 64,
    "clip_length": 3,
    "starts": "all",
    "min_size": 24,
    "categories": categories_json(CATEGORIES),
}


def write(path, *predictions):
    with ClipCacheWriter(path, ATTRIBUTES) as writer:
        for prediction in predictions:
            writer.write(prediction)
        writer.finish()


def test_a_prediction_from_the_cache_equals_the_one_in_memory(tmp_path):
    predictions = [
        random_prediction(video_id=4),
        random_prediction(1, video_id=11),
        random_prediction(9, 3, 2),
    ]
    write(tmp_path / "clips.h5", *predictions)
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert cache.video_ids == (1, 4, 11)
        for expected in predictions:
            found = cache.prediction(expected.video.id)
            for field in fields(expected):
                value, wanted = getattr(found, field.name), getattr(expected, field.name)
                if isinstance(wanted, np.ndarray):
                    value = value[:]
                    assert value.dtype == wanted.dtype, field.name
                    np.testing.assert_array_equal(value, wanted, err_msg=field.name)
                else:
                    assert value == wanted, field.name


def test_categories_and_attributes_come_back(tmp_path):
    write(tmp_path / "clips.h5", random_prediction())
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert cache.categories == CATEGORIES
        assert ATTRIBUTES.items() <= cache.attributes.items()
        assert cache.attributes["schema_version"] == 2


def test_masks_of_one_query_in_one_clip_are_one_chunk(tmp_path):
    prediction = random_prediction()
    write(tmp_path / "clips.h5", prediction)
    with h5py.File(tmp_path / "clips.h5") as file:
        assert file["1/mask_codes"].chunks == (1, 1, *prediction.mask_codes.shape[2:])
    with ClipCache(tmp_path / "clips.h5") as cache:
        masks = cache.prediction(1).mask_codes
        np.testing.assert_array_equal(masks[2, 3], prediction.mask_codes[2, 3])


def test_a_thousand_frame_names_fit(tmp_path):
    prediction = random_prediction(3)
    names = tuple(f"a-video-with-a-rather-long-name/img_{frame:040}.jpg" for frame in range(1000))
    write(tmp_path / "clips.h5", replace(prediction, video=replace(prediction.video, file_names=names)))
    with ClipCache(tmp_path / "clips.h5") as cache:
        assert cache.prediction(1).video.file_names == names


def test_several_processes_read_at_once(tmp_path):
    prediction = random_prediction()
    write(tmp_path / "clips.h5", prediction)
    script = (
        "import sys; from novis.storage.clip_cache import ClipCache;"
        "print(ClipCache(sys.argv[1]).prediction(1).mask_codes[0].sum(), end='')"
    )
    with ClipCache(tmp_path / "clips.h5"):
        command = [sys.executable, "-c", script, tmp_path / "clips.h5"]
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
        answers = [process.communicate()[0] for process in processes]
    assert answers == [str(prediction.mask_codes[0].sum())] * 2


@pytest.mark.parametrize("count", [4, 6])
def test_as_many_clips_as_starts_must_come(tmp_path, count):
    p = random_prediction()
    assert len(p.starts) == 5
    with ClipCacheWriter(tmp_path / "clips.h5", ATTRIBUTES) as writer:
        with (
            pytest.raises(ValueError, match=r"more clips than the 5 starts|4 clips for 5 starts"),
            writer.video(p.video, p.starts, p.input_size, p.padded_size, p.overlap_lengths) as group,
        ):
            for _ in range(count):
                group.append(p.class_logits[0], p.embeddings[0], p.overlap_embeddings[0], p.mask_codes[0])
        assert writer.finished == frozenset()


def test_clips_of_one_video_have_one_shape(tmp_path):
    p = random_prediction()
    with (
        ClipCacheWriter(tmp_path / "clips.h5", ATTRIBUTES) as writer,
        pytest.raises(ValueError, match="embeddings: a clip of shape"),
        writer.video(p.video, p.starts, p.input_size, p.padded_size, p.overlap_lengths) as group,
    ):
        group.append(p.class_logits[0], p.embeddings[0], p.overlap_embeddings[0], p.mask_codes[0])
        group.append(p.class_logits[1], p.embeddings[1, :1], p.overlap_embeddings[1], p.mask_codes[1])


def test_a_writer_must_say_where_the_clips_come_from(tmp_path):
    incomplete = {key: value for key, value in ATTRIBUTES.items() if key != "checkpoint_sha256"}
    with pytest.raises(ValueError, match="lack checkpoint_sha256"):
        ClipCacheWriter(tmp_path / "clips.h5", incomplete)


def test_a_missing_video_is_named(tmp_path):
    write(tmp_path / "clips.h5", random_prediction())
    with (
        ClipCache(tmp_path / "clips.h5") as cache,
        pytest.raises(InputError, match=r"clips\.h5: holds no video 9"),
    ):
        cache.prediction(9)
