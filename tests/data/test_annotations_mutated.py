"""Mutated annotation files: each is read rightly, or refused with a message that names the file.

``NOVIS_MUTATIONS`` sets how many files are tried (10000 takes some minutes).
"""

import json
import os
import random

import pytest

from novis import masks
from novis.data.annotations import OCCLUSION_LABELS, read_annotations
from novis.errors import InputError
from tests.mutations import mutate_bytes, mutate_values, runs_of

NUM_MUTATIONS = int(os.environ.get("NOVIS_MUTATIONS", "600"))
BATCHES = 6


def truth():
    """All that the layouts hold: text and integer runs, polygons, absent frames, occlusion, crowds."""
    runs = {"size": [6, 8], "counts": [10, 4, 34]}
    text = dict(masks.compressed(runs, 6, 8))
    return {
        "info": {"year": 2021},
        "videos": [
            {"id": 1, "height": 6, "width": 8, "length": 3, "file_names": ["a/0.jpg", "a/1.jpg", "a/2.jpg"]},
            {"id": 2, "height": 6, "width": 8, "file_names": ["b/0.jpg", "b/1.jpg"]},
        ],
        "categories": [{"id": 4, "name": "cat"}, {"id": 9, "name": "dog"}],
        "annotations": [
            {
                "id": 11, "video_id": 1, "category_id": 4, "iscrowd": 0, "segmentations": [text, None, runs],
                "bboxes": [[1, 0, 2, 6], None, [1, 0, 2, 6]], "areas": [4, None, 4],
                "occlusion": ["no_occlusion", None, "severe_occlusion"],
            },
            {"id": 12, "video_id": 2, "category_id": 9, "segmentations": [[[1, 1, 6, 1, 6, 4]], text]},
            {"id": 13, "video_id": 2, "category_id": 4, "iscrowd": 1, "segmentations": [None, runs]},
        ],
    }  # fmt: skip


def check_accepted(annotations):
    """Everything that an accepted file promises, checked one value at a time."""
    videos = {video.id: video for video in annotations.videos}
    categories = {category.id for category in annotations.categories}
    instances = annotations.instances or ()
    assert len(videos) == len(annotations.videos) > 0
    assert len(categories) == len(annotations.categories) > 0
    assert len({instance.id for instance in instances}) == len(instances)
    for instance in instances:
        video = videos[instance.video_id]
        assert instance.category_id in categories
        assert len(instance.segmentations) == video.length
        assert instance.occlusion is None or len(instance.occlusion) == video.length
        assert set(instance.occlusion or ()) <= {None, *OCCLUSION_LABELS}
        for rle in filter(None, instance.segmentations):
            assert rle["size"] == [video.height, video.width]
            runs = runs_of(rle["counts"])
            assert min(runs) >= 0
            assert sum(runs) == video.height * video.width
            assert masks.decode([rle]).sum() == sum(runs[1::2])


@pytest.mark.parametrize("mutate", [mutate_values, mutate_bytes])
@pytest.mark.parametrize("batch", range(BATCHES))
def test_mutated_files_are_read_rightly_or_refused_by_name(tmp_path, mutate, batch):
    rng = random.Random(f"{mutate.__name__} {batch}")
    path = tmp_path / "mutated.json"
    accepted = 0
    count = max(NUM_MUTATIONS // (2 * BATCHES), 1)
    for _ in range(count):
        data = mutate(rng, truth())
        path.write_bytes(data)
        try:
            annotations = read_annotations(path)
        except InputError as refusal:
            message = str(refusal)
            assert message.startswith(str(path)), data
            assert "\n" not in message, data
            message.encode()
        else:
            check_accepted(annotations)
            accepted += 1
    assert 0 < accepted < count


def test_harmless_additions_are_accepted(tmp_path):
    content = truth()
    content["licenses"] = [{"anything": None}]
    for container in (content["videos"][0], content["categories"][1], content["annotations"][2]):
        container["unknown"] = {"free": [1, 2]}
    (tmp_path / "plain.json").write_text(json.dumps(truth()))
    (tmp_path / "more.json").write_text(json.dumps(content, indent=3, sort_keys=True))
    plain, more = (read_annotations(tmp_path / name) for name in ("plain.json", "more.json"))
    assert (plain.videos, plain.categories, plain.instances) == (more.videos, more.categories, more.instances)
