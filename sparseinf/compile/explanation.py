"""Says in a table and in words what a layer runs, against what it was chosen, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.compile.choice import MEASUREMENT_TOLERANCE
from sparseinf.compile.cost_model import break_even, dense_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sparseinf.compile.layer_facts import LayerFacts
    from sparseinf.compile.layer_shape import LayerShape
    from sparseinf.compile.plans import Plan
    from sparseinf.quantize import ActivationQuantization

__all__ = ["explain_columns", "explain_plan", "layer_notes"]

_BEFORE = ("layer", "shape", "zeros", "columns", "format", "precision", "kernel", "isa", "bytes", "at_columns")
_AFTER = ("times_from", "break_even_percent", "reason")


def explain_columns(candidates: Sequence[str]) -> list[str]:
    """Return the columns of a report about layers that have these candidates."""
    times = [f"{name}{suffix}" for name in candidates for suffix in ("_us", "_measured_us")]
    return [*_BEFORE, *times, *_AFTER]


def explain_plan(plan: Plan, shape: LayerShape) -> dict[str, Any]:
    """Return a row of that report, but for the layer's name."""
    threshold = _break_even(plan, shape)
    return {
        "shape": f"{shape.out_features}x{shape.in_features}",
        "zeros": f"{100 * _sparsity(shape):.1f} %",
        "columns": _range_text(plan),
        "format": plan.format,
        "precision": plan.precision,
        "kernel": plan.kernel,
        "isa": plan.isa,
        "bytes": plan.nbytes,
        "at_columns": plan.typical_columns,
        **{f"{name}_us": ns / 1e3 for name, ns in plan.predicted_ns.items()},
        **{f"{name}_measured_us": ns / 1e3 for name, ns in plan.measured_ns.items()},
        "times_from": plan.times_from,
        "break_even_percent": None if threshold is None else 100 * threshold,
        "reason": f"{100 * _sparsity(shape):.0f} % zeros; {_reason(plan)}{_break_even_words(threshold)}",
    }


def _reason(plan: Plan) -> str:
    """Compare what runs with the best of the others, both measured or both predicted."""
    is_measured = plan.pack in plan.measured_ns and len(plan.measured_ns) > 1
    times = plan.measured_ns if is_measured else plan.predicted_ns
    how = "measured" if is_measured else "predicted"
    others = [name for name in times if name != plan.pack]
    if not others:
        return f"{plan.pack} {_time(times[plan.pack])} {how}: the only candidate"
    other = min(others, key=times.__getitem__)
    facts = f"{plan.pack} {_time(times[plan.pack])} {how}, {other} {_time(times[other])} {how}"
    factor = times[other] / times[plan.pack]
    if factor >= MEASUREMENT_TOLERANCE:
        return f"{facts}: {plan.pack} wins by {_factor(factor)}"
    if factor > 1 / MEASUREMENT_TOLERANCE:
        return f"{facts}: as good as equal"
    if not plan.is_asked_for:
        return f"{facts}: no number of columns of this range was asked for"
    if other in plan.packs:
        return f"{facts}: {plan.pack} is better over the whole range"
    return f"{facts}: a layer has two packs at most, and other ranges gain more by theirs"


def _break_even(plan: Plan, shape: LayerShape) -> float | None:
    """Where dense and sparse meet by the model, corrected by what it is off for this layer where that is known."""
    dense = dense_of(plan.pack)
    if len(plan.predicted_ns) < 2 or dense not in plan.predicted_ns or not shape.positions:
        return None
    known = {name: ns / plan.predicted_ns[name] for name, ns in plan.measured_ns.items()}
    typical = float(np.median(list(known.values()))) if known else 1.0
    corrections = {name: known.get(name, typical) for name in plan.predicted_ns if dense_of(name) == dense}
    return break_even(corrections, shape, plan.typical_columns, plan.isa, dense)


def _break_even_words(threshold: float | None) -> str:
    if threshold is None:
        return ""
    if threshold < 0.005:
        return "; by the model dense gains nothing here with any zeros"
    return f"; break-even here is about {100 * threshold:.0f} % by the model"


def _sparsity(shape: LayerShape) -> float:
    return 1 - shape.density if shape.positions else 0.0


def _time(time_ns: float) -> str:
    return f"{time_ns / 1e6:.2f} ms" if time_ns >= 1e5 else f"{time_ns / 1e3:.1f} us"


def _factor(factor: float) -> str:
    return f"{factor:.1f}x" if factor >= 1.1 else f"{100 * (factor - 1):.0f} %"


def _range_text(plan: Plan) -> str:
    if plan.last_columns is None:
        return f"{plan.first_columns}+"
    return "-".join(str(n) for n in dict.fromkeys((plan.first_columns, plan.last_columns)))


def layer_notes(facts: LayerFacts, options: Mapping[str, Any], plans: Sequence[Plan], layer_name: str) -> list[str]:
    """Return what is to be said of a layer besides the table."""
    name = f"{layer_name}: the" if layer_name else "The"
    notes = [
        "Times without `measured` in their name are the cost model's predictions for one thread.",
        *(note for note in [_measured_note(plans, facts.threads)] if note),
        *facts.tuner_notes,
    ]
    if options["format"] != "auto":
        notes.append(f"{name} format {options['format']!r} was asked for.")
    if facts.pattern.format != "csr":
        found = ", found at load" if facts.pattern.is_found else ""
        notes.append(f"{name} weight was pruned in a pattern{found}: {facts.pattern}.")
    if facts.pattern.num_empty_rows or facts.pattern.num_empty_columns:
        notes.append(
            f"{name} weight has {facts.pattern.num_empty_rows} rows and "
            f"{facts.pattern.num_empty_columns} columns without a nonzero."
        )
    if facts.batch is not None:
        notes.append(f"{name} packs were chosen for batch {', '.join(map(str, facts.batch))}.")
    if tail := plans[-1].most_tail_columns:
        notes.append(
            f"{name} last rows of x, where {plans[-1].kernel} would have half a vector for {tail} or fewer of them, "
            f"run {plans[0].kernel}."
        )
    notes += _int8_notes(facts, options, name)
    if facts.source_dtype not in ("float32", "int8"):
        notes.append(f"{name} weight was {facts.source_dtype} and was converted to float32 at load.")
    return notes


def _int8_notes(facts: LayerFacts, options: Mapping[str, Any], name: str) -> list[str]:
    notes = []
    if facts.snr_db is not None:
        floor = options.get("min_snr_db")
        against = "" if floor is None else f"; precision='auto' takes it from {floor:g} dB on"
        notes.append(f"{name} signal-to-noise ratio in int8 is about {facts.snr_db:.1f} dB{against}.")
    if facts.int8 is not None:
        notes.append(f"{name} layer's x {_quantization_words(facts.int8.activations)}.")
        if facts.int8.output is not None:
            notes.append(f"{name} layer's y {_quantization_words(facts.int8.output)}.")
    if facts.too_long is not None:
        notes.append(f"{name} layer computes in float32, as it has no place in int8: {facts.too_long}.")
    return notes


def _quantization_words(said: ActivationQuantization) -> str:
    how = {
        "column": "each row with a scale of its own",
        "tensor": "with one scale a call",
        "static": f"always with the scale {said.scale} and the zero point {said.zero_point}",
    }
    return f"is quantized to {said.dtype}, {how[said.scales]}"


def _measured_note(plans: Sequence[Plan], threads: int) -> str:
    if not any(plan.measured_ns for plan in plans):
        return ""
    return (
        f"Measured times are with threads: {threads}, without bias and activation; of calls in a row, but with weights "
        "from memory where the layers of a load exceed the last cache."
    )
