"""The file that measured times lie in between loads: one for each processor model and version of this library.

A file that is not as it should be counts as none and is written anew; a folder that cannot be written to means that
nothing is kept. Neither is an error: measuring again costs a moment. Two processes that write at the same time each
leave a whole file; what the first one added since the second one read may then be measured again.
"""

from __future__ import annotations

import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any, TypeAlias

from sparseinf import runtime
from sparseinf.io.atomic_file import atomic_file
from sparseinf.version import __version__

__all__ = ["MeasurementCache", "Measurements", "cache_folder"]

Measurements: TypeAlias = dict[str, dict[str, float]]
"""Nanoseconds a call by what was measured and by candidate."""

_SCHEMA = 1
_MOST_ENTRIES = 5000
_MOST_BYTES = 16 << 20
_LONGEST_NS = 1e15


def cache_folder() -> Path | None:
    """Return the folder for files that may be deleted at any time, or None where there shall be none.

    The environment variable SPARSEINF_CACHE names it; "off" is none. Otherwise it is the user's cache folder.
    """
    setting = os.environ.get("SPARSEINF_CACHE")
    if setting:
        return None if setting.lower() == "off" else Path(setting)
    try:
        return _user_cache_folder() / "sparseinf"
    except RuntimeError:  # nobody's home
        return None


def _user_cache_folder() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return Path(local) if local else Path.home() / "AppData" / "Local"
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    return Path(xdg) if Path(xdg).is_absolute() else Path.home() / ".cache"  # relative ones count as unset there


class MeasurementCache:
    """The measurements of this machine and this version in a folder.

    Parameters
    ----------
    folder : Path
        Made when something is first written.
    """

    def __init__(self, folder: Path) -> None:
        processor = str(runtime.cpu_info()["model"])
        # A build that is not the one that measured starts anew; whoever changes kernels has many of one version.
        self._machine = {
            "schema": _SCHEMA,
            "sparseinf": __version__,
            "processor": processor,
            "build": runtime.extension_build(),
        }
        self.path = folder / f"measurements-{__version__}-{zlib.crc32(processor.encode()):08x}.json"

    def read(self) -> Measurements:
        """Return what is there; nothing if the file is missing, damaged, or not ours."""
        try:
            if not self.path.is_file() or self.path.stat().st_size > _MOST_BYTES:
                return {}
            content = json.loads(self.path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict) or content.get("machine") != self._machine:
            return {}
        measured = content.get("measured_ns")
        if not isinstance(measured, dict):
            return {}
        return {key: times for key, times in measured.items() if _are_times(times)}

    def add(self, measured: Measurements) -> str | None:
        """Write measurements besides those that are there; return what went wrong, if anything did."""
        known = {key: times for key, times in self.read().items() if key not in measured}
        newest = dict([*known.items(), *measured.items()][-_MOST_ENTRIES:])
        content = {"machine": self._machine, "measured_ns": newest}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(self.path) as file:
                file.write(json.dumps(content, indent=0).encode())
        except OSError as error:
            return f"{self.path.parent} cannot be written to ({error.strerror or error})"
        return None


def _are_times(times: Any) -> bool:
    return isinstance(times, dict) and all(
        isinstance(time, int | float) and not isinstance(time, bool) and 0 < time < _LONGEST_NS
        for time in times.values()
    )
