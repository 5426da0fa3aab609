"""Weights become layers by the rules of a state dict; nothing is dropped, all of it comes back."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from sparseinf.formats.float32 import BFLOAT16
from sparseinf.io import read
from sparseinf.weights import SparseWeights


def sparse_matrix(shape=(16, 8), seed=0):
    random = np.random.default_rng(seed)
    return (random.standard_normal(shape) * (random.random(shape) < 0.4)).astype(np.float32)


def built(tensors):
    return SparseWeights.from_tensors(tensors, tune="off")


def values(weights, name):
    return weights[name].weight.to_dense()


@pytest.fixture(name="network")
def _network():
    return {
        "embed.weight": sparse_matrix((30, 8)),
        "fc1.bias": np.arange(16, dtype=np.float32),
        "fc1.weight": sparse_matrix(),
        "norm.weight": np.ones(16, np.float32),
        "norm.bias": np.zeros(16, np.float16),
        "conv.weight": np.ones((2, 3, 4, 5), np.float32),
        "conv.bias": np.ones(2, np.float32),
        "blocks.0.fc.weight": sparse_matrix((8, 16), seed=1).astype(np.float64),
        "steps": np.array(7),
    }


# Which tensors are layers


def test_two_dimensional_weights_are_layers_and_all_else_is_kept(network):
    weights = built(network)
    assert list(weights) == ["fc1", "blocks.0.fc"]
    assert list(weights.other) == [
        "embed.weight", "norm.weight", "norm.bias", "conv.weight", "conv.bias", "steps"
    ]  # fmt: skip


def test_a_layer_has_the_weight_and_the_bias_of_its_name(network):
    weights = built(network)
    np.testing.assert_array_equal(values(weights, "fc1"), network["fc1.weight"], strict=True)
    np.testing.assert_array_equal(weights["fc1"].bias, network["fc1.bias"], strict=True)
    assert weights["blocks.0.fc"].bias is None


def test_what_is_kept_has_its_dtype_and_shape(network):
    other = built(network).other
    for name in other:
        np.testing.assert_array_equal(other[name], network[name], strict=True)


@pytest.mark.parametrize(
    ("key", "tensor"),
    [
        ("weight", np.ones((8, 8), np.float32)),
        ("fc.kernel", np.ones((8, 8), np.float32)),
        ("fc.weights", np.ones((8, 8), np.float32)),
        ("fc.weight", np.ones((7, 9), np.float32)),
        ("fc.weight", np.ones((8, 8), np.int8)),
        ("fc.weight", np.ones((8, 8), np.bool_)),
        ("fc.weight", np.ones((8, 8), np.complex64)),
        ("fc.weight", np.ones((2, 8, 8), np.float32)),
        ("fc.weight", np.ones(64, np.float32)),
        ("fc.weight_mask", np.ones((8, 8), np.float32)),
        ("fc.weight_orig", np.ones((8, 8), np.float32)),
    ],
)
def test_tensors_that_only_look_like_weights_are_kept(key, tensor):
    weights = built({key: tensor})
    assert (list(weights), list(weights.other)) == ([], [key])


@pytest.mark.parametrize(
    "module",
    [
        "embed",
        "embed_tokens",
        "word_embeddings",
        "TokenEmbedding",
        "wte",
        "h.wpe",
        "tok_emb",
        "emb",
        "embed.0",
    ],
)
def test_embeddings_are_known_by_name(module):
    assert not built({f"{module}.weight": sparse_matrix()})


@pytest.mark.parametrize("module", ["fc", "embeddings.dense", "member", "remblance", "0", "swte"])
def test_other_names_are_no_embeddings(module):
    assert list(built({f"{module}.weight": sparse_matrix()})) == [module]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_weights_and_biases_are_converted_to_float32(dtype):
    weights = built({"fc.weight": sparse_matrix().astype(dtype), "fc.bias": np.ones(16, dtype)})
    assert weights["fc"].bias.dtype == np.float32
    np.testing.assert_array_equal(values(weights, "fc"), sparse_matrix().astype(dtype).astype(np.float32))


def test_bfloat16_bits_are_converted_in_layers_and_kept_elsewhere():
    bits = (sparse_matrix().view(np.uint32) >> 16).astype(np.uint16)
    tensors = {"fc.weight": bits, "fc.bias": bits[:, 0], "norm": bits[0]}
    weights = built({name: array.view(BFLOAT16) for name, array in tensors.items()})
    expected = (bits.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(values(weights, "fc"), expected)
    np.testing.assert_array_equal(weights["fc"].bias, expected[:, 0])
    assert weights.other["norm"].dtype == BFLOAT16


# What torch's pruning leaves


@pytest.mark.parametrize("mask_dtype", [np.float32, np.bool_, np.uint8])
def test_original_and_mask_are_multiplied(mask_dtype):
    mask = np.random.default_rng(1).random((16, 8)) < 0.5
    pair = {"fc.weight_orig": sparse_matrix(), "fc.weight_mask": mask.astype(mask_dtype)}
    weights = built({"fc.bias": np.ones(16, np.float32), **pair})
    assert (list(weights), list(weights.other)) == (["fc"], [])
    np.testing.assert_array_equal(values(weights, "fc"), sparse_matrix() * mask)


def test_pruned_bias_is_multiplied():
    tensors = {
        "fc.weight": sparse_matrix(),
        "fc.bias_orig": np.arange(16, dtype=np.float32),
        "fc.bias_mask": np.arange(16) % 2,
    }
    weights = built(tensors)
    np.testing.assert_array_equal(weights["fc"].bias, np.arange(16) * (np.arange(16) % 2))
    assert not weights.other


def test_pair_that_is_no_layer_is_kept_as_it_is():
    tensors = {"conv.weight_orig": np.ones((2, 3, 4, 5)), "conv.weight_mask": np.ones((2, 3, 4, 5))}
    assert list(built(tensors).other) == list(tensors)


def test_weight_beside_its_original_and_mask_is_refused():
    tensors = dict.fromkeys(["fc.weight", "fc.weight_orig", "fc.weight_mask"], sparse_matrix())
    with pytest.raises(ValueError, match=r"fc\.weight is there, but also fc\.weight_orig and fc\.weight_mask"):
        built(tensors)


def test_mask_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"fc\.weight_mask has shape \(8, 16\)"):
        built({"fc.weight_orig": sparse_matrix(), "fc.weight_mask": np.ones((8, 16))})


# What is refused


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weight_that_is_not_finite_is_named(value):
    matrix = sparse_matrix()
    matrix[3, 5] = value
    with pytest.raises(ValueError, match=rf"fc\.weight: weight\[3, 5\] is {value}"):
        built({"fc.weight": matrix})


@pytest.mark.parametrize("shape", [(8,), (17,), (1, 16), ()])
def test_bias_of_another_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"fc\.bias has shape .* out_features = 16"):
        built({"fc.weight": sparse_matrix(), "fc.bias": np.ones(shape, np.float32)})


def test_bias_of_integers_is_named():
    with pytest.raises(TypeError, match=r"fc\.bias has dtype int64"):
        built({"fc.weight": sparse_matrix(), "fc.bias": np.ones(16, np.int64)})


def test_bias_too_large_for_float32_is_named():
    with pytest.raises(ValueError, match=r"fc\.bias\[3\] is 1e\+300"):
        built({"fc.weight": sparse_matrix(), "fc.bias": np.where(np.arange(16) == 3, 1e300, 0)})


@pytest.mark.parametrize("value", [None, "text", [1.0], {"a": 1}, np.array([None])])
def test_value_that_is_no_array_of_numbers_is_named(value):
    with pytest.raises(TypeError, match="'thing'"):
        built({"thing": value})


# Tensors of other libraries


@pytest.mark.filterwarnings("ignore:Sparse ")
def test_state_dict_of_a_pruned_torch_network_is_read():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    prune = pytest.importorskip("torch.nn.utils.prune", reason="PyTorch is not installed")
    last = torch.nn.Linear(16, 8).bfloat16()
    module = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), last)
    prune.l1_unstructured(module[0], "weight", amount=0.75)
    weights = built(module.state_dict())
    assert list(weights) == ["0", "2"]
    np.testing.assert_array_equal(values(weights, "0"), module[0].weight.detach().numpy())
    np.testing.assert_array_equal(values(weights, "2"), module[2].weight.detach().float().numpy())
    np.testing.assert_array_equal(weights["2"].bias, module[2].bias.detach().float().numpy())
    assert list(weights.other) == [f"1.{name}" for name in module[1].state_dict()]


def test_torch_dtypes_that_numpy_lacks_are_kept_as_bits():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    tensors = {"a": torch.tensor([[1.5, -2.0]]).bfloat16(), "b": torch.tensor(1.0).to(torch.float8_e4m3fn)}
    other = built(tensors).other
    np.testing.assert_array_equal(other["a"]["bfloat16"], np.array([[0x3FC0, 0xC000]], np.uint16))
    np.testing.assert_array_equal(other["b"]["float8_e4m3fn"], np.uint8(0x38))


@pytest.mark.filterwarnings("ignore:Sparse ")
def test_sparse_tensors_are_layers_or_kept_dense_and_said_to_be():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    scipy_sparse = pytest.importorskip("scipy.sparse", reason="SciPy is not installed")
    matrix = sparse_matrix()
    weights = built(
        {
            "a.weight": torch.tensor(matrix).to_sparse_csr(),
            "b.weight": scipy_sparse.csr_array(matrix),
            "graph": scipy_sparse.csr_array(matrix),
        }
    )
    for name in ("a", "b"):
        np.testing.assert_array_equal(values(weights, name), matrix)
    np.testing.assert_array_equal(weights.other["graph"], matrix)
    assert any(note.startswith("graph was sparse") for note in weights.explain().notes)


@pytest.mark.filterwarnings("ignore:Sparse ")
def test_sparse_tensor_too_large_to_be_kept_dense_is_named():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    empty = torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0)
    with pytest.raises(MemoryError, match="'graph'"):
        built({"graph": torch.sparse_coo_tensor(*empty, (2**30, 2**30), check_invariants=True)})


# The mapping


def test_weights_are_a_read_only_mapping(network):
    weights = built(network)
    assert isinstance(weights, Mapping)
    assert len(weights) == 2
    assert "fc1" in weights
    assert "norm" not in weights
    with pytest.raises(TypeError):
        weights["fc1"] = weights["blocks.0.fc"]
    with pytest.raises(TypeError):
        weights.other["steps"] = 8


def test_kept_tensors_do_not_follow_their_source(network):
    weights = built(network)
    network["norm.weight"][:] = 5
    np.testing.assert_array_equal(weights.other["norm.weight"], np.ones(16))


def test_missing_layer_says_where_the_name_is(network):
    weights = built(network)
    with pytest.raises(KeyError, match="other"):
        weights["steps"]
    with pytest.raises(KeyError, match=r"blocks\.0\.fc"):
        weights["fc2"]


def test_nbytes_counts_packs_and_kept_tensors(network):
    weights = built(network)
    kept = sum(array.nbytes for array in weights.other.values())
    assert weights.nbytes == kept + sum(layer.nbytes for layer in weights.values())


def test_explain_has_the_rows_of_all_layers(network):
    weights = built(network)
    report = weights.explain()
    assert len(report.rows) == sum(len(layer.explain().rows) for layer in weights.values())
    assert any("6 other tensors" in note for note in report.notes)


def test_explain_of_no_layers_is_an_empty_table():
    assert built({"x": np.ones(3)}).explain().rows == []


# Saving


def test_saved_weights_come_back_the_same(network, tmp_path):
    weights = built(network)
    weights.save(tmp_path / "weights")
    again = SparseWeights.from_record(read(tmp_path / "weights"), tune="off")
    assert list(again) == list(weights)
    assert list(again.other) == list(weights.other)
    for name in weights:
        np.testing.assert_array_equal(values(again, name), values(weights, name), strict=True)
        assert (again[name].bias is None) == (weights[name].bias is None)
    for name in weights.other:
        np.testing.assert_array_equal(again.other[name], weights.other[name], strict=True)


def test_weights_saved_twice_are_the_same_file(network, tmp_path):
    built(network).save(tmp_path / "first")
    SparseWeights.from_record(read(tmp_path / "first"), tune="off").save(tmp_path / "second")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_options_are_saved_except_the_number_of_threads(network, tmp_path):
    SparseWeights.from_tensors(network, tune="off", threads=1, batch=(1, 16)).save(tmp_path / "weights")
    options = read(tmp_path / "weights").layers["fc1"].options
    assert options["batch"] == (1, 16)
    assert "threads" not in options


def test_options_given_at_load_go_before_those_that_were_saved(network, tmp_path):
    SparseWeights.from_tensors(network, format="csr").save(tmp_path / "weights")
    record = read(tmp_path / "weights")
    assert SparseWeights.from_record(record)["fc1"].format == "csr"
    assert SparseWeights.from_record(record, format="dense")["fc1"].format == "dense"


def test_weights_with_text_among_them_are_not_saved(tmp_path):
    with pytest.raises(TypeError, match="labels"):
        built({"labels": np.array(["cat", "dog"])}).save(tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []
