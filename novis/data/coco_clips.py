"""Clips made of still images: one image under a smooth, invented camera motion.

For training on COCO beside videos (CC+VIS in the tables). The motion follows VITA: a crop
whose corner moves in a straight line, and a rotation whose angle grows or falls steadily;
resizing and flip are one draw for the clip. Outside the image is black. Pre-training on
still images has no motion: large-scale jitter instead, and T = 1.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from torch.utils.data import Dataset

from novis.data.clip_dataset import class_labels, decode_clip, sample
from novis.data.clip_sampler import Draw
from novis.data.frames import read_frame
from novis.data.transforms import ClipAugmentation, resize_clip, test_size
from novis.structures import Annotations, Instance

# The centre of rotation lies in this part of width and height.
_CENTRE = (0.4, 0.6)


class CocoClipDataset(Dataset):
    """Pseudo clips of T frames by :class:`novis.data.clip_sampler.Draw`; an item is an image.

    Samples are those of :class:`novis.data.clip_dataset.ClipDataset`.

    Args:
        annotations: of :func:`novis.data.coco.read_coco`, in the categories of the videos.
        images: the folder that the file names start from.
        clip_length: T.
        augmentation: its short sides, crop and flip hold for images too; None only rotates.
            One with ``jitter`` is all that happens to an image: it does not move.
        max_angle: of the rotation either way, in degrees.
    """

    def __init__(
        self,
        annotations: Annotations,
        images: Path | str,
        clip_length: int,
        augmentation: ClipAugmentation | Mapping[str, Any] | None = None,
        max_angle: float = 15.0,
    ) -> None:
        if isinstance(augmentation, Mapping):
            augmentation = ClipAugmentation.from_config(augmentation)
        self.augmentation = augmentation or ClipAugmentation(flip=0.0, short_sides=(), crop=None)
        self.images = Path(images)
        self.clip_length = clip_length
        self.max_angle = max_angle
        self._label_of = class_labels(annotations.categories)
        self._instances: dict[int, list[Instance]] = {}
        for instance in annotations.instances or ():
            if not instance.is_crowd:
                self._instances.setdefault(instance.video_id, []).append(instance)
        self._videos = [video for video in annotations.videos if video.id in self._instances]

    @property
    def num_items(self) -> int:
        """Number of images with objects."""
        return len(self._videos)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        rng = draw.generator()
        image = self._videos[draw.item]
        instances = self._instances[image.id]
        frames = read_frame(self.images, image, 0)[None]
        masks = decode_clip(instances, [0], (image.height, image.width))
        if self.augmentation.jitter is None:
            frames, masks = self._moved(rng, frames, masks)
        else:
            frames, masks = self._repeated(*self.augmentation(rng, frames, masks))
        labels = [self._label_of[instance.category_id] for instance in instances]
        return sample(frames, labels, masks, image.file_names[0])

    def _moved(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """T frames of the image under a camera motion."""
        frames, masks = self._cropped(rng, frames, masks)
        frames, masks = self.augmentation.resized(rng, frames, masks)
        frames, masks = self.augmentation.flipped(rng, frames, masks)
        return self._rotated(rng, *self._repeated(frames, masks))

    def _repeated(self, frames: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """T frames, where there is only one."""
        if len(frames) == self.clip_length:
            return frames, masks
        repeated = np.zeros(self.clip_length, int)
        return frames[repeated], masks[:, repeated]

    def _cropped(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """T crops of one size, from one random corner to another; or the whole image once."""
        crop = self.augmentation.crop
        if crop is None or rng.random() >= crop.probability:
            return frames, masks
        size = test_size(*frames.shape[1:3], int(rng.choice(crop.short_sides)), max_size=1 << 30)
        frames, masks = resize_clip(frames, masks, size)
        height, width = crop.size(rng, *size)
        corners = rng.integers(0, (size[0] - height + 1, size[1] - width + 1), size=(2, 2))
        path = np.rint(np.linspace(corners[0], corners[1], self.clip_length)).astype(int)
        windows = [(slice(top, top + height), slice(left, left + width)) for top, left in path]
        return (
            np.stack([frames[0][window] for window in windows]),
            np.stack([masks[:, 0][:, rows, columns] for rows, columns in windows], axis=1),
        )

    def _rotated(
        self, rng: np.random.Generator, frames: np.ndarray, masks: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rotate by angles that grow over the clip, or fall."""
        angles = np.sort(rng.uniform(-self.max_angle, self.max_angle, len(frames)))
        if rng.random() < 0.5:
            angles = angles[::-1]
        height, width = frames.shape[1:3]
        centre = (rng.uniform(*_CENTRE) * width, rng.uniform(*_CENTRE) * height)
        turns = [cv2.getRotationMatrix2D(centre, float(angle), 1.0) for angle in angles]
        return _rotate(frames, turns, cv2.INTER_LINEAR), _rotate_masks(masks, turns)


class ClipMixture(Dataset):
    """Several clip datasets as one: a draw says which it is from.

    ``num_items`` are those of each, for :class:`novis.data.clip_sampler.ClipSchedule`.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        self.datasets = list(datasets)

    @property
    def num_items(self) -> tuple[int, ...]:
        """Number of items of each data set."""
        return tuple(dataset.num_items for dataset in self.datasets)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        return self.datasets[draw.source][draw]


def _rotate(images: np.ndarray, turns: Sequence[np.ndarray], interpolation: int) -> np.ndarray:
    """Warp image t of ``images`` (T, H, W, ...) by the affine matrix ``turns[t]``; black outside."""
    height, width = images.shape[1:3]
    warped = [
        cv2.warpAffine(np.ascontiguousarray(image), turn, (width, height), flags=interpolation)
        for image, turn in zip(images, turns, strict=True)
    ]
    return np.stack(warped)


def _rotate_masks(masks: np.ndarray, turns: Sequence[np.ndarray]) -> np.ndarray:
    warped = [
        _rotate(track.view(np.uint8), turns, cv2.INTER_NEAREST) for track in np.ascontiguousarray(masks)
    ]
    return np.stack(warped).view(bool) if warped else masks
