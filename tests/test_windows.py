"""Operations whose windows slide: convolutions as layers and otherwise, their transposes, pooling."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_models import model, node, reference
from test_computing_operations import check, loaded, samples

import sparseinf
from sparseinf.graph.passes import rewrite
from sparseinf.io.onnx_file import read_onnx

WINDOWS = [
    {},
    {"strides": [2, 3]},
    {"dilations": [2, 1]},
    {"pads": [1, 0, 2, 3]},
    {"pads": [2, 2, 2, 2], "strides": [3, 2], "dilations": [1, 2]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER"},
    {"auto_pad": "VALID"},
]


CEILED = [{"ceil_mode": 1, "strides": [2, 2]}, {"ceil_mode": 1, "strides": [3, 5], "pads": [1, 0, 1, 2]}]


def pooled(x, kernel, function, strides=(1, 1), dilations=(1, 1), pads=(0,) * 4, auto_pad="NOTSET", ceil_mode=0):
    """Apply a function to what each window reads, NaN outside of x, in float64."""
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    pads, extents = list(pads), []
    for i, (size, span, stride) in enumerate(zip(x.shape[2:], spans, strides, strict=True)):
        if auto_pad.startswith("SAME"):
            missing = max(0, ((size + stride - 1) // stride - 1) * stride + span - size)
            less, more = missing // 2, missing - missing // 2
            pads[i], pads[i + 2] = (less, more) if auto_pad == "SAME_UPPER" else (more, less)
        room = size + pads[i] + pads[i + 2] - span
        count = (room + stride - 1) // stride + 1 if ceil_mode else room // stride + 1
        extents.append(count - 1 if ceil_mode and (count - 1) * stride >= size + pads[i] else count)
    wide = np.pad(
        x.astype(np.float64),
        ((0, 0), (0, 0), (pads[0], pads[2] + 20), (pads[1], pads[3] + 20)),
        constant_values=np.nan,
    )
    y = np.empty((*x.shape[:2], *extents))
    for n, c, i, j in np.ndindex(*y.shape):
        top, left = i * strides[0], j * strides[1]
        window = wide[n, c, top : top + spans[0] : dilations[0], left : left + spans[1] : dilations[1]]
        y[n, c, i, j] = function(window)
    return y


def sparse(*shape, seed=2):
    weight = samples(*shape, seed=seed)
    return np.where(np.random.default_rng(seed).random(shape) < 0.8, np.float32(0), weight)


class TestConvolutions:
    @pytest.mark.parametrize("window", WINDOWS, ids=str)
    @pytest.mark.parametrize("is_layer", [True, False])
    def test_slide_as_models_say(self, window, is_layer):
        for kernel in ((1, 1), (3, 2)):
            x, weight, bias = samples(2, 5, 9, 11), sparse(7, 5, *kernel), samples(7, seed=3)
            if is_layer:
                check("Conv", {"x": x}, {"weight": weight, "bias": bias}, **window)
            else:
                check("Conv", {"x": x, "weight": weight, "bias": bias}, **window)
                check("Conv", {"x": x, "weight": weight}, **window)

    @pytest.mark.parametrize("group", [1, 2, 4])
    def test_in_groups(self, group):
        x, weight = samples(2, 4, 9, 8), samples(8, 4 // group, 3, 3)
        for window in ({}, {"strides": [2, 1], "pads": [1, 2, 0, 1]}):
            check("Conv", {"x": x, "weight": weight}, group=group, **window)
            check("Conv", {"x": x}, {"weight": weight}, group=group, **window)

    @pytest.mark.parametrize("spatial", [1, 3])
    def test_over_one_and_three_dimensions(self, spatial):
        x, weight = samples(2, 3, *(7, 6, 5)[:spatial]), samples(4, 3, *(3, 2, 2)[:spatial])
        window = {"pads": [1] * 2 * spatial, "strides": [2] * spatial}
        check("Conv", {"x": x}, {"weight": weight}, **window)
        check("Conv", {"x": x, "weight": weight}, **window)

    def test_of_large_images_go_piece_by_piece(self):
        x, weight = samples(1, 160, 40, 41), sparse(24, 160, 3, 3)
        check("Conv", {"x": x}, {"weight": weight}, pads=[1] * 4, tolerance=2e-4)
        check("Conv", {"x": x, "weight": weight}, pads=[1] * 4, tolerance=2e-4)

    def test_of_nothing(self):
        weight = samples(4, 3, 3, 3)
        for arrays, constants in (({}, {"weight": weight}), ({"weight": weight}, {})):
            _, compiled = loaded("Conv", {"x": samples(0, 3, 5, 5), **arrays}, constants)
            assert compiled(samples(0, 3, 5, 5), *arrays.values()).shape == (0, 4, 3, 3)

    def test_in_int8_are_near(self):
        x, weight = samples(1, 16, 12, 12), samples(24, 16, 3, 3)
        proto, _ = loaded("Conv", {"x": x}, {"weight": weight}, pads=[1] * 4)
        expected = reference(proto, {"x": x})[0]
        for scales in ("column", "tensor"):
            y = sparseinf.load(proto, precision="int8", activation_scales=scales)(x)
            assert np.abs(y - expected).max() < 0.03 * np.abs(expected).max()

    @pytest.mark.parametrize("is_layer", [True, False])
    def test_refuse_what_does_not_fit(self, is_layer):
        weight = samples(4, 3, 3, 3)
        arrays, constants = ({}, {"weight": weight}) if is_layer else ({"weight": weight}, {})
        _, compiled = loaded("Conv", {"x": samples(1, 3, 5, 5), **arrays}, constants)
        with pytest.raises(ValueError, match="comes to a convolution"):
            compiled(samples(1, 2, 5, 5), *arrays.values())
        with pytest.raises(ValueError, match="a window of 3 elements does not fit"):
            compiled(samples(1, 3, 2, 5), *arrays.values())

    def test_transposed_in_groups(self):
        x, weight = samples(2, 4, 3, 5), samples(4, 3, 2, 3)
        y = loaded("ConvTranspose", {"x": x, "weight": weight}, group=2)[1](x, weight)
        halves = [np.ascontiguousarray(x[:, half]) for half in (slice(0, 2), slice(2, 4))]
        weights = np.split(weight, 2)
        one = loaded("ConvTranspose", {"x": halves[0], "weight": weights[0]})[1]
        assert np.array_equal(y, np.concatenate(list(map(one, halves, weights)), axis=1))

    def test_transposed(self):
        x = samples(2, 4, 3, 5)
        for more in (
            {},
            {"strides": [3, 2]},
            {"strides": [2, 2], "pads": [1, 0, 1, 2], "output_padding": [1, 0]},
            {"dilations": [2, 3]},
            {"strides": [2, 2], "auto_pad": "SAME_UPPER"},
            {"strides": [2, 2], "auto_pad": "SAME_LOWER"},
            {"strides": [3, 2], "output_shape": [9, 11]},
        ):
            check("ConvTranspose", {"x": x, "weight": samples(4, 3, 3, 3), "bias": samples(3)}, **more)
        check("ConvTranspose", {"x": samples(1, 2, 6), "weight": samples(2, 3, 4)}, strides=[2])


class TestFusedConvolutions:
    def graph(self, nodes, constants, inputs=None):
        inputs = {"x": ("float32", [2, 5, 9, 9]), **(inputs or {})}
        return model(nodes, inputs, {"y": ("float32", [2, 7, 9, 9])}, constants)

    def check(self, proto, text, feeds):
        graph = read_onnx(proto)
        rewrite(graph)
        assert str(graph).splitlines()[:-1] == [text]
        compiled = sparseinf.load(proto, tune="off")
        y = compiled.run(None, feeds)[0]
        np.testing.assert_allclose(y, reference(proto, feeds)[0], atol=1e-4)
        return compiled, y

    def test_take_in_normalization_bias_residual_and_activation(self, tmp_path):
        constants = {"w": sparse(7, 5, 3, 3), "shift": samples(7, 1, 1), "low": np.float32(0), "high": np.float32(6)}
        constants |= {name: samples(7, seed=i) for i, name in enumerate(("scale", "offset", "mean"))}
        constants["variance"] = np.abs(samples(7, seed=9)) + 0.5
        proto = self.graph(
            [
                node("Conv", ["x", "w"], ["c"], pads=[1] * 4),
                node("BatchNormalization", ["c", "scale", "offset", "mean", "variance"], ["n"]),
                node("Add", ["shift", "n"], ["s"]),
                node("Add", ["s", "r"], ["a"]),
                node("Clip", ["a", "low", "high"], ["y"]),
            ],
            constants,
            {"r": ("float32", [2, 7, 9, 9])},
        )
        feeds = {"x": samples(2, 5, 9, 9), "r": samples(2, 7, 9, 9, seed=8)}
        text = (
            "y = Convolution(x, r, activation=('clip', 0.0, 6.0), auto_pad='NOTSET', bias=float32[7], dilations=[], "
            "kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[], weight=float32[7, 45])"
        )
        compiled, y = self.check(proto, text, feeds)
        assert len(compiled.layers) == 1
        compiled.save(tmp_path / "model.safetensors")
        assert np.array_equal(sparseinf.load(tmp_path / "model.safetensors").run(None, feeds)[0], y)

    def test_leave_alone_what_is_not_the_same_at_all_places(self):
        proto = self.graph(
            [node("Conv", ["x", "w"], ["c"], pads=[1] * 4), node("Add", ["c", "row"], ["y"])],
            {"w": samples(7, 5, 3, 3), "row": samples(9)},
        )
        graph = read_onnx(proto)
        rewrite(graph)
        assert [each.op for each in graph.nodes] == ["Convolution", "Add"]


class TestResize:
    @pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
    @pytest.mark.parametrize(
        "coordinates", ["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
    )
    def test_reads_between_elements(self, mode, coordinates):
        x = samples(1, 2, 5, 4)
        for factors in ((2.0, 3.0), (0.6, 1.5), (1.0, 0.5)):
            scales = {"roi": np.zeros(0, np.float32), "scales": np.array([1, 1, *factors], np.float32)}
            more = {"exclude_outside": 1, "cubic_coeff_a": -0.5} if mode == "cubic" else {}
            for attributes in ({}, more):
                said = {"mode": mode, "coordinate_transformation_mode": coordinates, **attributes}
                check("Resize", {"x": x}, scales, tolerance=1e-4, **said)

    @pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    def test_takes_the_nearest_as_models_say(self, rounding):
        constants = {"roi": np.zeros(0, np.float32), "scales": np.zeros(0, np.float32)}
        constants["sizes"] = np.array([7, 10], np.int64)
        said = {"nearest_mode": rounding, "coordinate_transformation_mode": "asymmetric", "axes": [3, 2]}
        check("Resize", {"x": samples(2, 1, 5, 4)}, constants, **said)

    @pytest.mark.parametrize("scales", [[1, -1], [1, np.inf], [1, np.nan], [2, 2, 2]])
    def test_refuses_factors_that_are_none(self, scales):
        proto = model(
            [node("Resize", ["x", "", "s"], ["y"])],
            {"x": ("float32", [None, None]), "s": ("float32", [None])},
            {"y": ("float32", [None, None])},
        )
        compiled = sparseinf.load(proto)
        assert not compiled.reference_operators
        with pytest.raises(ValueError, match=r"cannot be resized|not one a dimension"):
            compiled(samples(3, 4), np.array(scales, np.float32))
        assert compiled(samples(3, 4), np.array([0, 2], np.float32)).shape == (0, 8)


class TestPooling:
    @pytest.mark.parametrize("window", [*WINDOWS, *CEILED], ids=str)
    def test_slides_as_models_say(self, window):
        x, kernel = samples(2, 3, 9, 10), [3, 4]
        for op, more, function in (
            ("MaxPool", {}, np.nanmax),
            ("AveragePool", {"count_include_pad": 0}, np.nanmean),
            ("LpPool", {"p": 1}, lambda values: np.nansum(np.abs(values))),
            ("LpPool", {"p": 3}, lambda values: np.nansum(np.abs(values) ** 3) ** (1 / 3)),
            ("LpPool", {}, lambda values: np.nansum(values**2) ** 0.5),
        ):
            _, compiled = loaded(op, {"x": x}, kernel_shape=kernel, **more, **window)
            assert not compiled.reference_operators
            np.testing.assert_allclose(compiled(x), pooled(x, kernel, function, **window), rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("window", [*WINDOWS[:5], *CEILED], ids=str)
    def test_may_count_the_padding(self, window):
        check("AveragePool", {"x": samples(2, 3, 9, 10)}, kernel_shape=[3, 4], count_include_pad=1, **window)

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8])
    def test_of_whole_numbers(self, dtype):
        x = np.random.default_rng(1).integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (2, 3, 8, 8)).astype(dtype)
        _, compiled = loaded("MaxPool", {"x": x}, dtype=dtype.__name__, kernel_shape=[2, 2], strides=[2, 2])
        assert not compiled.reference_operators
        assert np.array_equal(compiled(x), x.reshape(2, 3, 4, 2, 4, 2).max((3, 5)))

    def test_tells_where_the_largest_are(self):
        x = samples(2, 3, 7, 6)
        for order in (0, 1):
            proto = model(
                [node("MaxPool", ["x"], ["y", "i"], kernel_shape=[3, 2], strides=[2, 2], storage_order=order)],
                {"x": ("float32", list(x.shape))},
                {"y": ("float32", [None] * 4), "i": ("int64", [None] * 4)},
            )
            compiled = sparseinf.load(proto)
            assert not compiled.reference_operators
            y, places = compiled(x)
            planes = x if order == 0 else x.swapaxes(2, 3)
            assert np.array_equal(planes.reshape(-1)[places], y)

    def test_of_whole_channels(self):
        for shape in ((2, 3, 7), (1, 5, 1, 1), (2, 3, 4, 5)):
            x, axes = samples(*shape), tuple(range(2, len(shape)))
            check("GlobalAveragePool", {"x": x})
            assert np.array_equal(loaded("GlobalMaxPool", {"x": x})[1](x), x.max(axes, keepdims=True))

    def test_refuses_windows_that_do_not_fit(self):
        _, compiled = loaded("MaxPool", {"x": samples(1, 1, 5, 5)}, kernel_shape=[3, 3])
        with pytest.raises(ValueError, match="a window of 3 elements does not fit"):
            compiled(samples(1, 1, 5, 2))
