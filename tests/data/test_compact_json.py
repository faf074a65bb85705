import json
import tracemalloc

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from novis.data import compact_json
from novis.data.compact_json import read_compact_json
from novis.errors import InputError


def read(folder, text):
    path = folder / "annotations.json"
    path.write_text(text, encoding="utf-8")
    return read_compact_json(path, "annotation file")


def test_a_list_of_runs_comes_as_the_string_of_the_same_mask(tmp_path):
    # Column by column: 2 off, 3 on, 1 off | 6 on.
    rle = read(tmp_path, '{"size": [6, 2], "counts": [2, 3, 1, 6]}')
    assert isinstance(rle["counts"], str)
    assert coco_mask.decode(rle).T.tolist() == [[0, 0, 1, 1, 1, 0], [1] * 6]


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_blocks_of_any_size_give_the_same(tmp_path, monkeypatch, block, indent):
    monkeypatch.setattr(compact_json, "_BLOCK", block)
    rng = np.random.default_rng(0)
    drawn = (rng.random((5, 40, 60)) < 0.4).astype(np.uint8)
    listed = []
    for mask in drawn:
        edges = np.flatnonzero(np.diff(np.r_[0, mask.T.ravel(), 1 - mask[-1, -1]]))
        listed.append({"size": [40, 60], "counts": np.diff(np.r_[0, edges]).tolist()})
    content = {"annotations": [{"id": 1, "segmentations": [*listed, None, {"counts": "52203"}]}], "é": "}{"}
    found = read(tmp_path, json.dumps(content, indent=indent, ensure_ascii=False))
    segmentations = found["annotations"][0]["segmentations"]
    assert [coco_mask.decode(rle).tolist() for rle in segmentations[:5]] == drawn.tolist()
    assert segmentations[5:] == [None, {"counts": "52203"}]
    assert found["é"] == "}{"


@pytest.mark.parametrize(
    "text",
    [
        '{"counts": []}',
        '{"counts": [2, -3, 7]}',
        '{"counts": [2.0, 3]}',
        '{"counts": [[2, 3]]}',
        '{"counts": [4294967297, 1]}',
        '{"counts": [99999999999999999999999, 1]}',
        '{"counts": {"cat": 3}}',
        '{"areas": [2, 3], "counts": null}',
        r'{"info": "\"counts\": [2, 3]"}',
    ],
)
def test_what_is_no_list_of_runs_comes_as_it_is(tmp_path, text):
    assert read(tmp_path, text) == json.loads(text)


@pytest.mark.parametrize("counts", ["[1 2]", "[1,,2]", "[,1]", "[1,]", "[ ]]", "[1, 2"])
def test_what_is_no_json_is_refused(tmp_path, counts):
    with pytest.raises(InputError, match=r"annotations\.json: is no valid annotation file: "):
        read(tmp_path, '{"counts": ' + counts + "}")


def test_a_truncated_file_is_told_with_its_last_words(tmp_path):
    whole = json.dumps({"annotations": [{"size": [6, 2], "counts": [2, 3, 1, 6], "label": "dog"}]})
    with pytest.raises(InputError, match=r"after .*\"label\".*; it may be truncated, get it again"):
        read(tmp_path, whole[:-8])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.json: no such annotation file"):
        read_compact_json(tmp_path / "absent.json", "annotation file")


def test_memory_is_far_below_that_of_the_integers(tmp_path, monkeypatch):
    monkeypatch.setattr(compact_json, "_BLOCK", 1 << 16)
    runs = np.random.default_rng(0).integers(300, 700, 1000).tolist()
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps([{"counts": runs} for _ in range(200)]))

    def peak(reader):
        tracemalloc.start()
        reader()
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high

    plain = peak(lambda: json.loads(path.read_bytes()))
    assert peak(lambda: read_compact_json(path, "annotation file")) < plain / 4
