"""How many threads a layer uses unless it is told."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["MAX_THREADS", "checked_threads", "default_threads"]

MAX_THREADS = 256


def default_threads() -> int:
    """Return SPARSEINF_NUM_THREADS, or the cores that this process may use: by affinity and by cgroup quota.

    Raises
    ------
    ValueError
        If SPARSEINF_NUM_THREADS is not a whole number from 1 to 256.
    """
    from_environment = os.environ.get("SPARSEINF_NUM_THREADS")
    if from_environment:
        try:
            number = int(from_environment)
        except ValueError:
            number = 0
        if not 1 <= number <= MAX_THREADS:
            raise ValueError(
                f"the environment variable SPARSEINF_NUM_THREADS must be a whole number from 1 to {MAX_THREADS}, "
                f"but is {from_environment!r}"
            )
        return number
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cgroup_cores()
    if quota is not None:
        cores = min(cores, max(1, math.ceil(quota)))
    return min(cores, MAX_THREADS)


def checked_threads(threads: int | None) -> int:
    """Return the user's number of threads, or the default for None.

    Raises
    ------
    TypeError
        If it is not a whole number.
    ValueError
        If it is not from 1 to 256.
    """
    if threads is None:
        return default_threads()
    if isinstance(threads, bool) or not hasattr(threads, "__index__"):
        raise TypeError(f"threads must be a whole number or None, but is {threads!r}")
    number = int(threads)
    if not 1 <= number <= MAX_THREADS:
        raise ValueError(f"threads must be from 1 to {MAX_THREADS}, but is {number}; None takes what the machine has")
    return number


def _cgroup_cores() -> float | None:
    """Cores' worth of time that the control group grants, by version 2 or 1 of its files."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        folder = Path("/sys/fs/cgroup/cpu")
        quota_us = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period_us = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return quota_us / period_us if quota_us > 0 and period_us > 0 else None
