# The compiled extension. A test compares this stub with it.
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

class Pack:
    @property
    def kind(self) -> str: ...
    @property
    def nbytes(self) -> int: ...
    def to_csr(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]]: ...
    def to_dense(self) -> NDArray[np.float32] | NDArray[np.int8]: ...

class ActivationQuantization:
    def __init__(
        self, scales: str = "column", dtype: str = "uint8", scale: float = 0.0, zero_point: int = 0
    ) -> None: ...

class Epilogue:
    def __init__(
        self, activation: str = "none", *, low: float = 0.0, high: float = 0.0, slope: float = 0.0
    ) -> None: ...

class Linear:
    def __init__(
        self,
        out_features: int,
        in_features: int,
        *,
        isa: str,
        plans: Sequence[tuple[int, Pack]],
        bias: NDArray[np.float32] | None,
        epilogue: Epilogue,
        num_threads: int,
        row_scales: NDArray[np.float32] | None = None,
        activations: ActivationQuantization | None = None,
        output: ActivationQuantization | None = None,
        most_tail_columns: int = 0,
    ) -> None: ...
    def __call__(self, x: Any, out: Any = None, residual: Any = None, /) -> NDArray[Any]: ...

class Program:
    def __init__(
        self,
        *,
        num_slots: int,
        constants: list[tuple[int, NDArray[Any]]],
        inputs: list[int],
        outputs: list[int],
        steps: list[tuple[str, dict[str, Any], list[int], list[int]]],
        num_threads: int,
    ) -> None: ...
    def profile(self, inputs: list[NDArray[Any]]) -> tuple[list[NDArray[Any]], list[int]]: ...
    def run(self, inputs: list[NDArray[Any]]) -> list[NDArray[Any]]: ...

def available_isas() -> tuple[str, ...]: ...
def csr_panel_columns(isa: str) -> int: ...
def decode_columns(
    encoding: str, data: NDArray[np.uint8], num_rows: int, num_columns: int, num_nonzeros: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]: ...
def float32_isa(isa: str) -> str: ...
def encode_columns(
    columns: NDArray[np.int32], row_offsets: NDArray[np.int64], num_columns: int
) -> tuple[str, NDArray[np.uint8]]: ...
def kernel_family(pack: Pack, num_columns: int) -> str: ...
def native_operations() -> list[str]: ...
def measure_int8_peak_gops(isa: str) -> float: ...
def measure_peak_gflops(isa: str) -> float: ...
def measure_read_gbps(isa: str, nbytes: int) -> float: ...
def pack_bitmap(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    num_threads: int,
) -> Pack: ...
def pack_bitmap_int8(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    num_threads: int,
) -> Pack: ...
def pack_csr(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    isa: str,
    panel_columns: int,
    num_threads: int,
) -> Pack: ...
def pack_csr_int8(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    isa: str,
    num_threads: int,
) -> Pack: ...
def pack_dense_int8(weights: NDArray[np.int8], num_threads: int) -> Pack: ...
def pack_dense(weights: NDArray[np.float32], num_threads: int) -> Pack: ...
def pack_lookup(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    num_threads: int,
) -> Pack: ...
def pack_lookup_int8(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    window: int,
    num_threads: int,
) -> Pack: ...
def pack_sell(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    isa: str,
    num_threads: int,
) -> Pack: ...
def pack_block(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    isa: str,
    num_threads: int,
) -> Pack: ...
def pack_block_int8(
    row_offsets: NDArray[np.int64],
    columns: NDArray[np.int32],
    values: NDArray[np.float32],
    num_columns: int,
    isa: str,
    num_threads: int,
) -> Pack: ...
