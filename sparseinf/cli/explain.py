"""`sparseinf explain FILE`: what was chosen for each layer, against what, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseinf.cli.source import add_load_options, open_source

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("explain", help="show what was chosen for each layer, and why")
    parser.add_argument("file", type=Path, metavar="FILE", help="weights, as sparseinf.load takes them, or .npy")
    add_load_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the table."""
    print(open_source(arguments.file, arguments).explain())
