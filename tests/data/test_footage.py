import cv2
import numpy as np
import pytest

from novis.data.footage import open_footage
from novis.errors import InputError


def pictures(count, height=48, width=64, seed=0):
    """Smooth pictures, which compression leaves almost as they are."""
    y, x = np.mgrid[:height, :width]
    return [
        np.stack([x * 2 + i * 8, y * 3, np.full_like(x, 200 - i * 9)], -1).clip(0, 255).astype(np.uint8)
        for i in range(count)
    ]


def write_film(path, frames, rate=12.0):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame[:, :, ::-1])
    writer.release()
    return path


def write_frames(folder, frames, names):
    folder.mkdir()
    for name, frame in zip(names, frames, strict=True):
        cv2.imwrite(str(folder / name), frame[:, :, ::-1])
    return folder


def test_a_film_gives_its_frames_in_order_with_rate_and_size(tmp_path):
    frames = pictures(9)
    footage = open_footage(write_film(tmp_path / "film.avi", frames))
    assert (footage.video.length, footage.video.height, footage.video.width) == (9, 48, 64)
    assert footage.frame_rate == 12
    for _ in range(2):
        for found, frame in zip(footage.frames(), frames, strict=True):
            assert np.abs(found.astype(int) - frame).mean() < 4


def test_frames_of_a_folder_come_by_number_not_by_letter(tmp_path):
    frames = pictures(12)
    names = [f"frame_{i}.png" for i in range(12)]
    folder = write_frames(tmp_path / "folder", frames, names)
    (folder / "notes.txt").write_text("no frame")
    footage = open_footage(folder)
    assert footage.video.file_names == tuple(names)
    assert footage.frame_rate is None
    np.testing.assert_array_equal(np.stack(list(footage.frames())), np.stack(frames))


def test_frames_are_read_one_at_a_time(tmp_path):
    frames = pictures(3)
    folder = write_frames(tmp_path / "folder", frames, ["0.png", "1.png", "2.png"])
    stream = open_footage(folder).frames()
    next(stream)
    (folder / "1.png").unlink()
    with pytest.raises(InputError, match=r"1\.png \(frame 1\): no such file"):
        next(stream)


def test_frames_of_different_sizes_are_refused(tmp_path):
    frames = [*pictures(2), *pictures(1, 40, 60)]
    folder = write_frames(tmp_path / "folder", frames, ["0.png", "1.png", "2.png"])
    with pytest.raises(
        InputError, match=r"2\.png \(frame 2\): is 60 x 40 pixels, but the first frame is 64 x 48"
    ):
        list(open_footage(folder).frames())


def test_an_unreadable_frame_is_named(tmp_path):
    folder = write_frames(tmp_path / "folder", pictures(2), ["0.png", "1.png"])
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:200])
    with pytest.raises(InputError, match=r"1\.png \(frame 1\): is truncated"):
        list(open_footage(folder).frames())


def test_a_folder_without_frames_and_a_path_to_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no frames \(looked for files that end in \.jpg"):
        open_footage(tmp_path)
    with pytest.raises(InputError, match=r"film\.mp4: no such video file or folder of frames"):
        open_footage(tmp_path / "film.mp4")


@pytest.mark.parametrize("content", [b"", b"no film\n" * 99])
def test_a_file_that_is_no_video_is_refused(tmp_path, content):
    (tmp_path / "film.mp4").write_bytes(content)
    with pytest.raises(InputError, match="no frame of it can be decoded"):
        open_footage(tmp_path / "film.mp4")


def test_a_truncated_film_counts_what_can_be_decoded_and_warns(tmp_path, caplog):
    path = write_film(tmp_path / "film.avi", pictures(40))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    footage = open_footage(path)
    assert 5 < footage.video.length < 35
    assert sum(1 for _ in footage.frames()) == footage.video.length


def test_a_film_that_changes_after_it_was_opened_is_told(tmp_path):
    path = write_film(tmp_path / "film.avi", pictures(9))
    footage = open_footage(path)
    write_film(path, pictures(5))
    with pytest.raises(InputError, match="5 frames now and 9 when it was opened"):
        list(footage.frames())
