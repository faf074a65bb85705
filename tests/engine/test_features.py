from dataclasses import replace

import numpy as np
import pytest

from novis.engine.features import KeptFeatures, features
from novis.engine.predict import predict
from novis.errors import InputError
from novis.model.novis import NOVIS
from novis.storage.clip_cache import ClipCache


@pytest.fixture
def kept(toy_dataset, checkpoint, tmp_path):
    path = tmp_path / "features.h5"
    features(checkpoint, toy_dataset.annotation_file, toy_dataset.frames, path, 48)
    return path


def rounded(frame_features):
    """The features that a network gives, with the digits that float16 keeps."""

    def features_of(self, *args, **kwargs):
        found = frame_features(self, *args, **kwargs)
        maps = tuple(one.half().float() for one in found.multi_scale)
        return replace(found, mask_features=found.mask_features.half().float(), multi_scale=maps)

    return features_of


def test_predictions_from_kept_features_are_those_of_the_rounded_ones(
    toy_dataset, checkpoint, tmp_path, kept, monkeypatch
):
    where = (checkpoint, toy_dataset.annotation_file)
    monkeypatch.setattr(NOVIS, "frame_features", rounded(NOVIS.frame_features))
    for clip_length in (1, 3):
        predict(*where, toy_dataset.frames, tmp_path / f"a{clip_length}.h5", clip_length, 48)
        # The frames are not even looked for.
        predict(*where, tmp_path / "nowhere", tmp_path / f"b{clip_length}.h5", clip_length, 48, features=kept)
        with (
            ClipCache(tmp_path / f"a{clip_length}.h5") as one,
            ClipCache(tmp_path / f"b{clip_length}.h5") as two,
        ):
            for video_id in one.video_ids:
                first, second = one.prediction(video_id), two.prediction(video_id)
                np.testing.assert_allclose(second.class_logits, first.class_logits, atol=1e-4)
                codes = first.mask_codes[()].astype(int) - second.mask_codes[()].astype(int)
                assert np.abs(codes).max() <= 1


@pytest.mark.parametrize("change", [{"checkpoint_sha256": "0" * 64}, {"min_size": 64}])
def test_features_of_another_checkpoint_or_size_are_refused(kept, change, checkpoint):
    from novis.files import sha256

    wanted = {"checkpoint_sha256": sha256(checkpoint), "min_size": 48} | change
    with pytest.raises(InputError, match=f"holds features with {next(iter(change))}"):
        KeptFeatures(kept, device="cpu", **wanted)
