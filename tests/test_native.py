"""The C++ part as it is built: flags of each file, symbols of each kernel object, its own test program."""

from __future__ import annotations

import itertools
import json
import platform
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# The processor features of each level: its kernels are compiled for exactly these, and run only where all of
# them are found.
LEVELS = {
    "scalar": set[str](),
    "avx2": {"avx2", "fma", "f16c", "bmi2"},
    "avx512": {"avx2", "fma", "f16c", "bmi2", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
LEVELS["avx512vnni"] = LEVELS["avx512"] | {"avx512vnni"}
LEVELS["avx512vbmi"] = LEVELS["avx512vnni"] | {"avx512vbmi", "avx512vbmi2", "avx512bitalg"}
# What a compiler calls on its own for plain loops and bit counts.
COMPILERS_OWN = {"memcpy", "memmove", "memset", "__popcountdi2", "_GLOBAL_OFFSET_TABLE_"}
# Code of several instruction sets in one unit, or sums in another order than written.
FORBIDDEN = re.compile(
    r"-flto|-march|-mcpu|-mtune|-Ofast|-ffast-math|-funsafe|-fassociative|-ffinite|-freciprocal|-fno-signed-zeros"
)


def level_of(source: Path) -> str:
    return source.stem.rpartition("kernels_")[2] if source.parent.name == "kernels" else "scalar"


@pytest.fixture(scope="module", name="commands")
def _commands(native_build: Path) -> dict[Path, list[str]]:
    """The compiler's arguments for each source file."""
    entries = json.loads((native_build / "compile_commands.json").read_text())
    return {Path(entry["file"]): shlex.split(entry["command"]) for entry in entries}


@pytest.fixture(scope="module", name="kernel_objects")
def _kernel_objects(native_build: Path, commands: dict[Path, list[str]]) -> dict[str, list[tuple[str, str]]]:
    """The (kind, name) of every external symbol of each kernel object, by the name of its file."""
    symbols = {}
    for source, arguments in commands.items():
        if source.parent.name == "kernels":
            made = native_build / arguments[arguments.index("-o") + 1]
            listing = subprocess.run(["nm", "-C", "-g", "-P", made], capture_output=True, text=True, check=True)
            found = re.findall(r"^(.*?) ([A-Za-z])(?: |$)", listing.stdout, flags=re.MULTILINE)
            symbols[source.stem] = [(kind, name) for name, kind in found]
    return symbols


def test_every_cpp_file_is_built(commands: dict[Path, list[str]]) -> None:
    files = {path for folder in ("csrc", "tests/native") for path in (ROOT / folder).rglob("*.cpp")}
    is_x86 = platform.machine() in {"x86_64", "AMD64"}
    assert set(commands) == {
        path for path in files if path.parent.name != "bindings" and (is_x86 or level_of(path) == "scalar")
    }


def test_every_file_has_exactly_its_levels_flags(commands: dict[Path, list[str]]) -> None:
    for source, arguments in commands.items():
        flags = {argument.removeprefix("-m") for argument in arguments if argument.startswith("-m")}
        assert flags == LEVELS[level_of(source)], source


def test_levels_are_detected_by_exactly_their_features() -> None:
    source = (ROOT / "csrc/dispatch/isa.cpp").read_text()
    # detect() asks for a level's features, on top of those of the level before, and then adds the level.
    _, _, body = source.partition("detect() {")
    *steps, _ = re.split(r"push_back\(Isa::\w+\)", body)
    asked = [set(re.findall(r'(?:__builtin_cpu_supports\("|\bhas_)(\w+)', text)) for text in steps]
    features = list(LEVELS.values())
    assert asked == [level - before for before, level in itertools.pairwise(features)]


def test_no_file_may_fuse_or_reorder_sums_or_be_optimised_across_files(
    commands: dict[Path, list[str]],
) -> None:
    for source, arguments in commands.items():
        assert "-ffp-contract=off" in arguments, source
        assert not [argument for argument in arguments if FORBIDDEN.match(argument)], source


def test_a_kernel_object_exports_its_table_alone(kernel_objects: dict[str, list[tuple[str, str]]]) -> None:
    assert kernel_objects
    for file, symbols in kernel_objects.items():
        table = "k" + "".join(map(str.capitalize, file.split("_")))
        exported = [name for kind, name in symbols if kind != "U"]
        assert [name.lower() for name in exported] == [f"sparseinf::{table}".lower()]


def test_a_kernel_object_has_no_weak_symbols(kernel_objects: dict[str, list[tuple[str, str]]]) -> None:
    # The linker keeps one of several weak definitions for all: it may be one that this processor cannot run.
    assert not [symbol for symbols in kernel_objects.values() for symbol in symbols if symbol[0] in "WwVvu"]


def test_a_kernel_object_calls_nothing_of_ours(kernel_objects: dict[str, list[tuple[str, str]]]) -> None:
    for symbols in kernel_objects.values():
        assert {name for kind, name in symbols if kind == "U"} <= COMPILERS_OWN


def run_program(native_build: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = native_build / "tests/native/sparseinf_native_test"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def test_the_native_test_program_passes(native_build: Path) -> None:
    done = run_program(native_build)
    assert done.returncode == 0, done.stdout[-10_000:] + done.stderr
    assert re.search(r"^\d+ tests, \d+ checks, 0 failures$", done.stdout, flags=re.MULTILINE)


def test_the_native_test_program_fails_when_it_has_tested_nothing(native_build: Path) -> None:
    assert run_program(native_build, "no test has this name").returncode == 1
