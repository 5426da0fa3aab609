"""The handwritten digits that come with scikit-learn, split once and for all into training and test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Digits:
    """Images as float32 rows of 64 pixels from 0 to 1, labels as int64 from 0 to 9."""

    train_images: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.float32]
    test_labels: NDArray[np.int64]


def load_digits() -> Digits:
    """Return the 1797 digits of 8x8 pixels (Alpaydin and Kaynak, UCI, 1998), every fifth one for testing.

    Raises
    ------
    ImportError
        When scikit-learn is not installed; the message says how to get it.
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(
            "the digits come with scikit-learn, which is not installed: run pip install 'sparseinf[demo]'"
        ) from error
    images, labels = datasets.load_digits(return_X_y=True)
    images = np.ascontiguousarray(images / 16, dtype=np.float32)
    labels = labels.astype(np.int64)
    is_test = np.arange(len(labels)) % 5 == 0
    return Digits(images[~is_test], labels[~is_test], images[is_test], labels[is_test])
