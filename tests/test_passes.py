"""Passes: the graph before and after each of them."""

from __future__ import annotations

import numpy as np
from onnx_models import model, node

from sparseinf.graph.passes import rewrite
from sparseinf.graph.passes.fold_constants import fold_constants
from sparseinf.graph.passes.fuse_activations import fuse_activations
from sparseinf.graph.passes.fuse_linear import fuse_linear
from sparseinf.graph.passes.remove_identities import remove_identities
from sparseinf.io.onnx_file import read_onnx

WEIGHT = np.arange(6, dtype=np.float32).reshape(2, 3)
X = {"x": ("float32", ["n", 2])}
Y = {"y": ("float32", ["n", 3])}


def graph_of(nodes, constants, inputs=X, outputs=Y):
    return read_onnx(model(nodes, inputs, outputs, constants))


def check(run, graph, before, after):
    assert str(graph).splitlines() == before
    count = run(graph)
    graph.remove_unread()
    assert str(graph).splitlines() == after
    assert count == (0 if before == after else count)
    assert run(graph) == 0  # nothing is left to do


def test_identities_go():
    graph = graph_of(
        [
            node("Identity", ["x"], ["a"]),
            node("Dropout", ["a"], ["b"]),
            node("MatMul", ["b", "w"], ["c"]),
            node("Identity", ["c"], ["y"]),
        ],
        {"w": WEIGHT},
    )
    before = ["a = Identity(x)", "b = Dropout(a)", "c = MatMul(b, w)", "y = Identity(c)", "return y"]
    check(remove_identities, graph, before, ["c = MatMul(x, w)", "y = Identity(c)", "return y"])


def test_constants_are_folded():
    graph = graph_of(
        [node("Transpose", ["w"], ["t"]), node("Neg", ["t"], ["n"]), node("MatMul", ["x", "n"], ["y"])], {"w": WEIGHT.T}
    )
    before = ["t = Transpose(w)", "n = Neg(t)", "y = MatMul(x, n)", "return y"]
    check(fold_constants, graph, before, ["y = MatMul(x, n)", "return y"])
    assert np.array_equal(graph.constants["n"], -WEIGHT)
    assert "w" not in graph.constants


def test_products_with_matrices_become_layers_with_their_bias_and_activation():
    bias = np.array([1, 2, 3], np.float32)
    for first in ("c", "b"):
        inputs = [first, "b" if first == "c" else "c"]
        graph = graph_of(
            [node("MatMul", ["x", "w"], ["c"]), node("Add", inputs, ["d"]), node("Relu", ["d"], ["y"])],
            {"w": WEIGHT, "b": bias},
        )
        before = ["c = MatMul(x, w)", f"d = Add({', '.join(inputs)})", "y = Relu(d)", "return y"]
        after = ["y = Linear(x, activation='relu', bias=float32[3], weight=float32[3, 2])", "return y"]
        check(rewrite_linear, graph, before, after)
        (linear,) = graph.nodes
        assert np.array_equal(linear.attributes["weight"], WEIGHT.T)
        assert np.array_equal(linear.attributes["bias"], bias)


def test_gemm_becomes_a_layer_with_its_factors():
    graph = graph_of(
        [node("Gemm", ["x", "w", "b"], ["y"], alpha=2.0, beta=0.5, transB=1)],
        {"w": WEIGHT.T, "b": np.array([4], np.float32)},
    )
    before = ["y = Gemm(x, w, b, alpha=2.0, beta=0.5, transB=1)", "return y"]
    check(fuse_linear, graph, before, ["y = Linear(x, bias=float32[3], weight=float32[3, 2])", "return y"])
    (linear,) = graph.nodes
    assert np.array_equal(linear.attributes["weight"], 2 * WEIGHT.T)
    assert np.array_equal(linear.attributes["bias"], [2, 2, 2])


def test_what_else_reads_a_product_keeps_it():
    graph = graph_of(
        [node("MatMul", ["x", "w"], ["c"]), node("Relu", ["c"], ["y"])],
        {"w": WEIGHT},
        outputs={**Y, "c": ("float32", ["n", 3])},
    )
    before = ["c = MatMul(x, w)", "y = Relu(c)", "return y, c"]
    check(fuse_linear, graph, before, ["c = Linear(x, weight=float32[3, 2])", "y = Relu(c)", "return y, c"])


def test_what_is_no_bias_stays_an_addition():
    for other in (np.ones((4, 3), np.float32), np.ones((1, 3), np.float32)):
        graph = graph_of([node("MatMul", ["x", "w"], ["c"]), node("Add", ["c", "b"], ["y"])], {"w": WEIGHT, "b": other})
        rewrite(graph)
        assert [node.op for node in graph.nodes] == ["Linear", "Add"]


def rewrite_linear(graph):
    count = 0
    while done := fuse_linear(graph):
        count += done
    return count


SQUARE = {"x": ("float32", ["n", 3])}


def test_gelu_is_found_in_its_formula():
    half, one, root = np.float32(0.5), np.float32(1), np.sqrt(np.float32(2))
    forms = [
        [("Div", "x root d"), ("Erf", "d e"), ("Add", "e one a"), ("Mul", "x a m"), ("Mul", "m half y")],
        [("Mul", "x inverse d"), ("Erf", "d e"), ("Add", "one e a"), ("Mul", "half x m"), ("Mul", "m a y")],
        [("Div", "x root d"), ("Erf", "d e"), ("Add", "e one a"), ("Mul", "a half m"), ("Mul", "x m y")],
    ]
    constants = {"half": half, "one": one, "root": root, "inverse": 1 / root}
    for form in forms:
        graph = graph_of([step(*line) for line in form], constants, SQUARE, Y)
        assert fuse_activations(graph) == 1
        assert str(graph).splitlines() == ["y = Gelu(x, approximate='none')", "return y"]


def test_gelu_is_found_in_its_approximation():
    constants = {
        "three": np.float32(3),
        "small": np.float32(0.044715),
        "root": np.float32(np.sqrt(2 / np.pi)),
        "one": np.float32(1),
        "half": np.float32(0.5),
    }
    end = [
        ("Mul", "c small s"),
        ("Add", "x s a"),
        ("Mul", "a root r"),
        ("Tanh", "r t"),
        ("Add", "t one u"),
        ("Mul", "x half h"),
        ("Mul", "h u y"),
    ]
    for cube in ([("Pow", "x three c")], [("Mul", "x x q"), ("Mul", "q x c")]):
        graph = graph_of([step(*line) for line in [*cube, *end]], constants, SQUARE, Y)
        assert fuse_activations(graph) == 1
        assert str(graph).splitlines() == ["y = Gelu(x, approximate='tanh')", "return y"]


def test_what_only_looks_like_gelu_stays():
    constants = {"half": np.float32(0.5), "one": np.float32(1), "root": np.float32(1.5)}
    lines = [("Div", "x root d"), ("Erf", "d e"), ("Add", "e one a"), ("Mul", "x a m"), ("Mul", "m half y")]
    graph = graph_of([step(*line) for line in lines], constants, SQUARE, Y)
    before = str(graph)
    assert fuse_activations(graph) == 0
    assert str(graph) == before


def test_swish_is_found():
    graph = graph_of([step("Sigmoid", "x s"), step("Mul", "s x y")], {}, SQUARE, Y)
    assert fuse_activations(graph) == 1
    assert str(graph).splitlines() == ["y = Swish(x)", "return y"]


def test_layers_take_in_residuals_and_activations():
    bias, low, high = np.zeros(3, np.float32), np.float32(0), np.float32(6)
    for follower, activation in (
        (node("Relu", ["r"], ["y"]), "'relu'"),
        (node("Gelu", ["r"], ["y"]), "'gelu'"),
        (node("Clip", ["r", "low", "high"], ["y"]), "('clip', 0.0, 6.0)"),
        (node("LeakyRelu", ["r"], ["y"], alpha=0.5), "('leaky_relu', 0.5)"),
        (node("HardSwish", ["r"], ["y"]), "'hardswish'"),
    ):
        graph = graph_of(
            [
                node("MatMul", ["x", "w"], ["c"]),
                node("Add", ["c", "b"], ["d"]),
                node("Add", ["z", "d"], ["r"]),
                follower,
            ],
            {"w": WEIGHT, "b": bias, "low": low, "high": high},
            {**X, "z": ("float32", ["n", 3])},
        )
        rewrite_linear(graph)
        line = f"y = Linear(x, z, activation={activation}, bias=float32[3], weight=float32[3, 2])"
        graph.remove_unread()
        assert str(graph).splitlines() == [line, "return y"]


def test_what_may_be_broadcast_is_no_residual():
    for shape in (["n", 1], [None, 3], ["m", 3], [3]):
        graph = graph_of(
            [node("MatMul", ["x", "w"], ["c"]), node("Add", ["c", "z"], ["y"])],
            {"w": WEIGHT},
            {**X, "z": ("float32", shape)},
            {"y": ("float32", [None, 3])},
        )
        rewrite_linear(graph)
        assert [node.op for node in graph.nodes] == ["Linear", "Add"]


def step(op, names):
    *inputs, output = names.split()
    return node(op, inputs, [output])
