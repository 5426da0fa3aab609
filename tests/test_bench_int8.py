"""The rivals in eight bits: that they compute in integers, with the scales they should have, and are told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import sparseinf
from sparseinf import bench
from sparseinf.bench import rivals
from sparseinf.bench.reference import evaluate, max_relative_error
from sparseinf.bench.rivals import onnx_runtime, open_vino, pytorch_int8
from sparseinf.bench.rivals.int8_weights import StaticRange, integers_and_scales, largest_products, static_ranges
from sparseinf.bench.rivals.onnx_int8 import blockwise_model, dynamic_model, static_model
from sparseinf.formats import Csr, Dense, Quantized
from sparseinf.io import LinearRecord

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from sparseinf.bench import Contender

INT8_RIVALS = rivals.known_rivals("int8")
STATIC_RIVALS = rivals.static_rivals()
# x that eight bits hold as it is. The blockwise rival's are symmetric, with a scale for each row.
EXACT_X = np.array([[0, 255, 17], [1, 2, 3]], np.float32)
EXACT_SYMMETRIC_X = np.array([[0, 127, -17], [-127, 2, 3]], np.float32)


def layer_of(rows: int, columns: int, activation: Any = "relu", *, bias: bool = True) -> LinearRecord:
    rng = np.random.default_rng(rows)
    weight = Csr.from_dense(bench.random_weight((rows, columns), 0.7))
    return LinearRecord(weight, rng.standard_normal(rows, dtype=np.float32) if bias else None, activation)


def dense_layer(weight: Any, bias: Any = None) -> LinearRecord:
    bias = None if bias is None else np.array(bias, np.float32)
    return LinearRecord(Dense.from_dense(np.array(weight, np.float32)), bias, None)


def build(name: str, layers: Sequence[LinearRecord], x: NDArray[np.float32]) -> Contender:
    if missing := rivals.missing_packages(name):
        pytest.skip(f"the rival {name} needs {' and '.join(missing)}")
    return rivals.build(name, layers, calibration=x)


def build_exact(name: str, layers: Sequence[LinearRecord], x: NDArray[np.float32]) -> Contender:
    contender = build(name, layers, x)
    if contender.notes:
        pytest.skip(contender.notes[0])
    return contender


def exact_x(name: str) -> NDArray[np.float32]:
    return EXACT_SYMMETRIC_X if name == "onnxruntime_int8_blockwise" else EXACT_X


def optimized_graph(model: bytes, folder: Path) -> Any:
    """Return what ONNX Runtime makes of a model."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns that a saved model is for this machine alone
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx").graph


def operators(model: bytes, folder: Path) -> list[str]:
    return [node.op_type for node in optimized_graph(model, folder).node]


# What the libraries make of the models


def test_the_dynamic_model_is_fused_by_onnxruntime(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = dynamic_model([layer_of(8, 12), layer_of(4, 8, bias=False)])
    assert operators(model, tmp_path) == ["DynamicQuantizeMatMul", "Relu"] * 2


@pytest.mark.parametrize("bias", [True, False])
def test_the_static_model_becomes_integer_products(bias: bool, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    layers = [layer_of(8, 12, bias=bias), layer_of(4, 8, "gelu", bias=bias), layer_of(6, 4, None, bias=bias)]
    found = operators(static_model(layers, bench.random_input(5, 12)), tmp_path)
    # ReLU is the zero point of what follows, where that is quantized.
    assert found == ["QuantizeLinear", "QGemm", "QGemm", "Gelu", "QuantizeLinear", "QGemm"]


def test_the_blockwise_model_is_one_product_a_layer(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    assert operators(blockwise_model([layer_of(8, 12), layer_of(4, 8)]), tmp_path) == ["MatMulNBits", "Relu"] * 2


def test_activations_of_the_static_model_are_uint8() -> None:
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    model = onnx.load_from_string(static_model([layer_of(8, 2, None)], np.array([[-1, 4.1]], np.float32)))
    # Its range, zero and one step, and what lies outside.
    x = np.array([[-1, 4.1], [0, 0.02], [-7, 7]], np.float32)
    model.graph.output.append(onnx.helper.make_tensor_value_info("y_quantized", onnx.TensorProto.UINT8, ["N", 2]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (quantized,) = session.run(["y_quantized"], {"x": x})
    assert quantized.dtype == np.uint8
    np.testing.assert_array_equal(quantized, [[0, 255], [50, 51], [0, 255]])


def test_openvino_runs_the_static_model_in_integers() -> None:
    pytest.importorskip("openvino")
    model = static_model([layer_of(64, 96)], bench.random_input(5, 96))
    nodes = open_vino.compiled_model(model, [(16, 96)], 1).get_runtime_model().get_ordered_ops()
    kinds = {node.get_rt_info()["layerType"].astype(str): node.get_rt_info() for node in nodes}
    assert kinds["FullyConnected"]["primitiveType"].astype(str).endswith("_I8")


# Results


@pytest.mark.parametrize("name", INT8_RIVALS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 16), (3, 17, 1), (2, 16, 15), (5, 33, 31), (4, 300, 70)], ids=str)
def test_errors_are_those_of_eight_bits(name: str, shape: tuple[int, int, int]) -> None:
    batch, columns, rows = shape
    x = bench.random_input(batch, columns)
    layer = layer_of(rows, columns, None)
    expected = evaluate([layer], x)
    # Half a step of x and half a step of the weight, each in all products of a row.
    contender = build(name, [layer], x)
    weight = np.abs(layer.weight.to_dense().astype(np.float64))
    half_step = (x.max(initial=0) - x.min(initial=0)) / 254
    bound = half_step * weight.sum(axis=1).max() + np.abs(x).sum(axis=1).max() * weight.max() / 254
    bound *= 2 if contender.notes else 1  # of seven bits
    assert np.abs(contender(x) - expected).max() <= bound + 1e-5


@pytest.mark.parametrize("name", INT8_RIVALS)
def test_results_are_exact_where_eight_bits_hold_everything(name: str) -> None:
    layers = [dense_layer([[127, -3, 0], [0, 0, 0], [1270, 10, -20]], [1, 2, -30])]
    x = exact_x(name)
    np.testing.assert_allclose(build_exact(name, layers, x)(x), evaluate(layers, x), rtol=1e-6, atol=1e-2)


@pytest.mark.parametrize("name", INT8_RIVALS)
def test_the_largest_products_do_not_overflow(name: str) -> None:
    layer, x, expected = largest_products()
    np.testing.assert_allclose(build(name, [layer], x)(x), np.full((4, 16), expected), rtol=0.02)


@pytest.mark.parametrize("name", INT8_RIVALS)
def test_a_bias_keeps_its_digits_beside_tiny_and_empty_rows(name: str) -> None:
    layers = [dense_layer([[1, 0.5], [1e-12, 0], [0, 0], [0, 0]], [0.1, 3, -0.01, 0])]
    x = np.array([[1, -1], [0.5, 0.25]], np.float32)
    y = build(name, layers, x)(x)
    np.testing.assert_allclose(y[:, 1:], np.tile([3, -0.01, 0], (2, 1)), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", STATIC_RIVALS)
def test_static_scales_come_from_the_calibration(name: str) -> None:
    contender = build(name, [dense_layer([[1, 0], [0, 1]])], np.array([[0, 1]], np.float32))
    np.testing.assert_allclose(contender(np.array([[10, 0.5]], np.float32)), [[1, 0.5]], atol=0.01)


def test_careful_sums_are_right_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(onnx_runtime, "_sums_are_exact", lambda: False)
    layers, x = [layer_of(20, 30)], bench.random_input(4, 30)
    for name in ("onnxruntime_int8", "onnxruntime_int8_static", "onnxruntime_int8_blockwise"):
        assert max_relative_error(build(name, layers, x)(x), evaluate(layers, x)) < 0.03


@pytest.mark.parametrize(("name", "module"), [("torch_int8", pytorch_int8), ("openvino_int8", open_vino)])
def test_seven_bits_are_right_too_and_are_told(name: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_sums_are_exact", lambda: False)
    layers, x = [layer_of(20, 30)], bench.random_input(4, 30)
    contender = build(name, layers, x)
    assert max_relative_error(contender(x), evaluate(layers, x)) < 0.05
    assert "seven bits" in contender.notes[0]


def test_torch_gets_its_engine_back() -> None:
    torch = pytest.importorskip("torch")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "onednn"
    try:
        contender = rivals.build("torch_int8", [layer_of(4, 5)])
        assert torch.backends.quantized.engine == "onednn"
        assert contender(np.ones((1, 5), np.float32)).shape == (1, 4)
    finally:
        torch.backends.quantized.engine = before


# Weights and scales


def test_weights_have_a_scale_a_row() -> None:
    integers, scales = integers_and_scales(Dense(np.array([[2.54, -1.27, 0], [0, 0, 0], [0, 0.635, 0.1]], np.float32)))
    np.testing.assert_array_equal(integers, [[127, -64, 0], [0, 0, 0], [0, 127, 20]])
    np.testing.assert_allclose(scales, [0.02, 1, 0.005], rtol=1e-6)


def test_a_quantized_weight_keeps_its_very_integers() -> None:
    rng = np.random.default_rng(0)
    integers = rng.integers(-128, 128, (200, 256)).astype(np.int8)
    integers[0] //= 2  # a row without an extreme keeps its scale, too
    scales = rng.uniform(1e-6, 10, 200).astype(np.float32)
    found, found_scales = integers_and_scales(Quantized.from_dense(integers, scales=scales))
    np.testing.assert_array_equal(found, integers)
    np.testing.assert_array_equal(found_scales, scales)


@pytest.mark.parametrize("name", INT8_RIVALS)
def test_rivals_run_a_quantized_weight_as_it_is(name: str) -> None:
    integers = np.array([[3, -128, 7], [100, 1, 0]], np.int8)
    values = integers * np.float32(0.5)
    weight = Quantized.from_dense(integers, scales=0.5)
    x = exact_x(name)
    y = build_exact(name, [LinearRecord(weight, None, None)], x)(x)
    np.testing.assert_allclose(y, x @ values.T, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([2, 3], StaticRange(3 / 255, 0)),
        ([-2, -1], StaticRange(2 / 255, 255)),
        ([0, 0], StaticRange(1.0, 0)),
        ([], StaticRange(1.0, 0)),
    ],
)
def test_static_ranges_hold_zero(x: list[float], expected: StaticRange) -> None:
    assert StaticRange.of(np.array(x)) == expected


def test_every_layer_of_a_stack_has_the_range_of_what_it_gets() -> None:
    layers = [layer_of(8, 12), layer_of(4, 8)]
    x = bench.random_input(6, 12)
    between = evaluate(layers[:1], x)
    assert static_ranges(layers, x) == [StaticRange.of(x), StaticRange.of(between)]


@pytest.mark.parametrize("name", [name for name in INT8_RIVALS if name != "sparseinf_dense_int8"])
def test_int8_weights_take_a_byte_each_and_a_scale_a_row(name: str) -> None:
    assert build(name, [layer_of(20, 30)], bench.random_input(2, 30)).nbytes == 20 * 30 + 4 * 20


# In reports


def test_rivals_are_told_apart_by_precision() -> None:
    assert set(rivals.known_rivals()) == set(rivals.known_rivals("float32")) | set(rivals.known_rivals("int8"))
    assert not set(rivals.dense_rivals("float32")) & set(rivals.dense_rivals("int8"))


@pytest.mark.parametrize("name", INT8_RIVALS)
def test_a_rival_in_int8_says_so(name: str) -> None:
    contender = build(name, [layer_of(4, 5)], bench.random_input(1, 5))
    assert contender.precision == "int8"
    assert "int8" in contender.runs


def test_the_errors_of_int8_are_no_failure_but_are_told() -> None:
    pytest.importorskip("onnxruntime")
    report = bench.run(bench.random_cases([(64, 96, 4)], [0.5]), against=["onnxruntime_int8"], min_seconds=0)
    assert [row["precision"] for row in report] == ["float32", "int8"]
    assert report.rows[1]["max_relative_error"] > 1e-4
    assert any("eight bits" in note for note in report.notes)
    assert not any(note.startswith("WRONG") for note in report.notes)


@pytest.mark.parametrize("name", STATIC_RIVALS)
def test_a_comparison_calibrates_on_its_own_inputs_and_says_so(name: str) -> None:
    if missing := rivals.missing_packages(name):
        pytest.skip(f"the rival {name} needs {' and '.join(missing)}")
    layer = sparseinf.load(bench.random_weight((20, 30), 0.5), threads=1, tune="model")
    inputs = [1000 * bench.random_input(batch, 30) for batch in (2, 3)]
    report = bench.compare_stack([layer], inputs, against=[name], min_seconds=0)
    assert max(row["max_relative_error"] for row in report) < 0.03
    assert any("static scales" in note for note in report.notes)


def test_a_comparison_without_int8_says_nothing_of_it() -> None:
    report = bench.run(bench.random_cases([(8, 9, 2)], [0.5]), against=["sparseinf_dense"], min_seconds=0)
    assert not any("eight bits" in note or "static scales" in note for note in report.notes)


def test_errors_are_told_against_the_weights_that_are_given() -> None:
    weight = bench.random_weight((20, 30), 0.5)
    layer = sparseinf.load(weight, threads=1, tune="model")
    x = bench.random_input(3, 30)
    report = bench.compare_stack(
        [layer], [x], against=["sparseinf_dense"], min_seconds=0, weights=[Dense.from_dense(1.25 * weight)]
    )
    assert [row["max_relative_error"] for row in report] == pytest.approx([0.2, 0], abs=1e-5)
