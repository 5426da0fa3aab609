"""Arrays of an .npz archive, one at a time, or of an .npy file; never a pickle.

`numpy.load` allocates what an array's header claims before it looks for the data: the headers are read here.
"""

from __future__ import annotations

import math
import os
import zipfile
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sparseinf.errors import CorruptFileError
from sparseinf.io.lazy_tensors import LazyTensors
from sparseinf.io.tensor_types import is_possible_shape
from sparseinf.io.zip_directory import ZIP_ERRORS, check_zip

__all__ = ["open_npz", "read_npy"]

_HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
    (3, 0): np.lib.format.read_array_header_2_0,  # differs only in the encoding of field names
}
_READ_BYTES = 1 << 24  # at a time, because zipfile makes a copy of what it reads


def open_npz(path: str) -> LazyTensors:
    """Return the arrays of an .npz file by name; each is read when it is asked for.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If it is no archive of .npy files or says impossible things; reading an array raises it too.
    ValueError
        If it is what `scipy.sparse.save_npz` writes, or (on reading) an array is a pickle.
    """
    readers = {}
    for member in check_zip(path):
        name = member.filename
        if not name.endswith(".npy"):
            raise CorruptFileError(f"{path}: {name!r} is no .npy file, so this is no .npz archive")
        readers[name[: -len(".npy")]] = partial(_read_member, path, member)
    if {"format", "shape", "data"} <= readers.keys():
        raise ValueError(
            f"{path} is one matrix saved by scipy, not an archive of named weights; "
            "pass scipy.sparse.load_npz(path) instead"
        )
    return LazyTensors(readers)


def read_npy(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Return the array of an .npy file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If it is no .npy file, or its header claims another size than the file has.
    ValueError
        If it is a pickle.
    """
    with Path(path).open("rb") as file:
        return _read_array(file, os.fstat(file.fileno()).st_size, os.fspath(path))


def _read_member(path: str, member: zipfile.ZipInfo) -> npt.NDArray[Any]:
    what = f"{path}: {member.filename!r}"
    with Path(path).open("rb") as file:
        try:
            unpacked = _unpack(file, member)
        except ZIP_ERRORS as error:
            raise CorruptFileError(f"{what} cannot be unpacked ({error})") from None
        return _read_array(unpacked, member.file_size, what)


def _unpack(file: IO[bytes], member: zipfile.ZipInfo) -> IO[bytes]:
    return zipfile.ZipFile(file).open(member)  # closing `file` closes all


def _read_array(file: IO[bytes], size: int, what: str) -> npt.NDArray[Any]:
    try:
        shape, is_fortran, dtype = _HEADER_READERS[np.lib.format.read_magic(file)](file)
    except (*ZIP_ERRORS, TypeError, SyntaxError, TokenError, MemoryError) as error:
        raise CorruptFileError(f"{what} has no sound .npy header ({error})") from None
    if dtype.hasobject:
        raise ValueError(f"{what} is a pickle of Python objects, which can run code; it is not opened")
    if not is_possible_shape(shape) or dtype.itemsize == 0 or dtype.subdtype is not None:
        raise CorruptFileError(f"{what} has no possible shape or dtype: {shape} of {dtype}")
    num_bytes = math.prod(shape) * dtype.itemsize
    num_bytes_left = size - file.tell()
    if num_bytes != num_bytes_left:
        raise CorruptFileError(
            f"{what} claims shape {shape} of {dtype}, but has {num_bytes_left} bytes for {num_bytes}"
        )
    array = np.empty(math.prod(shape), dtype)
    _fill(array.view(np.uint8).data, file, what)
    return array.reshape(shape, order="F" if is_fortran else "C")


def _fill(space: memoryview, file: IO[bytes], what: str) -> None:
    try:
        while space:
            part = file.read(min(_READ_BYTES, len(space)))
            if not part:
                raise EOFError("it ends too early")
            space[: len(part)] = part
            space = space[len(part) :]
        file.read(1)  # only at the end does zipfile compare the checksum
    except ZIP_ERRORS as error:
        raise CorruptFileError(f"{what} cannot be unpacked ({error})") from None
