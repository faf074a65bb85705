import subprocess
import sys
import time
from dataclasses import replace

import h5py
import numpy as np
import pytest

from novis.errors import InputError
from novis.storage.video_store import LazyArray, VideoStore, VideoStoreWriter, read_array
from novis.structures import Video

ATTRIBUTES = {"checkpoint": "abc", "size": 3}


def video(video_id, length=2):
    return Video(video_id, 8, 6, tuple(f"v{video_id}/{frame}.jpg" for frame in range(length)))


def write(path, video_ids, attributes=ATTRIBUTES, finish=True):
    with VideoStoreWriter(path, "test store", 1, attributes) as writer:
        for video_id in video_ids:
            with writer.group(video(video_id)) as group:
                group["values"] = np.arange(video_id)
        if finish:
            writer.finish(seconds=0.5)


def read(path):
    return VideoStore(path, "test store", 1)


def test_a_store_gives_back_what_was_written(tmp_path):
    write(tmp_path / "s.h5", [10, 2])
    with read(tmp_path / "s.h5") as store:
        assert store.video_ids == (2, 10)
        assert store.video(10) == video(10)
        np.testing.assert_array_equal(read_array(store.group(10)["values"]), np.arange(10))
        assert store.attributes == {"kind": "test store", "schema_version": 1, **ATTRIBUTES, "seconds": 0.5}


def test_only_the_finished_store_lies_in_the_folder(tmp_path):
    write(tmp_path / "s.h5", [1], finish=False)
    assert not (tmp_path / "s.h5").exists()
    write(tmp_path / "s.h5", [2])
    assert [path.name for path in tmp_path.iterdir()] == ["s.h5"]


def test_a_later_run_goes_on_after_the_finished_videos(tmp_path):
    write(tmp_path / "s.h5", [1, 2], finish=False)
    with VideoStoreWriter(tmp_path / "s.h5", "test store", 1, ATTRIBUTES) as writer:
        assert writer.finished == {1, 2}
        with pytest.raises(ValueError, match="there already"), writer.group(video(1)):
            pass
    write(tmp_path / "s.h5", [3])
    with read(tmp_path / "s.h5") as store:
        assert store.video_ids == (1, 2, 3)


def test_videos_of_another_checkpoint_are_begun_anew_with_a_message(tmp_path, caplog):
    write(tmp_path / "s.h5", [1, 2], finish=False)
    with VideoStoreWriter(tmp_path / "s.h5", "test store", 1, {**ATTRIBUTES, "checkpoint": "def"}) as writer:
        assert writer.finished == frozenset()
        with writer.group(video(1)) as group:
            group["values"] = np.arange(3)
        writer.finish()
    assert "another configuration or checkpoint" in caplog.text
    with read(tmp_path / "s.h5") as store:
        assert store.video_ids == (1,)
        np.testing.assert_array_equal(store.group(1)["values"], np.arange(3))


@pytest.mark.parametrize(
    "wanted",
    [
        [video(1), video(3)],
        [video(1), video(2, length=5), video(3)],
        [video(1), replace(video(2), width=9), video(3)],
        [video(1), replace(video(2), file_names=("v2/0.jpg", "v2/2.jpg")), video(3)],
    ],
    ids=["not wanted", "other length", "other size", "other frames"],
)
def test_videos_that_are_not_those_wanted_are_begun_anew_with_a_message(tmp_path, caplog, wanted):
    write(tmp_path / "s.h5", [1, 2], finish=False)
    with VideoStoreWriter(tmp_path / "s.h5", "test store", 1, ATTRIBUTES) as writer:
        assert writer.waiting([video(3), video(2), video(1)]) == [video(3)]
        assert writer.finished == {1, 2}
        assert writer.waiting(wanted) == wanted
        assert writer.finished == frozenset()
        with writer.group(wanted[-2]):
            pass
    assert "was begun with other videos; starting it over" in caplog.text


def test_a_block_that_fails_leaves_no_trace_of_its_video(tmp_path):
    with VideoStoreWriter(tmp_path / "s.h5", "test store", 1, ATTRIBUTES) as writer:
        with writer.group(video(1)) as group:
            group["values"] = np.arange(5)
        with pytest.raises(KeyError, match="broken"), writer.group(video(2)) as group:
            group["values"] = np.zeros(100_000)
            raise KeyError("broken")
        assert writer.finished == {1}
        with writer.group(video(2)) as group:
            group["values"] = np.arange(7)
        writer.finish()
    with read(tmp_path / "s.h5") as store:
        assert store.video_ids == (1, 2)
        np.testing.assert_array_equal(store.group(2)["values"], np.arange(7))


WRITER = """
import sys, numpy as np
from novis.storage.video_store import VideoStoreWriter
from novis.structures import Video
with VideoStoreWriter(sys.argv[1], "test store", 1, {"checkpoint": "abc", "size": 3}) as writer:
    print(len(writer.finished), flush=True)
    for number in range(1, 25):
        if number not in writer.finished:
            with writer.group(Video(number, 8, 6, ("a/0.jpg",))) as group:
                values = np.random.default_rng(number).integers(0, 9, (20, 5000), np.uint8)
                group.create_dataset("values", data=values, chunks=(1, 5000), compression="gzip")
            print("done", flush=True)
    writer.finish()
"""


def test_kill_9_again_and_again_loses_only_the_video_in_hand(tmp_path):
    """Real kills, a few videos after each start: what is found is whole, and the end is complete."""
    path, found, done = tmp_path / "s.h5", [], 0
    for attempt in range(40):
        process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
        found.append(int(process.stdout.readline()))
        assert found[-1] >= done
        lines = [process.stdout.readline() for _ in range(3 + attempt % 4)]
        time.sleep(0.0005 * (attempt % 7))
        process.kill()
        done = found[-1] + sum(map(bool, lines))
        process.communicate()
        if path.exists():
            break
    assert found == sorted(found)
    assert len(found) > 3, "the writer was never killed in its work"
    with read(path) as store:
        assert store.video_ids == tuple(range(1, 25))
        for number in store.video_ids:
            expected = np.random.default_rng(number).integers(0, 9, (20, 5000), np.uint8)
            np.testing.assert_array_equal(store.group(number)["values"], expected)


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
import numpy as np
from novis.errors import InputError
from novis.storage.video_store import VideoStoreWriter
from novis.structures import Video
try:
    with VideoStoreWriter(sys.argv[1], "test store", 1, {"checkpoint": "abc", "size": 3}) as writer:
        for number in range(1, 9):
            with writer.group(Video(number, 8, 6, ("a/0.jpg",))) as group:
                group["values"] = np.full(5_000, float(number))
except InputError as error:
    sys.exit(f"message: {error}")
"""


def test_when_the_disk_takes_no_more_the_videos_before_are_kept(tmp_path):
    process = subprocess.run(
        [sys.executable, "-c", LIMITED, tmp_path / "s.h5"], capture_output=True, text=True, check=False
    )
    assert process.stderr.startswith("message: ")
    assert "finished videos are kept" in process.stderr
    assert "Traceback" not in process.stderr
    with VideoStoreWriter(tmp_path / "s.h5", "test store", 1, ATTRIBUTES) as writer:
        assert writer.finished == {1, 2}


def test_bad_files_are_named(tmp_path):
    write(tmp_path / "s.h5", range(1, 5))
    whole = (tmp_path / "s.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.h5").write_text("no HDF5")
    h5py.File(tmp_path / "foreign.h5", "w").close()
    for name, message in {
        "cut.h5": "truncated",
        "text.h5": "no HDF5",
        "foreign.h5": "no test store",
        "absent.h5": "no such test store",
    }.items():
        with pytest.raises(InputError, match=rf"{name}: .*{message}"):
            read(tmp_path / name)


def test_another_schema_version_is_refused(tmp_path):
    write(tmp_path / "s.h5", [1])
    with pytest.raises(InputError, match="schema version 1, this program reads 2"):
        VideoStore(tmp_path / "s.h5", "test store", 2)


def test_an_unknown_video_is_refused(tmp_path):
    write(tmp_path / "s.h5", [1])
    with read(tmp_path / "s.h5") as store, pytest.raises(InputError, match="holds no video 7"):
        store.video(7)


def test_a_damaged_part_is_found_when_it_is_read(tmp_path):
    path = tmp_path / "s.h5"
    with VideoStoreWriter(path, "test store", 1, ATTRIBUTES) as writer:
        with writer.group(video(1)) as group:
            values = np.random.default_rng(0).integers(0, 9, (2, 5000), np.uint8)
            group.create_dataset("values", data=values, chunks=(1, 5000), compression="gzip")
        writer.finish()
    with h5py.File(path) as file:
        chunk = file["1/values"].id.get_chunk_info(1)
    with path.open("r+b") as file:
        file.seek(chunk.byte_offset)
        file.write(bytes(chunk.size))
    with read(path) as store:
        lazy = LazyArray(store.group(1)["values"])
        assert lazy.shape == (2, 5000)
        np.testing.assert_array_equal(lazy[0], values[0])
        with pytest.raises(InputError, match=r"s\.h5: /1/values is damaged"):
            lazy[1]
