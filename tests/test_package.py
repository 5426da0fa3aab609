"""The installed package: what importing it costs, that its stub is true, and what its source tree says."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
from pathlib import Path

import sparseinf
from sparseinf.runtime import extension

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = Path(sparseinf.__file__).resolve().parent
PACKAGE = ROOT / "sparseinf"
STUB = PACKAGE / "runtime/_core.pyi"
SOURCES = [
    path.relative_to(PACKAGE)
    for pattern in ("*.py", "*.pyi", "py.typed", "*.safetensors")
    for path in sorted(PACKAGE.rglob(pattern))
]


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd="/",
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_installed_package_is_of_this_source_tree() -> None:
    different = [
        str(source)
        for source in SOURCES
        if not (INSTALLED / source).is_file() or (INSTALLED / source).read_bytes() != (PACKAGE / source).read_bytes()
    ]
    assert not different, "run `pip install .` again"


def test_the_version_is_the_same_everywhere() -> None:
    project = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)
    assert project is not None
    assert sparseinf.__version__ == project[1] == importlib.metadata.version("sparseinf")


def test_the_bare_source_tree_says_what_to_do() -> None:
    done = run_python("import sparseinf", PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    assert re.search(r"ImportError: sparseinf is imported from its source tree.*pip install \.", done.stderr)


def test_importing_starts_no_threads() -> None:
    # NumPy first: the threads of its own libraries are not ours.
    code = (
        "import os, threading, numpy\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "import sparseinf\n"
        "assert len(os.listdir('/proc/self/task')) == before\n"
        "assert threading.active_count() == 1\n"
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_importing_imports_nothing_heavy() -> None:
    heavy = [
        "scipy",
        "torch",
        "onnx",
        "onnxruntime",
        "safetensors",
        "sklearn",
        "sparseinf.bench",
        "sparseinf.cli",
    ]
    done = run_python(f"import sys, sparseinf; print([name for name in {heavy} if name in sys.modules])")
    assert done.stdout == "[]\n", done.stdout + done.stderr


Parameters = list[tuple[str, bool, bool]]


def parameters_of(function: ast.FunctionDef) -> Parameters:
    """(name, whether only by keyword, whether it has a default) of each parameter but self."""
    arguments = function.args
    without_default = len(arguments.args) - len(arguments.defaults)
    positional = [(argument.arg, False, i >= without_default) for i, argument in enumerate(arguments.args)]
    by_keyword = [
        (argument.arg, True, default is not None)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return [parameter for parameter in positional + by_keyword if parameter[0] != "self"]


def stub_names() -> dict[str, Parameters | None]:
    """Every name of the stub, dotted inside classes, with its parameters; None for a property."""
    names: dict[str, Parameters | None] = {}
    for node in ast.parse(STUB.read_text()).body:
        members = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for member in members:
            if isinstance(member, ast.FunctionDef):
                names[prefix + member.name] = None if member.decorator_list else parameters_of(member)
    return names


def extension_names() -> dict[str, Parameters | None]:
    """The same of the extension, whose docstrings begin with the signature."""
    names: dict[str, Parameters | None] = {}

    def add(name: str, value: object) -> None:
        signature = (value.__doc__ or "").partition("\n")[0]
        if isinstance(value, property):
            names[name] = None
        elif signature.startswith(name.rpartition(".")[2] + "("):
            function = ast.parse(f"def {signature}: ...").body[0]
            assert isinstance(function, ast.FunctionDef)
            names[name] = parameters_of(function)

    for name, value in vars(extension._core).items():
        add(name, value)
        if isinstance(value, type):
            for member_name, member in vars(value).items():
                add(f"{name}.{member_name}", member)
    return names


def test_the_stub_agrees_with_the_extension() -> None:
    assert stub_names() == extension_names()
