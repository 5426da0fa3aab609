"""The ONNX project's own node tests, through `sparseinf.backend` and by the project's rules.

Excluded, with the reasons that ARCHITECTURE.md repeats: what is random, sequences and optional values, and operators
that are older than models may be.
"""

from __future__ import annotations

import re
import warnings

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", minversion="1.20")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # cases are computed with NaN and infinity
    from onnx.backend.test.loader import load_model_tests
    from onnx.backend.test.runner import Runner

    CASES = {case.name: case for case in load_model_tests(kind="node")}

from sparseinf import UnsupportedModelError, backend  # noqa: E402

RANDOM = re.compile("bernoulli")
NO_TENSORS = re.compile(
    r"sequence|optional|identity_opt|if_opt|if_seq|loop13_seq|loop16_seq_none|split_to_sequence|_seq_"
)
TOO_OLD = re.compile(r"scan_sum$")
EXCLUDED = {
    name: reason
    for name in CASES
    for pattern, reason in ((RANDOM, "random"), (NO_TENSORS, "no tensors"), (TOO_OLD, "older than opset 11"))
    if pattern.search(name)
}


def arrays(values):
    return [onnx.numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]


@pytest.mark.parametrize("name", [name for name in CASES if name not in EXCLUDED])
def test_gives_what_onnx_expects(name):
    if "image_decoder" in name:
        pytest.importorskip("PIL", reason="onnx decodes images with Pillow")
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # NaN and infinity in the reference evaluator
        prepared = backend.prepare(case.model)
        for inputs, expected in case.data_sets:
            outputs = prepared.run(list(inputs))
            assert len(outputs) == len(expected)
            Runner.assert_similar_outputs(arrays(expected), outputs, case.rtol, case.atol)


def test_few_cases_are_excluded():
    assert len(EXCLUDED) < 0.03 * len(CASES)


@pytest.mark.parametrize("name", ["test_identity_sequence", "test_if_opt", "test_optional_get_element_sequence"])
def test_what_is_no_tensor_is_refused(name):
    with pytest.raises(UnsupportedModelError, match="sequences and maps are not supported"):
        backend.prepare(CASES[name].model)


def test_the_interface():
    model = CASES["test_relu"].model
    (x,), (expected,) = CASES["test_relu"].data_sets[0]
    assert np.array_equal(backend.run_model(model, [x])[0], expected)
    assert np.array_equal(backend.prepare(model, "CPU", native_only=True).run(x)[0], expected)
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA:0")
    assert backend.is_compatible(model)
    with pytest.raises(ValueError, match="device 'CPU', but 'CUDA' was asked for"):
        backend.prepare(model, "CUDA")
    with pytest.raises(UnsupportedModelError, match="no native operation for Det"):
        backend.prepare(CASES["test_det_2d"].model, native_only=True)
    with pytest.raises(ValueError, match="has 1 inputs, but 2 came"):
        backend.run_model(model, [x, x])
