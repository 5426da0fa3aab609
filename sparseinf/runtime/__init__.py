"""The extension's typed face: instruction sets, machine facts, threads, packs and compiled layers.

The only room that touches the extension.
"""

from __future__ import annotations

from sparseinf.runtime.extension import _core, extension_build
from sparseinf.runtime.isa import available_isas, current_isa, float32_isa, use_isa
from sparseinf.runtime.machine import cpu_info
from sparseinf.runtime.threads import checked_threads, default_threads

ActivationQuantization = _core.ActivationQuantization
Epilogue = _core.Epilogue
Linear = _core.Linear
Pack = _core.Pack
Program = _core.Program
csr_panel_columns = _core.csr_panel_columns
decode_columns = _core.decode_columns
encode_columns = _core.encode_columns
kernel_family = _core.kernel_family
native_operations = _core.native_operations
pack_bitmap = _core.pack_bitmap
pack_bitmap_int8 = _core.pack_bitmap_int8
pack_block = _core.pack_block
pack_block_int8 = _core.pack_block_int8
pack_csr = _core.pack_csr
pack_csr_int8 = _core.pack_csr_int8
pack_dense = _core.pack_dense
pack_dense_int8 = _core.pack_dense_int8
pack_lookup = _core.pack_lookup
pack_lookup_int8 = _core.pack_lookup_int8
pack_sell = _core.pack_sell

__all__ = [
    "ActivationQuantization",
    "Epilogue",
    "Linear",
    "Pack",
    "Program",
    "available_isas",
    "checked_threads",
    "cpu_info",
    "csr_panel_columns",
    "current_isa",
    "decode_columns",
    "default_threads",
    "encode_columns",
    "extension_build",
    "float32_isa",
    "kernel_family",
    "native_operations",
    "pack_bitmap",
    "pack_bitmap_int8",
    "pack_block",
    "pack_block_int8",
    "pack_csr",
    "pack_csr_int8",
    "pack_dense",
    "pack_dense_int8",
    "pack_lookup",
    "pack_lookup_int8",
    "pack_sell",
    "use_isa",
]
