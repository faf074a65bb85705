"""Near-online tracking: adjacent clips are linked by one assignment of their queries (Sec. 4.2).

All N queries of a clip are assigned to the N tracks of the video, one to one, whether
they show an object or not. No track is born, none dies, no threshold decides.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from novis.assignment import assign
from novis.clips import clip_starts
from novis.errors import InputError
from novis.structures import Instance, VideoPrediction
from novis.tracking.oracle import oracle_orders
from novis.tracking.settings import TrackerSettings
from novis.tracking.similarity import SIMILARITIES, LinkedClip, Similarity


@dataclass(frozen=True)
class Linking:
    """The tracks of a video as a table of queries.

    Attributes:
        clips: (M,) positions of the linked clips in the prediction, in order of their starts.
        orders: (M, N) ``orders[m, slot]`` is the query of clip m that continues track ``slot``.
    """

    clips: np.ndarray
    orders: np.ndarray

    def __iter__(self) -> Iterator[LinkedClip]:
        for clip, order in zip(self.clips, self.orders, strict=True):
            yield LinkedClip(int(clip), order)

    def changes(self, slots: np.ndarray | slice = slice(None)) -> tuple[int, int]:
        """Number of matches between adjacent clips, and how many of them join different queries.

        Args:
            slots: tracks to count; all by default.
        """
        orders = self.orders[:, slots]
        changed = orders[1:] != orders[:-1]
        return changed.size, int(changed.sum())


def link(
    prediction: VideoPrediction,
    stride: int,
    settings: TrackerSettings,
    instances: Sequence[Instance] | None = None,
) -> Linking:
    """Link the clips of a video at a stride S.

    Args:
        prediction: of one video.
        stride: S; the prediction must hold a clip at every start it implies.
        settings: ``kind`` says how; ``unlinked`` clips have no linking.
        instances: the video's ground truth, for ``oracle``.

    Raises:
        InputError: clips of this stride or overlap embeddings of its overlap were not
            predicted, or ``oracle`` lacks the ground truth.
    """
    clips = choose_clips(prediction, stride)
    if settings.kind == "oracle":
        if instances is None:
            raise InputError(
                f"video {prediction.video.id}: oracle linking needs ground truth; give the annotation file"
            )
        return Linking(clips, oracle_orders(prediction, clips, instances))
    return Linking(
        clips, np.stack([linked.order for linked in link_as_they_come(prediction, clips, settings)])
    )


def link_as_they_come(
    prediction: VideoPrediction, clips: Sequence[int], settings: TrackerSettings
) -> Iterator[LinkedClip]:
    """Link clips one after another; of those before, only as many as the tracker's buffer has are asked for.

    Args:
        prediction: of one video; each clip need not be there before it is reached.
        clips: their positions in the prediction, see :func:`choose_clips`.
        settings: of a kind in :data:`SIMILARITIES`.
    """
    num_queries = len(prediction.class_logits[int(clips[0])])
    return link_adjacent(
        clips, num_queries, SIMILARITIES[settings.kind](prediction, settings), settings.buffer_length
    )


def link_adjacent(
    clips: Sequence[int], num_queries: int, similarity: Similarity, memory: int = 1
) -> Iterator[LinkedClip]:
    """Assign the queries of each clip to the tracks, clip after clip.

    Track ``slot`` begins as query ``slot`` of the first clip. The similarity is given the
    last ``memory`` linked clips.
    """
    linked = [LinkedClip(int(clips[0]), np.arange(num_queries))]
    yield linked[-1]
    for clip in clips[1:]:
        _, order = assign(-similarity(linked, int(clip)))
        linked = [*linked, LinkedClip(int(clip), order)][-memory:]
        yield linked[-1]


def choose_clips(prediction: VideoPrediction, stride: int) -> np.ndarray:
    """Positions in ``prediction.starts`` of the clips that the stride implies, (M,).

    Raises:
        InputError: S is not in 1..T, or the prediction lacks one of the clips.
    """
    wanted = clip_starts(prediction.video.length, prediction.clip_length, stride)
    position = {int(start): clip for clip, start in enumerate(prediction.starts)}
    absent = [start for start in wanted if start not in position]
    if absent:
        raise InputError(
            f"video {prediction.video.id}: stride S={stride} needs a clip that starts at frame {absent[0]}, "
            f"but only {sorted(position)} were predicted; predict with this stride, or with all starts"
        )
    return np.array([position[start] for start in wanted])
