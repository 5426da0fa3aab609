"""Nodes that do not fit: types are refused as a model is read, indices, shapes and sizes as it runs."""

from __future__ import annotations

import numpy as np
import pytest
from single_nodes import load_node, numbers

import sparseinf


def whole(*values):
    return np.array(values, np.int64)


X = numbers("float32", 2, 3)
REFUSED = [
    ("Gather", [X, whole(2)], {}, "index 2 is outside an extent of 2"),
    ("Gather", [X, whole(-3)], {}, "index -3 is outside"),
    ("GatherElements", [X, whole(5).reshape(1, 1)], {}, "index 5 is outside"),
    ("GatherND", [X, whole(0, 3)], {}, "index 3 is outside"),
    ("GatherND", [X, whole(0, 0, 0)], {}, "do not name slices"),
    ("ScatterND", [X, whole(2).reshape(1, 1), X[:1]], {}, "index 2 is outside"),
    ("ScatterND", [X, whole(0).reshape(1, 1), X], {}, r"updates must have shape \(1, 3\)"),
    ("ScatterElements", [X, whole(0, 0).reshape(1, 2), X[:1]], {}, r"updates must have shape \(1, 2\)"),
    ("ScatterElements", [X, np.zeros((1, 4), np.int64), numbers("float32", 1, 4)], {}, "do not fit an array"),
    ("Slice", [X, whole(0), whole(1), whole(0), whole(0)], {}, "step of a slice is 0"),
    ("Slice", [X, whole(0), whole(1), whole(2)], {}, "axis 2 is none"),
    ("Slice", [X, whole(0, 0), whole(1, 1), whole(0, -2)], {}, "axis -2 is named twice"),
    ("Slice", [X, whole(0, 0), whole(1)], {}, "not equally many"),
    ("Expand", [X, whole(5)], {}, "do not fit each other"),
    ("Expand", [X, whole(-1, 3)], {}, "extent of -1"),
    ("Expand", [X[:, :1], whole(2, 2**50)], {}, "cannot have an extent"),
    ("Tile", [X, whole(-1, 2)], {}, "extent of -1"),
    ("Tile", [X, whole(2**62, 2**62)], {}, "cannot have an extent"),
    ("Tile", [X, whole(2**40, 2**40)], {}, "more memory than there is"),
    ("Tile", [X, whole(2)], {}, "1 repeats come"),
    ("Pad", [X, whole(2**62, 0, 0, 0)], {}, "wider than any array"),
    ("Pad", [X, whole(-3, 0, 0, 0)], {}, "cuts off more"),
    ("Pad", [X[:0], whole(1, 0, 0, 0)], {"mode": "edge"}, "no elements that a border repeats"),
    ("Pad", [X, whole(1, 1)], {}, "2 widths come to 2 axes"),
    ("Trilu", [X, whole(1, 2)], {}, "k must be one number"),
    ("Compress", [X, np.ones(4, bool)], {"axis": 0}, "beyond an extent of 2"),
    ("ReverseSequence", [X, whole(1, 1, 3)], {}, "lengths of sequences"),
    ("CumSum", [X, np.array(2)], {}, "axis 2 is none"),
    ("DepthToSpace", [numbers("float32", 1, 6, 1, 1)], {"blocksize": 2}, "cannot be cut"),
    ("SpaceToDepth", [numbers("float32", 1, 1, 3, 4)], {"blocksize": 2}, "cannot be cut"),
    ("OneHot", [whole(0), np.array(-1), numbers("float32", 2)], {}, "extent of -1"),
    ("ConstantOfShape", [whole(2**40, 2**40)], {}, "more memory than there is"),
    ("ConstantOfShape", [whole(-1)], {}, "extent of -1"),
    ("Range", [numbers("float32"), numbers("float32"), np.array(0, np.float32)], {}, "step of 0"),
    (
        "Range",
        [np.array(0.0, np.float32), np.array(np.inf, np.float32), np.array(1.0, np.float32)],
        {},
        "more elements",
    ),
    ("Range", [np.array(-(2**63)), np.array(2**63 - 1), np.array(1)], {}, "more elements"),
]


@pytest.mark.parametrize(("op", "inputs", "attributes", "words"), REFUSED)
def test_what_does_not_fit_is_refused(op, inputs, attributes, words):
    dtype = "int64" if op == "Range" and inputs[0].dtype == np.int64 else "float32"
    loaded = load_node(op, inputs, [dtype], **attributes)
    with pytest.raises(ValueError, match=words):
        loaded(*inputs)


def test_joins_and_splits_that_do_not_fit_are_refused():
    join = load_node("Concat", [X, X], axis=0)
    with pytest.raises(ValueError, match="cannot be joined along axis 0"):
        join(X, X[:, :2])
    split = load_node("Split", [X, whole(1, 1)], ["float32"] * 2, axis=1)
    for parts in ((1, 1), (4, -1), (2**62, 2**62), (3,)):
        with pytest.raises(ValueError, match="extent of 3 cannot be split into 2 parts"):
            split(X, whole(*parts))


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("Add", [X, X.astype(np.int8)], {}),
        ("Slice", [X, X[0, :1], X[0, :1]], {}),
        ("Gather", [X, X.astype(np.int8)], {}),
        ("Where", [X, X, X], {}),
        ("Concat", [X, X.astype(np.int8)], {"axis": 0}),
    ],
)
def test_types_that_the_operator_does_not_take_are_found_when_a_model_is_read(op, inputs, attributes):
    with pytest.raises(sparseinf.CorruptFileError, match="type"):
        load_node(op, inputs, **attributes)
