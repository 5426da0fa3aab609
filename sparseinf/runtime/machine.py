"""Facts about this machine: processor, caches, and on request what it can do at best."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

from sparseinf.runtime.extension import _core
from sparseinf.runtime.isa import available_isas, current_isa
from sparseinf.runtime.threads import default_threads

__all__ = ["cpu_info"]

_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def cpu_info(*, measure: bool = False) -> dict[str, Any]:
    """Describe the processor.

    Parameters
    ----------
    measure : bool
        Also measure, with one thread and at the level that a layer loaded now would have, the multiply-add
        peaks of float32 and int8 and the read bandwidth of each cache and of memory; takes about two seconds.

    Returns
    -------
    dict
        `model` (str), `isas` (tuple of str, lowest first), `threads` (the default number for a layer), `caches`
        (`l1d_bytes`, `l2_bytes`, `l3_bytes`; None where unknown); when measured also `isa`, `fma_peak_gflops`,
        `int8_peak_gops`, `l1_gbps`, `l2_gbps`, `l3_gbps`, `dram_gbps` (10^9 a second).

    Examples
    --------
    >>> import sparseinf
    >>> sorted(sparseinf.cpu_info())
    ['caches', 'isas', 'model', 'threads']
    """
    caches = _cache_sizes()
    info: dict[str, Any] = {
        "model": _model_name(),
        "isas": available_isas(),
        "threads": default_threads(),
        "caches": caches,
    }
    if measure:
        isa = current_isa()
        l1, l2, l3 = (
            caches["l1d_bytes"] or 32 << 10,
            caches["l2_bytes"] or 512 << 10,
            caches["l3_bytes"] or 8 << 20,
        )
        info["isa"] = isa
        info["fma_peak_gflops"] = _core.measure_peak_gflops(isa)
        info["int8_peak_gops"] = _core.measure_int8_peak_gops(isa)
        # Half of a cache surely fits into it; four times the last one does not.
        info["l1_gbps"] = _core.measure_read_gbps(isa, l1 // 2)
        info["l2_gbps"] = _core.measure_read_gbps(isa, max(l2 // 2, 2 * l1))
        info["l3_gbps"] = _core.measure_read_gbps(isa, max(l3 // 2, 2 * l2))
        info["dram_gbps"] = _core.measure_read_gbps(isa, max(4 * l3, 64 << 20))
    return info


def _model_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def _cache_sizes() -> dict[str, int | None]:
    sizes: dict[str, int | None] = {"l1d_bytes": None, "l2_bytes": None, "l3_bytes": None}
    names = {("1", "Data"): "l1d_bytes", ("2", "Unified"): "l2_bytes", ("3", "Unified"): "l3_bytes"}
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
    for folder in sorted(_CACHES.glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
            name = names.get((level, kind))
            if name is not None:
                sizes[name] = int(size[:-1]) * units[size[-1]]
        except (OSError, ValueError, KeyError):
            continue
    return sizes
