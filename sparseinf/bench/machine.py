"""Says which machine and which versions a figure belongs to: a speed without them means nothing."""

from __future__ import annotations

import platform
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from sparseinf import runtime

_PACKAGES = ("sparseinf", "numpy", "scipy", "torch", "onnxruntime", "openvino")


def describe_machine() -> dict[str, Any]:
    """Return processor, ISA levels, threads, system, Python, package versions and today's date."""
    info = runtime.cpu_info()
    return {
        "cpu": info["model"],
        "isas": list(info["isas"]),
        "cores": info["threads"],
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "date": time.strftime("%Y-%m-%d"),
    }


def machine_sentence() -> str:
    """Return `describe_machine` as one sentence for the notes of a report."""
    facts = describe_machine()
    packages = ", ".join(f"{name} {found}" for name, found in facts["packages"].items())
    return (
        f"measured on {facts['cpu']} ({facts['isas'][-1]}, {facts['cores']} cores), {facts['system']}, "
        f"Python {facts['python']}, {packages}, {facts['date']}"
    )


def measured_peaks() -> dict[str, Any]:
    """Return `cpu_info(measure=True)`, measured once a process and level: it takes a moment."""
    return _peaks_of(runtime.current_isa())


@lru_cache
def _peaks_of(isa: str) -> dict[str, Any]:  # noqa: ARG001 - cpu_info measures at the current level
    return runtime.cpu_info(measure=True)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
