import errno

import numpy as np
import pytest

from novis.errors import InputError
from novis.tracking.mask_spill import MaskSpill, spilling
from novis.tracking.resampling import MaskResampler

RESAMPLER = MaskResampler((32, 48), (24, 40), (31, 52))


def evidence(seed, num_tracks=5):
    """Blobs of every kind: at borders, over everything, and none."""
    rng = np.random.default_rng(seed)
    masks = rng.normal(-8, 1, (num_tracks, 8, 12)).astype(np.float32)
    masks[0, 2:4, 3:7] = 5
    masks[1, 0, 0] = 1
    masks[2, -2:, -3:] = 2
    masks[3] = 4
    return masks


def test_what_is_read_back_gives_the_same_run_lengths(tmp_path):
    frames = {frame: evidence(frame) for frame in range(6)}
    with spilling(tmp_path) as spill:
        for frame, masks in frames.items():
            spill.append(frame, masks)
        read = dict(spill.read([4, 0, 1, 2, 3]))
    assert list(read) == list(frames)
    for frame, crops in read.items():
        for slot, part in zip([4, 0, 1, 2, 3], crops, strict=True):
            expected = RESAMPLER.encode(frames[frame][slot])
            assert (part and RESAMPLER.encode_crop(part)) == expected
        assert crops[0] is None


def test_some_tracks_are_read_without_the_others_and_as_often_as_wanted(tmp_path):
    with spilling(tmp_path) as spill:
        for frame in range(3):
            spill.append(frame, evidence(frame))
        for _ in range(2):
            for frame, (part,) in spill.read([2]):
                np.testing.assert_array_equal(part.values, evidence(frame)[2][4:, 7:])


def test_small_masks_take_little_space_and_nothing_is_left(tmp_path):
    masks = np.full((100, 96, 160), -1, np.float32)
    masks[:, 10:14, 20:24] = 1
    with spilling(tmp_path) as spill:
        spill.append(0, masks)
        assert spill.num_bytes < masks.nbytes / 200
        assert not list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told():
    def full(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    spill = MaskSpill(type("Full", (), {"write": full})())
    with pytest.raises(InputError, match=r"no room for the masks .*No space left"):
        spill.append(0, evidence(0))
