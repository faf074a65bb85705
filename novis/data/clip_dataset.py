"""Training clips of a data set: T frames, and the masks of the instances seen in them."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from novis import masks
from novis.data.checked_json import quoted
from novis.data.clip_sampler import Draw, sample_clip
from novis.data.frames import read_frame
from novis.data.transforms import ClipAugmentation
from novis.errors import InputError
from novis.structures import Annotations, Category, Instance

_LOG = logging.getLogger(__name__)


class ClipDataset(Dataset):
    """Clips of T frames by :class:`novis.data.clip_sampler.Draw`; an item is a video.

    A sample is a dict of

    * ``frames`` (T, 3, h, w) uint8 RGB,
    * ``labels`` (n,) int64: positions of the categories, sorted by id,
    * ``masks`` (n, T, h, w) bool: zero where an instance is absent from a frame,
    * ``name``: the video and its frames, for logs,
    * ``num_lost``: instances that crop and resize left without a pixel.

    Instances seen in no frame of the clip are left out, so are crowds; n may be 0.
    Videos without any instance are left out as a whole: ``left_out`` names them.

    Args:
        annotations: with ground truth.
        frames: the folder that the file names start from.
        clip_length: T.
        augmentation: or its configuration; None gives plain clips around the reference frame.

    Raises:
        InputError: there is no ground truth, or the augmentation's configuration is wrong.
    """

    def __init__(
        self,
        annotations: Annotations,
        frames: Path | str,
        clip_length: int,
        augmentation: ClipAugmentation | Mapping[str, Any] | None = None,
    ) -> None:
        if annotations.instances is None:
            raise InputError(f"{annotations.source}: holds no ground truth, nothing can be trained on it")
        if isinstance(augmentation, Mapping):
            augmentation = ClipAugmentation.from_config(augmentation)
        self.augmentation = augmentation
        self.frames = Path(frames)
        self.clip_length = clip_length
        self._label_of = class_labels(annotations.categories)
        self._instances: dict[int, list[Instance]] = {video.id: [] for video in annotations.videos}
        for instance in annotations.instances:
            if not instance.is_crowd and any(rle is not None for rle in instance.segmentations):
                self._instances[instance.video_id].append(instance)
        self.videos = [video for video in annotations.videos if self._instances[video.id]]
        self.left_out = [video.name for video in annotations.videos if not self._instances[video.id]]
        if self.left_out:
            _LOG.warning(
                "%d videos without objects are left out: %s", len(self.left_out), quoted(self.left_out)
            )

    @property
    def num_items(self) -> int:
        """Number of videos with objects."""
        return len(self.videos)

    def __getitem__(self, draw: Draw) -> dict[str, Any]:
        rng = draw.generator()
        video = self.videos[draw.item]
        options = self.augmentation
        sampling = {"frame_range": options.frame_range, "reverse": options.reverse} if options else {}
        indices = sample_clip(rng, video.length, self.clip_length, **sampling).tolist()
        # A frame that repeats, in a video shorter than T, is read once.
        images = {index: read_frame(self.frames, video, index) for index in sorted(set(indices))}
        frames = np.stack([images[index] for index in indices])
        seen = [
            instance
            for instance in self._instances[video.id]
            if any(instance.segmentations[index] is not None for index in indices)
        ]
        decoded = decode_clip(seen, indices, (video.height, video.width))
        if self.augmentation is not None:
            frames, decoded = self.augmentation(rng, frames, decoded)
        labels = [self._label_of[instance.category_id] for instance in seen]
        return sample(frames, labels, decoded, f"{video.name}, frames {indices}")


def class_labels(categories: Iterable[Category]) -> dict[int, int]:
    """The label of each category id: its position among the sorted ids."""
    return {category_id: label for label, category_id in enumerate(sorted(c.id for c in categories))}


def decode_clip(instances: Sequence[Instance], indices: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """Masks (n, T, H, W) bool of instances in the frames ``indices``, zero where absent."""
    decoded = np.zeros((len(instances), len(indices), *size), bool)
    rles = [instance.segmentations[index] for instance in instances for index in indices]
    present = [position for position, rle in enumerate(rles) if rle is not None]
    if present:
        decoded.reshape(-1, *size)[present] = masks.decode([rles[position] for position in present])
    return decoded


def sample(frames: np.ndarray, labels: Sequence[int], decoded: np.ndarray, name: str) -> dict[str, Any]:
    """A training sample of frames (T, H, W, 3) and masks (n, T, H, W), without instances never seen."""
    decoded = np.ascontiguousarray(decoded)
    kept = decoded.any(axis=(1, 2, 3))
    return {
        "frames": torch.from_numpy(np.ascontiguousarray(frames.transpose(0, 3, 1, 2))),
        "labels": torch.from_numpy(np.array(labels, np.int64)[kept]),
        "masks": torch.from_numpy(decoded[kept]),
        "name": name,
        "num_lost": int(len(kept) - kept.sum()),
    }
