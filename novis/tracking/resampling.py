"""From merged masks at a quarter of the network's input to run-length codes at frame size.

Two bilinear resizings, to the padded input and from its unpadded part to the original
frame, are linear, so each is a matrix for the rows and one for the columns, and the two
multiply. Only the rectangle where a mask can be positive is ever computed: most masks
are small, and the bulk of a frame costs nothing.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pycocotools import mask as coco_mask

from novis.structures import RLE, VideoPrediction

# A target pixel mixes at most 3 neighbouring cells, so it reaches 2 cells beyond a positive one.
_REACH = 2


@dataclass(frozen=True)
class Crop:
    """All of a mask's evidence that bears on where it is positive.

    Attributes:
        bounds: first row, last row, first column and last column with a positive cell.
        values: the evidence of these and of the neighbouring cells that mix with them.
    """

    bounds: tuple[int, int, int, int]
    values: np.ndarray


def crop(evidence: np.ndarray) -> Crop | None:
    """The part of ``evidence`` (h, w) around its positive cells, or None without any."""
    positive = evidence > 0
    rows, columns = np.flatnonzero(positive.any(1)), np.flatnonzero(positive.any(0))
    if not len(rows):
        return None
    bounds = (int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1]))
    return Crop(bounds, evidence[crop_slices(bounds)])


def crop_slices(bounds: tuple[int, int, int, int]) -> tuple[slice, slice]:
    """Rows and columns that a crop with these bounds holds, in evidence that may end before them."""
    top, bottom, left, right = bounds
    return _around(top, bottom), _around(left, right)


@dataclass(frozen=True)
class MaskResampler:
    """Resizes evidence for a mask to the original frame and encodes where it is positive.

    Attributes:
        padded_size: (height, width) of the network's input, four times that of the evidence.
        input_size: (height, width) of the resized frame within it.
        frame_size: (height, width) of the original frame.
    """

    padded_size: tuple[int, int]
    input_size: tuple[int, int]
    frame_size: tuple[int, int]

    @staticmethod
    def of(prediction: VideoPrediction) -> "MaskResampler":
        """The resampler of a video."""
        frame_size = (prediction.video.height, prediction.video.width)
        return MaskResampler(prediction.padded_size, prediction.input_size, frame_size)

    def encode(self, evidence: np.ndarray) -> RLE | None:
        """The mask where resized ``evidence`` (h, w) is above 0, or None if it is empty."""
        part = crop(evidence)
        return None if part is None else self.encode_crop(part)

    def encode_crop(self, part: Crop) -> RLE | None:
        """The mask of evidence of which only a crop is left; see :meth:`encode`."""
        first_row, last_row, first_column, last_column = part.bounds
        by_row, top = self._rows.window(first_row, last_row)
        by_column, left = self._columns.window(first_column, last_column)
        return encode_region(by_column @ part.values.T @ by_row.T > 0, top, left, self.frame_size)

    @cached_property
    def _rows(self) -> "_Resizing":
        return _Resizing.of(self.padded_size[0], self.input_size[0], self.frame_size[0])

    @cached_property
    def _columns(self) -> "_Resizing":
        return _Resizing.of(self.padded_size[1], self.input_size[1], self.frame_size[1])


@dataclass(frozen=True)
class _Resizing:
    """Both resizings of a line of cells as one matrix.

    Attributes:
        matrix: (target, source) float32.
        first: (source,) the first target that a cell reaches; of one that reaches none, behind all.
        last: (source,) the last target that a cell reaches; of one that reaches none, -1.
    """

    matrix: np.ndarray
    first: np.ndarray
    last: np.ndarray

    @staticmethod
    def of(padded: int, resized: int, original: int) -> "_Resizing":
        """From the cells of a padded input to the pixels of the original frame."""
        to_input = interpolation(padded // 4, padded)[:resized]
        matrix = (interpolation(resized, original) @ to_input).astype(np.float32)
        reached, any_target = matrix != 0, (matrix != 0).any(0)
        first = np.where(any_target, reached.argmax(0), len(matrix))
        last = np.where(any_target, len(matrix) - 1 - reached[::-1].argmax(0), -1)
        return _Resizing(matrix, first, last)

    def window(self, first: int, last: int) -> tuple[np.ndarray, int]:
        """The part of the matrix for all targets that a cell in first..last reaches, and the first target."""
        cells = slice(first, last + 1)
        begin, end = int(self.first[cells].min()), int(self.last[cells].max()) + 1
        if begin >= end:
            return self.matrix[:0, _around(first, last)], 0
        return self.matrix[begin:end, _around(first, last)], begin


def interpolation(source: int, target: int) -> np.ndarray:
    """Bilinear resizing of a line of ``source`` values to ``target`` values, as a (target, source) matrix.

    Pixels are areas, sampled at their centres (``align_corners=False``); borders are extended.
    """
    position = ((np.arange(target) + 0.5) * (source / target) - 0.5).clip(0, source - 1)
    low = position.astype(np.int64)
    fraction = position - low
    matrix = np.zeros((target, source))
    np.add.at(matrix, (np.arange(target), low), 1 - fraction)
    np.add.at(matrix, (np.arange(target), np.minimum(low + 1, source - 1)), fraction)
    return matrix


def encode_region(region: np.ndarray, top: int, left: int, frame_size: tuple[int, int]) -> RLE | None:
    """The RLE of a frame that is empty outside a region.

    Args:
        region: (width, height) bool, transposed: RLE counts down the columns.
        top: first row of the region in the frame.
        left: first column of the region in the frame.
        frame_size: (height, width).

    Returns:
        A compressed RLE, or None if the region is empty.
    """
    height, width = frame_size
    # A background pixel before each column, and one behind the last, end every run within it.
    columns = np.zeros(region.shape[0] * (region.shape[1] + 1) + 1, bool)
    columns[:-1].reshape(len(region), -1)[:, 1:] = region
    changes = np.flatnonzero(columns[1:] != columns[:-1])
    if not len(changes):
        return None
    column, row = np.divmod(changes, region.shape[1] + 1)
    borders = (left + column) * height + top + row
    # A run that reaches the bottom goes on where the next column begins with one.
    joined = np.flatnonzero(borders[1:-1:2] == borders[2::2])
    borders = np.delete(borders, np.concatenate([2 * joined + 1, 2 * joined + 2]))
    ends = [] if borders[-1] == height * width else [height * width]
    counts = np.diff(np.concatenate([borders, ends]), prepend=0).astype(int).tolist()
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def _around(first: int, last: int) -> slice:
    return slice(max(first - _REACH, 0), last + 1 + _REACH)
