"""Torch tensors as NumPy arrays: the strided one, the five sparse layouts and quantized ones.

torch is imported only by whoever made the tensor: nothing here loads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sparseinf.formats.float32 import check_extents, check_float

if TYPE_CHECKING:
    import torch

__all__ = ["quantized_arrays", "sparse_arrays", "strided_values"]


def strided_values(tensor: torch.Tensor) -> tuple[npt.NDArray[Any], str]:
    """Return the values of a strided tensor (not copied, unless bfloat16) and the name of its dtype."""
    dtype_name = _check_tensor(tensor)
    if str(tensor.layout) != "torch.strided":
        raise TypeError(
            f"a strided torch tensor is expected, but got layout {tensor.layout}; "
            "use formats.Csr.from_torch(tensor), or tensor.to_dense()"
        )
    return _as_numpy(tensor), dtype_name


def sparse_arrays(tensor: torch.Tensor) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], str]:
    """Return values, columns and row offsets of a 2-D tensor of any sparse layout, and the name of its dtype.

    The indices are what the tensor says; they are not checked here.
    """
    dtype_name = _check_tensor(tensor)
    tensor = tensor.detach()
    if str(tensor.layout) == "torch.sparse_csr":
        row_offsets, columns = tensor.crow_indices().numpy(), tensor.col_indices().numpy()
        return _as_numpy(tensor.values()), columns, row_offsets, dtype_name
    # Going through COO serves CSC, BSR and BSC at once; a hybrid COO tensor has whole rows as its values.
    is_hybrid = str(tensor.layout) == "torch.sparse_coo" and tensor.dense_dim() > 0
    try:
        coo = (tensor.to_dense() if is_hybrid else tensor).to_sparse().coalesce()
    except IndexError as error:  # torch does not check indices before it has to
        raise ValueError(f"the indices of the tensor do not fit its shape {tuple(tensor.shape)}: {error}") from None
    rows, columns = coo.indices().numpy()
    row_offsets = np.searchsorted(rows, np.arange(tensor.shape[0] + 1))
    return _as_numpy(coo.values()), columns, row_offsets, dtype_name


def quantized_arrays(tensor: torch.Tensor) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return the integers and the scales, one or one a row, of a quantized tensor without zero points."""
    dtype_name = _check_matrix(tensor)
    if dtype_name != "qint8":
        raise TypeError(
            f"the weight has dtype {dtype_name}, but of quantized ones torch.qint8 is expected; "
            "tensor.dequantize() makes float32 of it"
        )
    if str(tensor.qscheme()).startswith("torch.per_tensor"):
        scales, zero_points = np.array(tensor.q_scale()), np.array(tensor.q_zero_point())
    elif tensor.q_per_channel_axis() == 0:
        scales, zero_points = tensor.q_per_channel_scales().numpy(), tensor.q_per_channel_zero_points().numpy()
    else:
        raise ValueError(
            "the weight has a scale for each column (axis 1), but one for each row is expected; "
            "quantize it along axis 0, or use tensor.dequantize()"
        )
    if zero_points.any():
        raise ValueError(
            f"the weight has a zero point of {zero_points[zero_points != 0].flat[0]}, but only symmetric weights, with "
            "zero points of 0, are computed with; use tensor.dequantize()"
        )
    return tensor.int_repr().numpy(), scales.astype(np.float32)


def _check_tensor(tensor: torch.Tensor) -> str:
    """Refuse what is no 2-D float tensor on the CPU; return the name of its dtype."""
    dtype_name = _check_matrix(tensor)
    check_float(dtype_name)
    return dtype_name


def _check_matrix(tensor: torch.Tensor) -> str:
    """Refuse what is no 2-D tensor on the CPU; return the name of its dtype."""
    if not all(hasattr(tensor, attribute) for attribute in ("layout", "device", "detach")):
        raise TypeError(f"a torch tensor is expected, but got {type(tensor).__name__}")
    if tensor.device.type != "cpu":
        raise TypeError(f"a tensor on the CPU is expected, but got one on {tensor.device}; tensor.cpu() copies it")
    if tensor.ndim != 2:
        raise ValueError(
            f"a weight has two dimensions (out_features, in_features), but got shape {tuple(tensor.shape)}; "
            "reshape it, for instance with tensor.flatten(1)"
        )
    check_extents(*tensor.shape)
    return str(tensor.dtype).removeprefix("torch.")


def _as_numpy(tensor: torch.Tensor) -> npt.NDArray[Any]:
    """Return the values as NumPy; bfloat16, which NumPy does not have, becomes float32."""
    tensor = tensor.detach().resolve_neg()
    if str(tensor.dtype) == "torch.bfloat16":
        tensor = tensor.float()
    array: npt.NDArray[Any] = tensor.numpy()
    return array
