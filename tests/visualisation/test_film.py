import cv2
import numpy as np
import pytest

from novis.data.footage import open_footage
from novis.errors import InputError
from novis.masks import encode
from novis.structures import Track
from novis.visualisation.drawing import instance_colours
from novis.visualisation.film import overlay_frames, write_film, write_pictures

NAMES = {1: "disc", 2: "star"}
GREY = np.full((270, 300, 3), 100, np.uint8)


def track(score, columns, num_frames=3, absent=()):
    mask = np.zeros((1, 270, 300), bool)
    mask[0, 100:200, columns] = True
    (rle,) = encode(mask)
    return Track(1, 1, score, tuple(None if f in absent else rle for f in range(num_frames)))


def test_a_track_is_drawn_where_it_is_and_keeps_its_colour():
    tracks = [track(0.9, slice(20, 90)), track(0.5, slice(200, 280), absent=(1,))]
    drawn = list(overlay_frames([GREY] * 3, tracks, NAMES, 0.1))
    first, second = instance_colours(2)
    for frame in drawn:
        np.testing.assert_allclose(frame[170, 50], (100 + first.astype(float)) / 2, atol=1)
        assert (frame[250, 150] == 100).all()
    np.testing.assert_allclose(drawn[0][170, 240], (100 + second.astype(float)) / 2, atol=1)
    assert (drawn[1][170, 240] == 100).all()


def test_tracks_of_low_score_and_repeated_ones_are_not_drawn():
    masks = slice(20, 90)
    alone = next(overlay_frames([GREY], [track(0.9, masks)], NAMES, 0.1))
    tracks = [track(0.9, masks), track(0.8, masks), track(0.05, slice(200, 280))]
    np.testing.assert_array_equal(next(overlay_frames([GREY], tracks, NAMES, 0.1)), alone)


@pytest.mark.parametrize("size", [(48, 64), (47, 63), (48, 63)])
def test_a_film_can_be_read_back_with_its_last_row_and_column(tmp_path, size, capfd):
    y, x = np.mgrid[: size[0], : size[1]]
    frames = [np.stack([x * 3, y * 4, x * 0 + 20 * i], -1).astype(np.uint8) for i in range(8)]
    write_film(tmp_path / "film.webm", iter(frames), 6.0)
    footage = open_footage(tmp_path / "film.webm")
    assert footage.frame_rate == 6
    assert (footage.video.height, footage.video.width) == (48, 64)
    for found, frame in zip(footage.frames(), frames, strict=True):
        assert np.abs(found[: size[0], : size[1]].astype(int) - frame).mean() < 6
        # The repeated row and column look like those beside them.
        assert np.abs(found[-1, -1].astype(int) - frame[-1, -1]).max() < 40
    assert [path.name for path in tmp_path.iterdir()] == ["film.webm"]
    assert capfd.readouterr() == ("", "")


def test_a_film_is_of_a_kind_that_browsers_play(tmp_path):
    write_film(tmp_path / "film.webm", iter([GREY] * 2), 6.0)
    content = (tmp_path / "film.webm").read_bytes()
    # EBML's magic number, its type, and the name of the codec in the track's header.
    assert content.startswith(b"\x1a\x45\xdf\xa3")
    assert b"webm" in content[:64]
    assert b"V_VP8" in content


def test_a_film_that_breaks_off_leaves_nothing(tmp_path):
    def frames():
        yield GREY
        raise InputError("frame 1 is broken")

    with pytest.raises(InputError, match="frame 1 is broken"):
        write_film(tmp_path / "film.webm", frames(), 6.0)
    assert not list(tmp_path.iterdir())


def test_pictures_are_numbered_from_zero(tmp_path):
    assert write_pictures(tmp_path / "frames", [GREY, GREY // 2]) == 2
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["000000.jpg", "000001.jpg"]
    assert abs(int(cv2.imread(str(tmp_path / "frames" / "000001.jpg")).mean()) - 50) < 2
