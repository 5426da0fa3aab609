"""The layers of well-known networks as matrices: their shapes, and how many columns each multiplies.

A convolution is the matrix (out_channels, kernel height * kernel width * in_channels), its columns the pixels of one
output image (of an input of 224 x 224); depthwise ones are no matrices and are left out. Equal layers appear once.
"""

from __future__ import annotations

from dataclasses import dataclass

_TOKENS = 128  # of one sentence in BERT


@dataclass(frozen=True)
class Shape:
    """One layer of a network: its weight is (out_features, in_features), its x has `columns` rows."""

    name: str
    out_features: int
    in_features: int
    columns: int

    @property
    def work(self) -> int:
        """Multiplications of a dense layer."""
        return self.out_features * self.in_features * self.columns


MODELS: dict[str, tuple[Shape, ...]] = {
    "bert-base": (
        Shape("attention", 768, 768, _TOKENS),
        Shape("feed-forward up", 3072, 768, _TOKENS),
        Shape("feed-forward down", 768, 3072, _TOKENS),
    ),
    "llama-7b": (  # a token at a time
        Shape("attention", 4096, 4096, 1),
        Shape("feed-forward up", 11008, 4096, 1),
        Shape("feed-forward down", 4096, 11008, 1),
        Shape("head", 32000, 4096, 1),
    ),
    "resnet50": (
        Shape("stem", 64, 147, 112 * 112),
        Shape("stage 1 first reduce", 64, 64, 56 * 56),
        Shape("stage 1 reduce", 64, 256, 56 * 56),
        Shape("stage 1 3x3", 64, 576, 56 * 56),
        Shape("stage 1 expand", 256, 64, 56 * 56),
        Shape("stage 2 first reduce", 128, 256, 56 * 56),
        Shape("stage 2 shortcut", 512, 256, 28 * 28),
        Shape("stage 2 reduce", 128, 512, 28 * 28),
        Shape("stage 2 3x3", 128, 1152, 28 * 28),
        Shape("stage 2 expand", 512, 128, 28 * 28),
        Shape("stage 3 first reduce", 256, 512, 28 * 28),
        Shape("stage 3 shortcut", 1024, 512, 14 * 14),
        Shape("stage 3 reduce", 256, 1024, 14 * 14),
        Shape("stage 3 3x3", 256, 2304, 14 * 14),
        Shape("stage 3 expand", 1024, 256, 14 * 14),
        Shape("stage 4 first reduce", 512, 1024, 14 * 14),
        Shape("stage 4 shortcut", 2048, 1024, 7 * 7),
        Shape("stage 4 reduce", 512, 2048, 7 * 7),
        Shape("stage 4 3x3", 512, 4608, 7 * 7),
        Shape("stage 4 expand", 2048, 512, 7 * 7),
        Shape("classifier", 1000, 2048, 1),
    ),
    "mobilenetv2": (
        Shape("stem", 32, 27, 112 * 112),
        Shape("block 1 project", 16, 32, 112 * 112),
        Shape("block 2 expand", 96, 16, 112 * 112),
        Shape("block 2 project", 24, 96, 56 * 56),
        Shape("block 3 expand", 144, 24, 56 * 56),
        Shape("block 3 project", 24, 144, 56 * 56),
        Shape("block 4 project", 32, 144, 28 * 28),
        Shape("block 5 expand", 192, 32, 28 * 28),
        Shape("block 5 project", 32, 192, 28 * 28),
        Shape("block 7 project", 64, 192, 14 * 14),
        Shape("block 8 expand", 384, 64, 14 * 14),
        Shape("block 8 project", 64, 384, 14 * 14),
        Shape("block 11 project", 96, 384, 14 * 14),
        Shape("block 12 expand", 576, 96, 14 * 14),
        Shape("block 12 project", 96, 576, 14 * 14),
        Shape("block 14 project", 160, 576, 7 * 7),
        Shape("block 15 expand", 960, 160, 7 * 7),
        Shape("block 15 project", 160, 960, 7 * 7),
        Shape("block 17 project", 320, 960, 7 * 7),
        Shape("head", 1280, 320, 7 * 7),
        Shape("classifier", 1000, 1280, 1),
    ),
}


def shapes_of(model: str, *, quick: bool = False) -> tuple[Shape, ...]:
    """Return the layers of a network, or with `quick` the one of median work alone.

    Raises
    ------
    ValueError
        When the network is not known.

    Examples
    --------
    >>> [(shape.out_features, shape.in_features) for shape in shapes_of("bert-base")]
    [(768, 768), (3072, 768), (768, 3072)]
    """
    if model not in MODELS:
        raise ValueError(f"the shapes of {model!r} are not known: choose from {', '.join(MODELS)}")
    shapes = MODELS[model]
    return (sorted(shapes, key=lambda shape: shape.work)[(len(shapes) - 1) // 2],) if quick else shapes
