"""The safetensors container, read without trust and written whole.

    8 bytes     length of the header, little-endian
    header      JSON: {name: {dtype, shape, data_offsets: [start, stop]}, "__metadata__": {text: text}}
    data        the tensors, C order, little-endian, without gaps

Read here rather than by the safetensors package because its NumPy side copies every tensor and has no bits of
bfloat16; here a tensor is a view of the mapped file. Nothing is allocated on the word of a header alone.
"""

from __future__ import annotations

import json
import math
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.io.atomic_file import atomic_file
from sparseinf.io.tensor_types import DTYPES, TOO_SMALL, code_of, is_possible_shape

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SafetensorsFile", "open_safetensors", "write_safetensors"]

_MAX_HEADER_BYTES = 100_000_000  # the limit of the format's own library
_DATA_ALIGNMENT = 64


@dataclass(frozen=True)
class _Tensor:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class SafetensorsFile:
    """An open file: its metadata, and its tensors as views of the mapped bytes."""

    path: str
    metadata: Mapping[str, str]
    tensors: Mapping[str, _Tensor]
    data: memoryview

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return a view of a tensor, a copy if it is not aligned; copy what must outlive the file."""
        tensor = self.tensors[name]
        count = math.prod(tensor.shape)
        if count == 0:
            return np.empty(tensor.shape, tensor.dtype)  # there may be nothing at `start` to make a view of
        array = np.frombuffer(self.data, tensor.dtype, count, tensor.start).reshape(tensor.shape)
        if tensor.dtype == np.bool_ and array.view(np.uint8).max() > 1:
            raise CorruptFileError(f"{self.path}: tensor {name!r} is BOOL, but holds bytes other than 0 and 1")
        return array if array.flags.aligned else array.copy()


def open_safetensors(path: str | os.PathLike[str]) -> SafetensorsFile:
    """Map a file and check everything that its header says.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If it is not a safetensors file, is truncated, or its header contradicts itself or the file.
    UnsupportedModelError
        If a tensor has a dtype smaller than a byte.
    """
    name = os.fspath(path)
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise CorruptFileError(f"{name}: {size} bytes are too few for a safetensors file; it seems truncated")
        header_size = int.from_bytes(file.read(8), "little")
        if header_size > min(size - 8, _MAX_HEADER_BYTES):
            raise CorruptFileError(
                f"{name}: the header should have {header_size} bytes, but the file has {size} in all; "
                "it is truncated, or no safetensors file"
            )
        header = _parse_header(name, file.read(header_size))
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    data = memoryview(mapped)[8 + header_size : size]
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise CorruptFileError(f"{name}: __metadata__ must map text to text")
    tensors = {key: _parse_tensor(name, key, entry) for key, entry in header.items()}
    _check_layout(name, tensors, len(data))
    return SafetensorsFile(name, metadata, tensors, data)


def _parse_header(path: str, text: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name appears twice")
        return found

    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: the header is not sound JSON ({error})") from None
    if not isinstance(header, dict):
        raise CorruptFileError(f"{path}: the header must be a JSON object, but is a {type(header).__name__}")
    return header


def _parse_tensor(path: str, name: str, entry: Any) -> _Tensor:
    what = f"{path}: tensor {name!r}"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise CorruptFileError(f"{what} must be described by dtype, shape and data_offsets, but got {entry!r:.80}")
    code, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if code in TOO_SMALL:
        raise UnsupportedModelError(f"{what} has dtype {code}, smaller than a byte; store it in one of {[*DTYPES]}")
    if not isinstance(code, str) or code not in DTYPES:
        raise CorruptFileError(f"{what} has an unknown dtype, {code!r:.40}")
    if not is_possible_shape(shape):
        raise CorruptFileError(f"{what} has no possible shape: {shape!r:.80}")
    if not isinstance(offsets, list) or [type(offset) for offset in offsets] != [int, int]:
        raise CorruptFileError(f"{what} has no possible data_offsets: {offsets!r:.80}")
    num_bytes = math.prod(shape) * DTYPES[code].itemsize
    if offsets[1] - offsets[0] != num_bytes:
        raise CorruptFileError(
            f"{what} of {code} and shape {shape} takes {num_bytes} bytes, but has data_offsets {offsets}"
        )
    return _Tensor(DTYPES[code], tuple(shape), *offsets)


def _check_layout(path: str, tensors: Mapping[str, _Tensor], size: int) -> None:
    """Tensors must cover the data once, without gaps: so no byte is read twice, and none is hidden."""
    end = 0
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].stop)):
        if tensor.start != end:
            raise CorruptFileError(
                f"{path}: tensor {name!r} starts at byte {tensor.start} of the data, but {end} is expected"
            )
        end = tensor.stop
    if end != size:
        raise CorruptFileError(
            f"{path}: the tensors take {end} bytes, but the file has {size} for them; "
            f"it {'is truncated' if end > size else 'has something left over at its end'}"
        )


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, npt.NDArray[Any]], metadata: Mapping[str, str]
) -> None:
    """Write a file, atomically; tensors are aligned to their element size.

    Raises
    ------
    TypeError
        If a tensor has a dtype that the format cannot hold.
    """
    # Large elements first: every tensor then starts at a multiple of its element size.
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, array in ordered:
        start, end = end, end + array.nbytes
        header[name] = {
            "dtype": code_of(array, name),
            "shape": list(array.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 8) % _DATA_ALIGNMENT)
    with atomic_file(path) as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, array in ordered:
            little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            file.write(little_endian.reshape(-1).view(np.uint8).data)
