"""What docs/studies.md promises: an ablation is one entry, a tracker one function, a data set one file."""

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import yaml

from novis.clips import clip_starts
from novis.storage.clip_cache import ClipCacheWriter, categories_json
from novis.storage.results_json import read_results
from tests.paths import ROOT
from tests.tracking.predictions import drawn, true_prediction
from tests.workflow.checkout import Checkout, environment

TINY = ("--configfile", "config/tiny.yaml")

ABLATION = """
variants:
  fewer_points: { temporal_encoding: learned, num_points: 64 }
"""

FUNCTION = '''def late(prediction: VideoPrediction, settings: TrackerSettings) -> Similarity:
    """Cosine of output embeddings with those of the oldest clip in the buffer."""

    def similarity(linked: Sequence[LinkedClip], clip: int) -> np.ndarray:
        oldest = linked[0]
        return cosine(prediction.embeddings[oldest.clip][oldest.order], prediction.embeddings[clip])

    return similarity


SIMILARITIES:'''


def misleading(prediction):
    """The same video, where from its second clip at stride 2 on an object looks like another one just before.

    Only two clips back it looks like itself.
    """
    embeddings = prediction.embeddings
    objects = (embeddings[:, :, None] == embeddings[0]).all(-1).argmax(-1)
    one = np.eye(objects.shape[1], dtype=np.float32)
    places = {start: place for place, start in enumerate(clip_starts(prediction.video.length, 3, 2))}
    looks = np.zeros((*objects.shape, 2 * len(one)), np.float32)
    for clip, start in enumerate(prediction.starts):
        place = places.get(int(start), 0)
        looks[clip, :, : len(one)] = one[objects[clip]]
        if place:
            looks[clip, :, len(one) :] = 2 * one[(objects[clip] + place % 2) % len(one)]
    return replace(prediction, embeddings=looks)


def track(checkout, cache, output, *settings):
    """What the checkout's own `novis track` draws from a clip cache."""
    words = ["--cache", cache, "--settings", *settings, "--stride", 2, "--top-k", 2, "--output", output]
    run = [sys.executable, "-m", "novis.cli", "track", *map(str, words)]
    subprocess.run(run, cwd=checkout.folder, env=environment(checkout.folder), check=True)
    return drawn(read_results(output))


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path / "checkout")


def test_an_ablation_is_one_entry(checkout):
    before, _ = checkout.planned(*TINY)
    checkout.edit("config/tiny.yaml", "\nstudies:\n", f"{ABLATION}\nstudies:\n")
    checkout.edit(
        "config/tiny.yaml",
        "{ variant: novis, clip_length: 4, stride: 2, tracker: [heuristic",
        ("{ variant: [fewer_points, novis], clip_length: 4, stride: 2, tracker: [heuristic"),
    )
    after, text = checkout.planned("-p", *TINY)
    assert after["train"] == before["train"] + 2
    assert "num_points=64" in text


def test_a_tracker_is_one_function_and_one_entry(checkout, toy_dataset, tmp_path):
    before, _ = checkout.planned(*TINY)
    checkout.edit("novis/tracking/similarity.py", "SIMILARITIES:", FUNCTION)
    checkout.edit(
        "novis/tracking/similarity.py", '"identity": identity,', '"identity": identity,\n    "late": late,'
    )
    checkout.edit("novis/tracking/settings.py", "\nKINDS = (", '\nKINDS = ("late", ')
    checkout.edit("novis/tracking/settings.py", "BUFFERED = (", 'BUFFERED = ("late", ')
    entry = "trackers:\n  late: { kind: late, buffer_length: 2 }\n"
    checkout.edit("config/common.yaml", "trackers:\n", entry)
    checkout.edit("config/tiny.yaml", "tracker: [heuristic, embed,", "tracker: [late, heuristic, embed,")
    after, _ = checkout.planned(*TINY)
    assert after["track"] == before["track"] + 2
    assert (after["train"], after["predict"]) == (before["train"], before["predict"])
    annotations = toy_dataset.annotations
    attributes = dict.fromkeys(("config", "checkpoint_sha256"), "") | {
        "clip_length": 3,
        "starts": "all",
        "min_size": 192,
    }
    attributes |= {"categories": categories_json(annotations.categories)}
    with ClipCacheWriter(tmp_path / "clips.h5", attributes) as writer:
        for video in annotations.videos:
            writer.write(misleading(true_prediction(annotations, video, 3)))
        writer.finish()
    cache, output = tmp_path / "clips.h5", tmp_path / "results.json"
    assert track(checkout, cache, output, "kind=late", "buffer_length=2") == drawn(annotations.instances)
    assert track(checkout, cache, output, "kind=late") != drawn(annotations.instances)


def test_a_data_set_is_one_file(checkout, toy_dataset):
    own = {
        "name": "own",
        "extends": "config/tiny.yaml",
        "data_root": str(toy_dataset.annotation_file.parent),
        "datasets": {
            "toy": {
                "annotations": [toy_dataset.annotation_file.name],
                "frames": toy_dataset.frames.name,
                "min_size": 48,
                "top_k": 5,
            }
        },
        "defaults": {"dataset": "toy"},
    }
    (checkout.folder / "own.yaml").write_text(yaml.safe_dump(own))
    counts, text = checkout.planned("-p", "table3", "--configfile", "own.yaml")
    assert counts["train"] == 2
    assert f"--annotations {toy_dataset.annotation_file}" in text
    assert "generate_tiny" not in counts


def test_the_small_paper_begins_with_the_embedded_benchmark(checkout):
    _, text = checkout.planned("-p", "table3", "--configfile", "config/shapes_paper.yaml")
    shapes = yaml.safe_load((ROOT / "config" / "shapes.yaml").read_text())
    settings = shapes["datasets"]["shapes"]["generate"]["settings"]
    assert f"speed={json.dumps(settings['speed'])}" in text
    assert "T4-seed2" in text


def test_a_configuration_may_begin_with_one_that_begins_with_another(checkout):
    own = {"name": "own", "extends": "config/shapes_paper.yaml", "defaults": {"seed": [5]}}
    (checkout.folder / "own.yaml").write_text(yaml.safe_dump(own))
    counts, text = checkout.planned("-p", "selection", "--configfile", "own.yaml")
    assert counts["train"] == 3 * 2, "T = 2, 4 and 8 on two folds"
    assert "T4-seed5" in text
    assert "data/shapes/annotations_train.json" in text


def test_seeds_are_switched_on_the_command_line(checkout):
    words = ("figure4", "--configfile", "config/shapes_paper.yaml", "--config", 'defaults={"seed": [0]}')
    counts, _ = checkout.planned(*words)
    # T = 1, 2, 4 and 8 on two folds; each but the first sees images and clips.
    assert counts["train"] == 4 * 2
    assert counts["predict"] == (4 + 3) * 2
