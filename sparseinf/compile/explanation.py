"""Says in a table and in words what a layer runs, against what it was chosen, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from sparseinf.compile.choice import MEASUREMENT_TOLERANCE
from sparseinf.compile.cost_model import break_even, dense_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sparseinf.compile.layer_shape import LayerShape
    from sparseinf.compile.plans import Plan
    from sparseinf.quantize import ActivationQuantization

__all__ = ["activations_words", "explain_columns", "explain_plan"]

_BEFORE = ("layer", "shape", "zeros", "columns", "format", "precision", "kernel", "isa", "bytes", "at_columns")
_AFTER = ("times_from", "break_even_percent", "reason")


def explain_columns(candidates: Sequence[str]) -> list[str]:
    """Return the columns of a report about layers that have these candidates."""
    times = [f"{name}{suffix}" for name in candidates for suffix in ("_us", "_measured_us")]
    return [*_BEFORE, *times, *_AFTER]


def activations_words(activations: ActivationQuantization) -> str:
    """Return how an int8 layer quantizes its x."""
    how = {
        "column": "each row with a scale of its own",
        "tensor": "with one scale a call",
        "static": f"always with the scale {activations.scale} and the zero point {activations.zero_point}",
    }
    return f"is quantized to {activations.dtype}, {how[activations.scales]}"


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
