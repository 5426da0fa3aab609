"""Columns a few more than whole half vectors: they run the first range's pack, all others their own."""

from __future__ import annotations

import numpy as np
import pytest

import sparseinf
from sparseinf import runtime
from sparseinf.formats import Csr

ISAS = [isa for isa in sparseinf.available_isas() if runtime.float32_isa(isa) == isa]
HALF_VECTORS = {"scalar": 2, "avx2": 4, "avx512": 8}


def pruned(shape, seed=0):
    generator = np.random.default_rng(seed)
    return np.where(generator.random(shape) < 0.8, 0, generator.standard_normal(shape)).astype(np.float32)


def layers(weight, isa, most_tail_columns, threads=1):
    """Return the layer with both packs, and each of them alone."""
    csr = Csr.from_dense(weight)
    arrays = (csr.row_offsets, csr.columns, csr.values, weight.shape[1])
    few = runtime.pack_lookup(*arrays, 1)
    many = runtime.pack_csr(*arrays, isa, runtime.csr_panel_columns(isa), 1)
    options = {
        "isa": isa,
        "bias": np.ones(len(weight), np.float32),
        "epilogue": runtime.Epilogue(),
        "num_threads": threads,
    }
    both = runtime.Linear(*weight.shape, plans=[(1, few), (16, many)], most_tail_columns=most_tail_columns, **options)
    return both, *(runtime.Linear(*weight.shape, plans=[(1, pack)], **options) for pack in (few, many))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("most", [0, 1, 3])
@pytest.mark.parametrize("threads", [1, 3])
def test_each_part_has_the_bits_of_its_own_pack(isa, most, threads):
    weight = pruned((130, 91))
    both, few, many = layers(weight, isa, most, threads)
    half = HALF_VECTORS[isa]
    for columns in (15, 16, 17, 18, 19, 20, 24, 25, 27, 32, 33, 65, 131):
        x = np.random.default_rng(columns).standard_normal((columns, 2, 91)).astype(np.float32)[:, 0]  # with gaps
        residual = np.random.default_rng(1).standard_normal((columns, 130)).astype(np.float32)
        tail = columns % half if columns >= 16 and columns % half <= most else 0
        for extra in (None, residual):
            y = both(x, None, extra)
            if columns < 16:
                assert np.array_equal(y, few(x, None, extra))
                continue
            main = columns - tail
            assert np.array_equal(y[:main], many(x[:main], None, None if extra is None else extra[:main]))
            if tail:
                assert np.array_equal(y[main:], few(x[main:], None, None if extra is None else extra[main:]))


def test_only_float_layers_have_tails():
    with pytest.raises(ValueError, match="only float32 layers have tails"):
        layers(pruned((16, 16)), ISAS[-1], -1)


def test_layers_with_lookups_say_so():
    layer = sparseinf.load(pruned((1024, 1024)), tune="model", threads=1)
    plan = layer.plan(64)
    is_tailed = layer.plan(1).pack == "lookup" and plan.pack != "lookup"
    assert (plan.most_tail_columns > 0) == (f"for {plan.most_tail_columns} or fewer of them" in str(layer.explain()))
    assert is_tailed or plan.most_tail_columns == 0
    assert layer.plan(1).most_tail_columns == 0
