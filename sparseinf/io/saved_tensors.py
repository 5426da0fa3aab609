"""The tensors of a saved file, each to be claimed once by what the metadata says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.errors import CorruptFileError

if TYPE_CHECKING:
    import numpy.typing as npt

    from sparseinf.io.safetensors_file import SafetensorsFile

__all__ = ["SavedTensors"]


class SavedTensors:
    """What is claimed must be there, and what nobody claimed is left in `unclaimed`."""

    def __init__(self, file: SafetensorsFile) -> None:
        self.file = file
        self.unclaimed = set(file.tensors)

    def take(self, name: str) -> npt.NDArray[Any]:
        """Claim a tensor."""
        if name not in self.unclaimed:
            raise self.error(f"tensor {name!r} is named in the metadata, but is not there")
        self.unclaimed.remove(name)
        return self.file.array(name)

    def take_exactly(self, name: str, dtype: type, shape: tuple[int | None, ...]) -> npt.NDArray[Any]:
        """Claim a tensor that must be of this dtype and shape; an extent that is None may be any."""
        array = self.take(name)
        fits = array.ndim == len(shape) and all(
            expected in (None, extent) for expected, extent in zip(shape, array.shape, strict=True)
        )
        if array.dtype != dtype or not fits:
            expected_shape = ", ".join("any" if extent is None else str(extent) for extent in shape)
            raise self.error(
                f"tensor {name!r} must be {np.dtype(dtype)} of shape ({expected_shape}), "
                f"but is {array.dtype} of shape {array.shape}"
            )
        return array

    def error(self, what: str) -> CorruptFileError:
        """Return the error for a file that says or holds what cannot be."""
        return CorruptFileError(f"{self.file.path} is damaged: {what}")
