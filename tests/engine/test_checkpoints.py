import pickle

import pytest
import torch

from novis.engine.checkpoints import initialise, load_model, read_checkpoint, write_checkpoint
from novis.engine.weight_files import read_weights
from novis.errors import InputError
from novis.model.registry import MODELS
from tests.engine.small_network import small_config

CATEGORIES = [{"id": 1, "name": "disc"}]


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


FOREIGN = {
    "text": b"the weights\n",
    "short text": b"a",
    "json": b'{"state_dict": {}}',
    "frame of a pickle": b"\x80\x04\x95\x00",
    "numbers": pickle.dumps([1, 2, 3], 2),
    "zeros": bytes(64),
    "half a zip": b"PK\x03\x04" + bytes(20),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, content):
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    for read in (read_checkpoint, read_weights):
        with pytest.raises(InputError, match=r"bad\.pth"):
            read(path)


@pytest.mark.parametrize("weights", [[1, 2], {"w": 3}, None])
def test_weights_that_are_no_tensors_are_refused(tmp_path, weights):
    torch.save({"state_dict": weights}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=r"bad\.pth: holds no 'state_dict' of tensors"):
        read_checkpoint(tmp_path / "bad.pth")


def in_config(*keys, value):
    """The content of a trained network's checkpoint, with another value somewhere in its configuration."""
    config = small_config().to_dict()
    part = config
    for key in keys[:-1]:
        part = part[key]
    part[keys[-1]] = value
    meta = {"config": config, "categories": CATEGORIES}
    return {"state_dict": network().state_dict(), "meta": meta}


CALL = {"type": "os.system", "command": "echo the configuration was run >&2"}
HOSTILE = {
    "the network": in_config("model", value=CALL),
    "a part": in_config("model", "backbone", value=CALL),
    "a part of a part": in_config("model", "instance_decoder", "temporal_encoding", value=CALL),
    "a scope to import": in_config("model", "backbone", value={"type": "Backbone", "_scope_": "antigravity"}),
    "a registry of others": in_config("model", "overlap", value={"type": "mmengine.Linear"}),
    "no mapping": in_config("model", "backbone", value="resnet"),
    "no number": in_config("model", "instance_decoder", "num_queries", value="many"),
    "no size": in_config("model", "instance_decoder", "dim", value=-8),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_configuration_builds_only_what_is_registered(tmp_path, content, capfd):
    write_checkpoint(tmp_path / "bad.pth", content)
    with pytest.raises(InputError, match=r"bad\.pth: does not hold a network that can predict \(.+\)"):
        load_model(tmp_path / "bad.pth", read_checkpoint(tmp_path / "bad.pth"))
    assert "was run" not in capfd.readouterr().err


@pytest.mark.parametrize("part", ["config", "categories", "training", "model"])
def test_a_checkpoint_of_no_trained_network_is_refused(tmp_path, part):
    content = in_config("x", value=1)
    meta = content["meta"]
    (meta if part in meta else meta["config"]).pop(part)
    with pytest.raises(InputError, match=r"bad\.pth: holds weights to start a training from"):
        load_model(tmp_path / "bad.pth", content, {"query": "output"})


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
