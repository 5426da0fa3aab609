"""`sparseinf cpu`: what this processor is, and with `--measure` what it can do at best."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sparseinf import runtime
from sparseinf.report import Report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

    from sparseinf.report import Cell


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("cpu", help="show this processor's instruction sets and caches")
    parser.add_argument("--measure", action="store_true", help="measure arithmetic peak and bandwidths as well")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print the facts."""
    rows = [
        {"fact": name.replace("_", " "), "value": value}
        for name, value in _flat(runtime.cpu_info(measure=arguments.measure))
    ]
    print(Report("this processor", ["fact", "value"], rows))


def _flat(info: Mapping[str, Any]) -> Iterator[tuple[str, Cell]]:
    """Yield name and value of every fact, those inside others too."""
    for name, value in info.items():
        if isinstance(value, dict):
            yield from _flat(value)
        elif isinstance(value, list | tuple):
            yield name, ", ".join(map(str, value))
        else:
            yield name, value
