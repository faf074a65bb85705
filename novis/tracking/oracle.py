"""Oracle linking: what a tracker could reach if it knew the ground truth.

A yardstick, not a method: only the links come from the ground truth, masks, classes and
scores stay as predicted.
"""

from collections.abc import Sequence

import numpy as np

from novis.assignment import assign
from novis.clips import clip_frames
from novis.masks import decode
from novis.structures import Instance, VideoPrediction

# Codes from here on stand for a logit above 0: foreground.
_FOREGROUND = 128


def oracle_orders(
    prediction: VideoPrediction, clips: Sequence[int], instances: Sequence[Instance]
) -> np.ndarray:
    """Queries that follow ground-truth identities, (M, N); see :class:`Linking`.

    In every clip, queries are matched to the instances by volumetric mask IoU. An
    instance owns a track: that of the query it was first matched to if nobody owns it,
    else the first free one. Matched queries go to their instance's track; of the others,
    as many as possible keep their own slot.
    """
    num_queries = prediction.class_logits.shape[1]
    owned: dict[int, int] = {}
    orders = []
    for clip in clips:
        matches = match_instances(prediction, clip, instances)
        for instance, query in matches.items():
            if instance not in owned:
                slot = _free_slot(query, set(owned.values()), num_queries)
                if slot is not None:
                    owned[instance] = slot
        placed = {owned[instance]: query for instance, query in matches.items() if instance in owned}
        orders.append(_complete(placed, num_queries))
    return np.stack(orders)


def match_instances(prediction: VideoPrediction, clip: int, instances: Sequence[Instance]) -> dict[int, int]:
    """Best one-to-one matching of instances to the queries of a clip, by mask IoU above 0.

    Returns:
        Query by position of the instance, for the matched instances.
    """
    frames = clip_frames(int(prediction.starts[clip]), prediction.clip_length, prediction.video.length)
    frames = frames[: prediction.video.length]
    codes = prediction.mask_codes[clip][:, : len(frames)]
    predicted = (codes >= _FOREGROUND).reshape(len(codes), -1).astype(np.float32)
    truth = np.stack(
        [_instance_cells(prediction, instance, frames) for instance in instances]
        or [np.zeros((len(frames), *codes.shape[2:]), bool)]
    )
    truth = truth.reshape(len(truth), -1).astype(np.float32)
    intersection = truth @ predicted.T
    union = truth.sum(1)[:, None] + predicted.sum(1)[None] - intersection
    iou = intersection / np.maximum(union, 1)
    rows, columns = assign(-iou)
    return {int(i): int(q) for i, q in zip(rows, columns, strict=True) if iou[i, q] > 0}


def _instance_cells(prediction: VideoPrediction, instance: Instance, frames: np.ndarray) -> np.ndarray:
    """An instance on the grid of the mask predictions, (T, h, w) bool: its value at each cell's centre."""
    rows = _cell_centres(prediction.padded_size[0], prediction.input_size[0], prediction.video.height)
    columns = _cell_centres(prediction.padded_size[1], prediction.input_size[1], prediction.video.width)
    cells = np.zeros((len(frames), len(rows), len(columns)), bool)
    inside = np.ix_(rows >= 0, columns >= 0)
    for slot, frame in enumerate(frames):
        rle = instance.segmentations[frame]
        if rle is not None:
            mask = decode([rle])[0]
            cells[slot][inside] = mask[np.ix_(rows[rows >= 0], columns[columns >= 0])]
    return cells


def _cell_centres(padded: int, resized: int, original: int) -> np.ndarray:
    """Original pixel under the centre of each cell of 4 x 4 padded pixels; -1 in the padding."""
    centres = np.arange(padded // 4) * 4 + 2
    pixels = centres * original // resized
    return np.where(pixels < original, pixels, -1)


def _free_slot(preferred: int, taken: set[int], num_slots: int) -> int | None:
    if preferred not in taken:
        return preferred
    return next((slot for slot in range(num_slots) if slot not in taken), None)


def _complete(placed: dict[int, int], num_queries: int) -> np.ndarray:
    """A permutation with ``order[slot] = query`` as placed; other queries keep their slot where they can."""
    order = np.full(num_queries, -1)
    for slot, query in placed.items():
        order[slot] = query
    used = set(placed.values())
    for query in range(num_queries):
        if query not in used and order[query] < 0:
            order[query] = query
            used.add(query)
    order[order < 0] = [query for query in range(num_queries) if query not in used]
    return order
