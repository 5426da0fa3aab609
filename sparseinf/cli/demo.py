"""`sparseinf demo`: a really pruned network, measured on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("demo", help="run a pruned network on handwritten digits, against other libraries")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:  # noqa: ARG001 - every command is called alike
    """Print the tables as they are measured."""
    from sparseinf.demo import reports

    for report in reports():
        print(report, end="\n\n", flush=True)
