"""`SparseWeights`: the weights of a network, its linear layers ready to run and everything else kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sparseinf.compile.options import checked_seconds
from sparseinf.compile.tune import TUNE_SECONDS, tuner_of_load
from sparseinf.io import WeightsRecord, write
from sparseinf.io.state_dict import LayerTensors, layers_and_others
from sparseinf.linear import SparseLinear
from sparseinf.report import Report

if TYPE_CHECKING:
    import os

    import numpy.typing as npt

__all__ = ["SparseWeights"]


class SparseWeights(Mapping[str, SparseLinear]):
    """Layers by name, read-only; the other tensors of the network are in `other`.

    `sparseinf.load` makes it from a mapping of tensors, a file of them, or a saved file.

    Parameters
    ----------
    layers : mapping of str to SparseLinear
    other : mapping of str to array
        Tensors that are no part of a layer. bfloat16 and 8-bit floats, for which NumPy has no dtype, are
        bits, in a structured dtype with one field of that name.
    notes : sequence of str
        What `explain` should say besides.

    Examples
    --------
    >>> import numpy as np
    >>> import sparseinf
    >>> tensors = {"fc1.weight": np.eye(8, dtype=np.float32), "fc1.bias": np.ones(8), "step": np.array(7)}
    >>> weights = sparseinf.load(tensors)
    >>> list(weights), list(weights.other)
    (['fc1'], ['step'])
    >>> weights["fc1"](np.full(8, 2, np.float32))[:3]
    array([3., 3., 3.], dtype=float32)
    """

    def __init__(
        self,
        layers: Mapping[str, SparseLinear],
        other: Mapping[str, npt.NDArray[Any]],
        *,
        notes: Sequence[str] = (),
    ) -> None:
        self._layers = dict(layers)
        self._notes = tuple(notes)
        self.other: Mapping[str, npt.NDArray[Any]] = MappingProxyType(dict(other))

    @classmethod
    def from_tensors(
        cls,
        tensors: Mapping[str, Any],
        *,
        tune_seconds: float = TUNE_SECONDS,
        calibration: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> SparseWeights:
        """Make layers of the tensors that are linear layers, and keep the others.

        Parameters
        ----------
        tensors : mapping of str to array or tensor
            As in a torch state dict; `sparseinf.io.open_tensors` reads one from a file. 2-D float tensors
            named `*.weight` with at least 64 elements are layers, together with the `*.bias` beside them;
            `weight_orig` and `weight_mask`, as torch's pruning leaves them, are multiplied. Weights of int8 with
            `*.weight_scale` or `*.scale` beside them, and of torch's quantized layers, are layers, too. Embeddings,
            known by their names, are kept in `other`.
        tune_seconds : float
            For all layers together.
        calibration : mapping of str to samples, optional
            By the names of layers; those without samples quantize x as it comes.
        **options
            Options of `sparseinf.load`, the same for all layers.

        Raises
        ------
        TypeError
            If a value is no array and no tensor on the CPU, a bias or mask is of a wrong dtype, or the calibration is
            no mapping.
        ValueError
            If a weight holds NaN or infinity, a bias or mask does not fit its weight, or there are samples for what is
            no layer.
        """
        _check_no_output_quantization(options)
        samples = _samples_by_layer(calibration)
        layers: dict[str, SparseLinear] = {}
        other: dict[str, npt.NDArray[Any]] = {}
        notes = []
        num_candidates = sum(map(_may_be_layer, tensors))
        with tuner_of_load(checked_seconds(tune_seconds), num_layers=num_candidates) as tuner:
            for item in layers_and_others(tensors):
                if isinstance(item, LayerTensors):
                    layers[item.name] = SparseLinear.from_format(
                        item.weight,
                        bias=item.bias,
                        name=item.name,
                        activations=item.activations,
                        calibration=samples.pop(item.name, None),
                        tuner=tuner,
                        **options,
                    )
                    continue
                other[item.name] = item.array
                if _may_be_layer(item.name):
                    tuner.skip_layer()
                if item.was_sparse:
                    notes.append(f"{item.name} was sparse, but is no layer: it is kept dense.")
        _check_all_used(samples, layers)
        return cls(layers, other, notes=notes)

    @classmethod
    def from_record(
        cls,
        record: WeightsRecord,
        *,
        tune_seconds: float = TUNE_SECONDS,
        calibration: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> SparseWeights:
        """Make the layers of a saved file; `options` go before those that were saved."""
        _check_no_output_quantization(options)
        samples = _samples_by_layer(calibration)
        _check_all_used(samples.keys() - record.layers.keys(), record.layers)
        with tuner_of_load(checked_seconds(tune_seconds), num_layers=len(record.layers)) as tuner:
            layers = {
                name: SparseLinear.from_record(
                    layer,
                    name=name,
                    tuner=tuner,
                    **({"calibration": samples[name]} if name in samples else {}),
                    **options,
                )
                for name, layer in record.layers.items()
            }
        return cls(layers, record.other)

    def __getitem__(self, name: str) -> SparseLinear:
        """Return a layer.

        Raises
        ------
        KeyError
            If there is none of this name; the message tells whether it is in `other`.
        """
        if name not in self._layers:
            kept = name in self.other
            hint = "it is in .other, kept as it was" if kept else f"layers are {[*self._layers]}"
            raise KeyError(f"there is no layer {name!r}; {hint:.300}")
        return self._layers[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the layers."""
        return iter(self._layers)

    def __len__(self) -> int:
        """Return the number of layers."""
        return len(self._layers)

    def __contains__(self, name: object) -> bool:
        """Tell whether there is a layer of this name."""
        return name in self._layers

    @property
    def nbytes(self) -> int:
        """Bytes of all packs and of the other tensors."""
        return sum(layer.nbytes for layer in self.values()) + sum(array.nbytes for array in self.other.values())

    def explain(self) -> Report:
        """Return one report with the rows of all layers."""
        reports = [layer.explain() for layer in self.values()]
        columns = dict.fromkeys(column for report in reports for column in report.columns)
        notes = dict.fromkeys(note for report in reports for note in report.notes)
        kept = [f"{len(self.other)} other tensors are kept as they are."] if self.other else []
        return Report(
            f"{len(self)} layers",
            list(columns) or ["layer"],
            [row for report in reports for row in report.rows],
            [*notes, *self._notes, *kept],
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write layers and other tensors into one file, which `sparseinf.load` reads; atomic.

        Raises
        ------
        TypeError
            If one of `other` has a dtype that a file cannot hold (text, dates).
        FileNotFoundError
            If the folder does not exist.
        """
        write(path, WeightsRecord({name: layer.record() for name, layer in self.items()}, self.other))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the layers as a file would; see `SparseLinear`."""
        return _restore, (self._layers, dict(self.other), self._notes)

    def __repr__(self) -> str:
        """Return what there is, in one line."""
        return f"SparseWeights({len(self)} layers, {len(self.other)} other tensors, {self.nbytes:,} bytes)"


def _samples_by_layer(calibration: Mapping[str, Any] | None) -> dict[str, Any]:
    if calibration is None:
        return {}
    if not isinstance(calibration, Mapping):
        raise TypeError(
            "calibration of several layers must be a mapping of their names to samples of their x, but is a "
            f"{type(calibration).__name__}"
        )
    return dict(calibration)


def _check_no_output_quantization(options: Mapping[str, Any]) -> None:
    if options.get("output_quantization") is not None:
        raise TypeError(
            "output_quantization belongs to a single weight, as layers of a network differ in what follows them; load "
            "the weights one by one"
        )


def _check_all_used(names: Iterable[str], layers: Mapping[str, object]) -> None:
    strange = sorted(names)
    if strange:
        raise ValueError(f"calibration has samples for {strange}, but the layers are {[*layers]}")


def _may_be_layer(name: object) -> bool:
    return str(name).endswith((".weight", ".weight_orig", "._packed_params._packed_params"))


def _restore(
    layers: Mapping[str, SparseLinear], other: Mapping[str, npt.NDArray[Any]], notes: Sequence[str]
) -> SparseWeights:
    return SparseWeights(layers, other, notes=notes)
