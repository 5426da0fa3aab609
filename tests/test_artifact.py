"""Saved files give back what was saved, are small, appear whole or not at all, and are not trusted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_files import rewritten

from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.formats import Csr, Dense
from sparseinf.io import LinearRecord, WeightsRecord, is_artifact, open_tensors, read, write
from sparseinf.io.safetensors_file import write_safetensors
from sparseinf.io.tensor_types import DTYPES


def sparse_matrix(shape=(12, 40), sparsity=0.7, seed=0):
    random = np.random.default_rng(seed)
    matrix = random.standard_normal(shape).astype(np.float32)
    matrix[random.random(shape) < sparsity] = 0
    return matrix


def layer(shape=(12, 40), sparsity=0.7, **fields):
    return LinearRecord(Csr.from_dense(sparse_matrix(shape, sparsity)), **fields)


def network():
    bias = np.arange(12, dtype=np.float32)
    return WeightsRecord(
        {
            "z.first": layer(bias=bias, activation=("clip", 0.0, 6.0), options={"batch": (1, 16)}),
            "a/second": LinearRecord(Dense.from_dense(sparse_matrix().astype(np.float16)), activation="relu"),
        },
        {"table": np.arange(6, dtype=np.int16).reshape(1, 2, 3), "step": np.array(7)},
    )


@pytest.fixture(name="saved")
def _saved(tmp_path):
    path = tmp_path / "network.safetensors"
    write(path, network())
    return path


# There and back


@pytest.mark.parametrize("numbers", [(0, float("inf")), (float("-inf"), 2.5)])
def test_numbers_that_json_lacks_come_back(tmp_path, numbers):
    write(tmp_path / "a", layer(activation=("clip", *numbers)))
    assert read(tmp_path / "a").activation == ("clip", *numbers)


def test_values_that_are_not_aligned_are_copied(saved):
    rewritten(saved, dict.copy)
    assert all(layer.weight.values.flags.aligned for layer in read(saved).layers.values())


@pytest.mark.parametrize("kind", [Csr, Dense])
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1), (1, 300), (300, 1), (12, 40)])
@pytest.mark.parametrize("sparsity", [0.0, 0.7, 1.0])
def test_weight_of_any_shape_comes_back(tmp_path, kind, shape, sparsity):
    weight = kind.from_dense(sparse_matrix(shape, sparsity))
    write(tmp_path / "layer", LinearRecord(weight))
    again = read(tmp_path / "layer").weight
    assert isinstance(again, kind)
    np.testing.assert_array_equal(again.to_dense(), weight.to_dense(), strict=True)


def test_layer_comes_back_with_all_it_has(tmp_path):
    bias = np.linspace(-1, 1, 12, dtype=np.float32)
    saved = layer(bias=bias, activation=("leaky_relu", 0.1), options={"format": "auto", "batch": (1, 8)})
    write(tmp_path / "layer", saved)
    again = read(tmp_path / "layer")
    np.testing.assert_array_equal(again.bias, bias, strict=True)
    assert (again.activation, again.options) == (saved.activation, saved.options)
    assert again.weight.source_dtype == "float32"


def test_network_comes_back_in_order(saved):
    again = read(saved)
    assert list(again.layers) == ["z.first", "a/second"]
    assert list(again.other) == ["table", "step"]
    assert again.layers["a/second"].weight.source_dtype == "float16"
    assert again.layers["a/second"].bias is None


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES.keys())
@pytest.mark.parametrize("shape", [(), (0, 2), (3,), (2, 1, 2, 1)])
def test_other_tensors_of_every_dtype_come_back_bit_for_bit(tmp_path, dtype, shape):
    num_bytes = int(np.prod(shape)) * dtype.itemsize
    array = (np.arange(num_bytes) % 2).astype(np.uint8).view(dtype).reshape(shape)
    write(tmp_path / "weights", WeightsRecord({}, {"x": array}))
    again = read(tmp_path / "weights").other["x"]
    assert (again.dtype, again.shape) == (dtype, shape)
    assert again.tobytes() == array.tobytes()


def test_other_tensors_of_any_strides_and_byte_order_come_back(tmp_path):
    array = np.arange(12, dtype=">i4").reshape(3, 4).T[::-1]
    write(tmp_path / "weights", WeightsRecord({}, {"x": array}))
    np.testing.assert_array_equal(read(tmp_path / "weights").other["x"], array)


def test_an_empty_network_comes_back(tmp_path):
    write(tmp_path / "weights", WeightsRecord({}))
    again = read(tmp_path / "weights")
    assert (dict(again.layers), dict(again.other)) == ({}, {})


def test_names_that_look_like_parts_of_others_are_kept_apart(tmp_path):
    names = ["", "a", "a/values", "a/values/bias", "other/a", "__metadata__", "\N{GREEK SMALL LETTER ALPHA}"]
    layers = {name: layer((2, 3), bias=np.full(2, i, np.float32)) for i, name in enumerate(names)}
    write(tmp_path / "weights", WeightsRecord(layers, {name: np.array(True) for name in names}))
    again = read(tmp_path / "weights")
    assert list(again.layers) == list(again.other) == names
    assert [record.bias[0] for record in again.layers.values()] == list(range(len(names)))


@pytest.mark.parametrize("sparsity", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99])
def test_file_takes_at_most_5_3_bytes_a_nonzero(tmp_path, sparsity):
    record = layer((512, 1024), sparsity)
    write(tmp_path / "layer", record)
    assert (tmp_path / "layer").stat().st_size <= 5.3 * record.weight.num_nonzeros


def test_what_outlives_loading_is_not_in_the_mapped_file(saved):
    again = read(saved)
    for array in (again.other["table"], again.layers["z.first"].bias):
        assert array.flags.owndata
        assert array.flags.writeable


def test_saved_file_is_an_ordinary_safetensors_file(saved):
    load_file = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed").load_file
    tensors = load_file(saved)
    np.testing.assert_array_equal(tensors["other/table"], network().other["table"])
    assert set(open_tensors(saved)) == set(tensors)


# Writing


def test_failed_write_leaves_what_was_there_and_no_litter(saved):
    before = saved.read_bytes()
    with pytest.raises(TypeError, match="other/text' has dtype <U5"):
        write(saved, WeightsRecord({}, {"text": np.array(["hello"])}))
    assert saved.read_bytes() == before
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_write_that_fails_half_way_leaves_no_litter(tmp_path, monkeypatch):
    def fail(_descriptor):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path / "layer", layer())
    assert list(tmp_path.iterdir()) == []


def test_write_replaces_a_file_that_is_still_mapped(saved):
    first = read(saved)
    write(saved, layer())
    np.testing.assert_array_equal(first.layers["z.first"].weight.to_dense(), sparse_matrix())


def test_write_follows_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder" / "layer")
    write(tmp_path / "link", layer())
    assert (tmp_path / "link").is_symlink()
    assert is_artifact(tmp_path / "folder" / "layer")


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="create it first"):
        write(tmp_path / "missing" / "layer", layer())


def test_options_of_numpy_and_range_are_saved_as_plain_numbers(tmp_path):
    options = {"batch": range(1, 4), "seconds": np.float64(2), "sizes": np.arange(2)}
    write(tmp_path / "layer", layer(options=options))
    assert read(tmp_path / "layer").options == {"batch": (1, 2, 3), "seconds": 2.0, "sizes": (0, 1)}


def test_options_that_are_no_plain_values_are_refused(tmp_path):
    with pytest.raises(TypeError, match="object cannot be saved"):
        write(tmp_path / "layer", layer(options={"thing": object()}))


# Recognising


def test_saved_file_is_recognised_whatever_its_name(tmp_path):
    write(tmp_path / "layer.bin", layer())
    assert is_artifact(tmp_path / "layer.bin")


def test_truncated_saved_file_is_still_recognised(saved):
    saved.write_bytes(saved.read_bytes()[:60])
    assert is_artifact(saved)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x02\0\0\0\0\0\0\0{}"])
def test_other_files_are_not_recognised(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert not is_artifact(tmp_path / "file")


def test_ordinary_safetensors_file_is_refused_by_read(tmp_path):
    (tmp_path / "file").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with pytest.raises(CorruptFileError, match="no file that sparseinf saved"):
        read(tmp_path / "file")


# Damage and lies


def test_newer_version_is_refused_by_name(saved):
    rewritten(saved, lambda description: description.update(version=5))
    with pytest.raises(UnsupportedModelError, match="version 5, but this sparseinf reads versions up to 4"):
        read(saved)


@pytest.mark.parametrize("text", ["", "[]", "3", "{", "[" * 100_000, '{"version": 1}'])
def test_description_that_is_none_is_refused(tmp_path, text):
    write_safetensors(tmp_path / "layer", {}, {"sparseinf": text})
    with pytest.raises(CorruptFileError, match="damaged"):
        read(tmp_path / "layer")


@pytest.mark.parametrize(
    "fields",
    [
        {"version": None},
        {"version": "1"},
        {"version": True},
        {"version": 0},
        {"kind": "soup"},
        {"kind": "linear"},
        {"kind": ["weights"]},
        {"layers": {}},
        {"layers": []},
        {"layers": [3]},
        {"other": {}},
        {"other": []},
        {"other": [1]},
        {"other": ["table", "step", "ghost"]},
        {"other": ["table", "step", "step"]},
    ],
    ids=str,
)
def test_description_that_is_not_true_is_refused(saved, fields):
    rewritten(saved, lambda description: description.update(fields))
    with pytest.raises(CorruptFileError, match=r"network\.safetensors"):
        read(saved)


@pytest.mark.parametrize("shape", [(2**40, 0), (0, 2**40)])
def test_weight_with_more_rows_or_columns_than_kernels_count_is_refused(tmp_path, shape):
    write(tmp_path / "network.safetensors", LinearRecord(Dense.unchecked(np.zeros(shape, np.float32))))
    with pytest.raises(CorruptFileError, match=r"out_features|in_features"):
        read(tmp_path / "network.safetensors")


def test_layer_that_is_listed_twice_is_refused(saved):
    rewritten(saved, lambda description: description["layers"].append(description["layers"][0]))
    with pytest.raises(CorruptFileError, match=r"network\.safetensors"):
        read(saved)


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 3},
        {"name": "ghost"},
        {"format": "dense"},
        {"format": "nonsense"},
        {"format": ["csr"]},
        {"shape": [12]},
        {"shape": [12, 41]},
        {"shape": [13, 40]},
        {"shape": [12, -40]},
        {"shape": [12, 2**31]},
        {"activation": ["clip", "x"]},
        {"shape": [2**50, 40]},
        {"shape": "12x40"},
        {"source_dtype": "int8"},
        {"source_dtype": ["float32"]},
        {"has_bias": 1},
        {"has_bias": False},
        {"activation": 3},
        {"activation": []},
        {"activation": [1, "relu"]},
        {"activation": ["clip", None]},
        {"options": []},
        {"columns": "zip"},
        {"columns": None},
        {"extra": 1},
    ],
    ids=str,
)
def test_layer_description_that_is_not_true_is_refused(saved, fields):
    rewritten(saved, lambda description: description["layers"][0].update(fields))
    with pytest.raises(CorruptFileError, match=r"network\.safetensors"):
        read(saved)


@pytest.mark.parametrize("field", ["name", "format", "shape", "columns", "has_bias", "activation", "options"])
def test_layer_description_that_lacks_a_field_is_refused(saved, field):
    rewritten(saved, lambda description: description["layers"][0].pop(field))
    with pytest.raises(CorruptFileError, match=r"network\.safetensors"):
        read(saved)


@pytest.mark.parametrize("kind", [Csr, Dense])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weight_that_is_not_finite_is_refused(tmp_path, kind, value):
    path = tmp_path / "layer"
    write(path, LinearRecord(kind.from_dense(np.full((2, 3), 1.25, np.float32))))
    good, bad = np.float32(1.25).tobytes(), np.float32(value).tobytes()
    path.write_bytes(path.read_bytes().replace(good, bad, 1))
    with pytest.raises(CorruptFileError, match="NaN or infinite"):
        read(path)


def test_stored_zero_among_nonzeros_is_refused(tmp_path):
    path = tmp_path / "layer"
    write(path, LinearRecord(Csr.from_dense(np.full((2, 3), 1.25, np.float32))))
    path.write_bytes(path.read_bytes().replace(np.float32(1.25).tobytes(), bytes(4), 1))
    with pytest.raises(CorruptFileError, match="zero among its nonzeros"):
        read(path)


def test_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 7):
        saved.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match=r"network\.safetensors"):
            read(saved)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_changed_file_is_read_or_refused_but_never_breaks(saved, data):
    write(saved, network())
    content = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    saved.write_bytes(content)
    try:
        again = read(saved)
    except (CorruptFileError, UnsupportedModelError):
        return
    for record in again.layers.values():
        if isinstance(record.weight, Csr):
            Csr(record.weight.shape, record.weight.values, record.weight.columns, record.weight.row_offsets)
