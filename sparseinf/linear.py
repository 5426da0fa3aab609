"""`SparseLinear`: one pruned linear layer, compiled for this machine."""

from __future__ import annotations

import operator
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from sparseinf import runtime
from sparseinf.compile.activation import make_epilogue
from sparseinf.compile.candidates import plain_weight_of_pack
from sparseinf.compile.explanation import explain_columns, explain_plan, layer_notes
from sparseinf.compile.layer_facts import LayerFacts
from sparseinf.compile.options import (
    check_options,
    checked_batch,
    checked_patterns,
    checked_seconds,
    split_int8_options,
)
from sparseinf.compile.plans import choose_plans, range_of
from sparseinf.compile.precision import prepare_weight
from sparseinf.compile.tune import TUNE_SECONDS, tuner_of_load
from sparseinf.errors import CorruptFileError
from sparseinf.formats import Dense, Quantized
from sparseinf.formats.float32 import frozen
from sparseinf.io import LinearRecord, write
from sparseinf.io.bias import as_bias
from sparseinf.report import Report

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from sparseinf.compile.activation import Activation
    from sparseinf.compile.plans import Plan
    from sparseinf.compile.tune import Tuner
    from sparseinf.formats import Weight
    from sparseinf.quantize import ActivationQuantization

__all__ = ["SparseLinear"]


class SparseLinear:
    """A linear layer y = activation(x @ weight.T + bias), made by `sparseinf.load`.

    Calls may come from several threads at once. For one layer the result has the same bits in every run and for any
    number of threads; each row of x affects only its own row of y, unless `activation_scales="tensor"` gives all of
    them one scale.

    Notes
    -----
    In float32 sums are made in an order that depends on the format and on the instruction-set level: the error of an
    element of y stays below `1e-6 * (abs(x) @ abs(weight).T)` for up to a few thousand nonzeros a row. In the csr
    format values of x at pruned positions are never used, so that NaN or infinity there does not spread; the dense
    format, and the block format inside its blocks, multiply them by zero, as NumPy does.

    In int8 sums are exact, so that every format and level gives the same bits but for the rounding of activations such
    as "gelu". NaN or infinity anywhere in a row of x, or a range that float32 cannot hold, makes its whole row of y
    NaN. Layers in a row may pass 8 bits on to each other: one with `output_quantization` returns uint8, and one with
    a static scale of x takes uint8, quantized by that scale, as it takes float32.

    Examples
    --------
    >>> import numpy as np, sparseinf
    >>> weight = np.array([[0, 2, 0], [1, 0, 0]], np.float32)
    >>> layer = sparseinf.load(weight, bias=np.array([0.5, -4], np.float32), activation="relu")
    >>> layer(np.array([[3, 1, 7]], np.float32))
    array([[2.5, 0. ]], dtype=float32)
    """

    def __init__(
        self,
        *,
        native: runtime.Linear,
        plans: Sequence[tuple[Plan, runtime.Pack]],
        facts: LayerFacts,
        bias: NDArray[np.float32] | None,
        activation: Activation,
        options: Mapping[str, Any],
        name: str,
    ) -> None:
        self._native = native
        self._compute = native.__call__  # bound once: looking a call up through the type takes longer
        self._plans = [plan for plan, _ in plans]
        self._packs = list({id(pack): pack for _, pack in plans}.values())
        self._facts = facts
        self._bias = bias
        self._activation = activation
        self._options = dict(options)
        self._name = name

    @classmethod
    def from_format(
        cls,
        weight: Weight,
        *,
        bias: Any = None,
        activation: Activation = None,
        precision: str = "float32",
        format: str = "auto",
        batch: int | Iterable[int] | None = None,
        threads: int | None = None,
        tune: str = "measure",
        tune_seconds: float = TUNE_SECONDS,
        activations: Mapping[str, Any] | None = None,
        name: str = "",
        tuner: Tuner | None = None,
        **options: Any,
    ) -> SparseLinear:
        """Compile a weight that is already in one of our formats; `sparseinf.load` tells of the parameters.

        Layers of one load have its `tuner` in common, which goes before `tune_seconds`. `activations` is how x is
        quantized where that is known, as in a `LinearRecord`; options go before it.
        """
        precision = "int8" if isinstance(weight, Quantized) else precision
        int8, options = split_int8_options(options)
        check_options(precision=precision, format=format, tune=tune, int8=int8, **options)
        patterns = checked_patterns(**options)
        seconds = checked_seconds(tune_seconds)
        batch_sizes = checked_batch(batch)
        epilogue = make_epilogue(activation)
        bias = None if bias is None else frozen(as_bias(bias, "bias", weight.shape[0]))
        num_threads = runtime.checked_threads(threads)
        isa = runtime.current_isa()
        try:
            prepared = prepare_weight(
                weight, format=format, patterns=patterns, precision=precision, int8=int8, activations=activations
            )
        except (TypeError, ValueError) as error:
            if not name:
                raise
            raise (TypeError if isinstance(error, TypeError) else ValueError)(f"layer {name!r}: {error}") from error
        with tuner_of_load(seconds) if tuner is None else nullcontext(tuner) as layer_tuner:
            plans = choose_plans(
                prepared,
                format=format,
                batch=batch_sizes,
                isa=isa,
                threads=num_threads,
                tuner=layer_tuner if tune == "measure" else None,
            )
        native = runtime.Linear(
            *weight.shape,
            isa=isa,
            plans=[(plan.first_columns, pack) for plan, pack in plans],
            bias=bias,
            epilogue=epilogue,
            num_threads=num_threads,
            most_tail_columns=plans[-1][0].most_tail_columns,
            **(scales.arguments() if (scales := prepared.int8_scales) and plans[0][0].precision == "int8" else {}),
        )
        return cls(
            native=native,
            plans=plans,
            facts=LayerFacts(weight, prepared, plans[0][0].packs, num_threads, batch_sizes, layer_tuner.notes),
            bias=bias,
            activation=activation,
            options={
                "format": format,
                "batch": batch_sizes,
                "precision": precision,
                "tune": tune,
                **patterns,
                **(int8.choice_to_save() if precision == "auto" else {}),
                **({} if (output := int8.output) is None else {"output_quantization": output.to_dict()}),
            },
            name=name,
        )

    @classmethod
    def from_record(cls, record: LinearRecord, *, name: str = "", **options: Any) -> SparseLinear:
        """Compile a layer as it was saved; `options` of `from_format` go before those that it was saved with.

        Raises
        ------
        CorruptFileError
            If the record says what no layer can be.
        """
        try:
            _check_record(record)
        except (TypeError, ValueError) as error:
            raise CorruptFileError(f"layer {name!r} was never saved like this: {error}") from None
        saved = dict(record.options)
        if "format" in options:  # another format has no use for the saved one's pattern
            saved = {option: value for option, value in saved.items() if option not in ("block", "nm")}
        return cls.from_format(
            record.weight,
            bias=record.bias,
            activation=record.activation,
            activations=record.activations,
            name=name,
            **{**saved, **options},
        )

    def __call__(
        self,
        x: NDArray[np.float32 | np.uint8],
        *,
        out: NDArray[np.float32 | np.uint8] | None = None,
        residual: NDArray[np.float32] | None = None,
    ) -> NDArray[Any]:
        """Compute activation(x @ weight.T + bias + residual).

        Parameters
        ----------
        x : float32, shape (..., in_features)
            Any strides, any alignment, read-only too: it is read in place. uint8 where an int8 layer's scale of x is
            static: x that is quantized by it already.
        out : float32, shape (..., out_features), C-contiguous, optional
            Where to write y; must not overlap x. uint8 for a layer with `output_quantization`.
        residual : float32, shape (..., out_features), optional
            Added before the activation; may be `out` itself.

        Returns
        -------
        float32, shape (..., out_features)
            `out`, or a new array. uint8 from a layer with `output_quantization`, NaN as 0.

        Raises
        ------
        TypeError
            If an array is no NumPy array of float32, or of uint8 where the layer has that.
        ValueError
            If a shape does not fit, or `out` is unsuitable; in int8 with one scale for all of x, a static one or
            `activation_scales="tensor"`, also if x holds NaN or infinity, or has no range in float32.
        """
        return self._compute(x, out, residual)

    @property
    def in_features(self) -> int:
        """Features of x."""
        return self._facts.shape[1]

    @property
    def out_features(self) -> int:
        """Features of y."""
        return self._facts.shape[0]

    @property
    def sparsity(self) -> float:
        """Share of zeros in the weight."""
        return self._facts.sparsity

    @property
    def threads(self) -> int:
        """How many threads a call may use."""
        return self._facts.threads

    @property
    def name(self) -> str:
        """The layer's name among the weights that it was loaded with; empty for a layer on its own."""
        return self._name

    @property
    def activation(self) -> Activation:
        """The activation as it was given."""
        return self._activation

    @property
    def bias(self) -> NDArray[np.float32] | None:
        """The bias, read-only, or None."""
        return self._bias

    @property
    def input_quantization(self) -> ActivationQuantization | None:
        """How x becomes 8 bits; None in float32."""
        return None if self._facts.int8 is None else self._facts.int8.activations

    @property
    def output_quantization(self) -> ActivationQuantization | None:
        """How y becomes 8 bits, if it does: otherwise None."""
        return None if self._facts.int8 is None else self._facts.int8.output

    @property
    def weight(self) -> Weight:
        """The weight, made again from what the layer runs on: every call makes a new one."""
        facts = self._facts
        weight = facts.pattern.restored(plain_weight_of_pack(self._packs[0], facts.shape, facts.source_dtype))
        return weight if facts.int8 is None else Quantized.from_integers(weight, facts.int8.rows)

    @property
    def precision(self) -> str:
        """What the layer computes in: "float32" or "int8"."""
        return self._main_plan.precision

    @property
    def format(self) -> str:
        """The format that runs the largest batch."""
        return self._main_plan.format

    @property
    def kernel(self) -> str:
        """The kernel that runs the largest batch."""
        return self._main_plan.kernel

    @property
    def isa(self) -> str:
        """The instruction-set level that runs the largest batch."""
        return self._main_plan.isa

    @property
    def native(self) -> runtime.Linear:
        """What computes the layer, for programs that it is a step of."""
        return self._native

    @property
    def nbytes(self) -> int:
        """Bytes of all packs: what the layer holds in memory, but for its bias."""
        return sum(pack.nbytes for pack in self._packs)

    def plan(self, num_columns: int) -> Plan:
        """Return how `num_columns` rows of x (tokens, pixels) are computed.

        Raises
        ------
        ValueError
            If it is less than 1.
        """
        number = operator.index(num_columns)
        if number < 1:
            raise ValueError(f"a plan is for at least 1 column, but {number} were asked for")
        return self._plans[range_of(number)]

    def explain(self) -> Report:
        """Say, a row for each range of columns, what runs and against which alternatives it was chosen."""
        facts = self._facts
        rows = [{"layer": self._name or "-", **explain_plan(plan, facts.layer_shape)} for plan in self._plans]
        packs = "1 pack" if len(self._packs) == 1 else f"{len(self._packs)} packs"
        return Report(
            f"{self._name or 'layer'}: {facts.layer_shape.num_nonzeros:,} nonzeros, {self.nbytes:,} bytes in {packs}, "
            f"threads: {facts.threads}",
            explain_columns(list(self._plans[0].predicted_ns)),
            rows,
            notes=layer_notes(facts, self._options, self._plans, self._name),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the layer to a file that `sparseinf.load` reads; the file appears only when it is complete.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        write(path, self.record())

    def record(self) -> LinearRecord:
        """Return all of the layer that a file keeps: the weight in its smaller form, never a pack."""
        weight = self.weight
        int8 = self._facts.int8
        return LinearRecord(
            weight=_smaller(weight),
            bias=self._bias,
            activation=self._activation,
            options=self._options,
            activations=None if int8 is None else int8.activations.to_dict(),
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as a file would: what is unpickled is compiled for the machine that it arrives on."""
        return _compile_again, (self.record(), self.threads, self._name)

    def __copy__(self) -> SparseLinear:
        """Return itself: nothing in a layer ever changes."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SparseLinear:
        """Return itself, as a copy does."""
        return self

    def benchmark(self, x: NDArray[np.float32], *, against: Sequence[str] | None = None) -> Report:
        """Time the layer beside other libraries on the same x, turn about, and compare the results.

        Parameters
        ----------
        x : float32, shape (..., in_features)
        against : sequence of str, optional
            Names of rivals; None takes all that are installed.

        Raises
        ------
        ValueError
            If a rival that is asked for by name cannot be built.
        """
        from sparseinf.bench import compare

        return compare(self, x, against=against)

    def __repr__(self) -> str:
        return (
            f"SparseLinear(in_features={self.in_features}, out_features={self.out_features}, "
            f"sparsity={self.sparsity:.3f}, precision={self.precision!r}, format={self.format!r}, isa={self.isa!r}, "
            f"threads={self.threads})"
        )

    @property
    def _main_plan(self) -> Plan:
        batch = self._facts.batch
        return self._plans[-1] if batch is None else self.plan(max(batch))


def _smaller(weight: Weight) -> Weight:
    """Return a dense weight without its zeros, where that takes fewer bytes: those of the nonzeros and a bit each."""
    if isinstance(weight, Quantized):
        if not isinstance(weight.integers, Dense) or 8 * weight.num_nonzeros >= 7 * weight.integers.values.size:
            return weight
        return Quantized.from_integers(weight.float32_integers().to_csr(), weight.scales)
    if isinstance(weight, Dense) and weight.num_nonzeros + weight.values.size / 32 < weight.values.size:
        return weight.to_csr()
    return weight


def _compile_again(record: LinearRecord, threads: int, name: str) -> SparseLinear:
    return SparseLinear.from_record(record, name=name, threads=threads)


def _check_record(record: LinearRecord) -> None:
    int8, options = split_int8_options(record.options)
    checked_batch(options.pop("batch", None))
    check_options(int8=int8, **options)
    make_epilogue(record.activation)
    if record.bias is not None:
        as_bias(record.bias, "bias", record.weight.shape[0])
