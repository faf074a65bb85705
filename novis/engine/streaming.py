"""One video through the network as a stream: every frame once, a few clips in memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from novis.clips import clip_frames, clip_starts, overlap_lengths
from novis.data.transforms import resize_frame, test_size
from novis.engine.precision import Precision, autocast
from novis.errors import InputError
from novis.model.novis import NOVIS
from novis.model.preprocessor import padded_size
from novis.model.structures import FrameFeatures
from novis.structures import Video, encode_logits

# Frames and clips that go through the network at once: what a core or a GPU can keep busy.
FRAMES_PER_BATCH = 4
CLIPS_PER_BATCH = 4


@dataclass(frozen=True)
class ClipRecord:
    """What the network says about one clip, as NumPy arrays: one row of a ``VideoPrediction``."""

    start: int
    class_logits: np.ndarray
    embeddings: np.ndarray
    overlap_embeddings: np.ndarray
    mask_codes: np.ndarray


@dataclass(frozen=True)
class VideoPlan:
    """Sizes, clip starts and overlap lengths of one video, known before its first frame."""

    num_frames: int
    clip_length: int
    input_size: tuple[int, int]
    padded_size: tuple[int, int]
    starts: tuple[int, ...]
    overlap_lengths: tuple[int, ...]


def plan_video(
    num_frames: int,
    height: int,
    width: int,
    clip_length: int,
    stride: int | None,
    min_size: int,
    divisor: int,
) -> VideoPlan:
    """Decide what is computed of a video of ``num_frames`` frames of ``height`` x ``width``.

    Args:
        num_frames: of the video; fewer than T are padded as a palindrome.
        height: of the original frames, pixels.
        width: of the original frames, pixels.
        clip_length: T.
        stride: S, or None for a clip at every start, from which any stride can be tracked.
        min_size: the short side of the network's input, pixels.
        divisor: the padded input's sides are multiples of it.

    Raises:
        InputError: T, S or the short side cannot be.
    """
    if min_size < divisor:
        raise InputError(f"a short side of {min_size} pixels: the network needs at least {divisor}")
    size = test_size(height, width, min_size)
    padded = padded_size(*size, divisor)
    if stride is None:
        starts = clip_starts(num_frames, clip_length, 1)
        lengths = list(range(1, clip_length)) if len(starts) > 1 else []
    else:
        starts = clip_starts(num_frames, clip_length, stride)
        lengths = overlap_lengths(num_frames, clip_length, stride)
    return VideoPlan(num_frames, clip_length, size, padded, tuple(starts), tuple(lengths))


def plan_for(
    model: NOVIS, video: Video, clip_length: int | None, stride: int | None, min_size: int
) -> VideoPlan:
    """Sizes and clip starts of a video for this model; without a clip length it is one clip."""
    length, divisor = clip_length or video.length, model.data_preprocessor.size_divisor
    return plan_video(video.length, video.height, video.width, length, stride, min_size, divisor)


class VideoStream:
    """Runs a network over videos, frame features once a frame, memory constant in their length.

    Args:
        model: in evaluation mode.
        precision: ``fp32``, ``bf16`` or ``fp16`` for what autocast admits.
        frames_per_batch: frames whose features are computed at once.
        clips_per_batch: clips that are decoded at once, which delays the first of them.

    Raises:
        InputError: an unknown precision.
    """

    def __init__(
        self,
        model: NOVIS,
        precision: Precision = "fp32",
        frames_per_batch: int = FRAMES_PER_BATCH,
        clips_per_batch: int = CLIPS_PER_BATCH,
    ) -> None:
        self.model = model
        self.frames_per_batch = frames_per_batch
        self.clips_per_batch = clips_per_batch
        self.device = next(model.parameters()).device
        self.precision = precision
        # Unknown words are refused here, not at the first frame.
        autocast(self.device, precision)

    def clips(self, plan: VideoPlan, read: Callable[[int], np.ndarray]) -> Iterator[ClipRecord]:
        """Predict every clip of the plan, in order of their starts.

        Args:
            plan: of the video.
            read: gives frame i as (H, W, 3) uint8 RGB.
        """
        return self.decode(plan, self.features(plan, read))

    @torch.inference_mode()
    def decode(self, plan: VideoPlan, frames: Iterator[tuple[int, FrameFeatures]]) -> Iterator[ClipRecord]:
        """Predict every clip of the plan from the features of its frames, given in order."""
        window: dict[int, FrameFeatures] = {}
        waiting: list[int] = []
        for start in plan.starts:
            waiting.append(start)
            needed = min(start + plan.clip_length, plan.num_frames)
            while len(window) == 0 or max(window) < needed - 1:
                index, features = next(frames)
                window[index] = features
            if len(waiting) == self.clips_per_batch or start == plan.starts[-1]:
                yield from self._decode(plan, waiting, window)
                waiting = []
            oldest = waiting[0] if waiting else start
            for index in [i for i in window if i < oldest]:
                del window[index]

    @torch.inference_mode()
    def features(
        self, plan: VideoPlan, read: Callable[[int], np.ndarray]
    ) -> Iterator[tuple[int, FrameFeatures]]:
        """Index and features of every frame, in order; ``read`` as for :meth:`clips`."""
        for first in range(0, plan.num_frames, self.frames_per_batch):
            indices = range(first, min(first + self.frames_per_batch, plan.num_frames))
            frames = np.stack([resize_frame(read(index), plan.input_size) for index in indices])
            clip = torch.from_numpy(frames).permute(0, 3, 1, 2).to(self.device)
            with autocast(self.device, self.precision):
                inputs = self.model.data_preprocessor.batch([clip])
                features = self.model.frame_features(inputs, [plan.input_size] * len(clip))
            for position, index in enumerate(indices):
                yield index, features[position : position + 1]

    def _decode(
        self, plan: VideoPlan, starts: Sequence[int], window: dict[int, FrameFeatures]
    ) -> Iterator[ClipRecord]:
        slots = [clip_frames(start, plan.clip_length, plan.num_frames) for start in starts]
        features = FrameFeatures.concatenate([window[int(i)] for clip in slots for i in clip])
        with autocast(self.device, self.precision):
            output = self.model.decode(features, len(starts))
            overlaps = self.model.edge_embeddings(features, output, plan.overlap_lengths)
        masks = output.mask_logits.float().cpu().numpy()
        classes = output.class_logits.float().cpu().numpy()
        embeddings = output.embeddings.float().cpu().numpy()
        overlap = overlaps.half().cpu().numpy()
        for row, start in enumerate(starts):
            if not np.isfinite(classes[row]).all():
                raise InputError(
                    f"the network gives no finite numbers for the clip at frame {start}: "
                    "its weights are broken, or the precision is too low (try fp32)"
                )
            yield ClipRecord(start, classes[row], embeddings[row], overlap[row], encode_logits(masks[row]))
