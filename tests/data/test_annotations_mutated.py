"""Mutated annotation files: each is read rightly, or refused with a message that names the file.

``NOVIS_MUTATIONS`` sets how many files are tried (10000 takes some minutes).
"""

import copy
import json
import os
import random

import pytest

from novis import masks
from novis.data.annotations import OCCLUSION_LABELS, read_annotations
from novis.errors import InputError

NUM_MUTATIONS = int(os.environ.get("NOVIS_MUTATIONS", "600"))
BATCHES = 6
ODD_VALUES = [
    None, True, False, 0, 1, -1, 2, 3, 10**30, -5, 0.5, 1e308, float("nan"), float("inf"),
    "", "x", "0", "\ud800", "~", "two\nlines", "PPPPPPPPPPPP1", "a" * 3000,
    [], [[]], [None], [1, 2], [[1e9] * 6], [[0, 0, 1, 1, 2, 2]],
    {}, {"size": [6, 8]}, {"size": [6, 8], "counts": [48]}, {"size": [6, 8], "counts": "0PPPPPPPPP"},
    {"size": [1e9, 1e9], "counts": [1]},
]  # fmt: skip


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


def places(value, place=()):
    """Every (container, key) below a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from places(inner, (*place, key))


def mutate_values(rng, content):
    """One to three values, keys or list lengths changed, of any part of the file."""
    for _ in range(rng.randint(1, 3)):
        container, key = rng.choice(list(places(content)))
        kind = rng.randrange(6)
        if kind == 0:
            container[key] = copy.deepcopy(rng.choice(ODD_VALUES))
        elif kind == 1:
            del container[key]
        elif kind == 2 and isinstance(container, list):
            container.insert(rng.randrange(len(container) + 1), copy.deepcopy(container[key]))
        elif kind == 3 and isinstance(container[key], int):
            container[key] += rng.choice([-100, -1, 1, 2, 100])
        elif kind == 4 and isinstance(container[key], str):
            container[key] = mutate_text(rng, container[key])
        else:
            other, other_key = rng.choice(list(places(content)))
            container[key] = copy.deepcopy(other[other_key])
    return json.dumps(content).encode("utf-8", "surrogatepass")


def mutate_text(rng, text):
    position = rng.randrange(len(text) + 1)
    return text[:position] + chr(rng.choice([rng.randrange(1, 128), 0xD800, 0xE9])) + text[position + 1 :]


def mutate_bytes(rng, content):
    """Some bytes changed, dropped or doubled, or the end cut off."""
    data = bytearray(json.dumps(content).encode())
    for _ in range(rng.randint(1, 4)):
        position = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[position] = rng.randrange(256)
        elif kind == 1:
            del data[position : position + rng.randint(1, 9)]
        elif kind == 2:
            data[position:position] = data[position : position + rng.randint(1, 30)]
        elif rng.random() < 0.2:
            del data[position:]
        if not data:
            break
    return bytes(data)


def runs_of(counts):
    """The runs of a compressed string, number by number, as the COCO format defines them."""
    runs, value, shift = [], 0, 0
    for character in counts:
        digit = ord(character) - 48
        assert 0 <= digit < 64
        value |= (digit & 31) << shift
        shift += 5
        if digit & 32:
            continue
        if digit & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    assert shift == 0
    return runs


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
