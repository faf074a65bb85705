import json
from dataclasses import replace

import numpy as np
import pytest

import novis.engine.predict as predict_module
from novis.engine.features import KeptFeatures, features
from novis.engine.predict import predict
from novis.errors import InputError
from novis.experiment import stage_code
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


def test_features_of_a_video_with_other_frames_are_refused(toy_dataset, checkpoint, tmp_path, kept):
    """As after a correction of the annotations, or from another data set with the same ids."""
    content = json.loads(toy_dataset.annotation_file.read_text())
    names = content["videos"][0]["file_names"]
    names[0], names[1] = names[1], names[0]
    other = tmp_path / "corrected.json"
    other.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"features\.h5: video 1 has other frames"):
        predict(checkpoint, other, toy_dataset.frames, tmp_path / "clips.h5", 3, 48, features=kept)


def test_a_cache_made_with_features_of_other_code_says_so(
    toy_dataset, checkpoint, tmp_path, kept, monkeypatch
):
    where = (checkpoint, toy_dataset.annotation_file, toy_dataset.frames)
    predict(*where, tmp_path / "same.h5", 3, 48, features=kept)
    monkeypatch.setattr(predict_module, "stage_code", lambda stage: "0123")
    predict(*where, tmp_path / "other.h5", 3, 48, features=kept)
    with ClipCache(tmp_path / "same.h5") as same, ClipCache(tmp_path / "other.h5") as other:
        assert same.attributes["code"] == stage_code("predict")
        assert other.attributes["code"] == f"{stage_code('predict')}+0123"


def test_nothing_is_left_of_features_at_a_size_that_cannot_be(toy_dataset, checkpoint, tmp_path):
    where = (checkpoint, toy_dataset.annotation_file, toy_dataset.frames)
    with pytest.raises(InputError, match="a short side of 0 pixels"):
        features(*where, tmp_path / "features.h5", 0)
    with pytest.raises(InputError, match="a short side of -360 pixels"):
        predict(*where, tmp_path / "clips.h5", 3, -360)
    assert list(tmp_path.iterdir()) == []
