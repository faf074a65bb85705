"""Files of other people's weights, read without running what is in them."""

import pickle
import struct
from collections import OrderedDict
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from novis.errors import InputError

# What a file that is broken, or none of its kind, may raise while it is read.
BROKEN = (
    pickle.UnpicklingError,
    SafetensorError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a weight file by their names.

    Read are detectron2's ``.pkl``, ``.safetensors``, and what ``torch.save`` wrote
    (``.pth``, ``.pt``, ``.bin``), the weights at the top or below "model" or "state_dict".

    Raises:
        InputError: the file is missing, damaged, of another kind, or holds anything but
            numeric arrays and plain containers.
    """
    readers = {
        ".pkl": _read_pickle,
        ".safetensors": load_file,
        **dict.fromkeys((".pth", ".pt", ".bin"), _read_torch),
    }
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown kind of weight file; known are {', '.join(readers)}")
    if not path.is_file():
        raise InputError(f"{path}: no such weight file; Mask2Former's MODEL_ZOO.md lists the official ones")
    try:
        return _by_name(readers[path.suffix](path))
    except BROKEN as error:
        reason = str(error).split("\n")[0] or type(error).__name__
        raise InputError(
            f"{path}: cannot be read as weights ({reason}); if it is damaged, get it again"
        ) from error


def _by_name(content: Any) -> dict[str, Tensor]:
    for key in ("model", "state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise pickle.UnpicklingError("it holds no table of tensors by name")
    return {str(name): _tensor(value, f"'{name}'") for name, value in content.items()}


def _read_torch(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _read_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return _Unpickler(file).load()


def _tensor(value: Any, name: str) -> Tensor:
    if isinstance(value, _Array):
        return torch.from_numpy(value.numpy(name))
    if isinstance(value, Tensor):
        return value
    raise pickle.UnpicklingError(f"{name} is no array but {type(value).__name__}")


class _DType:
    """Stands for ``numpy.dtype`` in a pickle: the code of a type, and its byte order."""

    code: Any = None
    order: Any = "="

    def __init__(self, code: Any, *_: Any) -> None:
        self.code = code

    def __setstate__(self, state: Any) -> None:
        self.order = state[1]


class _Array:
    """Stands for ``numpy.ndarray`` in a pickle: NumPy sees nothing of it until all is checked."""

    shape: Any = ()
    dtype: Any = None
    fortran: Any = False
    data: Any = b""

    def __init__(self, *_: Any) -> None:
        """Whatever is known here comes again with the state."""

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def numpy(self, name: str) -> np.ndarray:
        """A writable array in native byte order.

        Raises:
            pickle.UnpicklingError: it is not of a plain numeric type, or shape and bytes disagree.
        """
        told = self.dtype if isinstance(self.dtype, _DType) else _DType(None)
        code, order = told.code, told.order
        if code not in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "b1"):
            raise pickle.UnpicklingError(f"{name} is an array of type {code!r}, not of numbers")
        dtype = np.dtype(code).newbyteorder(order if order in ("<", ">") else "=")
        # Pickles of Python 2 hold their bytes as text.
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        sound = isinstance(data, bytes | bytearray) and all(isinstance(n, int) and n >= 0 for n in self.shape)
        if not sound or len(data) != prod(self.shape) * dtype.itemsize:
            raise pickle.UnpicklingError(f"{name} has the shape {self.shape}, which its bytes do not fill")
        array = np.frombuffer(data, dtype).reshape(self.shape, order="F" if self.fortran else "C")
        return array.astype(dtype.newbyteorder("="), order="C")


def _array_from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """How pickles of protocol 5 spell an array."""
    array = _Array()
    array.__setstate__((None, shape, dtype, order == "F", bytes(data)))
    return array


def _encode_latin1(text: Any, encoding: Any) -> bytes:
    """How pickles of protocol 2 spell bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes in the encoding {encoding!r}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    """How pickles of protocol 2 spell the content of an empty array."""
    return b""


class _NDArrayName:
    """What ``numpy.ndarray`` refers to in a pickle: a word, not something to call."""


_ADMITTED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("_codecs", "encode"): _encode_latin1,
    ("__builtin__", "bytes"): _no_bytes,
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _NDArrayName(),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _array_from_buffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    """Admits numeric arrays and plain containers, and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="latin1")

    def find_class(self, module: str, name: str) -> Any:
        """What ``module.name`` stands for; nothing is ever imported."""
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which has no place in a file of weights"
            )
        return _ADMITTED[module, name]
