import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from novis.engine.weight_files import read_weights
from novis.errors import InputError

ARRAYS = {
    "matrix": np.arange(12, dtype=np.float32).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float16).reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">f8"),
    "index": np.array([[-1, 2]], np.int64),
    "flags": np.array([True, False]),
    "scalar": np.array(2.5, np.float32),
    "empty": np.zeros((0, 4), np.float32),
}


def pickled(path, content, protocol=4):
    path.write_bytes(pickle.dumps(content, protocol))
    return path


class Calls:
    """Pickles as the call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_arrays_of_every_pickle_protocol_come_back(tmp_path, protocol):
    content = {"model": OrderedDict(ARRAYS), "__author__": "someone", "matching_heuristics": True}
    weights = read_weights(pickled(tmp_path / "weights.pkl", content, protocol))
    assert list(weights) == list(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(weights[name].numpy(), array)
        assert weights[name].numpy().dtype == array.dtype.newbyteorder("=")


def test_pickle_of_python_2_is_read(tmp_path):
    # As Python 2 wrote np.array([1, 2], "<f4"): the bytes are a string, the module has its old name.
    stream = (
        b"(dS'bias'\ncnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
        b"(I1\n(I2\ntcnumpy\ndtype\n(S'f4'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\n"
        b"S'\\x00\\x00\\x80?\\x00\\x00\\x00@'\ntbs."
    )
    path = tmp_path / "old.pkl"
    path.write_bytes(stream)
    assert read_weights(path)["bias"].tolist() == [1.0, 2.0]


def test_safetensors_and_torch_files_are_read(tmp_path):
    tensors = {"a": torch.arange(3.0), "b": torch.ones(2, 2, dtype=torch.float16)}
    save_file(tensors, tmp_path / "weights.safetensors")
    torch.save({"model": tensors, "iteration": 7}, tmp_path / "model_final.pth")
    torch.save(OrderedDict(tensors), tmp_path / "pytorch_model.bin")
    for name in ("weights.safetensors", "model_final.pth", "pytorch_model.bin"):
        weights = read_weights(tmp_path / name)
        assert weights.keys() == tensors.keys()
        assert all(torch.equal(weights[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("place", ["top", "value", "inside an array"])
def test_malicious_pickle_is_refused_and_not_run(tmp_path, protocol, place):
    victim = tmp_path / "victim"
    attack = Calls(os.system, f"touch {victim}")
    array = np.empty(1, object)
    array[0] = attack
    content = {"top": attack, "value": {"model": {"a": attack}}, "inside an array": {"model": {"a": array}}}
    path = pickled(tmp_path / "weights.pkl", content[place], protocol)
    with pytest.raises(InputError, match=r"weights\.pkl.*asks for .*system"):
        read_weights(path)
    assert not victim.exists()


def test_malicious_torch_file_is_refused_and_not_run(tmp_path):
    victim = tmp_path / "victim"
    torch.save({"model": {"a": Calls(os.system, f"touch {victim}")}}, tmp_path / "weights.pth")
    with pytest.raises(InputError, match=r"weights\.pth"):
        read_weights(tmp_path / "weights.pth")
    assert not victim.exists()


@pytest.mark.parametrize(
    "function", [eval, getattr, __import__, np.load, np.frombuffer, torch.load, np.random.default_rng]
)
def test_no_function_of_python_numpy_or_torch_can_be_called(tmp_path, function):
    path = pickled(tmp_path / "weights.pkl", {"a": Calls(function, "1")})
    with pytest.raises(InputError, match="asks for"):
        read_weights(path)


@pytest.mark.parametrize(
    "stream",
    [
        # Attributes of what is admitted, by a dotted name.
        b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93.",
        # The class numpy.ndarray called as such, with a shape of its own choice.
        b"cnumpy\nndarray\n((I1000000000000\ntt\x81.",
        b"cnumpy\nndarray\n(I1000000000000\ntR.",
        # Text in another encoding: codecs may decompress or import.
        b"c_codecs\nencode\n(S'a'\nS'zlib'\ntR.",
        # A function's code, replaced by the state that a pickle carries.
        b"c_codecs\nencode\n(N(dS'__code__'\nS'a'\nstb.",
    ],
)
def test_crafted_pickle_is_refused(tmp_path, stream):
    path = tmp_path / "weights.pkl"
    path.write_bytes(stream)
    with pytest.raises(InputError, match=r"weights\.pkl"):
        read_weights(path)


def forged(shape, code, data):
    """A pickled array whose shape, type and bytes need not agree."""

    class Forged:
        def __reduce__(self):
            call = np.zeros(0).__reduce__()
            return call[0], call[1], (1, shape, np.dtype(code), False, data)

    return Forged()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (forged((1000,), "f4", b"1234"), "bytes do not fill"),
        (forged((-1,), "f4", b"1234"), "bytes do not fill"),
        (forged((1,), "f4", 7), "bytes do not fill"),
        (forged(None, "f4", b""), "cannot be read"),
        (np.array(["text"]), "not of numbers"),
        (np.array([None]), "not of numbers"),
        (np.zeros(2, [("x", "f4")]), "not of numbers"),
        (np.zeros(2, "M8[s]"), "not of numbers"),
        ("text", "is no array but str"),
        ([np.zeros(2)], "is no array but list"),
    ],
)
def test_value_that_is_no_array_of_numbers_is_refused(tmp_path, array, message):
    path = pickled(tmp_path / "weights.pkl", {"model": {"sound": np.zeros(2), "broken": array}})
    with pytest.raises(InputError, match=rf"weights\.pkl.*{message}"):
        read_weights(path)


@pytest.mark.parametrize("content", [[], {}, "text", {"model": {}}, np.zeros(2)])
def test_file_without_a_table_of_tensors_is_refused(tmp_path, content):
    with pytest.raises(InputError, match="cannot be read as weights"):
        read_weights(pickled(tmp_path / "weights.pkl", content))


@pytest.mark.parametrize("name", ["weights.pkl", "weights.safetensors", "weights.pth"])
def test_truncated_file_is_refused(tmp_path, name):
    path, tensors = tmp_path / name, {"a": torch.arange(1000.0)}
    if name.endswith("pkl"):
        pickled(path, {"model": {"a": tensors["a"].numpy()}})
    elif name.endswith("safetensors"):
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=name):
            read_weights(path)


def test_missing_file_and_unknown_kind_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.pkl.*no such"):
        read_weights(tmp_path / "none.pkl")
    with pytest.raises(InputError, match=r"weights\.onnx: unknown kind"):
        read_weights(tmp_path / "weights.onnx")
