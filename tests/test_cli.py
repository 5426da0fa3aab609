"""The command line: what it prints, what it writes, and its exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

import sparseinf
from sparseinf import bench
from sparseinf.bench import random_weight
from sparseinf.cli import main

if TYPE_CHECKING:
    from pathlib import Path


# The start of a .npy file that claims 2^40 numbers, and has none.
HEADER = (
    b"\x93NUMPY\1\0\x76\0" + b"{'descr': '<f4', 'fortran_order': False, 'shape': (1048576, 1048576)}".ljust(117) + b"\n"
)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.npz"
    bias = np.arange(20, dtype=np.float32)
    np.savez(path, **{"fc1.weight": random_weight((20, 30), 0.8), "fc1.bias": bias, "step": np.int64(7)})
    return path


@pytest.fixture
def matrix(tmp_path: Path) -> Path:
    path = tmp_path / "matrix.npy"
    np.save(path, random_weight((20, 30), 0.8))
    return path


def run_module(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparseinf", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def failure(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a job that fails says, after checking that it fails as it should."""
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_the_module_runs_as_the_command(tmp_path: Path) -> None:
    finished = run_module("cpu", cwd=tmp_path)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert sparseinf.available_isas()[-1] in finished.stdout


def test_no_command_is_wrong_usage(tmp_path: Path) -> None:
    finished = run_module(cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert "usage: sparseinf" in finished.stderr


def test_a_failed_job_exits_with_one_line_and_no_traceback(tmp_path: Path) -> None:
    finished = run_module("explain", "nowhere.npz", cwd=tmp_path)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.count("\n") == 1
    assert "nowhere.npz" in finished.stderr


def test_a_reader_that_has_seen_enough_is_no_failure_to_shout_about(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sparseinf", "cpu"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""


def test_without_a_standard_output_the_job_is_still_done(matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    command = f'exec "{sys.executable}" -m sparseinf convert "{matrix}" -o "{output}" >&-'
    finished = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert output.exists()


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"sparseinf {sparseinf.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ["bench"],
        ["bench", "file.npz", "--threads", "0"],
        ["bench", "file.npz", "--batch", "1,x"],
        ["bench", "file.npz", "--precision", "int9"],
        ["bench", "--shapes", "alexnet"],
        ["bench", "--shapes", "resnet50", "--pattern", "striped"],
        ["bench", "--shapes", "resnet50", "--sparsity", "50,101"],
        ["bench", "--shapes", "resnet50", "--sparsity", "half"],
        ["convert", "file.npz"],
        ["explain", "file.npz", "--format", "triangular"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_two(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2


def test_cpu_measures_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cpu", "--measure"]) == 0
    words = capsys.readouterr().out
    assert "fma peak gflops" in words
    assert "int8 peak gops" in words


def test_explain_prints_a_row_for_every_layer(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(weights), "--tune", "model"]) == 0
    assert "fc1" in capsys.readouterr().out


def test_explain_takes_the_format_that_is_forced(matrix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", str(matrix), "--format", "csr"]) == 0
    assert "csr" in capsys.readouterr().out


def test_explain_refuses_a_file_that_is_no_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "noise.safetensors"
    path.write_bytes(b"\xff" * 100)
    assert "noise.safetensors" in failure(["explain", str(path)], capsys)


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"noise", HEADER, HEADER.replace(b"}", b",("), HEADER + b"\0" * 99]
)
def test_explain_refuses_a_damaged_npy_file(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lie.npy"
    path.write_bytes(content)
    assert "lie.npy" in failure(["explain", str(path)], capsys)


def test_explain_refuses_an_npy_file_of_objects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    assert "explain" in failure(["explain", str(path)], capsys)


def test_convert_keeps_weights_bias_and_the_rest(weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    assert main(["convert", str(weights), "-o", str(output)]) == 0
    converted, original = sparseinf.load(output), np.load(weights)
    np.testing.assert_array_equal(converted["fc1"].weight.to_dense(), original["fc1.weight"])
    np.testing.assert_array_equal(converted["fc1"].bias, original["fc1.bias"])
    np.testing.assert_array_equal(converted.other["step"], original["step"])


def test_convert_turns_a_matrix_into_a_layer(matrix: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.safetensors"
    assert main(["convert", str(matrix), "-o", str(output)]) == 0
    np.testing.assert_array_equal(sparseinf.load(output).weight.to_dense(), np.load(matrix))


def test_convert_onto_the_same_file_tells_both_sizes(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = weights.stat().st_size
    assert main(["convert", str(weights), "-o", str(weights)]) == 0
    assert f"{weights}: {before:,} bytes -> {weights}: {weights.stat().st_size:,} bytes" in capsys.readouterr().out


def test_convert_that_fails_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    failure(["convert", str(tmp_path / "nowhere.npz"), "-o", str(tmp_path / "out")], capsys)
    assert list(tmp_path.iterdir()) == []


def test_bench_writes_json_and_markdown(matrix: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["bench", str(matrix), "--against", "numpy", "--batch", "1,3", "--threads", "1"]
    assert main([*words, "--json", str(tmp_path / "o.json"), "--markdown", str(tmp_path / "o.md")]) == 0
    rows = json.loads((tmp_path / "o.json").read_text())["rows"]
    assert [(row["layer"], row["batch"], row["contender"]) for row in rows] == [
        ("matrix", batch, contender) for batch in (1, 3) for contender in ("sparseinf", "numpy")
    ]
    assert "| matrix |" in (tmp_path / "o.md").read_text()
    assert "numpy" in capsys.readouterr().out


def test_bench_measures_every_layer_of_a_file(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(weights), "--against", "numpy", "--batch", "2", "--threads", "1"]) == 0
    assert "fc1" in capsys.readouterr().out


def test_bench_in_int8_tells_the_precision_and_the_error(matrix: Path, tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    rivals = "sparseinf_dense,sparseinf_dense_int8"
    words = ["bench", str(matrix), "--against", rivals, "--batch", "3", "--threads", "1"]
    assert main([*words, "--precision", "int8", "--json", str(out)]) == 0
    ours, dense, dense_int8 = json.loads(out.read_text())["rows"]
    assert [row["precision"] for row in (ours, dense, dense_int8)] == ["int8", "float32", "int8"]
    # Against the weights of the file, not against those that were quantized.
    assert dense["max_relative_error"] < 1e-5 < ours["max_relative_error"] < 0.1


def test_bench_measures_networks_in_int8(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--shapes", "mobilenetv2", "--sparsity", "90", "--batch", "2", "--against", "sparseinf_dense_int8"]
    assert main(["bench", *words, "--precision", "int8", "--threads", "1", "--quick"]) == 0
    assert "WRONG" not in capsys.readouterr().out


def test_bench_measures_masks_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pruned.smtx").write_text("2, 4, 2\n0 1 2\n0 1\n")
    words = ["--masks", str(tmp_path), "--against", "numpy", "--batch", "2", "--threads", "1"]
    assert main(["bench", *words]) == 0
    assert "pruned" in capsys.readouterr().out


def test_bench_measures_networks_without_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--shapes", "mobilenetv2", "--sparsity", "50,90", "--pattern", "unstructured,2:4", "--batch", "2"]
    options = ["--against", "sparseinf_dense", "--threads", "1", "--quick", "--html", str(tmp_path / "out.html")]
    assert main(["bench", *words, *options]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("benchmark, threads = 1\n")
    assert printed.count("mobilenetv2 block 11 project") == 2 * 2 * 2
    assert "<svg" in (tmp_path / "out.html").read_text()


def test_a_quick_bench_measures_a_few_masks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "abcdefg":
        (tmp_path / f"mask_{name}.smtx").write_text("2, 4, 2\n0 1 2\n0 1\n")
    options = ["--against", "sparseinf_dense", "--batch", "2", "--threads", "1", "--quick"]
    assert main(["bench", "--masks", str(tmp_path), *options]) == 0
    assert set(re.findall("mask_.", capsys.readouterr().out)) == {"mask_a", "mask_b", "mask_c"}


def test_the_help_of_bench_names_every_rival_and_network(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    words = set(re.findall(r"[\w-]+", capsys.readouterr().out))
    assert words >= {*bench.known_rivals(), *bench.MODELS}


def test_bench_refuses_an_unknown_rival_by_name(matrix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "'deepfast'" in failure(["bench", str(matrix), "--against", "deepfast"], capsys)


def test_bench_refuses_a_missing_output_folder(matrix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "folder" in failure(["bench", str(matrix), "--json", "/nowhere/at/all.json"], capsys)
