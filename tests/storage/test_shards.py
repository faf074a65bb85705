import json
import subprocess
import sys
from dataclasses import replace

import h5py
import pytest

from novis.errors import InputError
from novis.storage.clip_cache import ClipCache, ClipCacheWriter, categories_json
from novis.storage.shards import Shard, merge
from novis.structures import Category, Video
from tests.tracking.predictions import random_prediction

ATTRIBUTES = {
    "config": "model = {}",
    "checkpoint_sha256": "0" * 64,
    "clip_length": 3,
    "starts": "all",
    "min_size": 24,
    "categories": categories_json([Category(2, "cat")]),
}
PREDICTIONS = [
    random_prediction(3 + number % 7, seed=number, video_id=number) for number in (7, 3, 12, 1, 20)
]
VIDEOS = [prediction.video for prediction in PREDICTIONS]


def write(path, predictions, attributes=ATTRIBUTES):
    with ClipCacheWriter(path, attributes) as writer:
        for prediction in predictions:
            writer.write(prediction)
        writer.finish()
    return path


def write_shards(folder, count, changes=None):
    paths = []
    for number in range(1, count + 1):
        shard = Shard(number, count)
        chosen = {video.id for video in shard.choose(VIDEOS)}
        attributes = ATTRIBUTES | shard.attributes(VIDEOS) | (changes or {}).get(number, {})
        predictions = [p for p in PREDICTIONS if p.video.id in chosen]
        paths.append(write(folder / f"{number}of{count}.h5", predictions, attributes))
    return paths


def described(path):
    """Everything that a file says: attributes, values, types, chunks, and the bytes of each chunk."""
    found = {}
    with h5py.File(path) as file:
        found["/"] = dict(file.attrs)

        def visit(name, item):
            found[name] = {key: str(value) for key, value in item.attrs.items()}
            if isinstance(item, h5py.Dataset):
                stored = None
                if item.chunks:
                    chunks = map(item.id.get_chunk_info, range(item.id.get_num_chunks()))
                    stored = {c.chunk_offset: item.id.read_direct_chunk(c.chunk_offset) for c in chunks}
                found[name] |= {
                    "values": (item.dtype, item.shape, item[()].tobytes()),
                    "storage": (item.chunks, item.compression, item.compression_opts, stored),
                }

        file.visititems(visit)
    return found


@pytest.mark.parametrize("count", [1, 2, 5, 7])
def test_merged_shards_are_the_unsharded_cache(tmp_path, count):
    whole = write(tmp_path / "whole.h5", PREDICTIONS)
    merge(write_shards(tmp_path, count)[::-1], tmp_path / "merged.h5")
    assert described(tmp_path / "merged.h5") == described(whole)
    with ClipCache(tmp_path / "merged.h5") as merged:
        assert merged.video_ids == (1, 3, 7, 12, 20)


def video(number, length):
    return Video(number, 8, 6, tuple(f"v{number}/{frame}.jpg" for frame in range(length)))


def test_shards_share_the_videos_and_the_frames():
    videos = [video(number, length) for number, length in enumerate([90, 10, 40, 30, 20, 30, 60, 20])]
    parts = [Shard(number, 3).choose(videos) for number in (1, 2, 3)]
    assert sorted(v.id for part in parts for v in part) == list(range(8))
    # 90 to the first, 60 to the second, 40 and 30 to the third, 30 to the second, 20 to the third, ...
    assert [sum(v.length for v in part) for part in parts] == [110, 100, 90]
    for part in parts:
        assert list(part) == [v for v in videos if v in part], "in the order of the annotations"


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/2/3", "-1/2", "1/0"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError, match="must be a part and the number of parts"):
        Shard.parse(text)
    assert Shard.parse("2/4") == Shard(2, 4)


def test_a_missing_shard_is_named(tmp_path):
    paths = write_shards(tmp_path, 3)
    with pytest.raises(InputError, match="shard 2/3 is missing"):
        merge([paths[0], paths[2]], tmp_path / "merged.h5")
    assert not (tmp_path / "merged.h5").exists()


def test_a_shard_given_twice_is_refused(tmp_path):
    paths = write_shards(tmp_path, 2)
    again = tmp_path / "again.h5"
    again.write_bytes(paths[1].read_bytes())
    with pytest.raises(InputError, match=r"again\.h5: is shard 2, as is .*2of2\.h5"):
        merge([*paths, again], tmp_path / "merged.h5")


@pytest.mark.parametrize(
    ("changes", "name"),
    [({"checkpoint_sha256": "1" * 64}, "checkpoint_sha256"), ({"shard_of_videos": "[1]"}, "shard_of_videos")],
)
def test_shards_of_different_predictions_are_refused(tmp_path, changes, name):
    paths = write_shards(tmp_path, 2, {2: changes})
    with pytest.raises(InputError, match=rf"2of2\.h5: its {name} is not that of .*1of2\.h5"):
        merge(paths, tmp_path / "merged.h5")


def test_a_cache_that_is_no_shard_is_refused(tmp_path):
    whole = write(tmp_path / "whole.h5", PREDICTIONS)
    with pytest.raises(InputError, match=r"whole\.h5: is no shard"):
        merge([whole], tmp_path / "merged.h5")


def test_a_shard_that_lacks_a_video_is_refused(tmp_path):
    order = {"shard_of_videos": json.dumps([v.id for v in VIDEOS] + [99])}
    with pytest.raises(InputError, match="no shard holds video 99"):
        merge(write_shards(tmp_path, 2, {1: order, 2: order}), tmp_path / "merged.h5")


def test_a_killed_merge_goes_on_at_the_next_video(tmp_path):
    paths = write_shards(tmp_path, 2)
    script = """
import os, sys
from novis.storage import shards
from novis.storage.clip_cache import ClipCacheWriter
copy, done = ClipCacheWriter.copy, []
def killed(writer, store, video_id):
    if len(done) == 3:
        os.kill(os.getpid(), 9)
    done.append(video_id)
    copy(writer, store, video_id)
ClipCacheWriter.copy = killed
shards.merge(sys.argv[2:], sys.argv[1])
"""
    merged = tmp_path / "merged.h5"
    run = subprocess.run([sys.executable, "-c", script, str(merged), *map(str, paths)])
    assert run.returncode == -9
    assert not merged.exists()
    merge(paths, merged)
    assert described(merged) == described(write(tmp_path / "whole.h5", PREDICTIONS))


def test_a_merge_of_other_annotations_starts_over(tmp_path):
    """Of a merge that ended early there are videos by the same ids and settings, but with other frames."""
    first = random_prediction(5, seed=99, video_id=VIDEOS[0].id)
    merged = tmp_path / "merged.h5"
    with ClipCacheWriter(merged, ATTRIBUTES) as writer:
        writer.write(first)
    merge(write_shards(tmp_path, 2), merged)
    assert described(merged) == described(write(tmp_path / "whole.h5", PREDICTIONS))


def test_shards_of_annotations_that_differ_in_frames_are_refused(tmp_path):
    other = [replace(v, file_names=v.file_names[:-1]) for v in VIDEOS]
    paths = write_shards(tmp_path, 2, {2: Shard(2, 2).attributes(other)})
    with pytest.raises(InputError, match=r"2of2\.h5: its shard_of_frames is not that of .*1of2\.h5"):
        merge(paths, tmp_path / "merged.h5")


def test_no_shards_at_all_are_refused(tmp_path):
    with pytest.raises(InputError, match="names no cache to merge"):
        merge([], tmp_path / "merged.h5")


def test_a_damaged_shard_is_named(tmp_path):
    paths = write_shards(tmp_path, 2)
    with h5py.File(paths[0]) as file:
        video_id = next(iter(file))
        # Not the data, which is copied as it is, but what says where it lies.
        header = h5py.h5o.get_info(file[video_id]["class_logits"].id).addr
    content = bytearray(paths[0].read_bytes())
    content[header : header + 64] = bytes(64)
    paths[0].write_bytes(content)
    with pytest.raises(InputError, match=r"1of2\.h5: video .* cannot be copied"):
        merge(paths, tmp_path / "merged.h5")
    assert not (tmp_path / "merged.h5").exists()
