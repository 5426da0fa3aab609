"""Saved int8 weights come back bit for bit, small, with their scales and activations, and are not trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from int8_reference import int8_linear
from saved_files import description_of, rewritten, with_tensor
from weights_of_int8 import KINDS, SHAPES, checked, random_quantized, random_scales, sparse_matrix

import sparseinf
from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.formats import NM, Block, Csr, Dense, Quantized, quantize
from sparseinf.io import LinearRecord, WeightsRecord, read, write
from sparseinf.io.safetensors_file import open_safetensors, write_safetensors
from sparseinf.quantize import ActivationQuantization

every_kind = pytest.mark.parametrize("kind", KINDS)
STATIC = {"scales": "static", "dtype": "uint8", "scale": 0.1, "zero_point": 7}


def assert_same_weight(weight, expected):
    assert repr(weight) == repr(expected)  # has format, pattern and source_dtype
    assert vars(weight.integers).keys() >= {"values"}
    for name, array in vars(expected.integers).items():
        if isinstance(array, np.ndarray):
            np.testing.assert_array_equal(getattr(weight.integers, name), array, strict=True)
    np.testing.assert_array_equal(weight.scales, expected.scales, strict=True)


def come_back(folder, weight):
    write(folder / "layer", LinearRecord(weight))
    assert_same_weight(read(folder / "layer").weight, weight)


@pytest.fixture(name="saved", params=KINDS)
def _saved(request, tmp_path):
    """A file with one int8 layer, named a."""
    record = LinearRecord(random_quantized(request.param), activations=STATIC)
    write(tmp_path / "network.safetensors", WeightsRecord({"a": record}))
    return tmp_path / "network.safetensors"


@pytest.fixture(name="csr")
def _csr(tmp_path):
    """A file with one int8 layer of compressed rows, without a name."""
    write(tmp_path / "network.safetensors", LinearRecord(random_quantized("csr"), activations=STATIC))
    return tmp_path / "network.safetensors"


# There and back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("density", [0.0, 0.1, 0.3, 1.0])
@every_kind
def test_integers_and_scales_of_any_shape_come_back(tmp_path, kind, shape, density):
    come_back(tmp_path, random_quantized(kind, shape, density))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(shape=st.tuples(st.integers(0, 40), st.integers(0, 40)), density=st.floats(0, 1))
def test_any_weight_comes_back(tmp_path, shape, density):
    for kind in KINDS:
        come_back(tmp_path, random_quantized(kind, shape, density))


@pytest.mark.parametrize("shape", [(2, 90_000), (90_000, 2)])
def test_more_nonzeros_than_are_decoded_together_come_back(tmp_path, shape):
    come_back(tmp_path, random_quantized("csr", shape, density=0.9))
    come_back(tmp_path, random_quantized("csr", shape, density=0.05))


@every_kind
def test_the_dtype_that_values_had_comes_back(tmp_path, kind):
    come_back(tmp_path, quantize(KINDS[kind](sparse_matrix().astype(np.float16))))


def test_a_weight_that_came_as_int8_says_so(tmp_path):
    weight = Quantized.from_dense(np.eye(5, dtype=np.int8), scales=0.5)
    come_back(tmp_path, weight)
    write(tmp_path / "layer", LinearRecord(weight.dequantize()))
    assert read(tmp_path / "layer").weight.source_dtype == "int8"


@pytest.mark.parametrize(
    "activations",
    [
        None,
        STATIC,
        {"scales": "static", "dtype": "int8", "scale": float(np.float32(1) / 3), "zero_point": 128},
        {"scales": "static", "dtype": "uint8", "scale": 0.0, "zero_point": 0},
        {"scales": "column", "dtype": "uint8"},
        {"scales": "tensor", "dtype": "int8"},
    ],
    ids=str,
)
def test_activations_come_back(tmp_path, activations):
    write(tmp_path / "layer", LinearRecord(random_quantized("csr"), activations=activations))
    assert read(tmp_path / "layer").activations == activations


def test_what_a_layer_has_besides_comes_back(tmp_path):
    bias, options = np.linspace(-1, 1, 13, dtype=np.float32), {"precision": "int8", "batch": (1, 16)}
    write(tmp_path / "layer", LinearRecord(random_quantized("nm"), bias=bias, activation="relu", options=options))
    again = read(tmp_path / "layer")
    np.testing.assert_array_equal(again.bias, bias, strict=True)
    assert (again.activation, again.options) == ("relu", options)


def test_layers_of_float32_and_int8_come_back_together(tmp_path):
    weights = {"f": Csr.from_dense(sparse_matrix()), **{kind: random_quantized(kind) for kind in KINDS}}
    write(tmp_path / "weights", WeightsRecord({name: LinearRecord(weight) for name, weight in weights.items()}))
    again = read(tmp_path / "weights").layers
    assert [*again] == [*weights]
    for name, weight in weights.items():
        assert repr(again[name].weight) == repr(weight)
        np.testing.assert_array_equal(again[name].weight.to_dense(), weight.to_dense())


def test_tensors_that_are_not_aligned_are_copied(saved):
    rewritten(saved, dict.copy)
    assert read(saved).layers["a"].weight.scales.flags.aligned


def test_scales_are_not_in_the_mapped_file(saved):
    assert read(saved).layers["a"].weight.scales.base.flags.owndata


def test_saved_file_loads_and_computes(saved):
    weight, x = read(saved).layers["a"].weight, sparse_matrix((3, 41), density=1.0, seed=1)
    layer = sparseinf.load(saved)["a"]
    integers = weight.float32_integers().to_dense().astype(np.int8)
    np.testing.assert_array_equal(
        layer(x), int8_linear(x, integers, weight.scales, activations=ActivationQuantization(**STATIC))
    )


# Size


@pytest.mark.parametrize(
    ("sparsity", "most_bytes_of_a_nonzero"),
    [(0.5, 1.26), (0.7, 1.43), (0.8, 1.55), (0.9, 1.69), (0.95, 1.84), (0.99, 2.32)],
)
def test_file_of_random_zeros_is_small(tmp_path, sparsity, most_bytes_of_a_nonzero):
    weight = quantize(Csr.from_dense(sparse_matrix((1024, 2048), 1 - sparsity)))
    write(tmp_path / "layer", LinearRecord(weight))
    assert (tmp_path / "layer").stat().st_size <= most_bytes_of_a_nonzero * weight.num_nonzeros


@pytest.mark.parametrize(
    ("weight", "most_bytes_of_a_nonzero"),
    [
        (NM.from_dense(np.tile(np.float32([[1, 2, 0, 0]]), (256, 256)), nm=(2, 4)), 1.26),  # two bits of position
        (Block.from_dense(np.kron(sparse_matrix((64, 1024), 0.2), np.ones((4, 1))), block=(4, 1)), 1.15),
        (Dense.from_dense(sparse_matrix((256, 1024), 1.0)), 1.01),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_file_of_a_pattern_is_small(tmp_path, weight, most_bytes_of_a_nonzero):
    write(tmp_path / "layer", LinearRecord(quantize(weight)))
    header_and_scales = 700 + 4 * 256
    assert (tmp_path / "layer").stat().st_size <= most_bytes_of_a_nonzero * weight.num_nonzeros + header_and_scales


@pytest.mark.parametrize(("density", "encoding"), [(0.7, "bitmap"), (0.1, "elias-fano"), (0.0, "elias-fano")])
def test_the_smallest_encoding_is_taken(tmp_path, density, encoding):
    write(tmp_path / "layer", LinearRecord(random_quantized("csr", (64, 64), density)))
    assert description_of(tmp_path / "layer")["layers"][0]["columns"] == encoding


# Versions


@pytest.mark.parametrize(
    ("weights", "version"),
    [
        ([quantize(np.eye(3))], 3),
        ([Csr.from_dense(np.eye(3)), quantize(Csr.from_dense(np.eye(3)))], 3),
        ([Quantized.from_dense(np.eye(3, dtype=np.int8), scales=1).dequantize()], 3),
        ([quantize(np.eye(3)).dequantize()], 1),
    ],
)
def test_only_files_with_int8_have_version_3(tmp_path, weights, version):
    write(tmp_path / "weights", WeightsRecord({str(i): LinearRecord(weight) for i, weight in enumerate(weights)}))
    assert description_of(tmp_path / "weights")["version"] == version


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_cannot_hold_int8(saved, version):
    rewritten(saved, lambda description: description.update(version=version))
    with pytest.raises(CorruptFileError, match=f"'quantized', which version {version} does not know"):
        read(saved)


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_cannot_hold_weights_that_were_int8(tmp_path, version):
    weight = Quantized.from_dense(np.eye(3, dtype=np.int8), scales=1).dequantize()
    write(tmp_path / "layer", LinearRecord(weight))
    rewritten(tmp_path / "layer", lambda description: description.update(version=version))
    with pytest.raises(CorruptFileError, match=f"source_dtype 'int8', which version {version} does not know"):
        read(tmp_path / "layer")


# Writing what cannot be


IMPOSSIBLE_ACTIVATIONS = [
    3,
    ["static"],
    {},
    {"scales": "column"},
    {"scales": "row", "dtype": "uint8"},
    {"scales": ["column"], "dtype": "uint8"},
    {"scales": "column", "dtype": "int4"},
    {"scales": "column", "dtype": "uint8", "scale": 0.1, "zero_point": 7},
    {"scales": "column", "dtype": "uint8", "scale": None, "zero_point": None},
    {"scales": "static", "dtype": "uint8"},
    {**STATIC, "extra": 1},
    {**STATIC, "dtype": None},
    {**STATIC, "scale": None},
    {**STATIC, "scale": "0.1"},
    {**STATIC, "scale": 1},
    {**STATIC, "scale": True},
    {**STATIC, "scale": -0.1},
    {**STATIC, "scale": 1e39},
    {**STATIC, "zero_point": None},
    {**STATIC, "zero_point": 7.0},
    {**STATIC, "zero_point": True},
    {**STATIC, "zero_point": -1},
    {**STATIC, "zero_point": 256},
]


@pytest.mark.parametrize("activations", IMPOSSIBLE_ACTIVATIONS, ids=str)
def test_activations_that_cannot_be_are_not_written(tmp_path, activations):
    with pytest.raises(ValueError, match="activations"):
        write(tmp_path / "layer", LinearRecord(random_quantized("csr"), activations=activations))
    assert [*tmp_path.iterdir()] == []


def test_activations_of_a_float32_weight_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="but the weight is not"):
        write(tmp_path / "layer", LinearRecord(Csr.from_dense(np.eye(3)), activations=STATIC))


# Damage and lies


def lie(saved, fields):
    rewritten(saved, lambda description: description["layers"][0].update(fields))
    with pytest.raises(CorruptFileError, match=r"network\.safetensors is damaged: "):
        read(saved)


@pytest.mark.parametrize("activations", [*IMPOSSIBLE_ACTIVATIONS, {**STATIC, "scale": float("nan")}], ids=str)
def test_activations_that_are_not_true_are_refused(csr, activations):
    lie(csr, {"activations": activations})


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "csr"},
        {"format": "dense"},
        {"format": ["quantized"]},
        {"integers": "dense"},
        {"integers": "nm"},
        {"integers": "block"},
        {"integers": "quantized"},
        {"integers": "soup"},
        {"integers": None},
        {"integers": ["csr"]},
        {"columns": "zip"},
        {"columns": "bitmap"},
        {"columns": None},
        {"source_dtype": "int16"},
        {"source_dtype": ["int8"]},
        {"shape": [13, 42]},
        {"shape": [13, 400]},
        {"shape": [12, 41]},
        {"shape": [14, 41]},
        {"shape": [2**30, 41]},
        {"shape": [13, 2**30]},
        {"extra": 1},
    ],
    ids=str,
)
def test_description_that_is_not_true_is_refused(csr, fields):
    lie(csr, fields)


@pytest.mark.parametrize("field", ["integers", "activations", "columns", "source_dtype", "shape"])
def test_description_that_lacks_a_field_is_refused(csr, field):
    rewritten(csr, lambda description: description["layers"][0].pop(field))
    with pytest.raises(CorruptFileError, match=r"must be described by|which version 3 does not know"):
        read(csr)


def test_a_float32_layer_cannot_have_the_fields_of_int8(tmp_path):
    write(tmp_path / "network.safetensors", LinearRecord(Dense.from_dense(np.eye(3, dtype=np.float32))))
    rewritten(tmp_path / "network.safetensors", lambda description: description.update(version=3))
    assert read(tmp_path / "network.safetensors").activations is None
    lie(tmp_path / "network.safetensors", {"activations": None})


def test_a_float32_layer_cannot_have_the_encoding_of_int8(tmp_path):
    path, matrix = tmp_path / "layer", sparse_matrix((40, 40), density=0.1)
    write(path, LinearRecord(quantize(Csr.from_dense(matrix))))
    columns = open_safetensors(path).array("layer//columns").copy()
    write(path, LinearRecord(Csr.from_dense(matrix)))
    with_tensor(path, "layer//columns", lambda _: columns)
    rewritten(path, lambda saved: saved["layers"][0].update(columns="elias-fano"))
    with pytest.raises(CorruptFileError, match="elias-fano"):
        read(path)


@pytest.mark.parametrize(
    ("tensor", "change", "message"),
    [
        ("scales", lambda scales: scales[1:], r"must be float32 of shape \(13\)"),
        ("scales", lambda scales: scales.reshape(-1, 1), r"must be float32 of shape \(13\)"),
        ("scales", lambda scales: scales.astype(np.float64), r"must be float32 of shape \(13\)"),
        ("scales", lambda scales: scales * np.float32(0), r"scales\[0\] is 0"),
        ("scales", lambda scales: -scales, r"scales\[0\] is -"),
        ("scales", lambda scales: scales * np.float32(np.nan), r"scales\[0\] is nan"),
        ("scales", lambda scales: scales * np.float32(np.inf), r"scales\[0\] is inf"),
        ("scales", lambda scales: np.full_like(scales, 3e38), "does not fit in float32"),
        ("values", lambda values: values.astype(np.float32), "must be int8"),
        ("values", lambda values: values.view(np.uint8), "must be int8"),
    ],
)
def test_scales_and_values_that_cannot_be_are_refused(saved, tensor, change, message):
    with np.errstate(invalid="ignore"):
        with_tensor(saved, f"layer/a/{tensor}", change)
    with pytest.raises(CorruptFileError, match=message):
        read(saved)


@pytest.mark.parametrize(
    ("kind", "tensor", "change", "message"),
    [
        ("csr", "values", np.zeros_like, "zero among its nonzeros"),
        ("csr", "values", lambda values: values[1:], "the places of 144 nonzeros take"),
        ("csr", "columns", lambda data: data[:-1], "the places of 145 nonzeros take"),
        ("csr", "columns", np.zeros_like, "the places of other than 145 nonzeros"),
        ("block", "values", np.zeros_like, "block of zeros alone"),
        ("block", "values", np.ones_like, "over the edge"),
        ("block", "columns", lambda data: np.full_like(data, 255), "the column data"),
        ("nm", "values", lambda values: values[:, :, ::-1], "is zero, but a nonzero"),
        ("nm", "positions", np.zeros_like, "ascend"),
        ("dense", "values", lambda values: values[:, 1:], r"must be int8 of shape \(13, 41\)"),
    ],
)
def test_places_that_cannot_be_are_refused(tmp_path, kind, tensor, change, message):
    write(tmp_path / "layer", LinearRecord(random_quantized(kind)))
    with_tensor(tmp_path / "layer", f"layer//{tensor}", change)
    with pytest.raises(CorruptFileError, match=message):
        read(tmp_path / "layer")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: np.append(data, data[:1]),
        np.zeros_like,
        lambda data: np.full_like(data, 255),
        lambda data: data[::-1],
    ],
)
def test_places_by_elias_and_fano_that_cannot_be_are_refused(tmp_path, change):
    write(tmp_path / "layer", LinearRecord(random_quantized("csr", (40, 40), density=0.1)))
    with_tensor(tmp_path / "layer", "layer//columns", change)
    with pytest.raises(CorruptFileError, match="the places of"):
        read(tmp_path / "layer")


def test_rows_that_the_scales_do_not_vouch_for_take_no_memory(tmp_path):
    path = tmp_path / "network.safetensors"
    write(path, LinearRecord(quantize(Csr.from_dense(np.zeros((4, 1), np.float32)))))
    lie(path, {"shape": [2**31 - 64, 1], "columns": "elias-fano"})


@pytest.mark.parametrize("tensor", ["values", "scales"])
def test_tensor_that_is_missing_is_refused(saved, tensor):
    file = open_safetensors(saved)
    name = f"layer/a/{tensor}"
    write_safetensors(saved, {key: file.array(key) for key in file.tensors if key != name}, file.metadata)
    with pytest.raises(CorruptFileError, match=f"'{name}' is named in the metadata, but is not there"):
        read(saved)


def test_scales_that_belong_to_nothing_are_refused(tmp_path):
    path = tmp_path / "layer"
    write(path, LinearRecord(Dense.from_dense(sparse_matrix())))
    file = open_safetensors(path)
    tensors = {key: file.array(key) for key in file.tensors}
    write_safetensors(path, {**tensors, "layer//scales": random_scales(13)}, file.metadata)
    with pytest.raises(CorruptFileError, match="belongs to no layer"):
        read(path)


def test_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 11):
        saved.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"network\.safetensors"):
            read(saved)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_changed_file_is_read_or_refused_but_never_breaks(saved, data):
    content = saved.read_bytes()
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    saved.write_bytes(changed)
    try:
        weights = [record.weight for record in read(saved).layers.values()]
    except (CorruptFileError, UnsupportedModelError):
        return
    finally:
        saved.write_bytes(content)
    for weight in weights:
        checked(weight)
