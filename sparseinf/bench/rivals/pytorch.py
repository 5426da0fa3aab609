"""PyTorch as a rival, dense and with its own sparse tensors."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.bench.reference import name_and_numbers
from sparseinf.bench.rivals.contender import Contender, csr_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from sparseinf.formats import Csr
    from sparseinf.io import LinearRecord
    from sparseinf.io.records import Activation


def build_torch(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """PyTorch, dense: `torch.nn.functional.linear`."""
    import torch

    linear = torch.nn.functional.linear
    steps = [
        (torch.from_numpy(layer.weight.to_dense()), torch_bias(layer), torch_activation(layer.activation))
        for layer in layers
    ]

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            y = torch.from_numpy(x)
            for weight, bias, activation in steps:
                y = activation(linear(y, weight, bias))
            result: NDArray[np.float32] = y.numpy()
        return result

    nbytes = sum(weight.nbytes for weight, _, _ in steps)
    return Contender(name, f"torch {version('torch')}, dense", call, nbytes, held=lambda: torch_threads(threads))


def build_torch_csr(name: str, layers: Sequence[LinearRecord], threads: int) -> Contender:
    """PyTorch, sparse: its CSR tensors, with the 32-bit indices that its back end (MKL) works with."""
    import torch

    weights = [csr_of(layer) for layer in layers]
    steps = []
    for weight, layer in zip(weights, layers, strict=True):
        bias = torch_bias(layer)
        bias = torch.zeros(weight.shape[0]) if bias is None else bias
        steps.append((_sparse_tensor(weight), bias[:, None], torch_activation(layer.activation)))

    def call(x: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            y = torch.from_numpy(x).t()
            for weight, bias, activation in steps:
                y = activation(torch.addmm(bias, weight, y))
            result: NDArray[np.float32] = y.t().numpy()
        return result

    return Contender(
        name,
        f"torch {version('torch')}, CSR",
        call,
        sum(8 * weight.num_nonzeros + 4 * len(weight.row_offsets) for weight in weights),
        uses_zeros=False,
        held=lambda: torch_threads(threads),
    )


def _sparse_tensor(weight: Csr) -> Any:
    """Return the weight as a CSR tensor of its own, checked once; that it is beta is no news to us."""
    import torch

    offsets = torch.from_numpy(weight.row_offsets.astype(np.int32))
    columns = torch.from_numpy(weight.columns.copy())
    values = torch.from_numpy(weight.values.copy())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Sparse CSR tensor support is in beta", category=UserWarning)
        return torch.sparse_csr_tensor(offsets, columns, values, size=weight.shape, check_invariants=True)


def torch_bias(layer: LinearRecord) -> Any:
    """Return the bias as a torch tensor of its own (ours is read-only, which torch cannot express)."""
    import torch

    return None if layer.bias is None else torch.from_numpy(layer.bias.copy())


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Hold PyTorch to `threads` threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def torch_activation(activation: Activation) -> Callable[[Any], Any]:
    """Return an activation as PyTorch offers it, in place where it can be."""
    from torch.nn import functional

    name, numbers = name_and_numbers(activation or "identity")
    forms: dict[str, Callable[[Any], Any]] = {
        "identity": lambda y: y,
        "relu": functional.relu_,
        "relu6": lambda y: functional.relu6(y, inplace=True),
        "clip": lambda y: y.clamp_(*numbers),
        "gelu": functional.gelu,
        "gelu_tanh": lambda y: functional.gelu(y, approximate="tanh"),
        "silu": lambda y: functional.silu(y, inplace=True),
        "hardswish": lambda y: functional.hardswish(y, inplace=True),
        "hardsigmoid": lambda y: functional.hardsigmoid(y, inplace=True),
        "sigmoid": lambda y: y.sigmoid_(),
        "tanh": lambda y: y.tanh_(),
        "leaky_relu": lambda y: functional.leaky_relu_(y, *numbers),
    }
    if name not in forms:
        raise ValueError(f"activation {activation!r} has no PyTorch form here")
    return forms[name]
