"""The choice of packs by measurement, on a machine whose clock only moves when a layer runs."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from fake_machine import MODEL_US, FakeMachine, no_clock
from hypothesis import given
from hypothesis import strategies as st
from linear_reference import product, sparse_weight

import sparseinf
from sparseinf import SparseLinear, SparseWeights
from sparseinf.compile import plans, tune
from sparseinf.compile.choice import LayerTimes, choose_packs, fastest
from sparseinf.compile.cost_model import break_even, predict_ns
from sparseinf.compile.layer_shape import LayerShape
from sparseinf.compile.pattern import UNSTRUCTURED
from sparseinf.compile.precision import PreparedWeight
from sparseinf.compile.structure import structure_of
from sparseinf.compile.tune import Tuner
from sparseinf.compile.turn_about import CacheSweep, turn_about
from sparseinf.formats import Csr, Dense
from sparseinf.io import read

WEIGHT = Csr.from_dense(sparse_weight((64, 64), 0.5))


def compiled(tuner, weight=WEIGHT, **options):
    return SparseLinear.from_format(weight, tuner=tuner, **{"batch": 8, "threads": 1, **options})


class TestChoice:
    @pytest.mark.parametrize(("csr_us", "chosen"), [(96, "dense"), (94, "csr"), (50, "csr"), (200, "dense")])
    def test_measurement_overrules_the_model_only_beyond_five_percent(self, monkeypatch, csr_us, chosen):
        machine = FakeMachine(monkeypatch, {"dense": 100, "csr": csr_us})
        layer = compiled(machine.tuner())
        assert layer.plan(8).pack == chosen
        assert layer.plan(8).measured_ns == {"dense": 800_000, "csr": 8000 * csr_us}
        assert layer.plan(8).times_from == "measurement"

    def test_what_the_model_is_sure_of_is_not_measured(self, monkeypatch):
        machine = FakeMachine(monkeypatch, {}, model_us={"dense": 100, "csr": 161, "bitmap": 900})
        layer = compiled(Tuner(timer=no_clock))
        assert not machine.calls
        assert (layer.plan(8).pack, layer.plan(8).measured_ns, layer.plan(8).times_from) == ("dense", {}, "model")

    def test_only_the_best_few_are_contenders(self):
        times = LayerTimes({4: {"a": 130, "b": 159, "c": 100, "d": 110, "e": 161}})
        assert times.contenders(4) == ["c", "d", "a"]

    def test_what_was_not_measured_is_corrected_like_what_was(self):
        times = LayerTimes({1: {"a": 10, "b": 20}, 4: {"a": 50, "b": 60}}, {4: {"a": 100}}, {})
        assert [times.estimated(name, n) for n in (1, 4) for name in "ab"] == [20, 40, 100, 120]

    @pytest.mark.parametrize(("slower_ns", "chosen"), [(111, ("a",)), (112, ("a", "b"))])
    def test_a_second_pack_must_save_a_range_six_percent(self, slower_ns, chosen):
        # b is faster in one of three ranges; there a, the model's favourite, has its 5 %: 111 / 105 < 1.06 < 112 / 105.
        times = LayerTimes({n: {"a": 100, "b": 200} for n in (1, 2, 16)}, {1: {"a": slower_ns, "b": 100}})
        assert choose_packs(times, [["a", "b"]], [(1,), (2,), (16,)]) == chosen

    def test_a_range_runs_the_faster_of_the_packs_that_are_there(self):
        times = LayerTimes({1: {"a": 1, "b": 5, "c": 4}})
        assert fastest(times, ["b", "c"], (1,)) == "c"

    def test_dense_is_always_a_candidate(self, monkeypatch):
        machine = FakeMachine(
            monkeypatch, {"dense": 50, "csr": 60, "bitmap": 70}, {"dense": 120, "csr": 90, "bitmap": 80}
        )
        layer = compiled(machine.tuner(), batch=None)
        assert {layer.plan(n).format for n in (1, 8, 64)} == {"dense"}

    @given(st.lists(st.floats(1, 1e6), min_size=3, max_size=3), st.lists(st.floats(1, 1e6), min_size=3, max_size=3))
    def test_never_slower_than_dense_by_more_than_the_model_is_trusted(self, predicted, measured):
        names = ["dense", "csr", "bitmap"]
        times = LayerTimes(*({8: dict(zip(names, ns, strict=True))} for ns in (predicted, measured)))
        (pack,) = choose_packs(times, [names], [(8,)])
        assert times.estimated(pack, 8) <= 1.05001 * times.estimated("dense", 8)


class TestModel:
    @pytest.mark.parametrize("tuning", ["model", "off"])
    def test_touches_neither_clock_nor_cache(self, monkeypatch, tmp_path, tuning):
        monkeypatch.setenv("SPARSEINF_CACHE", str(tmp_path / "cache"))
        FakeMachine(monkeypatch, {"dense": 100, "csr": 1})
        tuner = Tuner(timer=no_clock)
        layer = compiled(tuner, tune=tuning)
        tuner.keep()
        assert layer.plan(8).pack == "dense"
        assert list(tmp_path.iterdir()) == []

    def test_is_the_same_on_every_load(self):
        weight = sparse_weight((300, 200), 0.6)
        plans = [sparseinf.load(weight, tune="model").explain().to_dict() for _ in range(2)]
        assert plans[0] == plans[1]


class TestMeasuring:
    def test_median_of_calls_in_turns(self):
        now_ns = [0]
        order = []

        def call(name, times_ns):
            order.append(name)
            now_ns[0] += next(times_ns)

        steady = iter([2_000_000] * 99)
        jumpy = iter([9_000_000, 1_000_000, 1_000_000, 50_000_000, 1_000_000, *[1_000_000] * 99])
        calls = {"steady": lambda: call("steady", steady), "jumpy": lambda: call("jumpy", jumpy)}
        assert turn_about(calls, lambda: now_ns[0], 1e12) == {"steady": 2e6, "jumpy": 1e6}
        assert order[4:8] == ["jumpy", "steady"] * 2 or order[4:8] == ["jumpy", "steady", "steady", "jumpy"]

    def test_short_calls_are_timed_many_at_once(self, monkeypatch):
        machine = FakeMachine(monkeypatch, {"dense": 0.1, "csr": 0.3})
        layer = compiled(machine.tuner(), batch=2)
        assert layer.plan(2).measured_ns == {"dense": 200, "csr": 600}
        assert machine.calls["dense", 2] > 15 * 100

    def test_the_limit_ends_the_round(self):
        now_ns = [0]

        def call():
            now_ns[0] += 10_000_000

        assert turn_about({"a": call, "b": call}, lambda: now_ns[0], 1.0) == {"a": 1e7, "b": 1e7}
        assert now_ns[0] == 60_000_000  # two calls each to warm up, and a round

    @pytest.mark.parametrize(("call_us", "sweeps"), [(10, 10), (1000, 0)])
    def test_with_a_sweep_every_short_call_finds_empty_caches(self, call_us, sweeps):
        now_ns = [0]
        events = []

        def call():
            events.append("call")
            now_ns[0] += 1000 * call_us

        measured = turn_about({"a": call, "b": call}, lambda: now_ns[0], 1e12, lambda: events.append("sweep"))
        assert measured == {"a": 1000 * call_us, "b": 1000 * call_us}
        assert events == ["call"] * 4 + (["sweep", "call"] * 10 if sweeps else ["call"] * 10)

    def test_only_layers_of_a_large_network_are_measured_from_memory(self, monkeypatch):
        sweeps = []
        monkeypatch.setattr(CacheSweep, "__init__", lambda sweep, _: setattr(sweep, "predicted_ns", 1e6))
        monkeypatch.setattr(CacheSweep, "__call__", lambda _: sweeps.append(1))
        machine = FakeMachine(monkeypatch, {"dense": 100, "csr": 60})
        compiled(machine.tuner(1e9, num_layers=1))
        compiled(machine.tuner(1e9, num_layers=100))
        assert not sweeps
        compiled(machine.tuner(1e9, num_layers=10**6))
        assert len(sweeps) == 2 * 5

    @pytest.mark.parametrize(("num_layers", "is_from_memory"), [(1, False), (100, False), (10**6, True)])
    def test_the_model_knows_what_comes_from_memory(self, monkeypatch, num_layers, is_from_memory):
        said = []
        monkeypatch.setattr(plans, "predict_ns", lambda *_, from_memory: said.append(from_memory) or 1.0)
        compiled(Tuner(0, num_layers=num_layers))
        assert set(said) == {is_from_memory}

    def test_real_layers_are_measured_and_right(self):
        weight = sparse_weight((64, 64), 0.5)
        layer = sparseinf.load(weight, threads=1)
        measured = [plan for n in (1, 8, 64) if (plan := layer.plan(n)).times_from == "measurement"]
        assert measured
        assert all(ns > 0 for plan in measured for ns in plan.measured_ns.values())
        x = np.random.default_rng(0).standard_normal((20, 64)).astype(np.float32)
        sums, bound = product(x, weight)
        assert (np.abs(layer(x) - sums) <= bound).all()

    def test_large_packs_are_freed_when_others_are_needed(self, monkeypatch):
        monkeypatch.setattr("sparseinf.compile.candidates._SPARE_BYTES", 0)
        shape = LayerShape.of(WEIGHT)
        weight = PreparedWeight(WEIGHT, UNSTRUCTURED, ("float32",))
        packs = sparseinf.compile.candidates.LayerPacks(weight, shape, sparseinf.runtime.current_isa(), 1)
        for name in ("dense", "csr", "bitmap"):
            assert packs[name].kind == name
        packs.make_room(["csr"])
        assert [name for name in ("dense", "csr", "bitmap") if name in packs] == ["csr"]

    def test_columns_that_take_too_much_memory_are_not_measured(self, monkeypatch):
        machine = FakeMachine(monkeypatch, {"dense": 1e-9, "csr": 1e-9}, {"dense": 1e-9, "csr": 1e-9, "bitmap": 1})
        layer = compiled(machine.tuner(), batch=10**9)
        assert not machine.calls
        assert any("memory" in note for note in layer.explain().notes)

    def test_candidates_that_do_not_fit_the_memory_are_not_measured(self, monkeypatch):
        machine = FakeMachine(monkeypatch, MODEL_US)

        def full(*_):
            raise MemoryError

        monkeypatch.setattr(tune, "_layer", full)
        layer = compiled(machine.tuner())
        assert (layer.plan(8).pack, layer.plan(8).times_from) == ("dense", "model")
        assert any("memory" in note for note in layer.explain().notes)


class TestBudget:
    def shapes(self, number):
        return [Csr.from_dense(sparse_weight((64, 64 + i), 0.5)) for i in range(number)]

    def test_nothing_is_measured_without_time(self, monkeypatch):
        machine = FakeMachine(monkeypatch, MODEL_US)
        layer = compiled(machine.tuner(seconds=0))
        assert (machine.calls.total(), layer.plan(8).times_from) == (0, "model")
        assert any("tune_seconds" in note for note in layer.explain().notes)

    @pytest.mark.parametrize("seconds", [0.01, 0.05, 0.2, 1.0, 3.0])
    def test_all_layers_together_keep_to_it(self, monkeypatch, seconds):
        machine = FakeMachine(monkeypatch, MODEL_US)
        tuner = machine.tuner(seconds, num_layers=20)
        layers = [compiled(tuner, weight, batch=(1, 8, 64)) for weight in self.shapes(20)]
        assert machine.now_ns <= 1e9 * seconds
        measured = sum(layer.plan(n).times_from == "measurement" for layer in layers for n in (1, 8, 64))
        assert (measured == 60) == (seconds == 3.0)

    def test_the_first_layer_leaves_the_others_their_share(self, monkeypatch):
        machine = FakeMachine(monkeypatch, MODEL_US)
        tuner = machine.tuner(0.1, num_layers=10)
        compiled(tuner, batch=64)  # 5 * (6.4 + 7.04) ms are more than a tenth
        assert machine.now_ns == 0
        for _ in range(8):
            tuner.skip_layer()
        compiled(tuner, batch=64)
        assert machine.now_ns > 0

    def test_a_machine_slower_than_the_model_ends_it_after_a_round(self, monkeypatch):
        machine = FakeMachine(monkeypatch, {"dense": 1e5, "csr": 1e5})
        layer = compiled(machine.tuner(0.02))
        assert set(machine.calls.values()) == {3}
        assert layer.plan(8).times_from == "measurement"

    def test_shares_count_what_may_be_a_layer(self, monkeypatch):
        seen = []
        monkeypatch.setattr(Tuner, "measure", lambda tuner, *_: seen.append(tuner._layers_left))
        tensors = {"norm.weight": np.ones(8), "a.weight": np.eye(8), "a.bias": np.ones(8), "b.weight": np.eye(8)}
        SparseWeights.from_tensors(tensors)
        assert seen == [2, 2]


class TestSharing:
    def test_like_layers_are_measured_once(self, monkeypatch):
        machine = FakeMachine(monkeypatch, {"dense": 100, "csr": 60})
        tuner = machine.tuner(num_layers=3)
        weights = [Csr.from_dense(sparse_weight((128, 128), 0.5, seed=seed)) for seed in (0, 1)]
        first = compiled(tuner, weights[0])
        calls = machine.calls.total()
        second = compiled(tuner, weights[1])
        assert machine.calls.total() == calls
        assert [layer.plan(8).times_from for layer in (first, second)] == ["measurement", "like layer"]
        assert second.plan(8).pack == "csr"
        compiled(tuner, WEIGHT)
        assert machine.calls.total() > calls

    def test_what_was_measured_for_one_format_is_not_lost_by_another(self, monkeypatch):
        machine = FakeMachine(
            monkeypatch, {"dense": 100, "csr": 60, "bitmap": 50}, {"dense": 100, "csr": 110, "bitmap": 170}
        )
        tuner = machine.tuner(num_layers=3)
        compiled(tuner)
        compiled(tuner, format="csr")
        calls = machine.calls.total()
        assert compiled(tuner).plan(8).times_from == "like layer"
        assert machine.calls.total() == calls


class TestStructure:
    def unstructured(self, seed, shape=(256, 256), density=0.25):
        return (np.random.default_rng(seed).random(shape) < density).astype(np.float32)

    @pytest.mark.parametrize("density", [0.05, 0.25, 0.7])
    def test_masks_pruned_alike_are_alike(self, density):
        masks = (self.unstructured(seed, (1024, 768), density) for seed in range(10))
        assert len({structure_of(Csr.from_dense(mask)) for mask in masks}) <= 2  # a density at the edge of a step

    def test_blocks_and_runs_are_not_like_unstructured_masks(self):
        small = self.unstructured(0, (64, 256))
        kinds = [self.unstructured(0), np.repeat(small, 4, axis=0), np.repeat(small.T, 4, axis=1)]
        assert len({structure_of(Csr.from_dense(mask)) for mask in kinds}) == 3

    def test_uneven_rows_are_not_like_even_ones(self):
        uneven = self.unstructured(0, density=0.4) * (np.arange(256) % 8 < 5)[:, None].astype(np.float32)
        assert structure_of(Dense(uneven)) != structure_of(Dense(self.unstructured(0)))

    @pytest.mark.parametrize("shape", [(0, 5), (5, 0), (1, 1), (3, 7), (5, 300_000), (4097, 3)], ids=str)
    @pytest.mark.parametrize("sparsity", [0.0, 0.5, 1.0])
    def test_every_form_of_a_weight_is_described_alike(self, shape, sparsity):
        weight = sparse_weight(shape, sparsity)
        assert structure_of(Dense(weight)) == structure_of(Csr.from_dense(weight))


class TestExplain:
    def test_columns_do_not_depend_on_what_was_measured(self):
        weight = sparse_weight((64, 64), 0.5)
        reports = [sparseinf.load(weight, tune=tuning).explain() for tuning in ("measure", "model")]
        assert reports[0].columns == reports[1].columns
        assert {"csr_us", "csr_measured_us", "dense_measured_us", "times_from", "reason"} <= set(reports[0].columns)
        assert all(row["csr_measured_us"] is None for row in reports[1])

    def test_says_by_how_much_what_wins_and_where_the_figures_come_from(self, monkeypatch):
        machine = FakeMachine(monkeypatch, {"dense": 100, "csr": 50})
        row = compiled(machine.tuner()).explain().rows[1]
        assert (row["csr_us"], row["csr_measured_us"], row["bitmap_measured_us"]) == (880, 400, None)
        assert "csr 0.40 ms measured, dense 0.80 ms measured: csr wins by 2.0x" in row["reason"]
        assert row["times_from"] == "measurement"

    @pytest.mark.parametrize(("batch", "reason"), [(64, "was asked for"), (None, "two packs at most")])
    def test_a_range_that_has_to_run_on_the_pack_of_others_says_so(self, monkeypatch, batch, reason):
        monkeypatch.setattr(
            plans,
            "predict_ns",
            lambda name, _shape, n, _isa, **_: {
                "dense": 130 if n == 1 else 900 if n < 16 else 100,
                "csr": 120 if n == 1 else 70,
                "bitmap": 100 if n == 1 else 900,
                "sell": 900 if n == 1 or n >= 16 else 10,
            }.get(name, 900),
        )
        layer = SparseLinear.from_format(WEIGHT, batch=batch, tune="model")
        assert layer.plan(1).pack == "csr"
        assert reason in layer.explain().rows[0]["reason"]

    @pytest.mark.parametrize("isa", ["scalar", "avx2", "avx512"])
    @pytest.mark.parametrize("columns", [1, 8, 256])
    @pytest.mark.parametrize("correction", [0.7, 1.0, 1.5])
    def test_break_even_is_where_dense_and_sparse_meet(self, isa, columns, correction):
        shape = LayerShape(512, 512, 0)
        sparsity = break_even({"dense": 1.0, "csr": correction}, shape, columns, isa)
        assert sparsity is not None
        dense_ns = predict_ns("dense", shape, columns, isa)
        for step, is_faster in ((1, False), (0, True)):
            nonzeros = round((1 - sparsity) * shape.positions) + step
            if nonzeros <= shape.positions:
                csr = LayerShape(512, 512, nonzeros)
                assert (correction * predict_ns("csr", csr, columns, isa) < dense_ns) == is_faster

    def test_from_memory_the_smaller_pack_is_predicted_to_win(self):
        shape = LayerShape(1024, 1024, 52429)  # 95 %
        in_caches = {name: predict_ns(name, shape, 1, "avx512") for name in ("sell", "lookup")}
        from_memory = {name: predict_ns(name, shape, 1, "avx512", from_memory=True) for name in in_caches}
        assert in_caches["lookup"] < in_caches["sell"]
        assert from_memory["lookup"] > from_memory["sell"]

    def test_there_is_no_break_even_where_dense_always_wins(self):
        assert break_even({"dense": 1.0, "csr": 1e9}, LayerShape(64, 64, 0), 1, "scalar") is None


class TestOptions:
    def test_tune_seconds_belongs_to_a_load_and_is_not_saved(self, tmp_path):
        layer = sparseinf.load(sparse_weight((16, 16), 0.5), tune_seconds=0.5)
        layer.save(tmp_path / "a")
        assert set(read(tmp_path / "a").options) == {"format", "batch", "precision", "tune"}
        assert sparseinf.load(tmp_path / "a", tune_seconds=0).plan(8).times_from == "model"

    def test_tune_seconds_reaches_the_layers_of_files_and_mappings(self, tmp_path):
        weights = sparseinf.load({"fc.weight": sparse_weight((16, 16), 0.5)}, tune_seconds=0)
        weights.save(tmp_path / "a")
        for loaded in (weights, sparseinf.load(tmp_path / "a", tune_seconds=0)):
            assert {row["times_from"] for row in loaded.explain()} == {"model"}

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_copies_are_not_chosen_again(self, copied):
        layer = sparseinf.load(sparse_weight((64, 64), 0.5))
        assert copied(layer).explain().to_dict() == layer.explain().to_dict()
