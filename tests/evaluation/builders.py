"""Small videos drawn as arrays, turned into what the evaluation reads."""

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco_mask

from novis.structures import Annotations, Category, Instance, Track, Video

HEIGHT, WIDTH = 12, 10


def rle(mask):
    """A boolean (h, w) array as RLE; None stays None."""
    if mask is None:
        return None
    encoded = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in mask.shape], "counts": encoded["counts"].decode()}


def box(top, left, height, width, shape=(HEIGHT, WIDTH)):
    """A mask that is a filled rectangle."""
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def video(id_, num_frames, shape=(HEIGHT, WIDTH)):
    names = tuple(f"video_{id_}/{frame:05}.jpg" for frame in range(num_frames))
    return Video(id_, shape[1], shape[0], names)


def instance(id_, video_id, category, masks, **more):
    return Instance(id_, video_id, category, tuple(map(rle, masks)), **more)


def track(video_id, category, score, masks):
    return Track(video_id, category, score, tuple(map(rle, masks)))


def annotations(videos, instances, categories=(1, 2)):
    named = tuple(Category(id_, f"category {id_}") for id_ in categories)
    return Annotations("truth.json", named, tuple(videos), None if instances is None else tuple(instances))


def perfect(truth, score=1.0):
    """The ground truth as predictions."""
    return [Track(i.video_id, i.category_id, score, i.segmentations) for i in truth.instances]


@dataclass
class Drawn:
    """One instance or prediction as arrays; a mask is (h, w) bool or None."""

    video_id: int
    category: int
    masks: list
    score: float = 0.0
    crowd: bool = False
    occlusion: list | None = None


@dataclass
class Scene:
    """Random videos as arrays, for the brute force, and as dataclasses, for the evaluation."""

    videos: list
    categories: list
    truth: list
    predictions: list

    @property
    def annotations(self):
        instances = [
            instance(
                number + 1,
                drawn.video_id,
                drawn.category,
                drawn.masks,
                is_crowd=drawn.crowd,
                occlusion=None if drawn.occlusion is None else tuple(drawn.occlusion),
            )
            for number, drawn in enumerate(self.truth)
        ]
        return annotations(self.videos, instances, self.categories)

    @property
    def tracks(self):
        return [track(d.video_id, d.category, d.score, d.masks) for d in self.predictions]


LEVELS = ("no_occlusion", "slight_occlusion", "severe_occlusion")


def random_scene(
    seed, shape=(HEIGHT, WIDTH), num_videos=4, max_frames=4, crowds=True, gaps=True, distinct_scores=False
):
    """Rectangles and noisy copies of them.

    There are equal scores (unless ``distinct_scores``), equal masks, frames without and with
    empty masks (``gaps``), crowds, categories and videos without ground truth, and false
    positives of every kind.
    """
    rng = np.random.default_rng(seed)
    categories = [2, 5, 9]
    videos, truth, predictions = [], [], []
    for id_ in rng.permutation(num_videos) + 3:
        num_frames = int(rng.integers(1, max_frames + 1))
        videos.append(video(int(id_), num_frames, shape))
        for _ in range(rng.integers(0, 5)):
            masks = [_random_mask(rng, shape, gaps) for _ in range(num_frames)]
            if gaps and truth and rng.random() < 0.15 and truth[-1].video_id == id_:
                masks = truth[-1].masks
            truth.append(
                Drawn(
                    int(id_),
                    int(rng.choice(categories[:2])),
                    masks,
                    crowd=bool(crowds and rng.random() < 0.2),
                    occlusion=[rng.choice(LEVELS) for _ in masks] if rng.random() < 0.8 else None,
                )
            )
        own = [drawn for drawn in truth if drawn.video_id == id_]
        for _ in range(rng.integers(0, 12)):
            source = own[rng.integers(len(own))] if own and rng.random() < 0.8 else None
            masks = [
                _disturbed(rng, source.masks[frame], gaps) if source else _random_mask(rng, shape, gaps)
                for frame in range(num_frames)
            ]
            category = source.category if source and rng.random() < 0.9 else int(rng.choice(categories))
            score = rng.random() if distinct_scores else rng.choice([0.2, 0.5, 0.9])
            predictions.append(Drawn(int(id_), category, masks, score=float(score)))
    rng.shuffle(predictions)
    return Scene(videos, categories, truth, predictions)


def _random_mask(rng, shape, gaps):
    kind = rng.random()
    if gaps and kind < 0.15:
        return None
    if gaps and kind < 0.25:
        return np.zeros(shape, bool)
    if kind < 0.3:
        return np.ones(shape, bool)
    top, left = rng.integers(0, shape[0] - 1), rng.integers(0, shape[1] - 1)
    return box(top, left, rng.integers(1, shape[0]), rng.integers(1, shape[1]), shape)


def _disturbed(rng, mask, gaps):
    """A copy with a corner turned over, an exact copy, or nothing."""
    kind = rng.random()
    if mask is None or (gaps and kind < 0.1):
        return None
    mask = mask.copy()
    if kind < 0.7:
        height, width = mask.shape
        corner = mask[: rng.integers(1, height // 2), : rng.integers(1, width // 2)]
        corner ^= True
    return mask
