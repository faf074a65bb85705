"""A scratch file for merged masks whose track may or may not turn out to be among the best.

Which tracks are kept is known only at a video's end. Until then the masks of all N tracks
wait on the disk: of each only the rectangle that bears on its outline, so that what is read
back gives the same run-length codes, bit for bit, as the whole.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from novis.errors import InputError
from novis.tracking.resampling import Crop, crop, crop_slices

_EMPTY = (-1, -1, -1, -1)
_HEADER = np.dtype(np.int32)
_VALUES = np.dtype(np.float32)


class MaskSpill:
    """Keeps the merged evidence of N tracks, frame after frame; see :func:`spilling`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._evidence_size = (0, 0)

    @property
    def num_bytes(self) -> int:
        """What lies on the disk."""
        return self._file.seek(0, 2)

    def append(self, frame: int, evidence: np.ndarray) -> None:
        """Keep the evidence of all tracks in a frame, (N, h, w) float32.

        Raises:
            InputError: no space left on the disk.
        """
        crops = [crop(mask) for mask in evidence]
        bounds = [part.bounds if part else _EMPTY for part in crops]
        self._evidence_size = evidence.shape[1:]
        content = [np.array([frame, len(crops)], _HEADER), np.array(bounds, _HEADER)]
        content += [part.values.astype(_VALUES, copy=False) for part in crops if part]
        try:
            self._file.write(b"".join(part.tobytes() for part in content))
        except OSError as error:
            raise InputError(
                f"no room for the masks of a video's tracks while it runs ({error.strerror}); free some "
                "space where the results are to lie"
            ) from error

    def read(self, slots: Sequence[int]) -> Iterator[tuple[int, list[Crop | None]]]:
        """Every frame, in the order of appending, with what was kept of some tracks."""
        self._file.seek(0)
        while head := self._file.read(2 * _HEADER.itemsize):
            frame, num_tracks = np.frombuffer(head, _HEADER)
            bounds = np.frombuffer(self._file.read(num_tracks * 4 * _HEADER.itemsize), _HEADER)
            yield int(frame), self._crops(bounds.reshape(num_tracks, 4), slots)

    def _crops(self, bounds: np.ndarray, slots: Sequence[int]) -> list[Crop | None]:
        """The crops of one frame; the file is then at the next."""
        begin = self._file.tell()
        shapes = [self._shape(tuple(row)) for row in bounds.tolist()]
        places = begin + _VALUES.itemsize * np.cumsum([0, *(rows * columns for rows, columns in shapes)])
        found: list[Crop | None] = []
        for slot in slots:
            height, width = shapes[slot]
            self._file.seek(places[slot])
            values = np.frombuffer(self._file.read(height * width * _VALUES.itemsize), _VALUES)
            part = Crop(tuple(bounds[slot].tolist()), values.reshape(height, width))
            found.append(part if height else None)
        self._file.seek(places[-1])
        return found

    def _shape(self, bounds: tuple[int, int, int, int]) -> tuple[int, int]:
        if bounds == _EMPTY:
            return 0, 0
        spans = zip(crop_slices(bounds), self._evidence_size, strict=True)
        return tuple(len(range(*part.indices(side))) for part, side in spans)


@contextmanager
def spilling(folder: Path) -> Iterator[MaskSpill]:
    """Yield a spill in a file without a name, which vanishes when the block ends, or the process.

    ::

        with spilling(folder) as spill:
            for frame, evidence in merge_masks(...):
                spill.append(frame, evidence)
            for frame, crops in spill.read(slots):
                ...

    Args:
        folder: on a disk with space: 4 bytes for each cell of the masks' rectangles.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        yield MaskSpill(file)
