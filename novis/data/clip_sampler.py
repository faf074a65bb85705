"""Which clips are trained on: frames of a clip (Appendix A), and videos of a batch.

Both are pure functions of (seed, iteration, position in the batch). So a run that is
resumed at iteration i reads nothing before it, and results do not depend on the number
of workers or processes.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from novis.errors import InputError

# What a random stream is for; streams of different purpose are independent.
_ORDER, _SOURCES, _SAMPLE = 0, 1, 2
# Sources are drawn for so many samples at once.
_BLOCK = 4096


class Draw(NamedTuple):
    """One sample of a batch: item ``item`` of data set ``source``, and what seeds its randomness."""

    source: int
    item: int
    seed: int
    iteration: int
    position: int

    def generator(self) -> np.random.Generator:
        """The random stream of this sample: frames, flips, crops."""
        return np.random.default_rng((_SAMPLE, self.seed, self.iteration, self.position))


class ClipSchedule:
    """The endless sequence of batches: ``schedule[iteration]`` is a list of :class:`Draw`.

    With one data set every epoch is a fresh permutation of its items, and batches run on
    across epochs. With several, each *sample* is drawn from one of them by ``weights``, and
    every data set goes through permutations of its own.

    Args:
        num_items: number of items, or that of each data set.
        batch_size: samples in a batch.
        seed: of the run, at least 0.
        weights: of the data sets, in any scale; equal without it.

    Raises:
        InputError: nothing to draw from, or weights that do not fit.
    """

    def __init__(
        self,
        num_items: int | Sequence[int],
        batch_size: int,
        seed: int,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.num_items = (num_items,) if isinstance(num_items, int) else tuple(num_items)
        self.batch_size = batch_size
        self.seed = seed
        self.weights = tuple(weights or [1.0] * len(self.num_items))
        if min(self.num_items, default=0) < 1 or batch_size < 1:
            raise InputError(
                f"nothing to train on: {self.num_items} items in batches of {batch_size}; "
                "every data set needs a video with ground truth"
            )
        if len(self.weights) != len(self.num_items) or min(self.weights) < 0 or not sum(self.weights):
            raise InputError(f"mixing weights {self.weights} do not fit {len(self.num_items)} data sets")
        self._blocks: list[tuple[np.ndarray, np.ndarray]] = []

    def __getitem__(self, iteration: int) -> list[Draw]:
        first = iteration * self.batch_size
        return [self._draw(first + position, iteration, position) for position in range(self.batch_size)]

    def _draw(self, sample: int, iteration: int, position: int) -> Draw:
        source, turn = self._source(sample)
        epoch, place = divmod(turn, self.num_items[source])
        item = int(_permutation(self.seed, source, epoch, self.num_items[source])[place])
        return Draw(source, item, self.seed, iteration, position)

    def _source(self, sample: int) -> tuple[int, int]:
        """The data set of a sample, and how many samples before it came from the same one."""
        if len(self.num_items) == 1:
            return 0, sample
        block, place = divmod(sample, _BLOCK)
        while len(self._blocks) <= block:
            self._append_block()
        sources, before = self._blocks[block]
        source = int(sources[place])
        return source, int(before[source] + np.count_nonzero(sources[:place] == source))

    def _append_block(self) -> None:
        """Draw the sources of the next samples (_BLOCK,), and count the draws before them."""
        before = np.zeros(len(self.num_items), np.int64)
        if self._blocks:
            sources, earlier = self._blocks[-1]
            before = earlier + np.bincount(sources, minlength=len(before))
        rng = np.random.default_rng((_SOURCES, self.seed, len(self._blocks)))
        shares = np.array(self.weights) / sum(self.weights)
        self._blocks.append((rng.choice(len(shares), _BLOCK, p=shares), before))


def sample_clip(
    rng: np.random.Generator,
    num_frames: int,
    clip_length: int,
    frame_range: int = 5,
    reverse: float = 0.5,
) -> np.ndarray:
    """Frame indices of a training clip, shape (T,), int64 (Appendix A).

    A reference frame is drawn uniformly, the T - 1 others without replacement from the
    ``frame_range`` frames before and after it. At a border of the video the window is
    shifted inside, and a window too small for T frames is widened, so that frames repeat
    only where the video itself is shorter than T. The clip is in temporal order, or with
    probability ``reverse`` in reversed order.
    """
    reference = int(rng.integers(num_frames))
    window = min(max(2 * frame_range + 1, clip_length), num_frames)
    start = min(max(reference - window // 2, 0), num_frames - window)
    others = np.delete(np.arange(start, start + window), reference - start)
    if len(others) >= clip_length - 1:
        drawn = rng.choice(others, clip_length - 1, replace=False)
    else:
        repeated = rng.integers(start, start + window, clip_length - 1 - len(others))
        drawn = np.concatenate((others, repeated))
    clip = np.sort(np.append(drawn, reference))
    return clip[::-1].copy() if rng.random() < reverse else clip


@lru_cache(maxsize=16)
def _permutation(seed: int, source: int, epoch: int, num_items: int) -> np.ndarray:
    return np.random.default_rng((_ORDER, seed, source, epoch)).permutation(num_items)
