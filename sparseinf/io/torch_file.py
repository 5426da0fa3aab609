"""Tensors of a .pt or .pth file, opened weights-only: nothing in the file gets to run."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sparseinf.errors import CorruptFileError
from sparseinf.io.zip_directory import check_zip

__all__ = ["open_torch"]

_ADVICE = "save module.state_dict() alone, or open the file with torch and pass the state dict"


def open_torch(path: str) -> Mapping[str, Any]:
    """Return the tensors that `torch.save(module.state_dict(), path)` wrote, on the CPU.

    Of torch's own quantized layers come pairs of weight and bias, and a dtype: `quantized_tensors.py` knows them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ImportError
        If torch is not installed.
    CorruptFileError
        If the file is damaged, or a tensor claims more than the file holds.
    ValueError
        If it holds something else than tensors by name.
    """
    size = Path(path).stat().st_size
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"reading {path} takes PyTorch, which is not installed: pip install 'sparseinf[torch]'; "
            "or save the weights as .safetensors"
        ) from error
    loaded = _load(path)
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{path} holds a {type(loaded).__name__}, not tensors by name; {_ADVICE}")
    for name, value in loaded.items():
        is_named = isinstance(name, str)
        if is_named and name.endswith("._packed_params.dtype") and isinstance(value, torch.dtype):
            continue
        # torch's own quantized layers have weight and bias, or None, in one.
        is_pair = is_named and name.endswith("._packed_params") and isinstance(value, tuple)
        for tensor in [part for part in value if part is not None] if is_pair else [value]:
            if not is_named or not isinstance(tensor, torch.Tensor):
                raise ValueError(f"{path}: {name!r} is a {type(tensor).__name__}, not a tensor; {_ADVICE}")
            # Strides of zero let a tensor of any size live in a few bytes.
            if tensor.layout == torch.strided and tensor.numel() * tensor.element_size() > size:
                raise CorruptFileError(
                    f"{path}: tensor {name!r} claims shape {tuple(tensor.shape)}, which {size} bytes cannot hold"
                )
    return loaded


def _load(path: str) -> Any:
    import torch

    try:
        if zipfile.is_zipfile(path):
            check_zip(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, CorruptFileError):
        raise
    except Exception as error:  # a damaged file makes torch raise nearly anything
        if isinstance(error, pickle.UnpicklingError) and "Unsupported global" in str(error):
            raise ValueError(f"{path} holds Python objects besides tensors, which could run code; {_ADVICE}") from None
        first_line = str(error).partition("\n")[0]
        raise CorruptFileError(f"{path}: not a sound torch file ({first_line:.200})") from None
