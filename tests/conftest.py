"""Every test runs against the installed package, as users have it, never against the tree beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

import sparseinf

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    if Path(sparseinf.__file__).resolve().is_relative_to(ROOT / "sparseinf"):
        raise pytest.UsageError(f"{sparseinf.__file__} is not installed; run `pip install '.[test]'` and `pytest`")
    # The user's own measurements are neither read nor written, here and in the processes that tests start.
    os.environ["SPARSEINF_CACHE"] = "off"


@pytest.fixture(scope="session")
def native_build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where CMake has built the C++ test program; any warning of the compiler is an error."""
    folder = tmp_path_factory.mktemp("native")
    # The build tools come with the extra `test`, so beside this Python.
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    cmake = shutil.which("cmake", path=path)
    assert cmake is not None, "the C++ tests need CMake; install it with `pip install '.[test]'`"
    options = ["-DSPARSEINF_TEST_PROGRAM=ON", "-DSPARSEINF_WARNINGS_AS_ERRORS=ON", "-GNinja"]
    for step in (["-S", ROOT, "-B", folder, *options], ["--build", folder, "--parallel", "2"]):
        done = subprocess.run(
            [cmake, *step], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return folder
