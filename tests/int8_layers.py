"""Whether layers compute in int8 here: tests of what is built on them wait for it."""

from __future__ import annotations

import numpy as np
import pytest

import sparseinf


def computes_int8() -> bool:
    try:
        sparseinf.load(np.ones((2, 2), np.float32), precision="int8", tune="model")
    except ValueError:
        return False
    return True


needs_int8 = pytest.mark.skipif(not computes_int8(), reason="layers compute in float32 only")
