# SPDX-License-Identifier: Apache-2.0
"""What a step is given as: a dict that knows when it is looked at."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

# Other ways to read than those of Batch, which torch.compile() can look into.
_READING = ("__iter__", "__or__", "__ror__", "copy", "pop", "popitem", "values")


class Key(NamedTuple):
    """Which sample a document is. Equal to a tuple; torch's collation leaves it as it is."""
    name: str
    key: str


class Batch(dict[str, Any]):
    """A dict. A loop that fetches ahead holds batches that it has not looked into yet: the first
    one that reads something of it has received it. Copies and pickles are dicts."""

    def __init__(self, values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
                 receive: Callable[[], None] | None = None):
        """receive: called once, when something of it is read."""
        super().__init__(values)
        self._receive = receive

    def __getitem__(self, name: str) -> Any:
        if self._receive is not None:
            _read(self)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """That of a dict."""
        return self[name] if name in self else default

    def items(self) -> Any:
        """That of a dict."""
        if self._receive is not None:
            _read(self)
        return super().items()

    def received(self) -> None:
        """Once: something is read."""
        if self._receive is not None:
            receive, self._receive = self._receive, None
            receive()

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _read(batch: Batch) -> None:
    batch.received()


def _reading(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def read(self: Batch, *arguments: Any) -> Any:
        _read(self)
        return method(self, *arguments)

    read.__name__ = name
    return read


for _name in _READING:
    setattr(Batch, _name, _reading(_name))


def make_known(torch: Any, pytree: Any, collate: Any) -> None:
    """Tells torch that a Batch is a dict of its members (FSDP and torch.compile() ask its
    pytree), what is not to be traced, and what is not to be collated."""
    global _read
    _read = torch.compiler.disable(_read)
    pytree.register_pytree_node(Batch, lambda batch: (list(batch.values()), list(batch)),
                                lambda values, names: dict(zip(names, values)))
    collate.default_collate_fn_map[Batch] = _refuse_stack


def _refuse_stack(batches: list[Batch], **_: Any) -> None:
    raise ValueError(f"a DataLoader with a batch_size would stack {len(batches)} whole batches of "
                     "a Dataset, which makes its batches itself: use Dataset.loader(), or "
                     "DataLoader(dataset, batch_size=None)")
