"""`sparseinf bench FILE`: the layers of a file, and really pruned masks, against other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseinf.cli.source import add_load_options, layers_of, open_source

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from sparseinf.report import Report

_BATCHES = (1, 16, 128)


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("bench", help="time layers against other libraries, every answer checked")
    parser.add_argument(
        "file", type=Path, nargs="?", metavar="FILE", help="weights, as sparseinf.load takes them, or .npy"
    )
    add_load_options(parser)
    parser.add_argument(
        "--against",
        type=lambda text: text.split(","),
        metavar="NAME,NAME",
        help="of sparseinf_dense, numpy, scipy, torch, torch_csr, onnxruntime, onnxruntime_int8, openvino "
        "(default: all installed)",
    )
    parser.add_argument("--masks", type=Path, metavar="DIR", help="measure the .smtx masks of a folder as well")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures as JSON")
    parser.add_argument("--markdown", type=Path, metavar="OUT", help="write the table as Markdown")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and write."""
    if arguments.file is None and arguments.masks is None:
        arguments.usage_error("name a FILE, or a folder of masks with --masks DIR")
    for path in filter(None, [arguments.json, arguments.markdown]):
        if not path.absolute().parent.is_dir():  # better now than after minutes of measuring
            raise FileNotFoundError(f"cannot write {path}: its folder does not exist")

    from sparseinf.bench import merge, write_json, write_markdown

    report = merge(list(_reports(arguments)))
    print(report)
    if arguments.json is not None:
        write_json(report, arguments.json)
    if arguments.markdown is not None:
        write_markdown(report, arguments.markdown)


def _reports(arguments: argparse.Namespace) -> Iterator[Report]:
    """Measure every layer of the file, then every mask."""
    from sparseinf import bench, runtime

    arguments.batch = arguments.batch or _BATCHES
    if arguments.file is not None:
        for name, layer in layers_of(open_source(arguments.file, arguments), arguments.file).items():
            inputs = [bench.random_input(batch, layer.in_features) for batch in arguments.batch]
            yield bench.compare_stack([layer], inputs, against=arguments.against, name=name)
    if arguments.masks is not None:
        yield bench.run(
            bench.mask_cases(arguments.masks, arguments.batch),
            against=arguments.against,
            threads=arguments.threads or runtime.default_threads(),
            format=arguments.format or "auto",
            tune=arguments.tune or "measure",
        )
