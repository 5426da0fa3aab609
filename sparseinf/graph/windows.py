"""What convolutions and poolings say of their windows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparseinf.graph.ir import Node

__all__ = ["LARGEST_KERNEL", "LARGEST_STEP", "window_attributes"]

LARGEST_KERNEL = 1 << 15
LARGEST_STEP = 1 << 20
"""Beyond these the products of a step, a kernel and an extent might not fit 64 bits."""


def window_attributes(node: Node) -> dict[str, Any] | None:
    """Return strides, dilations, pads, auto_pad and kernel_shape; None where no native operation slides so.

    Parameters
    ----------
    node : Node
        A convolution or a pooling; lists that it lacks are empty.
    """
    said = node.attributes
    steps = {name: [int(step) for step in said.get(name, ())] for name in ("strides", "dilations")}
    pads = [int(pad) for pad in said.get("pads", ())]
    kernel = [int(extent) for extent in said.get("kernel_shape", ())]
    if (
        not all(1 <= step <= LARGEST_STEP for name in steps for step in steps[name])
        or not all(0 <= pad <= LARGEST_STEP for pad in pads)
        or not all(1 <= extent <= LARGEST_KERNEL for extent in kernel)
        or max(len(kernel), *map(len, steps.values()), len(pads) // 2) > 3
    ):
        return None
    return {**steps, "pads": pads, "auto_pad": said.get("auto_pad", "NOTSET"), "kernel_shape": kernel}
