"""A prediction that lies in memory as a whole, against which caches and streams are held."""

from functools import partial

import numpy as np

from novis.data.frames import read_frame
from novis.engine.streaming import plan_for
from novis.structures import VideoPrediction


def predict_video(stream, video, frames, clip_length, stride, min_size):
    plan = plan_for(stream.model, video, clip_length, stride, min_size)
    clips = list(stream.clips(plan, partial(read_frame, frames, video)))
    names = ("class_logits", "embeddings", "overlap_embeddings", "mask_codes")
    return VideoPrediction(
        video=video,
        clip_length=plan.clip_length,
        input_size=plan.input_size,
        padded_size=plan.padded_size,
        starts=np.array(plan.starts),
        overlap_lengths=np.array(plan.overlap_lengths, int),
        **{name: np.stack([getattr(clip, name) for clip in clips]) for name in names},
    )
