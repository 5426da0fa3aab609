"""`sparseinf breakeven M K N`: from which sparsity on each format beats dense on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from sparseinf.cli.source import check_folder_of, positive_number


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("breakeven", help="find the sparsity from which each format beats dense")
    parser.add_argument("out_features", type=positive_number, metavar="M", help="rows of the weight: outputs")
    parser.add_argument("in_features", type=positive_number, metavar="K", help="columns of the weight: inputs")
    parser.add_argument("num_columns", type=positive_number, metavar="N", help="rows of x: tokens, pixels")
    parser.add_argument(
        "--formats",
        type=lambda text: text.split(","),
        metavar="F,F",
        help="of csr, blocks (4x1), n:m (2:4) (default: all that can be made here)",
    )
    parser.add_argument(
        "--precision", choices=["float32", "int8"], default="float32", help="of formats and dense (default: float32)"
    )
    parser.add_argument("--threads", type=positive_number, default=1, metavar="N", help="threads to use (default: 1)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the random weights (default: 0)")
    parser.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="S", help="about how long it may take (default: 10)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    parser.add_argument("--plot", type=Path, metavar="OUT", help="draw the speed-ups (.png, .svg, .pdf; extra plot)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and write."""
    from sparseinf.bench import write_json
    from sparseinf.bench.breakeven import breakeven
    from sparseinf.bench.plot import check_matplotlib, plot_breakeven

    for path in filter(None, [arguments.json, arguments.plot]):
        check_folder_of(path)
    if arguments.plot is not None:
        check_matplotlib()
    report = breakeven(
        arguments.out_features,
        arguments.in_features,
        arguments.num_columns,
        formats=arguments.formats,
        precision=arguments.precision,
        threads=arguments.threads,
        seed=arguments.seed,
        seconds=arguments.seconds,
    )
    print(report)
    if arguments.json is not None:
        write_json(report, arguments.json)
    if arguments.plot is not None:
        plot_breakeven(report, arguments.plot)


def _seconds(text: str) -> float:
    """Read a duration."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number of seconds from 0 up, got {text!r}")
    return seconds
