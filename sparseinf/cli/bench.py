"""`sparseinf bench`: the layers of a file, really pruned masks, or well-known networks, against other libraries."""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparseinf.cli.source import add_load_options, check_folder_of, layers_of, open_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sparseinf.bench import Case
    from sparseinf.formats import Weight
    from sparseinf.linear import SparseLinear
    from sparseinf.report import Report

_BATCHES = (1, 16, 128)
_SPARSITIES = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95)
_QUICK_SPARSITIES = (0.5, 0.9)
_QUICK_MASKS = 3
_SECONDS, _QUICK_SECONDS = 0.2, 0.02
_OUTPUTS = {"json": "the figures as JSON", "markdown": "the table as Markdown", "html": "a page with charts"}


def add_to(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser("bench", help="time layers against other libraries, every answer checked")
    parser.add_argument(
        "file",
        type=Path,
        nargs="?",
        metavar="FILE",
        help="weights or an ONNX model, as sparseinf.load takes them, or .npy",
    )
    add_load_options(parser)
    parser.add_argument(
        "--against",
        type=_words,
        metavar="NAME,NAME",
        help="of sparseinf_dense, numpy, scipy, torch, torch_csr, onnxruntime, openvino, and in int8 "
        "sparseinf_dense_int8, torch_int8, onnxruntime_int8, onnxruntime_int8_static, onnxruntime_int8_blockwise, "
        "openvino_int8 (default: all installed)",
    )
    parser.add_argument("--masks", type=Path, metavar="DIR", help="measure the .smtx masks of a folder as well")
    parser.add_argument(
        "--shapes",
        type=_models,
        default=[],
        metavar="MODEL,MODEL",
        help="measure planted zeros in the shapes of bert-base, llama-7b, resnet50, mobilenetv2 as well",
    )
    parser.add_argument(
        "--sparsity", type=_sparsities, metavar="S,S", help="per cent of zeros for --shapes (default: 0,50,70,80,90,95)"
    )
    parser.add_argument(
        "--pattern",
        type=_patterns,
        default=["unstructured"],
        metavar="P,P",
        help="where zeros lie for --shapes: unstructured, skewed, realistic, blocks (4x1), n:m (2:4) "
        "(default: unstructured)",
    )
    parser.add_argument(
        "--size",
        type=_size,
        action="append",
        metavar="NAME=N",
        help="an extent of an ONNX model's inputs by its name (default: 1 in the first place of a shape, else 128)",
    )
    parser.add_argument("--quick", action="store_true", help="a small part of it, measured for a shorter time")
    for name, form in _OUTPUTS.items():
        parser.add_argument(f"--{name}", type=Path, metavar="OUT", help=f"write {form}")
    parser.set_defaults(run=run, usage_error=parser.error)


def run(arguments: argparse.Namespace) -> None:
    """Measure, print and write."""
    if arguments.file is None and arguments.masks is None and not arguments.shapes:
        arguments.usage_error("name a FILE, a folder of masks with --masks DIR, or a network with --shapes MODEL")
    outputs = {name: path for name in _OUTPUTS if (path := getattr(arguments, name)) is not None}
    for path in outputs.values():
        check_folder_of(path)

    from sparseinf import bench

    is_model = arguments.file is not None and arguments.file.suffix == ".onnx"
    if is_model and (arguments.masks is not None or arguments.shapes):
        arguments.usage_error("a model is measured on its own, without --masks and --shapes")
    report = _model_report(arguments) if is_model else bench.merge(list(_reports(arguments)))
    print(report)
    for name, path in outputs.items():
        getattr(bench, f"write_{name}")(report, path)


def _reports(arguments: argparse.Namespace) -> Iterator[Report]:
    """Measure every layer of the file, then every mask, then the networks."""
    from sparseinf import bench, runtime

    min_seconds = _QUICK_SECONDS if arguments.quick else _SECONDS
    if arguments.file is not None:
        options = argparse.Namespace(**{**vars(arguments), "batch": arguments.batch or _BATCHES})
        layers = layers_of(open_source(arguments.file, options), arguments.file)
        weights = _weights_before(arguments, layers)
        for name, layer in layers.items():
            yield bench.compare_stack(
                [layer],
                [bench.random_input(batch, layer.in_features) for batch in options.batch],
                against=arguments.against,
                name=name,
                min_seconds=min_seconds,
                weights=[weights[name]],
            )
    yield bench.run(
        _cases(arguments),
        against=arguments.against,
        threads=arguments.threads or runtime.default_threads(),
        min_seconds=min_seconds,
        precision=arguments.precision or "float32",
        format=arguments.format or "auto",
        tune=arguments.tune or "measure",
    )


def _model_report(arguments: argparse.Namespace) -> Report:
    """Measure a whole model, inputs made up."""
    from sparseinf import bench
    from sparseinf.model import Model

    model = open_source(arguments.file, arguments)
    if not isinstance(model, Model):
        raise TypeError(f"{arguments.file} should be an ONNX model, but holds a {type(model).__name__}")
    feeds = bench.random_feeds(model, dict(arguments.size or []))
    seconds = _QUICK_SECONDS if arguments.quick else _SECONDS
    return bench.compare_model(model, arguments.file, feeds, against=arguments.against, min_seconds=seconds)


def _weights_before(arguments: argparse.Namespace, layers: Mapping[str, SparseLinear]) -> dict[str, Weight]:
    """Return the weights as the file has them, which errors are measured against and rivals quantize themselves."""
    if (arguments.precision or "float32") != "float32":
        options = argparse.Namespace(**{**vars(arguments), "precision": "float32"})
        layers = layers_of(open_source(arguments.file, options, tune="off"), arguments.file)
    return {name: layer.weight for name, layer in layers.items()}


def _cases(arguments: argparse.Namespace) -> Iterator[Case]:
    """Yield the masks of the folder, then the layers of the networks."""
    from sparseinf import bench

    if arguments.masks is not None:
        masks = bench.mask_cases(arguments.masks, arguments.batch or _BATCHES)
        yield from itertools.islice(masks, _QUICK_MASKS if arguments.quick else None)
    yield from bench.model_cases(
        arguments.shapes,
        arguments.sparsity or (_QUICK_SPARSITIES if arguments.quick else _SPARSITIES),
        patterns=arguments.pattern,
        batches=arguments.batch,
        quick=arguments.quick,
    )


def _words(text: str) -> list[str]:
    """Read words separated by commas."""
    return text.split(",")


def _size(text: str) -> tuple[str, int]:
    """Read a name and an extent."""
    name, _, extent = text.partition("=")
    if not name or not extent.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a name and a number, such as sequence=128, got {text!r}")
    return name, int(extent)


def _models(text: str) -> list[str]:
    """Read names of networks."""
    from sparseinf import bench

    return _checked(_words(text), bench.shapes_of)


def _patterns(text: str) -> list[str]:
    """Read names of patterns."""
    from sparseinf import bench

    return _checked(_words(text), bench.checked_pattern)


def _checked(words: list[str], check: Callable[[str], object]) -> list[str]:
    """Return the words that a check lets pass; what it refuses is wrong usage."""
    try:
        for word in words:
            check(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return words


def _sparsities(text: str) -> tuple[float, ...]:
    """Read percentages, and return shares."""
    try:
        shares = tuple(float(word) / 100 for word in text.split(","))
    except ValueError:
        shares = (-1.0,)
    if not all(0 <= share <= 1 for share in shares):
        raise argparse.ArgumentTypeError(f"expected percentages from 0 to 100, such as 0,50,90, got {text!r}")
    return shares
