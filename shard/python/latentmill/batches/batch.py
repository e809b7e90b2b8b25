# SPDX-License-Identifier: Apache-2.0
"""What a step is given as: a dict that knows when it is looked at."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

_READING = ("__getitem__", "__iter__", "__or__", "__ror__", "copy", "get", "items", "pop", "popitem",
            "values")


class Key(NamedTuple):
    """Which sample a document is. Equal to a tuple; torch's collation leaves it as it is."""
    name: str
    key: str


class Batch(dict[str, Any]):
    """A dict. A loop that fetches ahead holds batches that it has not looked into yet: the first
    one that reads something of it has received it. Copies and pickles are dicts."""

    _receive: Callable[[], None] | None = None

    @classmethod
    def watched(cls, values: dict[str, Any], receive: Callable[[], None]) -> Batch:
        """It calls receive() once something of it is read."""
        batch = cls(values)
        batch._receive = receive
        return batch

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _reading(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def read(self: Batch, *arguments: Any) -> Any:
        if self._receive is not None:
            receive, self._receive = self._receive, None
            receive()
        return method(self, *arguments)

    read.__name__ = name
    return read


for _name in _READING:
    setattr(Batch, _name, _reading(_name))


def refuse_stack(batches: list[Batch], **_: Any) -> None:
    """What torch's collation is told to do with batches of batches."""
    raise ValueError(f"a DataLoader with a batch_size would stack {len(batches)} whole batches of a Dataset, "
                     "which makes its batches itself: use Dataset.loader(), or DataLoader(dataset, "
                     "batch_size=None)")
