"""A mapping whose tensors are read from their file when they are asked for, and not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

__all__ = ["LazyTensors"]


class LazyTensors(Mapping[str, Any]):
    """Tensors by name, in the order of the file; asking twice reads twice.

    Parameters
    ----------
    readers : name -> function that reads the tensor
    """

    def __init__(self, readers: Mapping[str, Callable[[], Any]]) -> None:
        self._readers = dict(readers)

    def __getitem__(self, name: str) -> Any:
        return self._readers[name]()

    def __contains__(self, name: object) -> bool:
        """Tell whether there is such a tensor, without reading it."""
        return name in self._readers

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)
