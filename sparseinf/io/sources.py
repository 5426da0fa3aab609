"""Named tensors from wherever the user has them: a mapping, or a file of one of the usual kinds.

Nothing is decided here: what a tensor becomes is the business of `weights.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sparseinf.io.lazy_tensors import LazyTensors
from sparseinf.io.safetensors_file import open_safetensors

__all__ = ["open_tensors"]


def open_tensors(source: Mapping[str, Any] | str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the tensors of a source by name, in its order.

    Parameters
    ----------
    source : mapping or path
        A mapping (a torch state dict, say) is returned as it is. A path must end in .npz, .safetensors, .pt
        or .pth. Tensors of .npz and .safetensors are read when they are asked for; those of .safetensors are
        views of the mapped file, and bfloat16 and 8-bit floats are bits, in a structured dtype of that name.

    Raises
    ------
    TypeError
        If the source is neither, or a name in a mapping is no string.
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind; `CorruptFileError` if it is damaged or lies about itself.
    ImportError
        For .pt and .pth, if torch is not installed.
    """
    if isinstance(source, Mapping):
        for name in source:
            if not isinstance(name, str):
                raise TypeError(f"tensors must have names, but a key is {name!r}; use strings as keys")
        return source
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"a mapping of tensors or a path is expected, but got {type(source).__name__}")
    path = os.fspath(source)
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path}")
    suffix = Path(path).suffix.lower()
    if suffix == ".npz":
        from sparseinf.io.npz_file import open_npz  # takes zipfile, 5 ms of everybody's import

        return open_npz(path)
    if suffix == ".safetensors":
        file = open_safetensors(path)
        return LazyTensors({name: partial(file.array, name) for name in file.tensors})
    if suffix in (".pt", ".pth"):
        from sparseinf.io.torch_file import open_torch

        return open_torch(path)
    raise ValueError(
        f"{path} ends in {suffix!r}, but tensors are read from .npz, .safetensors, .pt and .pth files; "
        "save them as one of these"
    )
