"""The `sparseinf` command: one file a command, each a thin face over the Python interface.

Exit code 0; 1 for a job that failed, with one line on standard error; 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

from sparseinf.cli import bench, breakeven, convert, cpu, demo, explain

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after `sparseinf`; those of this process when left out.

    Raises
    ------
    SystemExit
        With code 2 for wrong usage, 0 after `--help` and `--version`, as argparse does.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
        print(end="", flush=True)  # not sys.stdout.flush(): there may be no standard output
    except BrokenPipeError:
        # Whoever read our output has seen enough (`sparseinf explain FILE | head`). What is still buffered
        # must go somewhere, or the interpreter complains when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"sparseinf {arguments.command}: {message}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sparseinf", description="Fast inference of pruned neural networks on CPUs.")
    parser.add_argument("--version", action="version", version=f"sparseinf {version('sparseinf')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (demo, bench, breakeven, explain, convert, cpu):
        command.add_to(commands)
    return parser
