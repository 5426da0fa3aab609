"""Native operations that compute: products, softmax, normalization, convolutions, pooling; and what they refuse."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx_models import model, node, reference

import sparseinf


def samples(*shape, seed=1):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def loaded(op, arrays, constants=None, outputs=("y",), dtype="float32", **attributes):
    """A model of one node whose inputs have unknown extents, where their number is known."""
    names = [name if array is not None else "" for name, array in arrays.items()]
    proto = model(
        [node(op, [*names, *(constants or {})], list(outputs), **attributes)],
        {name: (array.dtype.name, [None] * array.ndim) for name, array in arrays.items() if array is not None},
        dict.fromkeys(outputs, (dtype, None)),
        constants,
    )
    proto = onnx.shape_inference.infer_shapes(proto)  # how many dimensions the outputs have
    for output in proto.graph.output:
        if not output.type.tensor_type.HasField("shape"):  # as many as the first input
            output.type.tensor_type.shape.CopyFrom(proto.graph.input[0].type.tensor_type.shape)
    return proto, sparseinf.load(proto, tune="off", threads=2)


def check(op, arrays, constants=None, outputs=("y",), tolerance=1e-5, **attributes):
    proto, compiled = loaded(op, arrays, constants, outputs, **attributes)
    feeds = {name: array for name, array in arrays.items() if array is not None}
    assert not compiled.reference_operators
    with np.errstate(all="ignore"):
        expected = reference(proto, feeds)
    for y, wanted in zip(compiled.run(None, feeds), expected, strict=True):
        assert y.shape == wanted.shape
        np.testing.assert_allclose(y, wanted, rtol=tolerance, atol=tolerance)


MATRICES = [
    ((3,), (3,)),
    ((3,), (3, 5)),
    ((4, 3), (3,)),
    ((2, 4, 3), (3,)),
    ((3,), (2, 3, 5)),
    ((0, 3), (3, 5)),
    ((4, 0), (0, 5)),
    ((4, 3), (3, 0)),
    ((0, 4, 3), (0, 3, 5)),
    ((1, 1), (1, 1)),
    ((7, 13), (13, 17)),
    ((2, 3, 5, 7), (7, 11)),
    ((5, 7), (2, 3, 7, 11)),
    ((2, 1, 5, 7), (3, 7, 11)),
    ((1, 3, 129, 64), (2, 3, 64, 96)),
    ((260, 33), (33, 130)),
    ((4, 1030), (1030, 16)),
    ((8, 1030), (1030, 64)),
    ((3, 64, 128), (3, 128, 64)),
]


class TestProducts:
    @pytest.mark.parametrize(("a_shape", "b_shape"), MATRICES)
    def test_are_those_of_numpy(self, a_shape, b_shape):
        a, b = samples(*a_shape), samples(*b_shape, seed=2)
        _, compiled = loaded("MatMul", {"a": a, "b": b})
        assert not compiled.reference_operators
        y = compiled(a, b)
        expected = a.astype(np.float64) @ b.astype(np.float64)
        assert y.shape == expected.shape
        assert np.all(np.abs(y - expected) <= 1e-6 * (np.abs(a) @ np.abs(b)))

    @pytest.mark.parametrize("isa", sparseinf.available_isas())
    def test_on_every_level(self, isa):
        with sparseinf.use_isa(isa):
            for rows, columns in ((9, 31), (64, 64), (128, 200)):
                a, b = samples(2, rows, 70), samples(2, 70, columns)
                y = loaded("MatMul", {"a": a, "b": b})[1](a, b)
                np.testing.assert_allclose(y, a.astype(np.float64) @ b, atol=1e-4)

    def test_have_the_same_bits_for_any_number_of_threads(self):
        a, b = samples(300, 700), samples(700, 333)
        proto, _ = loaded("MatMul", {"a": a, "b": b})
        results = [sparseinf.load(proto, threads=threads)(a, b) for threads in (1, 2, 3)]
        assert np.array_equal(results[0], results[1])
        assert np.array_equal(results[0], results[2])

    @pytest.mark.parametrize("dtype", [np.int32, np.int64])
    def test_of_whole_numbers_wrap_around(self, dtype):
        generator = np.random.default_rng(3)
        most = np.iinfo(dtype).max
        for a_shape, b_shape in MATRICES[:12]:
            a, b = (generator.integers(-most, most, shape, dtype) for shape in (a_shape, b_shape))
            _, compiled = loaded("MatMul", {"a": a, "b": b}, dtype=dtype.__name__)
            assert not compiled.reference_operators
            assert np.array_equal(compiled(a, b), a @ b)

    @pytest.mark.parametrize(("a_shape", "b_shape"), [((), (3,)), ((2, 3), (2, 3)), ((2, 4, 3), (3, 3, 5))])
    def test_of_shapes_that_do_not_fit_are_refused(self, a_shape, b_shape):
        arrays = {"a": samples(*a_shape), "b": samples(*b_shape)}
        proto = model(
            [node("Reshape", ["a", "s"], ["c"]), node("MatMul", ["c", "b"], ["y"])],
            {"a": ("float32", [None]), "s": ("int64", [None]), "b": ("float32", [None] * len(b_shape))},
            {"y": ("float32", [None] * 3)},
        )
        with pytest.raises(ValueError, match=r"no matrix product|do not fit"):
            sparseinf.load(proto)(arrays["a"].reshape(-1), np.array(a_shape, np.int64), arrays["b"])

    @pytest.mark.parametrize("trans_a", [0, 1])
    @pytest.mark.parametrize("trans_b", [0, 1])
    @pytest.mark.parametrize("c_shape", [None, (), (1,), (9,), (1, 9), (7, 1), (7, 9)])
    def test_gemm(self, trans_a, trans_b, c_shape):
        arrays = {"a": samples(5, 7) if trans_a else samples(7, 5), "b": samples(9, 5) if trans_b else samples(5, 9)}
        if c_shape is not None:
            arrays["c"] = samples(*c_shape)
        for alpha, beta in ((1.0, 1.0), (0.5, 0.0), (2.0, -3.0)):
            check("Gemm", arrays, transA=trans_a, transB=trans_b, alpha=alpha, beta=beta)

    def test_gemm_refuses_what_cannot_be_added(self):
        arrays = {"a": samples(2, 3), "b": samples(3, 4), "c": samples(2, 3)}
        with pytest.raises(ValueError, match="do not fit"):
            loaded("Gemm", arrays)[1](*arrays.values())
        arrays["c"] = samples(3, 2, 4)
        with pytest.raises(ValueError, match=r"do not fit|C of shape"):
            loaded("Gemm", arrays)[1](*arrays.values())


class TestSoftmax:
    @pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
    @pytest.mark.parametrize("shape", [(1,), (0, 3), (17,), (3, 16), (2, 3, 5), (2, 33, 19), (4, 1, 7), (300, 130)])
    def test_along_every_axis(self, op, shape):
        for axis in range(-len(shape), len(shape)):
            if 0 in shape and op == "Hardmax":
                continue
            x = 3 * samples(*shape)
            check(op, {"x": x}, axis=axis)

    def test_of_large_and_missing_numbers(self):
        x = np.array([[1e30, -1e30, 0], [-np.inf, 0, -200], [np.nan, 1, 2], [-88, 0, 100]], np.float32)
        _, compiled = loaded("Softmax", {"x": x})
        expected = np.array([[1, 0, 0], [0, 1, 0], [np.nan] * 3, [0, 0, 1]], np.float32)
        np.testing.assert_allclose(compiled(x), expected, atol=1e-30)
        assert np.array_equal(compiled(x.T.copy().T[:2]), compiled(x)[:2])

    def test_is_as_exact_as_float32_allows(self):
        x = np.linspace(-80, 0, 4001, dtype=np.float32)
        exact = np.exp(x.astype(np.float64)) / np.exp(x.astype(np.float64)).sum()
        np.testing.assert_allclose(loaded("Softmax", {"x": x})[1](x), exact, rtol=4e-7)


class TestNormalization:
    @pytest.mark.parametrize("shape", [(1, 1), (3, 17), (2, 5, 33), (64, 96)])
    def test_of_layers(self, shape):
        for axis in range(-len(shape), len(shape)):
            tail = shape[axis:]
            for scale_shape in (tail, (1,), tail[-1:]):
                arrays = {"x": samples(*shape) + 2, "scale": samples(*scale_shape, seed=2)}
                check("LayerNormalization", arrays, axis=axis, tolerance=1e-4, epsilon=0.01)
                arrays["bias"] = samples(*scale_shape, seed=3)
                check("LayerNormalization", arrays, outputs=("y", "mean", "inverse"), axis=axis, tolerance=1e-4)

    def test_of_layers_refuses_scales_that_do_not_fit(self):
        arrays = {"x": samples(4, 8), "scale": samples(2, 4, 8)}
        with pytest.raises(ValueError, match=r"scale of shape \(2, 4, 8\)"):
            loaded("LayerNormalization", arrays)[1](*arrays.values())

    @pytest.mark.parametrize("shape", [(1, 6), (2, 6, 5), (3, 6, 7, 11)])
    def test_of_channels(self, shape):
        x, scale, bias, mean = samples(*shape), samples(6, seed=2), samples(6, seed=3), samples(6, seed=4)
        variance = np.abs(samples(6, seed=5)) + 0.1
        statistics = {"scale": scale, "bias": bias, "mean": mean, "variance": variance}
        check("BatchNormalization", {"x": x, **statistics}, tolerance=1e-4)
        if len(shape) > 2:
            check("InstanceNormalization", {"x": x, "scale": scale, "bias": bias}, tolerance=1e-4)
            for groups in (1, 2, 6):
                arrays = {"x": x, "scale": scale, "bias": bias}
                check("GroupNormalization", arrays, num_groups=groups, tolerance=1e-4)

    def test_of_channels_refuses_other_numbers_of_them(self):
        arrays = {"x": samples(2, 6, 3), "scale": samples(4), "bias": samples(4)}
        with pytest.raises(ValueError, match="one number a channel"):
            loaded("InstanceNormalization", arrays)[1](*arrays.values())
        arrays = {"x": samples(2, 6, 3), "scale": samples(6), "bias": samples(6)}
        with pytest.raises(ValueError, match="6 channels are no 4 groups"):
            loaded("GroupNormalization", arrays, num_groups=4)[1](*arrays.values())

    @pytest.mark.parametrize("axis", [0, 1, -1])
    def test_by_norms(self, axis):
        x = samples(4, 5, 7)
        x[:, 2] = 0
        y = loaded("LpNormalization", {"x": x}, axis=axis, p=1)[1](x)
        norm = np.abs(x).sum(axis=axis, keepdims=True)
        np.testing.assert_allclose(y, x / np.where(norm == 0, 1, norm), atol=1e-6)
        check("LpNormalization", {"x": x}, axis=axis, p=2)

    def test_by_neighbours_and_by_all(self):
        x = samples(2, 7, 3, 4)
        for size in (1, 2, 3, 9):
            y = loaded("LRN", {"x": x}, size=size, alpha=0.5, beta=0.6, bias=1.5)[1](x)
            for c in range(7):
                near = x[:, max(0, c - (size - 1) // 2) : c + size // 2 + 1].astype(np.float64)
                expected = x[:, c] / (1.5 + 0.5 / size * np.square(near).sum(1)) ** 0.6
                np.testing.assert_allclose(y[:, c], expected, rtol=1e-5)
        for axes in ([0, 2, 3], [1], [0, 1, 2, 3], [-1]):
            y = loaded("MeanVarianceNormalization", {"x": x}, axes=axes)[1](x)
            mean, deviation = x.mean(tuple(axes), keepdims=True), x.std(tuple(axes), keepdims=True)
            np.testing.assert_allclose(y, (x - mean) / deviation, atol=1e-5)
