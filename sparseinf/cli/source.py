"""What commands share: the options of those that take FILE, opening the file, and reading numbers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from sparseinf.linear import SparseLinear
    from sparseinf.model import Model
    from sparseinf.weights import SparseWeights


def add_load_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that are passed on to `sparseinf.load`."""
    parser.add_argument(
        "--precision",
        choices=["float32", "int8", "auto"],
        help="compute in float32, in int8, or in what is faster and exact enough (default: float32)",
    )
    parser.add_argument("--format", choices=["auto", "dense", "csr", "block", "nm"], help="force a format")
    parser.add_argument("--block", type=positive_numbers, metavar="ROWS,COLS", help="the blocks of --format block")
    parser.add_argument("--nm", type=positive_numbers, metavar="N,M", help="the pattern of --format nm")
    parser.add_argument(
        "--batch",
        type=positive_numbers,
        metavar="N,N",
        help="numbers of rows of x to be good at (default: all)",
    )
    parser.add_argument(
        "--threads",
        type=positive_number,
        metavar="N",
        help="threads to use (default: all cores of this process)",
    )
    parser.add_argument("--tune", choices=["measure", "model", "off"], help="how formats are chosen (default: measure)")


def open_source(path: Path, arguments: argparse.Namespace, **more: Any) -> SparseLinear | SparseWeights | Model:
    """Load a file with the options of `add_load_options`, and more; a `.npy` file is one layer.

    Raises
    ------
    FileNotFoundError, ValueError, TypeError
        As `sparseinf.load` does.
    """
    from sparseinf.io.npz_file import read_npy
    from sparseinf.loading import load

    options: dict[str, Any] = {
        name: value
        for name in ("precision", "format", "block", "nm", "batch", "threads", "tune")
        if (value := getattr(arguments, name)) is not None
    }
    options.update(more)
    if path.suffix == ".npy":
        return load(read_npy(path), **options)
    return load(path, **options)


def layers_of(loaded: SparseLinear | SparseWeights | Model, path: Path) -> dict[str, SparseLinear]:
    """Return the layers of whatever was loaded, by name; a single layer has the name of its file."""
    from sparseinf.linear import SparseLinear
    from sparseinf.model import Model

    if isinstance(loaded, Model):
        return loaded.layers
    return {path.stem: loaded} if isinstance(loaded, SparseLinear) else dict(loaded)


def check_folder_of(path: Path) -> None:
    """Refuse a path that cannot be written: better now than after minutes of measuring."""
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: its folder does not exist")


def positive_number(text: str) -> int:
    """Read a whole number from 1 up."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 up, got {text!r}")
    return int(text)


def positive_numbers(text: str) -> tuple[int, ...]:
    """Read whole numbers from 1 up, separated by commas."""
    return tuple(positive_number(word) for word in text.split(","))
