import pickle

import pytest
import torch

from novis.engine.checkpoints import initialise, read_checkpoint, write_checkpoint
from novis.errors import InputError
from novis.model.registry import MODELS
from tests.engine.small_network import small_config


def network(**changes):
    torch.manual_seed(len(changes))
    return MODELS.build(small_config(**changes).model)


def test_a_checkpoint_comes_back(tmp_path):
    write_checkpoint(tmp_path / "a.pth", {"state_dict": {"w": torch.ones(2)}, "meta": {"x": 1}})
    content = read_checkpoint(tmp_path / "a.pth")
    assert content["meta"] == {"x": 1}
    torch.testing.assert_close(content["state_dict"]["w"], torch.ones(2))


class Malicious:
    def __reduce__(self):
        return (print, ("code of the file was run",))


@pytest.mark.parametrize("kind", ["missing", "empty", "truncated", "pickle", "code", "foreign"])
def test_what_is_no_checkpoint_is_refused_by_name(tmp_path, kind, capfd):
    path = tmp_path / "bad.pth"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "truncated":
        write_checkpoint(path, {"state_dict": {"w": torch.ones(1000)}})
        path.write_bytes(path.read_bytes()[:-500])
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Malicious()))
    elif kind == "code":
        torch.save({"state_dict": {}, "meta": Malicious()}, path)
    elif kind == "foreign":
        torch.save({"model": {}}, path)
    with pytest.raises(InputError, match=r"bad\.pth"):
        read_checkpoint(path)
    assert "code of the file" not in capfd.readouterr().out


CATEGORIES = [{"id": 1, "name": "disc"}]


def test_a_network_starts_from_a_checkpoint_of_its_own_kind(tmp_path):
    source = network()
    content = {"state_dict": source.state_dict(), "meta": {"categories": CATEGORIES}}
    write_checkpoint(tmp_path / "a.pth", content)
    target = network(seed=1)
    assert initialise(target, tmp_path / "a.pth", CATEGORIES) == []
    for name, tensor in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[name], tensor)


def test_class_head_and_temporal_encoding_start_afresh_where_they_do_not_fit(tmp_path):
    source = network()
    write_checkpoint(tmp_path / "a.pth", {"state_dict": source.state_dict()})
    target = network(clip_length=3, **{"model.instance_decoder.num_classes": 9})
    afresh = initialise(target, tmp_path / "a.pth")
    assert sorted(afresh) == [
        "instance_decoder.class_embed.bias",
        "instance_decoder.class_embed.weight",
        "instance_decoder.temporal_encoding.tables.0.weight",
    ]
    torch.testing.assert_close(
        target.instance_decoder.query_feat.weight, source.instance_decoder.query_feat.weight
    )


@pytest.mark.parametrize("trained_for", [None, [{"id": 1, "name": "ring"}]])
def test_a_class_head_for_other_categories_starts_afresh_though_it_would_fit(tmp_path, trained_for):
    content = {"state_dict": network().state_dict(), "meta": {"categories": trained_for}}
    write_checkpoint(tmp_path / "a.pth", content)
    afresh = initialise(network(seed=1), tmp_path / "a.pth", CATEGORIES)
    assert sorted(afresh) == ["instance_decoder.class_embed.bias", "instance_decoder.class_embed.weight"]


@pytest.mark.parametrize("change", ["missing", "left over", "shape"])
def test_anything_else_that_does_not_fit_is_an_error(tmp_path, change):
    weights = network().state_dict()
    if change == "missing":
        del weights["instance_decoder.query_feat.weight"]
    elif change == "left over":
        weights["extra.weight"] = torch.ones(1)
    else:
        weights["instance_decoder.query_feat.weight"] = torch.ones(3, 3)
    write_checkpoint(tmp_path / "a.pth", {"state_dict": weights})
    with pytest.raises(InputError, match=r"does not fit the model: .*(query_feat|extra)"):
        initialise(network(), tmp_path / "a.pth")
