import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from novis.config import configure
from novis.data.annotations import write_annotations
from novis.data.footage import open_footage
from novis.engine.checkpoints import write_checkpoint
from novis.engine.predict import predict
from novis.errors import InputError
from novis.evaluation.overlaps import measure
from novis.run import SMALL_NETWORK, run
from novis.storage.results_json import read_results
from novis.structures import Annotations, Category, Instance, Video
from novis.tracking.track import track
from tests.data.toy_dataset import draw_toy_dataset
from tests.paths import ROOT


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """A folder of eleven frames, and the annotation file that names them."""
    root = tmp_path_factory.mktemp("footage")
    toy = draw_toy_dataset(root, lengths=(11,))
    return toy.frames / "video_1"


def from_cache(folder, tmp_path, clip_length, stride, settings, top_k=10, min_size=96):
    """The results of 'novis predict' and 'novis track' on the frames of a folder."""
    names = tuple(f"{folder.name}/{path.name}" for path in sorted(folder.iterdir()))
    video = Video(1, 64, 48, names)
    categories = tuple(Category(i, str(i)) for i in range(1, 7))
    write_annotations(tmp_path / "a.json", Annotations("", categories, (video,), ()))
    cache = tmp_path / "clips.h5"
    paths = (SMALL_NETWORK, tmp_path / "a.json", folder.parent, cache)
    predict(*paths, clip_length, min_size, starts=f"every{stride}")
    track(cache, tmp_path / "cached.json", settings, stride, top_k)
    return tmp_path / "cached.json"


@pytest.mark.parametrize(
    ("clip_length", "stride", "settings"),
    [
        (4, 2, {"kind": "overlap_embed"}),
        (4, 3, {"kind": "heuristic"}),
        (1, 1, {"kind": "embed", "buffer_length": 3}),
        (16, 8, {"kind": "overlap_embed"}),
    ],
)
def test_results_are_those_of_prediction_and_tracking_byte_for_byte(
    footage, tmp_path, clip_length, stride, settings
):
    """Masks are 8-bit logits on both ways, and both decode four clips at once; T = 16 is a palindrome."""
    expected = from_cache(footage, tmp_path, clip_length, stride, settings)
    changed = (
        {"settings": {"buffer_length": settings["buffer_length"]}} if "buffer_length" in settings else {}
    )
    sizes = {"clip_length": clip_length, "stride": stride, "batch": 4}
    run(footage, tmp_path / "run", tracker=settings["kind"], overlay="none", **sizes, **changed)
    assert (tmp_path / "run" / "results.json").read_bytes() == expected.read_bytes()


def test_one_clip_at_a_time_gives_the_same_tracks_but_for_the_last_bits(footage, tmp_path):
    expected = list(read_results(from_cache(footage, tmp_path, 4, 2, {"kind": "overlap_embed"})))
    run(footage, tmp_path / "run", clip_length=4, stride=2, overlay="none")
    found = list(read_results(tmp_path / "run" / "results.json"))
    assert [track.category_id for track in found] == [track.category_id for track in expected]
    np.testing.assert_allclose([t.score for t in found], [t.score for t in expected], atol=1e-4)
    for one, other in zip(found, expected, strict=True):
        if any(other.segmentations):
            same = Instance(1, 1, other.category_id, other.segmentations)
            assert measure([one], [same], 11).track_ious()[0, 0] > 0.99


def test_the_small_network_runs_out_of_the_box_on_a_film(footage, tmp_path):
    frames = [cv2.imread(str(path)) for path in sorted(footage.iterdir())]
    writer = cv2.VideoWriter(str(tmp_path / "film.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 8.0, (64, 48))
    for frame in frames:
        writer.write(frame)
    writer.release()
    run(tmp_path / "film.avi", tmp_path / "out", overlay="both")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "frames",
        "overlay.webm",
        "results.json",
        "run.json",
    ]
    overlay = open_footage(tmp_path / "out" / "overlay.webm")
    assert (overlay.video.length, overlay.frame_rate) == (11, 8)
    assert len(list((tmp_path / "out" / "frames").iterdir())) == 11
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["num_frames"] == 11
    assert record["fps"] == pytest.approx(11 / record["seconds"])
    assert {c["name"] for c in record["categories"]} >= {"disc", "star"}
    for found in read_results(tmp_path / "out" / "results.json"):
        assert found.video_id == 1
        assert len(found.segmentations) == 11


def test_a_configuration_replaces_the_one_of_the_checkpoint(footage, tmp_path):
    model = ROOT / "config" / "models" / "novis_shapes.py"
    changes = {"clip_length": 3, "temporal_encoding": "none", "overlap_fallback": "overlap"}
    configure(model, tmp_path / "config.json", changes)
    run(footage, tmp_path / "run", config=tmp_path / "config.json", overlay="none")
    assert json.loads((tmp_path / "run" / "run.json").read_text())["clip_length"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_k": 0}, "--top-k 0: must be above 0"),
        ({"stride": 0}, "--stride 0: must be above 0"),
        ({"clip_length": 0}, "--clip-length 0: must be above 0"),
        ({"min_size": 32}, "--min-size 32: the network needs at least 64 pixels"),
        ({"clip_length": 2, "stride": 3}, r"S must lie in 1\.\.T"),
        ({"tracker": "overlap"}, "unknown value 'overlap'; did you mean 'overlap_embed'"),
        ({"tracker": "oracle"}, "a running video can only be linked by"),
        ({"checkpoint": Path("no.pth")}, r"no\.pth: no such checkpoint"),
    ],
)
def test_bad_options_are_told_and_leave_no_results(footage, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run(footage, tmp_path / "run", **changes)
    assert not list((tmp_path / "run").rglob("*")) if (tmp_path / "run").exists() else True


def test_weights_to_start_from_are_no_network(footage, tmp_path):
    write_checkpoint(tmp_path / "init.pth", {"state_dict": {}, "meta": {}})
    with pytest.raises(InputError, match="weights to start a training from, not a trained network"):
        run(footage, tmp_path / "run", checkpoint=tmp_path / "init.pth")


def test_a_broken_frame_in_the_middle_leaves_nothing_half_written(footage, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for path in sorted(footage.iterdir()):
        (folder / path.name).write_bytes(path.read_bytes())
    sorted(folder.iterdir())[7].write_bytes(b"\xff\xd8 broken")
    with pytest.raises(InputError, match=r"\(frame 7\): is truncated"):
        run(folder, tmp_path / "run")
    assert not list((tmp_path / "run").iterdir())
