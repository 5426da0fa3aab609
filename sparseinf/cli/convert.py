"""`sparseinf convert FILE -o OUT`: weights from anywhere, saved in our own compact form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseinf.cli.source import add_load_options, open_source

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("convert", help="save weights in the compact form that loads fast")
    parser.add_argument("file", type=Path, metavar="FILE", help="weights, as sparseinf.load takes them, or .npy")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT",
        help="the file to write; replaced if it exists",
    )
    add_load_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Convert, and say what became of the size."""
    # Packs are not saved, so there is no need to choose well; but what "auto" chooses is.
    unmeasured = {} if arguments.precision == "auto" else {"tune_seconds": 0}
    loaded = open_source(arguments.file, arguments, **unmeasured)
    before = arguments.file.stat().st_size  # the output may be the same file
    loaded.save(arguments.output)
    after = arguments.output.stat().st_size
    print(f"{arguments.file}: {before:,} bytes -> {arguments.output}: {after:,} bytes")
