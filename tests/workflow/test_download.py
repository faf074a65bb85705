"""The download rules, in a checkout of their own; the server is on this machine."""

import hashlib
import json
import shutil

import pytest

from tests.data.downloads.server import Server, serve
from tests.workflow.checkout import Checkout

SPLIT = "results/ovis/split/fold0_train.txt"
ANNOTATIONS = "data/ovis/annotations_train.json"
SOURCES = "novis/data/downloads/sources.json"
WEIGHTS = "weights/mask2former_coco_r50.pth"


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout")


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.close()


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def redirect(checkout, group, name, **change):
    """Change an entry of the list of downloads."""
    path = checkout.folder / SOURCES
    sources = json.loads(path.read_text())
    kept = {key: value for key, value in sources[group][name].items() if not key.startswith("drive_")}
    sources[group][name] = kept | change
    path.write_text(json.dumps(sources))


def test_missing_data_are_planned(checkout):
    counts, _ = checkout.planned(SPLIT)
    assert counts == {"download_ovis_train_frames": 1, "download_ovis_train_annotations": 1, "split": 1}


def test_frames_brought_by_hand_are_not_downloaded(checkout):
    touch(checkout.folder / "data/ovis/train/walk/img_0000001.jpg")
    assert checkout.planned(SPLIT)[0] == {"download_ovis_train_annotations": 1, "split": 1}


@pytest.mark.parametrize("place", ["annotations_train.json", "annotations/train.json"])
def test_annotations_brought_by_hand_are_never_made_again(checkout, place):
    touch(checkout.folder / "data/ovis" / place)
    assert checkout.planned(SPLIT)[0] == {"split": 1}


@pytest.mark.parametrize("empty", [True, False])
def test_frames_missing_beside_their_annotations_stop_the_run_with_the_steps(checkout, empty):
    touch(checkout.folder / ANNOTATIONS)
    touch(checkout.folder / WEIGHTS)
    if empty:
        (checkout.folder / "data/ovis/train/walk").mkdir(parents=True)
    checkpoint = "results/ovis/fold0/novis_r50-novis/T4-seed0/checkpoint.pth"
    text = checkout.snakemake("--cores", "1", checkpoint, check=False)
    assert f"{ANNOTATIONS} is here, but its frames are not: there is no file below data/ovis/train. " in text
    removed = "remove data/ovis/train, then " if empty else ""
    assert f"To download them: {removed}snakemake --cores 1 data/ovis/train" in text
    assert not (checkout.folder / "results/ovis").exists(), "nothing was begun"
    shutil.rmtree(checkout.folder / "data/ovis/train", ignore_errors=True)
    assert checkout.planned("data/ovis/train")[0] == {"download_ovis_train_frames": 1}


def test_frames_that_come_with_their_annotations_are_fetched_again_with_them(checkout):
    touch(checkout.folder / "data/ytvis_2021/train/instances.json")
    touch(checkout.folder / WEIGHTS)
    checkpoint = "results/ytvis_2021/fold0/novis_r50-novis/T4-seed0/checkpoint.pth"
    text = checkout.snakemake("--cores", "1", checkpoint, check=False)
    assert "or delete data/ytvis_2021/train/instances.json to have both downloaded" in text


def test_official_weights_are_downloaded_and_converted(checkout):
    assert checkout.planned(WEIGHTS)[0] == {"download_mask2former_coco_r50": 1, "convert_novis_r50": 1}
    touch(checkout.folder / "weights/model_final_3c8ec9.pkl")
    assert checkout.planned(WEIGHTS)[0] == {"convert_novis_r50": 1}
    touch(checkout.folder / WEIGHTS)
    counts, _ = checkout.planned("results/ovis/fold0/novis_r50-novis/T4-seed0/checkpoint.pth")
    assert counts["train"] == 1
    assert not {"convert_novis_r50", "download_mask2former_coco_r50"} & set(counts)


def test_terms_stop_the_run_with_the_steps(checkout):
    text = checkout.snakemake("--cores", "1", ANNOTATIONS, check=False)
    for part in ("https://songbai.site/ovis", "--config accept_terms=true", "data/ovis/train.zip"):
        assert part in text
    assert not (checkout.folder / ANNOTATIONS).exists()


def test_a_download_that_breaks_off_goes_on_in_the_next_run(checkout, server):
    touch(checkout.folder / "data/ovis/train/walk/img_0000001.jpg")
    digest = hashlib.sha256(server.content).hexdigest()
    redirect(checkout, "data", "ovis_train_annotations", url=server.url, checksum=f"sha256:{digest}")
    words = ("--cores", "1", ANNOTATIONS, "--config", "accept_terms=true")
    server.script = [serve(sent=50_000), lambda handler, _: handler.send_error(404)]
    text = checkout.snakemake(*words, check=False)
    assert "the file is not there any more" in text
    assert not (checkout.folder / ANNOTATIONS).exists()
    checkout.snakemake(*words)
    assert (checkout.folder / ANNOTATIONS).read_bytes() == server.content
    assert server.requests[-1]["Range"] == "bytes=50000-"


def test_an_unknown_download_is_named(checkout):
    checkout.edit("config/config.yaml", "[ovis_train_frames, ", "[ovis_train_frame, ")
    text = checkout.snakemake("-n", SPLIT, check=False)
    assert "there is no 'ovis_train_frame' to download; did you mean 'ovis_train_frames'?" in text


def test_downloads_must_end_in_the_annotations(checkout):
    checkout.edit("config/config.yaml", "ovis_train_annotations]", "ovis_valid_annotations]")
    text = checkout.snakemake("-n", SPLIT, check=False)
    assert (
        "the last of 'downloads' must end in the first of 'annotations', data/ovis/annotations_train.json"
        in text
    )
