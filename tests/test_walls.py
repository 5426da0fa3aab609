"""The walls of ARCHITECTURE.md: which room may know which, and what may stand where.

Read from the imports and the includes of the source tree: an arrow that runs back fails here.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sparseinf"
CSRC = ROOT / "csrc"

# From the ground up: a room imports only from the rows before its own, and from itself. "sparseinf" is the
# package's own __init__.py, with the public names.
PYTHON_ROOMS = (
    ("errors", "report", "version"),
    ("runtime",),
    ("formats",),
    ("graph",),
    ("io",),
    ("quantize",),
    ("compile",),
    ("linear",),
    ("weights",),
    ("model",),
    ("loading",),
    ("backend",),
    ("sparseinf",),
    ("bench",),
    ("demo",),
    ("cli",),
    ("__main__",),
)
# What stands above may be called for inside a function: layers are measured by the room that measures layers.
CALLED_UPWARDS = {("linear", "bench"), ("model", "bench"), ("sparseinf", "bench")}

CPP_ROOMS = (("common", "kernels"), ("dispatch",), ("pack",), ("ops",), ("program",), ("bindings",))

INTRINSICS = re.compile(r"\b_mm(256|512)?_|\b__m(64|128|256|512)|\b\w*mmintrin\b|\bimmintrin\b|\barm_(neon|sve)\b")
# Errors are returned or thrown, and Python reads the environment.
NOT_IN_CPP = re.compile(
    r"\b(f?printf|puts|putchar|perror|cout|cerr|clog|iostream|cstdio|abort|terminate|_?exit|quick_exit|(secure_)?getenv"
    r"|setenv|environ)\b"
)
MAX_LINES = 500
SOURCES = {"", ".cpp", ".h", ".py", ".pyi", ".txt"}


class Import(NamedTuple):
    """One import statement: the module that it asks for, and whether only a function's call, if anything, runs it."""

    module: str
    line: int
    is_in_function: bool


def python_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def cpp_files() -> list[Path]:
    return sorted([*CSRC.rglob("*.h"), *CSRC.rglob("*.cpp")])


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports_of(path: Path) -> list[Import]:
    """Every import of a file, also inside functions and for type checkers."""
    found = []

    def visit(node: ast.AST, *, is_in_function: bool) -> None:
        if isinstance(node, ast.Import):
            found.extend(Import(alias.name, node.lineno, is_in_function) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}:{node.lineno}: a relative import; name the module in full"
            # `from sparseinf import formats` asks for a module, `import load` for a public name.
            found.extend(
                Import(submodule if is_module(submodule) else str(node.module), node.lineno, is_in_function)
                for submodule in (f"{node.module}.{alias.name}" for alias in node.names)
            )
        inside = is_in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or is_for_checkers(node)
        for child in ast.iter_child_nodes(node):
            visit(child, is_in_function=inside)

    visit(ast.parse(path.read_text(encoding="utf-8")), is_in_function=False)
    return found


def is_for_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file() or path.with_suffix(".pyi").is_file()


def python_room(module: str) -> str | None:
    """The room of a module of ours: "sparseinf.io.sources" is in "io"; None for others'."""
    package, _, rest = module.partition(".")
    return (rest.partition(".")[0] or "sparseinf") if package == "sparseinf" else None


def room_of_file(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return "sparseinf" if first == "__init__.py" else first.removesuffix(".py")


def cpp_room(path: Path) -> str:
    return path.relative_to(CSRC).parts[0]


def height(rooms: tuple[tuple[str, ...], ...], room: str) -> int:
    return next(i for i, row in enumerate(rooms) if room in row)


def code_of(path: Path) -> str:
    """C++ without its comments and the contents of its strings, with the same line numbers."""
    text = path.read_text(encoding="ascii")
    return re.sub(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"',
        lambda match: '""' if match[0].startswith('"') else "\n" * match[0].count("\n"),
        text,
        flags=re.DOTALL,
    )


def includes_of(path: Path) -> list[tuple[str, str]]:
    """Every include as (`<` or `"`, name)."""
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(encoding="ascii"), flags=re.MULTILINE)


def included_file(path: Path, name: str) -> Path:
    """Where an include in quotes leads: beside the file, or from csrc/ on."""
    return next(file for file in (path.parent / name, CSRC / name) if file.is_file())


def lines_with(pattern: re.Pattern[str], path: Path) -> list[str]:
    return [
        f"{name_of(path)}:{number}: {line.strip()}"
        for number, line in enumerate(code_of(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_every_python_room_has_its_place() -> None:
    assert {room_of_file(path) for path in python_files()} == {room for row in PYTHON_ROOMS for room in row}


def test_every_cpp_room_has_its_place() -> None:
    assert {cpp_room(path) for path in cpp_files()} == {room for row in CPP_ROOMS for room in row}


def test_python_imports_only_from_below() -> None:
    backwards = []
    for path in python_files():
        here = room_of_file(path)
        for imported in imports_of(path):
            room = python_room(imported.module)
            if room is None or room == here or ((here, room) in CALLED_UPWARDS and imported.is_in_function):
                continue
            if height(PYTHON_ROOMS, room) >= height(PYTHON_ROOMS, here):
                backwards.append(f"{name_of(path)}:{imported.line} imports {imported.module}")
    assert not backwards


def test_every_upward_call_is_still_made() -> None:
    made = {
        (room_of_file(path), python_room(imported.module))
        for path in python_files()
        for imported in imports_of(path)
        if imported.is_in_function
    }
    assert made >= CALLED_UPWARDS


def test_only_the_runtime_touches_the_extension() -> None:
    touching = {
        room_of_file(path)
        for path in python_files()
        for imported in imports_of(path)
        if imported.module == "sparseinf.runtime._core"
    }
    assert touching == {"runtime"}


def test_cpp_includes_only_from_below() -> None:
    backwards = []
    for path in cpp_files():
        for quote, name in includes_of(path):
            room = cpp_room(included_file(path, name)) if quote == '"' else cpp_room(path)
            if room != cpp_room(path) and height(CPP_ROOMS, room) >= height(CPP_ROOMS, cpp_room(path)):
                backwards.append(f"{name_of(path)} includes {name}")
    assert not backwards


def test_only_the_bindings_know_python() -> None:
    knowing = {
        cpp_room(path)
        for path in cpp_files()
        for _, name in includes_of(path)
        if name.startswith("pybind11/") or name == "Python.h"
    }
    assert knowing == {"bindings"}


def test_only_kernels_use_intrinsics() -> None:
    found = [line for path in cpp_files() for line in lines_with(INTRINSICS, path)]
    assert found
    assert not [line for line in found if not line.startswith("csrc/kernels/")]


def test_kernels_include_only_kernels_and_intrinsics() -> None:
    kernels = [path for path in cpp_files() if cpp_room(path) == "kernels"]
    allowed = {"cstdint", "immintrin.h", *(path.name for path in kernels)}
    assert not [(name_of(path), name) for path in kernels for _, name in includes_of(path) if name not in allowed]
    assert not [line for path in kernels for line in lines_with(re.compile(r"\bstd::"), path)]


def test_cpp_neither_prints_nor_aborts_nor_reads_the_environment() -> None:
    assert not [line for path in cpp_files() for line in lines_with(NOT_IN_CPP, path)]


def test_no_file_is_longer_than_500_lines() -> None:
    folders = (".ci", "bench", "csrc", "examples", "sparseinf", "tests")
    files = [
        path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix in SOURCES
    ]
    lines = {name_of(path): path.read_text(encoding="utf-8").count("\n") for path in files}
    assert {name.partition("/")[0] for name in lines} == set(folders)
    assert not {name: count for name, count in lines.items() if count > MAX_LINES}
