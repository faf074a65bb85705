"""The full-size network learns one clip by heart: random weights, two frames, a minute of a CPU core.

Batch norms are in training mode, everything else is as configured for the paper but the
size of the frames and the number of points.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from novis import config
from novis.data.annotations import read_annotations
from novis.data.clip_dataset import class_labels, decode_clip
from novis.data.frames import read_frame
from novis.data.transforms import resize_clip
from novis.engine.optimisation import ClipOptimWrapper, parameter_groups
from novis.model.registry import MODELS
from novis.model.structures import ClipTarget
from tests.data.toy_dataset import draw_toy_dataset
from tests.paths import ROOT

SAMPLE = os.environ.get("NOVIS_VIS_SAMPLE")


def load_clip(annotations, frames, name, indices, size):
    """Two frames of a video at ``size``, and their objects."""
    (video,) = [video for video in annotations.videos if video.name == name]
    seen = [i for i in annotations.instances if i.video_id == video.id]
    images = np.stack([read_frame(frames, video, index) for index in indices])
    masks = decode_clip(seen, indices, (video.height, video.width))
    images, masks = resize_clip(images, masks, size)
    label_of = class_labels(annotations.categories)
    return (
        torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(),
        ClipTarget(torch.tensor([label_of[i.category_id] for i in seen]), torch.from_numpy(masks)),
    )


def learn(frames, target, num_classes, num_steps, seed=0):
    """The R50 network after ``num_steps`` steps on one clip; backbone and head at one rate."""
    changes = {
        "clip_length": len(frames),
        "num_points": 784,
        "model.backbone.frozen_batch_norm": False,
        "model.instance_decoder.num_classes": num_classes,
    }
    settings = config.load(ROOT / "config" / "models" / "novis_r50.py", changes)
    training = settings.training
    torch.manual_seed(seed)
    model = MODELS.build(settings.model).train()
    groups = parameter_groups(model, training.learning_rate, training.weight_decay, backbone_multiplier=1.0)
    wrapper = ClipOptimWrapper(torch.optim.AdamW(groups), "fp32", training.max_norm)
    for _ in range(num_steps):
        wrapper.zero_grad()
        wrapper.backward(sum(model([frames], [target], mode="loss").values()))
        wrapper.step()
    assert wrapper.skipped_steps == 0
    return model


@torch.no_grad()
def mask_ious(model, frames, target):
    """Volumetric IoU of each object with the query that fits it best."""
    output = model([frames])
    height, width = frames.shape[-2:]
    logits = F.interpolate(output.mask_logits[0], scale_factor=4, mode="bilinear", align_corners=False)
    masks = logits[..., :height, :width] > 0
    both = (masks[:, None] & target.masks).flatten(2).sum(-1)
    either = (masks[:, None] | target.masks).flatten(2).sum(-1)
    return (both / either).amax(0)


@pytest.mark.slow
def test_a_generated_clip_is_learnt_by_heart(tmp_path):
    toy = draw_toy_dataset(tmp_path, lengths=(8,), num_objects=2)
    clip = load_clip(toy.annotations, toy.frames, "video_1", [0, 3], (64, 96))
    model = learn(*clip, num_classes=3, num_steps=30)
    assert mask_ious(model, *clip).min() > 0.9


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE, reason="NOVIS_VIS_SAMPLE names no folder with the real sample")
def test_a_real_clip_is_learnt_by_heart():
    annotations = read_annotations(Path(SAMPLE) / "annotations_train.json")
    clip = load_clip(annotations, Path(SAMPLE) / "train", "real_dog", [0, 5], (96, 160))
    model = learn(*clip, num_classes=len(annotations.categories), num_steps=40)
    assert mask_ious(model, *clip).min() > 0.9
