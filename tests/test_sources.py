"""Named tensors come out of every kind of file as they went in; damaged and lying files are refused."""

from __future__ import annotations

import io
import json
import pickle
import sys
import zipfile
from collections import OrderedDict
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparseinf.errors import CorruptFileError, UnsupportedModelError
from sparseinf.formats.float32 import BFLOAT16, to_float32
from sparseinf.io import open_tensors

TENSORS = {
    "fc.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "fc.bias": np.array([1.5, -2.0], np.float64),
    "half": np.array([[0.5]], np.float16),
    "empty": np.zeros((0, 3), np.int32),
    "step": np.array(7),
    "flags": np.array([True, False]),
    "bytes": np.arange(5, dtype=np.uint8),
}


def assert_same_tensors(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def read_all(path):
    tensors = open_tensors(path)
    return {name: np.array(tensors[name]) for name in tensors}


def safetensors_bytes(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def npy_bytes(header, data=b"", version=(1, 0)):
    text = header.encode()
    length = len(text).to_bytes(2 if version == (1, 0) else 4, "little")
    return b"\x93NUMPY" + bytes(version) + length + text + data


def zip_file(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


# Mappings


def test_a_mapping_is_returned_as_it_is():
    tensors = OrderedDict(TENSORS)
    assert open_tensors(tensors) is tensors


def test_keys_that_are_no_names_are_refused():
    with pytest.raises(TypeError, match="a key is 3"):
        open_tensors({3: np.zeros(2)})


@pytest.mark.parametrize("source", [None, 3, [np.zeros(2)], b"weights.npz"])
def test_what_is_neither_mapping_nor_path_is_refused(source):
    with pytest.raises(TypeError, match=type(source).__name__):
        open_tensors(source)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".txt"])
def test_a_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match="missing"):
        open_tensors(tmp_path / f"missing{suffix}")


def test_an_unknown_kind_of_file_is_refused_with_those_that_are_known(tmp_path):
    path = tmp_path / "weights.h5"
    path.write_bytes(b"x")
    with pytest.raises(ValueError, match=r"\.npz, \.safetensors, \.pt and \.pth"):
        open_tensors(str(path))


# Npz


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_comes_back(tmp_path, save):
    save(tmp_path / "weights.npz", **TENSORS, fortran=np.asfortranarray(TENSORS["fc.weight"]))
    expected = {**TENSORS, "fortran": TENSORS["fc.weight"]}
    assert_same_tensors(open_tensors(tmp_path / "weights.npz"), expected)


def test_npz_tensors_are_read_only_when_asked_for(tmp_path):
    path = zip_file(tmp_path / "weights.npz", {"good.npy": npy_file(np.eye(2)), "bad.npy": b"nonsense"})
    tensors = open_tensors(path)
    np.testing.assert_array_equal(tensors["good"], np.eye(2))
    with pytest.raises(CorruptFileError, match="bad"):
        tensors["bad"]


def test_asking_for_a_name_reads_nothing(tmp_path):
    tensors = open_tensors(zip_file(tmp_path / "weights.npz", {"bad.npy": b"nonsense"}))
    assert "bad" in tensors
    assert "good" not in tensors


def npy_file(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_npz_with_a_pickle_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, good=np.eye(2), bad=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"'bad\.npy' is a pickle"):
        read_all(path)


def test_a_scipy_matrix_file_is_told_from_weights(tmp_path):
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    scipy_sparse.save_npz(tmp_path / "matrix.npz", scipy_sparse.eye_array(3, format="csr"))
    with pytest.raises(ValueError, match="load_npz"):
        open_tensors(tmp_path / "matrix.npz")


@pytest.mark.parametrize(
    "shape",
    ["(1152921504606846976,)", "(4294967296, 4294967296, 4294967296)", "(3,)", "(-1,)", "(2**60,)", "2"],
)
def test_npz_header_that_claims_another_size_is_refused(tmp_path, shape):
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}}}"
    path = zip_file(tmp_path / "weights.npz", {"w.npy": npy_bytes(header, b"\0" * 16)})
    with pytest.raises(CorruptFileError, match=r"w\.npy"):
        read_all(path)


@pytest.mark.parametrize("descr", ["'S0'", "('<f4', (2,))", "'nonsense'", "'V0'"])
def test_npz_header_with_an_impossible_dtype_is_refused(tmp_path, descr):
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': (4611686018427387904,)}}"
    path = zip_file(tmp_path / "weights.npz", {"w.npy": npy_bytes(header)})
    with pytest.raises(CorruptFileError, match=r"w\.npy"):
        read_all(path)


@pytest.mark.parametrize(
    "header",
    ["{'shape': (9, 9), O", "{'descr': 1L, (", "{'descr': ',f4', 'fortran_order': False, 'shape': (1,)}"],
)
def test_npz_header_that_is_no_python_is_refused(tmp_path, header):
    path = zip_file(tmp_path / "weights.npz", {"w.npy": npy_bytes(header + "\n")})
    with pytest.raises(CorruptFileError, match=r"w\.npy"):
        read_all(path)


def test_npz_header_of_an_unknown_version_is_refused(tmp_path):
    path = zip_file(tmp_path / "weights.npz", {"w.npy": npy_bytes("{}", version=(9, 0))})
    with pytest.raises(CorruptFileError, match="header"):
        read_all(path)


def test_npz_member_that_claims_to_unpack_to_more_than_it_can_is_refused(tmp_path):
    path = zip_file(tmp_path / "weights.npz", {"w.npy": npy_file(np.zeros(1000))})
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**31).to_bytes(4, "little")  # uncompressed size, in the directory
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match="cannot hold"):
        open_tensors(path)


def test_npz_with_something_else_inside_is_refused(tmp_path):
    with pytest.raises(CorruptFileError, match=r"readme\.txt"):
        open_tensors(zip_file(tmp_path / "weights.npz", {"readme.txt": "hello"}))


def test_npz_with_one_name_twice_is_refused(tmp_path):
    path = tmp_path / "weights.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", npy_file(np.eye(2)))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("w.npy", npy_file(np.eye(3)))
    with pytest.raises(CorruptFileError, match="same name"):
        open_tensors(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_npz_with_an_unusual_compression_is_refused(tmp_path, compression):
    with pytest.raises(CorruptFileError, match="neither stored nor deflated"):
        open_tensors(zip_file(tmp_path / "weights.npz", {"w.npy": npy_file(np.eye(2))}, compression))


# Safetensors


def test_safetensors_come_back(tmp_path):
    safetensors_numpy = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    path = tmp_path / "weights.safetensors"
    safetensors_numpy.save_file(TENSORS, path, metadata={"format": "np"})
    assert_same_tensors(dict(sorted(open_tensors(path).items())), dict(sorted(TENSORS.items())))


def test_safetensors_bfloat16_and_8_bit_floats_are_bits(tmp_path):
    header = {
        "b": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]},
        "f": {"dtype": "F8_E4M3", "shape": [1, 1], "data_offsets": [4, 5]},
    }
    path = tmp_path / "weights.safetensors"
    path.write_bytes(safetensors_bytes(header, b"\xc0\x3f\x40\xc0\x38"))
    tensors = open_tensors(path)
    assert tensors["b"].dtype == BFLOAT16
    np.testing.assert_array_equal(to_float32(tensors["b"]), [1.5, -3.0])
    assert tensors["f"].dtype.names == ("float8_e4m3fn",)
    np.testing.assert_array_equal(tensors["f"]["float8_e4m3fn"], [[0x38]])


def test_safetensors_that_are_not_aligned_are_read(tmp_path):
    header = {
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    }
    path = tmp_path / "weights.safetensors"
    path.write_bytes(safetensors_bytes(header, b"\1" + np.array([1, 2], np.float32).tobytes()))
    np.testing.assert_array_equal(open_tensors(path)["b"], [1, 2])


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"1234567", id="shorter than a length"),
        pytest.param((2**63).to_bytes(8, "little") + b"{}", id="header longer than the file"),
        pytest.param(safetensors_bytes(b"[]"), id="header is a list"),
        pytest.param(safetensors_bytes(b"{nonsense"), id="header is no JSON"),
        pytest.param(safetensors_bytes(b"\xff\xfe{}"), id="header is no UTF-8"),
        pytest.param(safetensors_bytes(b"[" * 100_000), id="header is nested without end"),
        pytest.param(safetensors_bytes(b'{"a": 1, "a": 2}'), id="a name twice"),
        pytest.param(safetensors_bytes({"__metadata__": {"a": 1}}), id="metadata is no text"),
        pytest.param(safetensors_bytes({"a": 3}), id="entry is a number"),
        pytest.param(safetensors_bytes({"a": {"dtype": "F32"}}), id="entry lacks fields"),
        pytest.param(safetensors_bytes({"a": entry(dtype="F31")}, b"\0" * 8), id="unknown dtype"),
        pytest.param(safetensors_bytes({"a": entry(dtype=["F32"])}, b"\0" * 8), id="dtype is a list"),
        pytest.param(safetensors_bytes({"a": entry(shape=(2**60,))}, b"\0" * 8), id="absurd shape"),
        pytest.param(safetensors_bytes({"a": entry(shape=(2**62, 2**62, 0), offsets=(0, 0))}), id="absurd, empty"),
        pytest.param(safetensors_bytes({"a": entry(shape=(-2,))}, b"\0" * 8), id="negative shape"),
        pytest.param(safetensors_bytes({"a": entry(shape=(2.0,))}, b"\0" * 8), id="shape of floats"),
        pytest.param(safetensors_bytes({"a": entry(shape=(True, 2))}, b"\0" * 8), id="shape of booleans"),
        pytest.param(safetensors_bytes({"a": entry(shape=(1,) * 99 + (2,))}, b"\0" * 8), id="100 dimensions"),
        pytest.param(safetensors_bytes({"a": entry(offsets=(8, 0))}, b"\0" * 8), id="offsets fall"),
        pytest.param(safetensors_bytes({"a": entry(offsets=(-8, 0))}, b"\0" * 8), id="negative offsets"),
        pytest.param(safetensors_bytes({"a": entry(offsets=(0, 8, 9))}, b"\0" * 8), id="three offsets"),
        pytest.param(safetensors_bytes({"a": entry(offsets=(4, 12))}, b"\0" * 12), id="a gap before"),
        pytest.param(safetensors_bytes({"a": entry(), "b": entry()}, b"\0" * 8), id="tensors overlap"),
        pytest.param(safetensors_bytes({"a": entry()}, b"\0" * 7), id="truncated"),
        pytest.param(safetensors_bytes({"a": entry()}, b"\0" * 9), id="a byte left over"),
        pytest.param(safetensors_bytes({"a": entry("BOOL", (1,), (0, 1))}, b"\2"), id="bool that is two"),
    ],
)
def test_safetensors_file_that_contradicts_itself_is_refused(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"weights\.safetensors"):
        read_all(path)


def test_safetensors_dtype_smaller_than_a_byte_is_unsupported(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(safetensors_bytes({"a": entry("F4", (2,), (0, 1))}, b"\0"))
    with pytest.raises(UnsupportedModelError, match="F4"):
        open_tensors(path)


# Torch


@pytest.fixture(name="torch", scope="module")
def _torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_torch_state_dict_comes_back(torch, tmp_path, suffix):
    state = torch.nn.Linear(4, 3).state_dict()
    torch.save(state, tmp_path / f"weights{suffix}")
    found = open_tensors(tmp_path / f"weights{suffix}")
    assert list(found) == ["weight", "bias"]
    assert torch.equal(found["weight"], state["weight"])


def test_torch_file_with_a_module_is_refused_with_the_way_out(torch, tmp_path):
    torch.save(torch.nn.Linear(4, 3), tmp_path / "module.pt")
    with pytest.raises(ValueError, match="state_dict"):
        open_tensors(tmp_path / "module.pt")


@pytest.mark.parametrize("content", [{"epoch": 3}, {"model": {"a": 1}}, [1, 2], {1: 2}])
def test_torch_file_of_other_things_is_refused(torch, tmp_path, content):
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="state dict"):
        open_tensors(tmp_path / "checkpoint.pt")


@pytest.mark.usefixtures("torch")
def test_torch_file_that_would_run_code_does_not(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "harm"), "w"))

    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"weights\.pt"):
        open_tensors(tmp_path / "weights.pt")
    assert not (tmp_path / "harm").exists()


def test_torch_tensor_larger_than_its_file_is_refused(torch, tmp_path):
    torch.save({"w": torch.zeros(1).expand(2**40)}, tmp_path / "weights.pt")
    with pytest.raises(CorruptFileError, match="claims shape"):
        open_tensors(tmp_path / "weights.pt")


def test_reading_a_torch_file_without_torch_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "weights.pt").write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"sparseinf\[torch\]"):
        open_tensors(tmp_path / "weights.pt")


# Damage of any kind


def save_torch(path, tensors):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.save({name: torch.tensor(array) for name, array in tensors.items()}, path)


def save_safetensors(path, tensors):
    save_file = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed").save_file
    save_file(tensors, path)


def save_npz(path, tensors):
    with path.open("wb") as file:
        np.savez_compressed(file, **tensors)


SAVERS = {".npz": save_npz, ".safetensors": save_safetensors, ".pt": save_torch}


@pytest.mark.parametrize("suffix", SAVERS)
def test_truncated_file_is_refused(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    SAVERS[suffix](path, TENSORS)
    content = path.read_bytes()
    for length in {*range(0, len(content), max(1, len(content) // 40)), len(content) - 1}:
        path.write_bytes(content[:length])
        with pytest.raises(CorruptFileError, match="weights"):
            read_all(path)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_changed_file_is_read_or_refused_but_never_breaks(tmp_path, suffix, data):
    path = tmp_path / f"weights{suffix}"
    SAVERS[suffix](path, TENSORS)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(CorruptFileError, UnsupportedModelError):
        read_all(path)
