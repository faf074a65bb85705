import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from novis.data.annotations import read_annotations, write_annotations
from novis.errors import InputError
from novis.evaluation.evaluate import collector_paused, describe, evaluate
from novis.evaluation.matches import Matches
from novis.evaluation.pairing import pair
from novis.evaluation.precision import average_precision, mean
from novis.storage.results_json import read_results, writing_results
from tests.evaluation.builders import (
    HEIGHT,
    WIDTH,
    annotations,
    box,
    instance,
    perfect,
    random_scene,
    rle,
    track,
    video,
)

# The numbers of the reference evaluators, in their order.
TRACK_STATS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
)
OCCLUSION_STATS = (
    *("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"),
    *("AP_occlusion_light", "AP_occlusion_medium", "AP_occlusion_heavy"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
    *("AR_occlusion_light", "AR_occlusion_medium", "AR_occlusion_heavy"),
)


@pytest.fixture(scope="module")
def sample():
    """The folder of the real sample, whose numbers the reference evaluators computed."""
    if "NOVIS_VIS_SAMPLE" not in os.environ:
        pytest.skip("NOVIS_VIS_SAMPLE does not name the folder of the real sample")
    return Path(os.environ["NOVIS_VIS_SAMPLE"])


def write(folder, truth, tracks):
    write_annotations(folder / "annotations.json", truth)
    with writing_results(folder / "results.json") as results:
        for each in tracks:
            results.write(each)
    return folder / "annotations.json", folder / "results.json"


def run(folder, *files, **options):
    evaluate(*files, folder / "metrics.json", **options)
    return json.loads((folder / "metrics.json").read_text())


def stats(metrics, names):
    return [-1.0 if metrics[name] is None else metrics[name] for name in names]


def expected_stats(sample, name):
    return pytest.approx(
        json.loads((sample / "expected_ytvoseval.json").read_text())[name]["stats"], abs=1e-6
    )


def test_the_sample_scores_as_with_the_reference(sample, tmp_path):
    metrics = run(tmp_path, sample / "annotations_train.json", sample / "predictions_fixture.json")
    assert stats(metrics, TRACK_STATS) == expected_stats(sample, "fixture")


def test_the_composites_of_the_sample_score_as_with_the_reference_in_every_occlusion_group(sample, tmp_path):
    truth = json.loads((sample / "annotations_train.json").read_text())
    composites = {
        entry["id"]: entry["file_names"][0].split("/")[0]
        for entry in truth["videos"]
        if entry["file_names"][0].startswith("comp_")
    }
    results = json.loads((sample / "predictions_fixture.json").read_text())
    (tmp_path / "results.json").write_text(json.dumps([r for r in results if r["video_id"] in composites]))
    (tmp_path / "videos.txt").write_text("\n".join(composites.values()) + "\n")
    metrics = run(
        tmp_path,
        sample / "annotations_train.json",
        tmp_path / "results.json",
        videos=tmp_path / "videos.txt",
    )
    assert stats(metrics, OCCLUSION_STATS) == expected_stats(sample, "oviseval_fixture_composites_only")


def test_the_ground_truth_of_the_sample_scores_one(sample, tmp_path):
    truth = json.loads((sample / "annotations_train.json").read_text())["annotations"]
    keys = ("video_id", "category_id", "segmentations")
    tracks = [{key: entry[key] for key in keys} | {"score": 1.0} for entry in truth]
    (tmp_path / "results.json").write_text(json.dumps(tracks))
    metrics = run(tmp_path, sample / "annotations_train.json", tmp_path / "results.json")
    assert stats(metrics, TRACK_STATS) == expected_stats(sample, "gt_as_prediction")


def test_matches_give_the_ap_again(tmp_path):
    scene = random_scene(0)
    files = write(tmp_path, scene.annotations, scene.tracks)
    metrics = run(tmp_path, *files, matches=tmp_path / "matches.npz")
    again = mean(average_precision(Matches.load(tmp_path / "matches.npz")))
    assert metrics["AP"] == again[0]


def test_only_the_named_videos_count(tmp_path):
    mask = [box(0, 0, 4, 5)]
    truth = annotations([video(1, 1), video(2, 1)], [instance(i, i, 1, mask) for i in (1, 2)])
    files = write(tmp_path, truth, [track(2, 1, 0.5, mask)])
    (tmp_path / "videos.txt").write_text("video_2\n")
    assert run(tmp_path, *files)["AP"] == pytest.approx(51 / 101)
    metrics = run(tmp_path, *files, videos=tmp_path / "videos.txt")
    assert (metrics["AP"], metrics["num_videos"]) == (1, 1)


def test_tracks_of_videos_that_do_not_count_are_refused_not_dropped(tmp_path):
    mask = [box(0, 0, 4, 5)]
    truth = annotations([video(1, 1), video(2, 1)], [instance(i, i, 1, mask) for i in (1, 2)])
    files = write(tmp_path, truth, perfect(truth))
    (tmp_path / "videos.txt").write_text("video_2\n")
    with pytest.raises(InputError, match=r"results.json: track 0: video 1 is not in the annotations"):
        run(tmp_path, *files, videos=tmp_path / "videos.txt")
    assert not (tmp_path / "metrics.json").exists()


def test_per_frame_scores_masks_whatever_their_linking(tmp_path):
    left, right = [box(0, 0, 4, 4)] * 2, [box(6, 5, 4, 4)] * 2
    truth = annotations([video(1, 2)], [instance(1, 1, 1, left), instance(2, 1, 1, right)])
    crossed = [track(1, 1, 0.9, [left[0], right[0]]), track(1, 1, 0.8, [right[0], left[0]])]
    files = write(tmp_path, truth, crossed)
    assert run(tmp_path, *files)["AP"] == 0
    assert run(tmp_path, *files, per_frame=True)["AP"] == 1


def test_broken_runs_are_found_while_measuring(tmp_path):
    mask = [box(0, 0, 4, 5)]
    truth = annotations([video(1, 1)], [instance(1, 1, 1, mask)])
    annotation_file, results = write(tmp_path, truth, perfect(truth))
    content = json.loads(results.read_text())
    content[0]["segmentations"][0]["counts"] += "0"
    results.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"results.json: track 0: the mask of frame 0 has"):
        run(tmp_path, annotation_file, results)


@pytest.mark.parametrize("predicted", [True, False])
def test_broken_runs_of_the_ground_truth_are_found_while_measuring(tmp_path, predicted):
    masks = [box(0, 0, 4, 5)]
    truth = annotations([video(1, 1), video(2, 1)], [instance(i, i, 1, masks) for i in (1, 2)])
    tracks = [track(1, 1, 0.9, masks)] + predicted * [track(2, 1, 0.9, masks)]
    annotation_file, results = write(tmp_path, truth, tracks)
    content = json.loads(annotation_file.read_text())
    content["annotations"][1]["segmentations"][0]["counts"] += "0"
    annotation_file.write_text(json.dumps(content))
    with pytest.raises(
        InputError, match=r"annotation 2 \(video 2 .*\): the mask of frame 0 has .*; the RLE is"
    ):
        run(tmp_path, annotation_file, results)


def test_mutated_masks_are_measured_as_pycocotools_paints_them_or_refused(tmp_path):
    """Another character of the code somewhere in a mask: mostly refused, the rest understood alike."""
    rng = np.random.default_rng(0)
    mask = rng.random((HEIGHT, WIDTH)) < 0.4
    truth = annotations([video(1, 1)], [instance(1, 1, 1, [mask])])
    annotation_file, results = write(tmp_path, truth, perfect(truth))
    whole, accepted = json.loads(results.read_text()), 0
    for _ in range(400):
        text = list(rle(mask)["counts"])
        for place in rng.integers(len(text), size=rng.integers(1, 3)):
            text[place] = chr(rng.integers(47, 113))
        mutated = {"size": [HEIGHT, WIDTH], "counts": "".join(text)}
        whole[0]["segmentations"] = [mutated]
        results.write_text(json.dumps(whole))
        try:
            (paired,) = pair(read_annotations(annotation_file), read_results(results, check_runs=False))
        except InputError as error:
            assert "track 0: the mask of frame 0 has" in str(error)
            continue
        painted = coco_mask.decode(mutated).astype(bool)
        assert paired.overlaps.track_areas.tolist() == [[painted.sum()]]
        assert paired.overlaps.intersections.tolist() == [[[(painted & mask).sum()]]]
        accepted += 1
    assert 0 < accepted < 100


@pytest.mark.parametrize("was_enabled", [True, False])
def test_the_collector_is_as_before_after_its_pause(was_enabled):
    (gc.enable if was_enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), collector_paused():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()


def test_the_main_numbers_fit_on_a_line():
    metrics = {"AP": 0.1234, "AP50": 0.5, "AP75": None, "AR1": 1.0, "AR10": 0.0, "num_videos": 3}
    assert describe(metrics) == "AP 12.3, AP50 50.0, AP75 undefined, AR1 100.0, AR10 0.0 (3 videos)"


def test_no_torch_is_needed():
    code = "import sys, novis.evaluation.evaluate; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
