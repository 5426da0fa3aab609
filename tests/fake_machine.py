"""What the tests of tuning run instead of layers: calls that only move a clock, and a cost model of three numbers."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from sparseinf.compile import candidates, plans, tune

MODEL_US = {"dense": 100, "csr": 110, "bitmap": 900}


class FakeMachine:
    """Predicts `model_us` for a column, and takes `really_us`; only calls take time. It has no other packs.

    Parameters
    ----------
    really_us, model_us : dict of str to float
        By candidate, for each column.
    """

    def __init__(self, monkeypatch, really_us, model_us=None):
        self.now_ns = 0
        self.calls = Counter()
        self.really_us = really_us
        predicted_us = model_us or MODEL_US
        monkeypatch.setattr(plans, "predict_ns", lambda name, _shape, n, _isa, **_: 1000 * predicted_us[name] * n)
        known = {name: candidates.CANDIDATES[name] for name in predicted_us}
        for module in (candidates, tune):
            monkeypatch.setattr(module, "CANDIDATES", known)
        monkeypatch.setattr(tune, "_layer", lambda _packs, name: partial(self._call, name))

    def clock(self):
        return self.now_ns

    def tuner(self, seconds=10.0, num_layers=1):
        return tune.Tuner(seconds, num_layers=num_layers, timer=self.clock)

    def _call(self, name, x, y):
        assert x.shape[0] == y.shape[0]
        self.calls[name, x.shape[0]] += 1
        self.now_ns += int(1000 * self.really_us[name] * x.shape[0])


def no_clock():
    pytest.fail("the clock was looked at")
