"""Saved blocks and n:m weights come back bit for bit, small, and are not trusted; older readers keep older files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from saved_files import description_of, rewritten, with_tensor

import sparseinf
from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.formats import NM, Block, Csr, Dense
from sparseinf.io import LinearRecord, WeightsRecord, read, write
from sparseinf.io.safetensors_file import open_safetensors, write_safetensors

ARRAYS = {"block": ("values", "block_columns", "block_row_offsets"), "nm": ("values", "positions")}
SHAPES = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 300), (300, 1), (12, 41)]


def random_matrix(shape=(12, 41), density=1.0, seed=0):
    random = np.random.default_rng(seed)
    return (random.standard_normal(shape) * (random.random(shape) < density)).astype(np.float32)


def blocks(shape=(12, 41), density=0.1, block=(4, 3)):
    return Block.from_dense(random_matrix(shape, density), block=block)


def groups(shape=(12, 41), nm=(2, 4), density=1.0):
    matrix = random_matrix(shape, density)
    for start in range(0, shape[1], nm[1]):
        group = matrix[:, start : start + nm[1]]
        group[np.argsort(np.argsort(np.abs(group))) < group.shape[1] - nm[0]] = 0
    return NM.from_dense(matrix, nm=nm)


def assert_same_weight(weight, expected):
    assert (weight.name, weight.shape, weight.source_dtype) == (expected.name, expected.shape, expected.source_dtype)
    assert repr(weight) == repr(expected)  # has the pattern
    for array in ARRAYS[expected.name]:
        again, saved = getattr(weight, array), getattr(expected, array)
        assert (again.dtype, again.shape, again.tobytes()) == (saved.dtype, saved.shape, saved.tobytes())


def come_back(folder, weight):
    write(folder / "layer", LinearRecord(weight))
    assert_same_weight(read(folder / "layer").weight, weight)


@pytest.fixture(name="saved", params=[blocks, groups])
def _saved(request, tmp_path):
    """A file with one layer of blocks or groups, named a."""
    write(tmp_path / "network.safetensors", WeightsRecord({"a": LinearRecord(request.param())}))
    return tmp_path / "network.safetensors"


# There and back


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("block", [(4, 1), (16, 1), (1, 4), (4, 4), (1, 1), (64, 64), (3, 5)])
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_blocks_of_any_shape_come_back(tmp_path, shape, block, density):
    come_back(tmp_path, blocks(shape, density, block))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("nm", [(1, 4), (2, 4), (4, 8), (1, 1), (1, 2), (3, 5), (2, 16), (7, 17), (5, 64), (64, 64)])
@pytest.mark.parametrize("density", [0.0, 0.3, 1.0])
def test_groups_of_any_pattern_come_back(tmp_path, shape, nm, density):
    come_back(tmp_path, groups(shape, nm, density))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(
    shape=st.tuples(st.integers(0, 40), st.integers(0, 40)),
    pair=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    density=st.floats(0, 1),
)
def test_any_weight_comes_back(tmp_path, shape, pair, density):
    come_back(tmp_path, blocks(shape, density, pair))
    come_back(tmp_path, groups(shape, (min(pair), max(pair)), density))


@pytest.mark.parametrize("kind", [blocks, groups])
def test_what_a_layer_has_beside_its_weight_comes_back(tmp_path, kind):
    bias = np.linspace(-1, 1, 12, dtype=np.float32)
    options = {"format": "block", "block": (4, 1)}
    write(tmp_path / "layer", LinearRecord(kind(), bias=bias, activation="relu", options=options))
    again = read(tmp_path / "layer")
    np.testing.assert_array_equal(again.bias, bias, strict=True)
    assert (again.activation, again.options) == ("relu", options)


def test_layers_of_all_formats_come_back_together(tmp_path):
    matrix = blocks().to_dense()
    weights = {"c": Csr.from_dense(matrix), "b": blocks(), "n": groups(), "d": Dense.from_dense(matrix)}
    write(tmp_path / "weights", WeightsRecord({name: LinearRecord(weight) for name, weight in weights.items()}))
    again = read(tmp_path / "weights").layers
    assert [*again] == [*weights]
    for name, weight in weights.items():
        assert again[name].weight.name == weight.name
        np.testing.assert_array_equal(again[name].weight.to_dense(), weight.to_dense())


def test_the_dtype_that_values_had_comes_back(tmp_path):
    come_back(tmp_path, Block.from_dense(np.eye(5), block=(2, 2)))
    come_back(tmp_path, NM.from_dense(np.eye(5, dtype=np.float16), nm=(1, 4)))


def test_values_that_are_not_aligned_are_copied(saved):
    rewritten(saved, dict.copy)
    assert read(saved).layers["a"].weight.values.flags.aligned


@pytest.mark.parametrize("kind", [blocks, groups])
def test_saved_file_loads_and_computes(tmp_path, kind):
    weight, x = kind(), random_matrix((3, 41), seed=1)
    write(tmp_path / "layer", LinearRecord(weight))
    layer = sparseinf.load(tmp_path / "layer")
    np.testing.assert_allclose(layer(x), x @ weight.to_dense().T, rtol=1e-5, atol=1e-5)


# Size


@pytest.mark.parametrize(
    ("weight", "most_bytes_of_a_nonzero"),
    [
        (groups((256, 1024), (1, 4)), 4.26),  # two bits of position
        (groups((256, 1024), (2, 4)), 4.26),
        (groups((256, 1024), (4, 8)), 4.39),  # three
        (Block.from_dense(np.kron(random_matrix((64, 1024), 0.2), np.ones((4, 1))), block=(4, 1)), 4.2),
        (Block.from_dense(np.kron(random_matrix((64, 256), 0.05), np.ones((4, 4))), block=(4, 4)), 4.2),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_file_is_small(tmp_path, weight, most_bytes_of_a_nonzero):
    write(tmp_path / "layer", LinearRecord(weight))
    header_bytes = 700
    assert (tmp_path / "layer").stat().st_size <= most_bytes_of_a_nonzero * weight.num_nonzeros + header_bytes


@pytest.mark.parametrize(
    ("nm", "num_bytes"), [((1, 1), 0), ((1, 2), 1), ((2, 4), 3), ((4, 8), 8), ((1, 17), 4), ((1, 64), 4)]
)
def test_positions_of_five_groups_take_the_bits_that_they_need(tmp_path, nm, num_bytes):
    write(tmp_path / "layer", LinearRecord(groups((5, nm[1]), nm)))
    assert open_safetensors(tmp_path / "layer").array("layer//positions").size == num_bytes


# Versions


@pytest.mark.parametrize(
    ("weights", "version"),
    [
        ([], 1),
        ([Csr.from_dense(np.eye(3)), Dense.from_dense(np.eye(3))], 1),
        ([Csr.from_dense(np.eye(3)), blocks()], 2),
        ([groups(), Dense.from_dense(np.eye(3))], 2),
    ],
)
def test_a_file_has_the_lowest_version_that_knows_its_formats(tmp_path, weights, version):
    layers = {str(i): LinearRecord(weight) for i, weight in enumerate(weights)}
    write(tmp_path / "weights", WeightsRecord(layers))
    assert description_of(tmp_path / "weights")["version"] == version
    assert [*read(tmp_path / "weights").layers] == [*layers]


def test_a_file_of_version_1_cannot_hold_the_formats_of_version_2(saved):
    rewritten(saved, lambda description: description.update(version=1))
    with pytest.raises(CorruptFileError, match="which version 1 does not know"):
        read(saved)


# Damage and lies


def lie(saved, fields):
    rewritten(saved, lambda description: description["layers"][0].update(fields))
    with pytest.raises(CorruptFileError, match=r"network\.safetensors is damaged: "):
        read(saved)


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "dense"},
        {"format": "csr"},
        {"format": "csr", "columns": "gaps"},
        {"shape": [12, 36]},
        {"shape": [12, 200]},
        {"shape": [8, 41]},
        {"shape": [13, 41]},
        {"shape": [2**30, 41]},
        {"shape": [12, 2**30]},
        {"extra": 1},
    ],
    ids=str,
)
def test_description_that_is_not_true_is_refused(saved, fields):
    lie(saved, fields)


@pytest.mark.parametrize("pair", [None, 4, [4], [4, 3, 1], [4.0, 3], ["4", "3"], [3, 4], [0, 3], [65, 3], [10**30, 3]])
def test_block_that_is_not_true_is_refused(tmp_path, pair):
    write(tmp_path / "network.safetensors", LinearRecord(blocks()))
    lie(tmp_path / "network.safetensors", {"block": pair})


@pytest.mark.parametrize("pair", [None, 4, [2], [2, 4, 8], [2.0, 4], [1, 4], [2, 3], [2, 8], [4, 2], [2, 65], [0, 4]])
def test_nm_that_is_not_true_is_refused(tmp_path, pair):
    write(tmp_path / "network.safetensors", LinearRecord(groups()))
    lie(tmp_path / "network.safetensors", {"nm": pair})


@pytest.mark.parametrize(
    ("kind", "fields"),
    [(blocks, ("block", "columns", "format")), (groups, ("nm", "format"))],
)
def test_description_that_lacks_a_field_is_refused(tmp_path, kind, fields):
    path = tmp_path / "network.safetensors"
    for field in fields:
        write(path, LinearRecord(kind()))
        rewritten(path, lambda description, field=field: description["layers"][0].pop(field))
        with pytest.raises(CorruptFileError, match="must be described by"):
            read(path)


@pytest.mark.parametrize("encoding", ["zip", None, ["gaps"]])
def test_unknown_encoding_of_block_columns_is_refused(tmp_path, encoding):
    write(tmp_path / "network.safetensors", LinearRecord(blocks()))
    lie(tmp_path / "network.safetensors", {"columns": encoding})


@pytest.mark.parametrize(
    ("kind", "tensor", "change", "message"),
    [
        (blocks, "values", lambda values: values * np.float32(np.nan), "NaN or infinite"),
        (blocks, "values", lambda values: values * np.float32(0), "block of zeros alone"),
        (blocks, "values", lambda values: values[1:], "the column data"),
        (blocks, "values", lambda values: values.astype(np.float64), "must be float32"),
        (blocks, "values", lambda values: values.reshape(-1, 12), r"must be float32 of shape \(any, 4, 3\)"),
        (blocks, "columns", lambda data: data[:-1], "the column data"),
        (blocks, "columns", lambda data: np.append(data, data[-1:]), "the column data"),
        (blocks, "columns", lambda data: np.full_like(data, 255), "the column data"),
        (blocks, "columns", lambda data: data.astype(np.int8), "must be uint8"),
        (groups, "values", lambda values: values * np.float32(np.inf), "NaN or infinite"),
        (groups, "values", lambda values: values[1:], r"shape \(12, 11, 2\)"),
        (groups, "values", lambda values: values[:, :, :1], r"shape \(12, 11, 2\)"),
        (groups, "values", lambda values: values * np.float32([0, 1]), "is zero, but a nonzero"),
        (groups, "values", lambda values: values * np.float32([1, 0]), "but its value is zero"),
        (groups, "positions", lambda data: data[:-1], "264 positions of 2 bits take 66 bytes, but there are 65"),
        (groups, "positions", lambda data: np.append(data, data[:1]), "but there are 67"),
        (groups, "positions", lambda data: data * np.uint8(0), "ascend"),
        (groups, "positions", lambda data: np.full_like(data, 255), "that group has 1 columns"),
        (groups, "positions", lambda data: data.reshape(-1, 1), r"shape \(any\)"),
    ],
)
def test_tensor_that_cannot_be_is_refused(tmp_path, kind, tensor, change, message):
    path = tmp_path / "network.safetensors"
    write(path, LinearRecord(kind()))
    with np.errstate(invalid="ignore"):
        with_tensor(path, f"layer//{tensor}", change)
    with pytest.raises(CorruptFileError, match=message):
        read(path)


def test_values_of_blocks_outside_the_matrix_are_refused(tmp_path):
    write(tmp_path / "layer", LinearRecord(blocks(density=1.0)))
    with_tensor(tmp_path / "layer", "layer//values", np.ones_like)
    with pytest.raises(CorruptFileError, match="over the edge"):
        read(tmp_path / "layer")


def test_bits_after_the_last_position_are_refused(tmp_path):
    path = tmp_path / "layer"
    write(path, LinearRecord(groups((1, 4), (1, 4))))
    with_tensor(path, "layer//positions", lambda data: data | np.uint8(4))
    with pytest.raises(CorruptFileError, match="bits are set after its last position"):
        read(path)


@pytest.mark.parametrize("tensor", ["values", "columns", "positions"])
def test_tensor_that_is_missing_is_refused(saved, tensor):
    file = open_safetensors(saved)
    name = f"layer/a/{tensor}"
    write_safetensors(saved, {key: file.array(key) for key in file.tensors if key != name}, file.metadata)
    if name in file.tensors:
        with pytest.raises(CorruptFileError, match=f"'{name}' is named in the metadata, but is not there"):
            read(saved)
    else:
        assert [*read(saved).layers] == ["a"]


def test_truncated_file_is_refused(saved):
    content = saved.read_bytes()
    for length in range(0, len(content), 7):
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
        cls, arguments = weight.__reduce__()
        cls(*arguments)  # checks all that it is made of
