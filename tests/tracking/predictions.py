"""Clip predictions made up for tests: random ones, and ones that know the ground truth."""

from types import SimpleNamespace

import numpy as np

from novis.clips import clip_frames, clip_starts, overlap_lengths
from novis.masks import decode
from novis.structures import Video, VideoPrediction, encode_logits
from novis.tracking.clip_window import prediction_of


def random_prediction(
    num_frames=7, clip_length=3, stride=1, num_queries=5, num_classes=3, hidden_dim=6, seed=0, video_id=1
):
    """Noise of every kind: 8 x 12 cells of a 24 x 40 input in a 32 x 48 frame."""
    rng = np.random.default_rng(seed)
    starts = np.array(clip_starts(num_frames, clip_length, stride))
    lengths = np.array(
        range(1, clip_length) if stride == 1 else overlap_lengths(num_frames, clip_length, stride), int
    )
    clips = (len(starts), num_queries)
    return VideoPrediction(
        video=Video(video_id, 48, 32, tuple(f"v{video_id}/{frame}.jpg" for frame in range(num_frames))),
        clip_length=clip_length,
        input_size=(24, 40),
        padded_size=(32, 48),
        starts=starts,
        class_logits=rng.normal(size=(*clips, num_classes + 1)).astype(np.float32),
        embeddings=rng.normal(size=(*clips, hidden_dim)).astype(np.float32),
        overlap_lengths=lengths,
        overlap_embeddings=rng.normal(size=(len(starts), 2, len(lengths), num_queries, hidden_dim)).astype(
            np.float16
        ),
        mask_codes=rng.integers(0, 256, (*clips, clip_length, 8, 12), np.uint8),
    )


def as_stream(prediction, num_held):
    """The same prediction, of which only the last clips that were asked for can be read."""
    names = ("class_logits", "embeddings", "overlap_embeddings", "mask_codes")
    clips = (
        SimpleNamespace(**{name: getattr(prediction, name)[clip] for name in names})
        for clip in range(len(prediction.starts))
    )
    p = prediction
    sizes = p.input_size, p.padded_size
    return prediction_of(clips, p.video, p.clip_length, *sizes, p.starts, p.overlap_lengths, num_held)


def drawn(tracks):
    """What tracks or instances show, to be compared: a set of (video, category, counts by frame)."""
    return {
        (t.video_id, t.category_id, tuple(rle and rle["counts"] for rle in t.segmentations)) for t in tracks
    }


def true_prediction(annotations, video, clip_length, stride=1, num_queries=6, seed=0):
    """What a perfect network would say, with the queries of every clip in an order of its own.

    The input is four times the frame, so that masks keep every pixel; embeddings are one
    random vector for each object.
    """
    rng = np.random.default_rng(seed)
    instances = [instance for instance in annotations.instances if instance.video_id == video.id]
    masks = np.full((num_queries, video.length, video.height, video.width), -8.0)
    for query, instance in enumerate(instances):
        for frame, rle in enumerate(instance.segmentations):
            if rle is not None:
                masks[query, frame][decode([rle])[0]] = 8
    labels = [category.id for category in annotations.categories]
    classes = np.zeros((num_queries, len(labels) + 1), np.float32)
    classes[len(instances) :, -1] = 8
    for query, instance in enumerate(instances):
        classes[query, labels.index(instance.category_id)] = 8
    vectors = rng.normal(size=(num_queries, 16)).astype(np.float32)
    starts = np.array(clip_starts(video.length, clip_length, stride))
    orders = np.stack([rng.permutation(num_queries) for _ in starts])
    frames = [clip_frames(int(start), clip_length, video.length) for start in starts]
    lengths = np.array(range(1, clip_length), int)
    embeddings = vectors[orders]
    size = (4 * video.height, 4 * video.width)
    return VideoPrediction(
        video=video,
        clip_length=clip_length,
        input_size=size,
        padded_size=size,
        starts=starts,
        class_logits=classes[orders],
        embeddings=embeddings,
        overlap_lengths=lengths,
        overlap_embeddings=np.tile(embeddings.astype(np.float16)[:, None, None], (1, 2, len(lengths), 1, 1)),
        mask_codes=encode_logits(
            np.stack([masks[order][:, covered] for order, covered in zip(orders, frames, strict=True)])
        ),
    )
