"""Formats keep exactly the values they are given, in whatever form they come, and refuse all else."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sparseinf.formats import Csr, Dense, from_any
from sparseinf.formats.float32 import BFLOAT16

# torch says once a process that its compressed layouts are in beta and that it does not check indices.
pytestmark = pytest.mark.filterwarnings("ignore:Sparse ")

SHAPES = [(0, 0), (0, 3), (3, 0), (1, 1), (1, 9), (9, 1), (5, 7)]
LAYOUTS = ["coo", "csr", "csc", "bsr", "dok", "lil", "dia"]
TORCH_LAYOUTS = ["sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc"]

matrices = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9),
    elements=st.one_of(st.just(0.0), st.floats(allow_nan=False, allow_infinity=False, width=32)),
)


def sparse_matrix(shape=(12, 20), sparsity=0.7, seed=0):
    random = np.random.default_rng(seed)
    matrix = random.standard_normal(shape).astype(np.float32)
    matrix[random.random(shape) < sparsity] = 0
    return matrix


def bfloat16(matrix):
    return (np.asarray(matrix, np.float32).view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16)


# Round trips


@settings(deadline=None)
@given(matrices)
@pytest.mark.parametrize("kind", [Dense, Csr])
def test_dense_array_comes_back_without_loss(kind, matrix):
    np.testing.assert_array_equal(kind.from_dense(matrix).to_dense(), matrix, strict=True)


@settings(deadline=None)
@given(matrices)
def test_csr_stores_what_its_own_constructor_accepts(matrix):
    made = Csr.from_dense(matrix)
    again = Csr(made.shape, made.values, made.columns, made.row_offsets)
    np.testing.assert_array_equal(again.to_dense(), matrix)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("kind", [Dense, Csr])
def test_shapes_at_the_edge_work(kind, shape, value):
    made = kind.from_dense(np.full(shape, value, np.float32))
    assert made.shape == shape
    assert made.num_nonzeros == value * shape[0] * shape[1]
    assert made.sparsity == (0.0 if value or 0 in shape else 1.0)


def test_rows_longer_and_shorter_than_a_working_block_come_back():
    for shape in [(3, 300_000), (70_001, 2)]:
        matrix = sparse_matrix(shape, sparsity=0.9)
        np.testing.assert_array_equal(Csr.from_dense(matrix).to_dense(), matrix)


def test_csr_arrays_are_those_of_the_picture():
    made = Csr.from_dense(np.array([[0, 5, 0, 7], [0, 0, 0, 0], [2, 0, 0, 0]], np.float32))
    np.testing.assert_array_equal(made.values, np.array([5, 7, 2], np.float32), strict=True)
    np.testing.assert_array_equal(made.columns, np.array([1, 3, 0], np.int32), strict=True)
    np.testing.assert_array_equal(made.row_offsets, np.array([0, 2, 2, 3], np.int64), strict=True)
    assert made.nbytes == 3 * 4 + 3 * 4 + 4 * 8


def test_negative_zero_is_a_zero():
    matrix = np.array([[-0.0, 1.0]], np.float32)
    assert Csr.from_dense(matrix).num_nonzeros == Dense.from_dense(matrix).num_nonzeros == 1


@pytest.mark.parametrize("kind", [Dense, Csr])
def test_any_strides_are_read(kind):
    matrix = sparse_matrix()
    misaligned = np.frombuffer(b"x" + matrix.tobytes(), np.float32, offset=1).reshape(matrix.shape)
    swapped = matrix.astype(">f4")
    for view in (matrix.T, matrix[::-1, ::2], np.asfortranarray(matrix), swapped, misaligned):
        np.testing.assert_array_equal(kind.from_dense(view).to_dense(), view)


@pytest.mark.parametrize("kind", [Dense, Csr])
def test_read_only_arrays_are_read(kind):
    matrix = sparse_matrix()
    matrix.flags.writeable = False
    np.testing.assert_array_equal(kind.from_dense(matrix).to_dense(), matrix)


# Immutability


def test_dense_shares_contiguous_float32_and_leaves_it_writable():
    matrix = sparse_matrix()
    made = Dense.from_dense(matrix)
    assert np.shares_memory(made.values, matrix)
    assert matrix.flags.writeable


@pytest.mark.parametrize("field", ["values", "columns", "row_offsets"])
def test_csr_arrays_cannot_be_written(field):
    with pytest.raises(ValueError, match="read-only"):
        getattr(Csr.from_dense(sparse_matrix()), field)[0] = 0


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda weight: pickle.loads(pickle.dumps(weight))])
def test_a_copy_is_as_read_only(kind, copied):
    weight = kind.from_dense(np.eye(3))
    again = copied(weight)
    np.testing.assert_array_equal(again.to_dense(), np.eye(3))
    assert again.source_dtype == "float64"
    assert not again.values.flags.writeable


def test_a_pickle_is_checked_like_any_other_source():
    lie = Csr.unchecked((1, 2), np.ones(1, np.float32), np.array([5], np.int32), np.array([0, 1]))
    with pytest.raises(ValueError, match="in_features is 2"):
        pickle.loads(pickle.dumps(lie))


def test_csr_does_not_follow_changes_of_its_source():
    made = Csr.from_dense(sparse_matrix())
    columns = made.columns.copy()
    again = Csr(made.shape, made.values, columns, made.row_offsets)
    columns[:] = 10**6
    np.testing.assert_array_equal(again.columns, made.columns)


@pytest.mark.parametrize("kind", [Dense, Csr])
def test_to_dense_gives_an_array_of_its_own(kind):
    made = kind.from_dense(sparse_matrix())
    made.to_dense()[:] = 7
    np.testing.assert_array_equal(made.to_dense(), sparse_matrix())


# Dtypes and values


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_converted_and_remembered(kind, dtype):
    matrix = sparse_matrix().astype(dtype)
    made = kind.from_dense(matrix)
    assert made.source_dtype == dtype
    np.testing.assert_array_equal(made.to_dense(), matrix.astype(np.float32), strict=True)


@pytest.mark.parametrize("kind", [Dense, Csr])
def test_bfloat16_bits_are_the_upper_half_of_float32(kind):
    matrix = np.array([[1.5, 0.0], [-3.0, 2.0**100]], np.float32)
    made = kind.from_dense(bfloat16(matrix))
    assert made.source_dtype == "bfloat16"
    np.testing.assert_array_equal(made.to_dense(), matrix)


def test_bfloat16_of_ml_dtypes_is_converted():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="brings bfloat16 to NumPy")
    made = Csr.from_dense(np.array([[1.5, 0.0]], ml_dtypes.bfloat16))
    assert made.source_dtype == "bfloat16"
    np.testing.assert_array_equal(made.values, [1.5])


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.bool_, np.complex64, np.longdouble, object])
def test_other_dtypes_are_refused_with_the_call_that_converts(kind, dtype):
    with pytest.raises(TypeError, match=r"astype\(np\.float32\)"):
        kind.from_dense(np.ones((2, 2), dtype))


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_value_that_is_not_finite_is_named_by_position(kind, value, dtype):
    matrix = np.zeros((40, 30), dtype)
    matrix[31, 17] = value
    with pytest.raises(ValueError, match=rf"weight\[31, 17\] is {value}"):
        kind.from_dense(matrix)
    with pytest.raises(ValueError, match=rf"weight\[17, 31\] is {value}"):
        kind.from_dense(matrix.T)


@pytest.mark.parametrize("kind", [Dense, Csr])
def test_nan_in_bfloat16_is_named_by_position(kind):
    with pytest.raises(ValueError, match=r"weight\[0, 1\] is nan"):
        kind.from_dense(bfloat16([[0, np.nan]]))


@pytest.mark.parametrize("kind", [Dense, Csr])
def test_overflow_of_float32_is_named_by_value(kind):
    with pytest.raises(ValueError, match=r"weight\[1, 0\] = 1e\+300 does not fit in float32"):
        kind.from_dense(np.array([[1.0], [1e300]]))


def test_what_becomes_zero_in_float32_is_not_stored():
    assert Csr.from_dense(np.array([[1e-60, 1.0]])).num_nonzeros == 1


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2, 2)])
def test_other_than_two_dimensions_are_refused(kind, shape):
    with pytest.raises(ValueError, match="two dimensions"):
        kind.from_dense(np.zeros(shape, np.float32))


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("source", [[[1.0]], None, "weight", np.ma.masked_equal(np.eye(2), 0)])
def test_what_is_no_plain_array_is_refused(kind, source):
    with pytest.raises(TypeError, match="NumPy array"):
        kind.from_dense(source)


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize(
    ("shape", "name"),
    [((1, 2**31), "in_features"), ((2**40, 0), "out_features"), ((2**25, 2**25), "positions")],
)
def test_more_rows_or_columns_than_kernels_count_are_refused(kind, shape, name):
    with pytest.raises(ValueError, match=name):
        kind.from_dense(np.broadcast_to(np.float32(1), shape))


def test_more_sparse_rows_than_kernels_count_are_refused_before_they_are_made():
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    with pytest.raises(ValueError, match="out_features"):
        Csr.from_scipy(scipy_sparse.coo_array((2**40, 8), dtype=np.float32))
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    indices, values = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0)
    with pytest.raises(ValueError, match="out_features"):
        Csr.from_torch(torch.sparse_coo_tensor(indices, values, (2**40, 8), check_invariants=True))


# The constructors


def test_dense_constructor_does_not_convert():
    for values in (np.eye(2), np.ones((4, 2), np.float32)[::2].T):
        with pytest.raises(ValueError, match=r"Dense\.from_dense"):
            Dense(values)


def test_dense_constructor_refuses_nan():
    with pytest.raises(ValueError, match=r"weight\[0, 0\]"):
        Dense(np.array([[np.nan]], np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": (2, 3)}, "row_offsets must have shape"),
        ({"shape": (3, 3)}, r"columns\[1\] is 3, but in_features is 3"),
        ({"shape": (3, -1)}, "in_features"),
        ({"shape": (-1, 4)}, "out_features"),
        ({"values": [5, 7]}, "of one length"),
        ({"values": [5, 0, 2]}, "is zero"),
        ({"values": [5, np.nan, 2]}, r"weight\[0, 3\] is nan"),
        ({"columns": [1, -3, 0]}, r"columns\[1\] is -3"),
        ({"columns": [3, 1, 0]}, "row 0 has 3 before 1"),
        ({"columns": [1, 1, 0]}, "row 0 has 1 before 1"),
        ({"row_offsets": [1, 2, 2, 3]}, "rise from 0"),
        ({"row_offsets": [0, 2, 2, 4]}, "rise from 0"),
        ({"row_offsets": [0, 9, 2, 3]}, "never fall"),
        ({"row_offsets": [0, 2, 3]}, "row_offsets must have shape"),
    ],
)
def test_csr_constructor_refuses_arrays_that_contradict(change, message):
    sound = {"shape": (3, 4), "values": [5, 7, 2], "columns": [1, 3, 0], "row_offsets": [0, 2, 2, 3]}
    arrays = {**sound, **change}
    with pytest.raises(ValueError, match=message):
        Csr(
            arrays["shape"],
            np.array(arrays["values"], np.float32),
            np.array(arrays["columns"], np.int32),
            np.array(arrays["row_offsets"], np.int64),
        )


@pytest.mark.parametrize("field", ["values", "columns", "row_offsets"])
def test_csr_constructor_refuses_other_dtypes(field):
    made = Csr.from_dense(sparse_matrix())
    arrays = {"values": made.values, "columns": made.columns, "row_offsets": made.row_offsets}
    arrays[field] = arrays[field].astype(np.float64)
    with pytest.raises(TypeError, match=field):
        Csr(made.shape, **arrays)


# Scipy


@pytest.fixture(name="scipy_sparse", scope="module")
def _scipy_sparse():
    return pytest.importorskip("scipy.sparse", reason="SciPy is not installed")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix"])
def test_every_scipy_layout_is_read(scipy_sparse, layout, kind):
    matrix = sparse_matrix()
    made = Csr.from_scipy(getattr(scipy_sparse, kind)(matrix).asformat(layout))
    np.testing.assert_array_equal(made.to_dense(), matrix)


@pytest.mark.usefixtures("scipy_sparse")
@settings(deadline=None)
@given(matrix=matrices)
def test_scipy_matrix_comes_back_without_loss(matrix):
    back = Csr.from_dense(matrix).to_scipy()
    np.testing.assert_array_equal(back.toarray(), matrix)
    np.testing.assert_array_equal(Csr.from_scipy(back).to_dense(), matrix)


def test_scipy_duplicates_are_summed_and_zeros_dropped(scipy_sparse):
    coo = scipy_sparse.coo_array(([1.0, 2.0, 5.0, 0.0], ([0, 0, 1, 1], [2, 2, 1, 0])), shape=(2, 3))
    made = Csr.from_scipy(coo)
    np.testing.assert_array_equal(made.to_dense(), [[0, 0, 3], [0, 5, 0]])
    assert made.num_nonzeros == 2


def test_unsorted_scipy_matrix_is_read_and_left_as_it_is(scipy_sparse):
    arrays = (np.array([1.0, 2.0]), np.array([2, 0]), np.array([0, 2]))
    unsorted = scipy_sparse.csr_array(arrays, shape=(1, 3))
    np.testing.assert_array_equal(Csr.from_scipy(unsorted).to_dense(), [[2, 0, 1]])
    np.testing.assert_array_equal(unsorted.indices, [2, 0])


@pytest.mark.parametrize("layout", ["csr", "csc", "bsr"])
def test_scipy_indices_out_of_range_are_refused(scipy_sparse, layout):
    broken = scipy_sparse.csr_array(sparse_matrix()).asformat(layout)
    broken.indices[0] = 10**6
    with pytest.raises(ValueError, match="ind"):
        Csr.from_scipy(broken)


def test_scipy_overflow_is_named_by_position(scipy_sparse):
    with pytest.raises(ValueError, match=r"weight\[1, 2\] = 1e\+300"):
        Csr.from_scipy(scipy_sparse.coo_array(([1.0, 1e300], ([0, 1], [0, 2])), shape=(2, 3)))


def test_integer_scipy_matrix_is_refused(scipy_sparse):
    with pytest.raises(TypeError, match="int64"):
        Csr.from_scipy(scipy_sparse.csr_array(np.eye(3, dtype=np.int64)))


@pytest.mark.usefixtures("scipy_sparse")
def test_from_scipy_refuses_a_dense_array():
    with pytest.raises(TypeError, match=r"scipy\.sparse"):
        Csr.from_scipy(np.eye(3))


# Torch


@pytest.fixture(name="torch", scope="module")
def _torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def torch_sparse(torch, matrix, layout, dtype):
    tensor = torch.tensor(matrix).to(getattr(torch, dtype))
    blocks = (3, 4) if layout in ("sparse_bsr", "sparse_bsc") else None
    return tensor.to_sparse(layout=getattr(torch, layout), blocksize=blocks)


@pytest.mark.parametrize("layout", TORCH_LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_every_torch_layout_is_read(torch, layout, dtype):
    tensor = torch_sparse(torch, sparse_matrix(), layout, dtype)
    made = Csr.from_torch(tensor)
    assert made.source_dtype == dtype
    np.testing.assert_array_equal(made.to_dense(), tensor.to_dense().float().numpy())


@settings(deadline=None)
@given(matrix=matrices)
def test_torch_tensor_comes_back_without_loss(torch, matrix):
    back = Csr.from_dense(matrix).to_torch()
    assert back.layout == torch.sparse_csr
    np.testing.assert_array_equal(Csr.from_torch(back).to_dense(), matrix)


@pytest.mark.parametrize("kind", [Dense, Csr])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_strided_torch_tensor_is_read(torch, kind, dtype):
    parameter = torch.nn.Parameter(torch.tensor(sparse_matrix()).to(getattr(torch, dtype)).T)
    made = kind.from_torch(parameter)
    assert made.source_dtype == dtype
    np.testing.assert_array_equal(made.to_dense(), parameter.detach().float().numpy())


def test_dense_shares_the_memory_of_a_float32_tensor(torch):
    tensor = torch.ones(3, 4)
    assert np.shares_memory(Dense.from_torch(tensor).values, tensor.numpy())


def test_uncoalesced_torch_tensor_is_summed(torch):
    tensor = torch.sparse_coo_tensor([[0, 0], [1, 1]], [1.0, 2.0], size=(2, 3))
    np.testing.assert_array_equal(Csr.from_torch(tensor).to_dense(), [[0, 3, 0], [0, 0, 0]])


def test_torch_tensor_with_whole_rows_as_values_is_read(torch):
    tensor = torch.sparse_coo_tensor([[1]], [[1.0, 0.0, 2.0]], size=(2, 3))
    np.testing.assert_array_equal(Csr.from_torch(tensor).to_dense(), [[0, 0, 0], [1, 0, 2]])


def test_torch_indices_out_of_range_are_refused(torch):
    tensor = torch.sparse_csr_tensor([0, 1], [9], [1.0], size=(1, 3), check_invariants=False)
    with pytest.raises(ValueError, match=r"columns\[0\] is 9"):
        Csr.from_torch(tensor)


@pytest.mark.parametrize("dtype", ["int64", "bool", "complex64", "float8_e4m3fn"])
def test_other_torch_dtypes_are_refused(torch, dtype):
    with pytest.raises(TypeError, match=r"weight\.float\(\)"):
        from_any(torch.zeros(2, 2, dtype=getattr(torch, dtype)))


def test_tensor_that_is_not_on_the_cpu_is_refused(torch):
    with pytest.raises(TypeError, match=r"tensor\.cpu\(\)"):
        from_any(torch.zeros(2, 2, device="meta"))


def test_three_dimensional_tensor_is_refused(torch):
    with pytest.raises(ValueError, match="two dimensions"):
        from_any(torch.zeros(2, 2, 2))


# One door


def test_from_any_returns_a_format_as_it_is():
    for made in (Csr.from_dense(np.eye(2)), Dense.from_dense(np.eye(2))):
        assert from_any(made) is made


def test_from_any_makes_sparse_of_sparse_and_dense_of_dense(scipy_sparse, torch):
    matrix = sparse_matrix()
    assert from_any(matrix).name == from_any(torch.tensor(matrix)).name == "dense"
    assert from_any(scipy_sparse.coo_array(matrix)).name == "csr"
    assert from_any(torch.tensor(matrix).to_sparse()).name == "csr"


@pytest.mark.parametrize("source", [None, [[1.0]], {"weight": 1}, "file", 3.0])
def test_from_any_refuses_what_is_no_matrix(source):
    with pytest.raises(TypeError, match=type(source).__name__):
        from_any(source)
