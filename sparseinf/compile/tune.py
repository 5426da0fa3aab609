"""Measures the candidates of layers while they are loaded, within a limit of time, and remembers what it measured.

A layer on its own is called in a row: its weights come from the caches if they fit, and from memory if they do not. The
layers of a network run one after the other: if together they cannot fit the last cache, every call finds its weights in
memory, and so does every timed one. It matters for few columns, where a call is hardly more than reading the weights.
Zen 4, 2026-11-20, one column through the 72 layers of a BERT-base at 80 %, best of 15: chosen by calls in a row, which
is mostly dense, 10.5 ms; chosen from memory, bitmaps, 5.4 ms. In a row dense is 10 % faster.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from sparseinf import runtime
from sparseinf.compile.candidates import CANDIDATES
from sparseinf.compile.cost_model import pack_bytes
from sparseinf.compile.measurement_cache import MeasurementCache, cache_folder
from sparseinf.compile.structure import structure_of
from sparseinf.compile.turn_about import CacheSweep, predicted_spending_ns, turn_about

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sparseinf.compile.candidates import LayerPacks
    from sparseinf.compile.choice import LayerTimes
    from sparseinf.compile.measurement_cache import Measurements

__all__ = ["TUNE_SECONDS", "Tuner", "tuner_of_load"]

TUNE_SECONDS = 10.0
"""How long a load measures at most, unless it is told otherwise."""

_PACKING_NS_A_BYTE = 2.0
_MOST_ACTIVATION_BYTES = 256 << 20
_USUAL_LAST_CACHE_BYTES = 32 << 20
_MOST_SWEPT_BYTES = 128 << 20


class Tuner:
    """What the layers of one load share: the time to measure in, and what was measured.

    Nothing is read from the cache, and no clock is looked at, before there is something to measure.

    Parameters
    ----------
    seconds : float
        How long all layers together may be measured.
    num_layers : int
        How many will ask; each gets its share of the time that those before it left.
    timer : function
        Returns nanoseconds; for tests.
    """

    def __init__(
        self, seconds: float = TUNE_SECONDS, *, num_layers: int = 1, timer: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self.notes: list[str] = []
        """What `explain` should say; complete when the load is."""
        self._left_ns = seconds * 1e9
        self._num_layers = num_layers
        self._layers_left = num_layers
        self._timer = timer
        self._new: Measurements = {}

    def keep(self) -> None:
        """Write what was measured to the cache."""
        problem = self._cache.add(self._new) if self._new and self._cache else None
        if problem:
            self._note(f"Measurements were not kept for the next load: {problem}.")

    def skip_layer(self) -> None:
        """Leave the share of a layer that will not come to the others."""
        self._layers_left -= 1

    def measure(self, times: LayerTimes, packs: LayerPacks, columns: Sequence[int]) -> None:
        """Complete times by measurements where, at some numbers of columns, several candidates may be the fastest."""
        kept_for_others_ns = self._left_ns * (1 - 1 / max(self._layers_left, 1))
        self._layers_left -= 1
        open_questions = {n: names for n in columns if len(names := times.contenders(n)) > 1}
        if not open_questions:
            return
        layer = f"{packs.isa}, threads {packs.threads}, {structure_of(packs.weight)}"
        sweep = self._sweep if self.is_from_memory(packs) else None
        if sweep:
            layer += ", from memory"
        if packs.scales is not None:
            layer += f", int8 scales {packs.scales.activations.scales}"
        for num_columns, names in open_questions.items():
            key = f"{layer}, columns {num_columns}"
            source, known = self._known(key, names)
            share_ns = self._left_ns - kept_for_others_ns
            if not known:
                calls_ns = sum(predicted_spending_ns(times.estimated(name, num_columns), sweep) for name in names)
                if self._can_measure(packs, num_columns, names, share_ns - calls_ns):
                    known = self._measured(key, packs, num_columns, names, share_ns, sweep)
                    source = "measurement"
            if known:
                times.sources[num_columns] = source
                times.measured_ns[num_columns] = {
                    name: ns for name, ns in known.items() if name in times.predicted_ns[num_columns]
                }

    @cached_property
    def _cache(self) -> MeasurementCache | None:
        folder = cache_folder()
        return None if folder is None else MeasurementCache(folder)

    @cached_property
    def _old(self) -> Measurements:
        return self._cache.read() if self._cache else {}

    def _known(self, key: str, names: Sequence[str]) -> tuple[str, dict[str, float]]:
        for source, measured in (("like layer", self._new), ("cache", self._old)):
            times = measured.get(key, {})
            if all(name in times for name in names):
                return source, times
        return "model", {}

    @cached_property
    def _last_cache_bytes(self) -> int:
        return runtime.cpu_info()["caches"]["l3_bytes"] or _USUAL_LAST_CACHE_BYTES

    @cached_property
    def _sweep(self) -> CacheSweep | None:
        is_affordable = self._last_cache_bytes <= _MOST_SWEPT_BYTES
        return CacheSweep(self._last_cache_bytes) if is_affordable else None

    def is_from_memory(self, packs: LayerPacks) -> bool:
        """Tell whether as many layers as there are, all like this one, are more than the last cache holds.

        One on its own stays there between calls only if it leaves room for what runs besides: half of it.
        """
        smallest = min(
            pack_bytes(name, packs.shape)
            for name, candidate in CANDIDATES.items()
            if candidate.precision == "float32" or packs.scales is not None
        )
        return max(2, self._num_layers) * smallest > self._last_cache_bytes

    def _can_measure(self, packs: LayerPacks, num_columns: int, names: Sequence[str], packing_limit_ns: float) -> bool:
        """Tell whether there is time and memory enough."""
        rows, columns = packs.weight.shape
        if 4 * num_columns * (rows + columns) > _MOST_ACTIVATION_BYTES:
            self._note("Calls with very many columns were not measured: their x and y would take too much memory.")
            return False
        packing_ns = sum(_PACKING_NS_A_BYTE * pack_bytes(name, packs.shape) for name in names if name not in packs)
        if packing_ns > packing_limit_ns:
            self._note("Not everything could be measured within tune_seconds: the rest is the cost model's choice.")
            return False
        return True

    def _measured(
        self,
        key: str,
        packs: LayerPacks,
        num_columns: int,
        names: Sequence[str],
        share_ns: float,
        sweep: CacheSweep | None,
    ) -> dict[str, float]:
        """Measure, pay for it, remember it; packs that do not fit the memory are the end of it, not of the load."""
        begin_ns = self._timer()
        try:
            packs.make_room(names)
            rows, columns = packs.weight.shape
            x = np.ones((num_columns, columns), np.float32)  # kernels take as long for any values
            y = np.empty((num_columns, rows), np.float32)
            calls = {name: partial(_layer(packs, name), x, y) for name in names}
            measured = turn_about(calls, self._timer, share_ns - (self._timer() - begin_ns), sweep)
        except MemoryError:
            self._note("Not everything could be measured in the memory that there is.")
            return {}
        finally:
            self._left_ns -= self._timer() - begin_ns
        # What other questions had measured of the same is still known.
        self._new[key] = {**self._old.get(key, {}), **self._new.get(key, {}), **measured}
        return self._new[key]

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


@contextmanager
def tuner_of_load(seconds: float, *, num_layers: int = 1) -> Iterator[Tuner]:
    """Hand out what measures the layers of a load, and keep what it measured when they are done."""
    tuner = Tuner(seconds, num_layers=num_layers)
    yield tuner
    tuner.keep()


def _layer(packs: LayerPacks, name: str) -> runtime.Linear:
    """Return a layer that runs on one pack, without bias and activation: they take the same in every form."""
    return runtime.Linear(
        *packs.weight.shape,
        isa=packs.isa,
        plans=[(1, packs[name])],
        bias=None,
        epilogue=runtime.Epilogue(),
        num_threads=packs.threads,
        **packs.scale_arguments(name),
    )
