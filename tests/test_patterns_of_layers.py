"""Layers whose weights were pruned in blocks or n:m: given so, asked for, or found; how they run, and what is saved."""

from __future__ import annotations

import numpy as np
import pytest
from linear_reference import product

import sparseinf
from sparseinf import formats, runtime
from sparseinf.formats import NM, Block, Csr, Dense

ISA = runtime.float32_isa(runtime.current_isa())


def block_weight(shape, block, sparsity, seed=0):
    generator = np.random.default_rng(seed)
    grid = [-(-extent // size) for extent, size in zip(shape, block, strict=True)]
    kept = np.kron(generator.random(grid) >= sparsity, np.ones(block, bool))[: shape[0], : shape[1]]
    return np.where(kept, generator.standard_normal(shape), 0).astype(np.float32)


def nm_weight(shape, nm, seed=0):
    generator = np.random.default_rng(seed)
    n, m = nm
    ranks = generator.random((shape[0], shape[1] // m, m)).argsort(axis=-1).argsort(axis=-1)
    return np.where(ranks.reshape(shape) < n, generator.standard_normal(shape), 0).astype(np.float32)


def assert_multiplies(layer, weight):
    generator = np.random.default_rng(1)
    for rows in (0, 1, 2, 8, 15, 16, 17, 97, 200):
        x = generator.standard_normal((rows, weight.shape[1])).astype(np.float32)
        expected, bound = product(x, weight)
        assert (np.abs(layer(x) - expected) <= bound).all()


class TestBlocks:
    @pytest.mark.parametrize("block", [(4, 1), (8, 1), (16, 1), (4, 4), (12, 3)])
    @pytest.mark.parametrize("isa", sparseinf.available_isas())
    def test_of_a_multiple_of_four_rows_have_kernels_of_their_own(self, block, isa):
        weight = block_weight((203, 77), block, 0.7)
        with sparseinf.use_isa(isa):
            layer = sparseinf.load(weight, format="block", block=block)
        level = runtime.float32_isa(isa)
        assert layer.plan(1).kernel == f"gemv_block4x1_f32_{level}"
        assert layer.plan(64).kernel == f"spmm_block4x1_f32_{level}"
        assert (layer.format, layer.plan(1).format) == ("block", "block")
        assert_multiplies(layer, weight)

    @pytest.mark.parametrize("block", [(1, 4), (2, 2), (1, 1), (3, 5), (64, 64), (64, 1)])
    def test_of_any_shape_work(self, block):
        weight = block_weight((131, 70), block, 0.6)
        layer = sparseinf.load(weight, format="block", block=block, tune="model")
        assert layer.format == "block"
        assert_multiplies(layer, weight)

    def test_need_not_be_full(self):
        weight = block_weight((64, 64), (1, 1), 0.5)
        layer = sparseinf.load(weight, format="block", block=(4, 1))
        assert layer.nbytes > 4 * np.count_nonzero(weight) * 1.5  # zeros inside blocks are stored
        assert_multiplies(layer, weight)

    def test_rows_and_columns_without_a_block_are_zero(self):
        weight = np.zeros((40, 50), np.float32)
        weight[8:12, 7] = 1
        layer = sparseinf.load(weight, format="block", block=(4, 1), bias=np.arange(40, dtype=np.float32))
        y = layer(np.ones((20, 50), np.float32))
        assert np.array_equal(y[3], np.arange(40) + weight[:, 7])

    def test_threads_do_not_change_a_bit(self):
        weight = block_weight((2100, 1500), (4, 1), 0.8)
        x = np.random.default_rng(2).standard_normal((130, 1500)).astype(np.float32)
        layers = [sparseinf.load(weight, format="block", block=(4, 1), threads=threads) for threads in (1, 2, 4)]
        for rows in (1, 130):
            first, *others = [layer(x[:rows]).tobytes() for layer in layers]
            assert all(other == first for other in others)


class TestFound:
    @pytest.mark.parametrize("block", [(4, 1), (8, 1), (16, 1), (4, 4)])
    def test_blocks_run_as_blocks(self, block):
        layer = sparseinf.load(block_weight((512, 512), block, 0.8), tune="model", batch=64)
        assert layer.format == "block"
        assert layer.plan(64).kernel == f"spmm_block4x1_f32_{ISA}"
        assert isinstance(layer.weight, Block)
        assert layer.weight.block == block
        assert "found" in str(layer.explain())

    @pytest.mark.parametrize("nm", [(1, 4), (2, 4), (4, 8)])
    def test_n_of_m_is_kept_as_such(self, nm):
        weight = nm_weight((256, 512), nm)
        layer = sparseinf.load(weight, tune="model", batch=64)
        assert isinstance(layer.weight, NM)
        assert layer.weight.nm == nm
        assert np.array_equal(layer.weight.to_dense(), weight)
        assert_multiplies(layer, weight)

    def test_nothing_where_there_is_nothing(self):
        layer = sparseinf.load(block_weight((512, 512), (1, 1), 0.8), tune="model")
        assert not isinstance(layer.weight, Block | NM)
        assert "block4x1" not in layer.plan(1).predicted_ns

    def test_blocks_that_no_pack_uses_are_kept_as_csr(self):
        weight = block_weight((512, 512), (4, 1), 0.8)
        layer = sparseinf.load(weight, format="csr", tune="model")
        assert isinstance(layer.weight, Csr)
        assert layer.format == "csr"

    def test_dead_rows_and_columns_are_told(self):
        weight = block_weight((128, 128), (1, 1), 0.5)
        weight[3] = weight[77] = 0
        weight[:, 5] = 0
        assert "has 2 rows and 1 columns without a nonzero" in str(sparseinf.load(weight, tune="model").explain())


class TestGiven:
    def test_formats_keep_their_pattern(self):
        blocks = Block.from_dense(block_weight((64, 64), (3, 2), 0.5), block=(3, 2))
        groups = NM.from_dense(nm_weight((64, 64), (1, 4)), nm=(1, 4))
        for weight in (blocks, groups):
            layer = sparseinf.load(weight, tune="model")
            assert type(layer.weight) is type(weight)
            assert np.array_equal(layer.weight.to_dense(), weight.to_dense())

    @pytest.mark.parametrize("format", ["dense", "csr"])
    def test_another_format_may_be_asked_for(self, format):
        weight = block_weight((64, 64), (4, 1), 0.5)
        layer = sparseinf.load(Block.from_dense(weight, block=(4, 1)), format=format)
        assert layer.format == format
        assert isinstance(layer.weight, Dense if format == "dense" else Csr)
        assert_multiplies(layer, weight)

    def test_the_dtype_that_a_weight_came_in_is_remembered(self):
        weight = block_weight((64, 64), (4, 1), 0.5).astype(np.float64)
        layer = sparseinf.load(weight, format="block", block=(4, 1))
        assert layer.weight.source_dtype == "float64"
        assert "float64" in str(layer.explain())


class TestOptions:
    def test_a_weight_that_does_not_fit_is_refused_with_the_place(self):
        weight = nm_weight((8, 16), (2, 4))
        weight[3, 8:11] = 1
        weight[3, 11] = 0
        with pytest.raises(ValueError, match=r"row 3.*columns 8 to 11"):
            sparseinf.load(weight, format="nm", nm=(2, 4))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"format": "block"}, r"add for instance block=\(4, 1\)"),
            ({"format": "nm"}, r"add for instance nm=\(2, 4\)"),
            ({"block": (4, 1)}, "belongs to format='block', but format is 'auto'"),
            ({"format": "block", "block": (4, 1), "nm": (2, 4)}, "belongs to format='nm'"),
            ({"format": "block", "block": (0, 1)}, "from 1 to 64"),
            ({"format": "nm", "nm": (5, 4)}, "1 <= n <= m"),
        ],
    )
    def test_that_do_not_fit_together_are_refused(self, options, message):
        with pytest.raises(ValueError, match=message):
            sparseinf.load(np.eye(8, dtype=np.float32), **options)

    def test_a_pattern_is_a_pair_of_whole_numbers(self):
        with pytest.raises(TypeError, match="pair of whole numbers"):
            sparseinf.load(np.eye(8, dtype=np.float32), format="block", block=4)


class TestSaved:
    @pytest.mark.parametrize(
        "options",
        [
            {"format": "block", "block": (8, 1)},
            {"format": "block", "block": (1, 4)},
            {"format": "nm", "nm": (2, 4)},
        ],
    )
    def test_layers_come_back_as_they_were(self, tmp_path, options):
        weight = nm_weight((128, 64), (2, 4)) * block_weight((128, 64), (8, 1), 0.3).astype(bool)
        layer = sparseinf.load(weight, tune="model", **options)
        layer.save(tmp_path / "layer")
        again = sparseinf.load(tmp_path / "layer")
        assert type(again.weight) is type(layer.weight)
        assert again.format == layer.format == options["format"]
        assert np.array_equal(again.weight.to_dense(), weight)

    def test_another_format_may_be_asked_for_when_loading(self, tmp_path):
        weight = block_weight((64, 64), (4, 1), 0.5)
        sparseinf.load(weight, format="block", block=(4, 1)).save(tmp_path / "layer")
        layer = sparseinf.load(tmp_path / "layer", format="csr")
        assert isinstance(layer.weight, Csr)
        assert np.array_equal(layer.weight.to_dense(), weight)

    def test_what_was_found_is_saved_as_found(self, tmp_path):
        weight = nm_weight((256, 256), (2, 4))
        sparseinf.load(weight, tune="model").save(tmp_path / "layer")
        assert formats.statistics(sparseinf.load(tmp_path / "layer").weight).nm_fit[2, 4] == 1
        assert (tmp_path / "layer").stat().st_size < 4.4 * np.count_nonzero(weight)


def test_networks_of_different_patterns_are_explained_in_one_table():
    weights = sparseinf.load(
        {"a.weight": block_weight((128, 128), (4, 1), 0.8), "b.weight": block_weight((128, 128), (1, 1), 0.8)},
        tune="model",
    )
    rows = weights.explain().rows
    assert {row["layer"]: row["block4x1_us"] is None for row in rows} == {"a": False, "b": True}
