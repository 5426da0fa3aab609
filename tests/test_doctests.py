"""Every example in the documentation runs and gives what it shows."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest

import sparseinf
from sparseinf import formats

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(sparseinf.__path__, "sparseinf.")
    if not module.name.endswith(("__main__", "._core"))
)
PUBLIC = {name: getattr(module, name) for module in (sparseinf, formats) for name in module.__all__}


@pytest.mark.parametrize("name", ["sparseinf", *MODULES])
def test_examples_of_module(name: str) -> None:
    # By its name, so from where it is installed.
    assert doctest.testmod(importlib.import_module(name)).failed == 0


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_public_name_has_an_example(name: str) -> None:
    thing = PUBLIC[name]
    if inspect.isfunction(thing) or (inspect.isclass(thing) and not issubclass(thing, Exception)):
        assert ">>>" in (thing.__doc__ or "")


def test_examples_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.random.default_rng(0).standard_normal((32, 16), dtype=np.float32)
    weight[np.abs(weight) < 1.5] = 0
    monkeypatch.chdir(tmp_path)
    np.save("pruned.npy", weight)
    sparseinf.load({"fc1.weight": weight}).save("pruned.safetensors")
    onnx = pytest.importorskip("onnx")
    network = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["": 21]> network (int64[n, s] input_ids, int64[n, s] attention_mask) '
        "=> (float[n, s] logits) { seen = Mul(input_ids, attention_mask)  logits = Cast<to=1>(seen) }"
    )
    Path("pruned.onnx").write_bytes(network.SerializeToString())
    tokens = np.ones((1, 5), np.int64)
    examples = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    assert examples
    for example in examples:
        exec(example, {"x": np.ones((3, 16), np.float32), "ids": tokens, "mask": tokens})  # noqa: S102 - the point is to run it
