import numpy as np
import pytest

from novis.errors import InputError
from novis.storage.feature_cache import FeatureCache, FeatureCacheWriter
from novis.structures import Video

ATTRIBUTES = {"config": "model = {}", "checkpoint_sha256": "0" * 64, "min_size": 24}
VIDEO = Video(3, 40, 24, tuple(f"v/{frame}.jpg" for frame in range(5)))


def features(frames=5, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "mask_features": rng.normal(size=(frames, 4, 6, 10)).astype(np.float32),
        "multi_scale_0": rng.normal(size=(frames, 4, 1, 2)).astype(np.float32),
    }


def part(maps, frames):
    return {name: value[frames] for name, value in maps.items()}


def test_features_come_back_as_16_bits_frame_by_frame(tmp_path):
    maps = features()
    with FeatureCacheWriter(tmp_path / "f.h5", ATTRIBUTES) as writer:
        with writer.video(VIDEO) as group:
            group.append(part(maps, slice(0, 2)))
            group.append(part(maps, slice(2, 5)))
        writer.finish()
    with FeatureCache(tmp_path / "f.h5") as cache:
        assert cache.video(3) == VIDEO
        whole, middle = cache.features(3), cache.features(3, slice(1, 4))
    for name, value in maps.items():
        assert whole[name].dtype == np.float16
        np.testing.assert_array_equal(whole[name], value.astype(np.float16))
        np.testing.assert_array_equal(middle[name], whole[name][1:4])


def test_a_video_is_there_with_all_its_frames_or_not_at_all(tmp_path):
    with FeatureCacheWriter(tmp_path / "f.h5", ATTRIBUTES) as writer:
        with pytest.raises(ValueError, match="4 of 5 frames"), writer.video(VIDEO) as group:
            group.append(features(4))
        with pytest.raises(ValueError, match="after 5"), writer.video(VIDEO) as group:
            group.append(features(5))
            group.append(features(1))
        assert writer.finished == frozenset()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_features_that_do_not_fit_are_refused(tmp_path, value):
    maps = features()
    maps["mask_features"][1, 0, 0, 0] = value
    with (
        FeatureCacheWriter(tmp_path / "f.h5", ATTRIBUTES) as writer,
        pytest.raises(InputError, match="video 3: features are not finite or exceed 16 bits"),
        writer.video(VIDEO) as group,
    ):
        group.append(maps)


def test_a_writer_must_say_whose_features_they_are(tmp_path):
    with pytest.raises(ValueError, match="lack config, min_size"):
        FeatureCacheWriter(tmp_path / "f.h5", {"checkpoint_sha256": "0"})
