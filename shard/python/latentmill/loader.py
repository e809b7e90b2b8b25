# SPDX-License-Identifier: Apache-2.0
"""A DataLoader that its Dataset's state follows.

Workers are copies of the Dataset that go ahead on their own, so each iteration begins with new
ones, from where the Dataset stands, and each batch that is received moves the Dataset behind
itself. The seed of the workers comes from a generator of our own: torch's global one, which a
training restores when it resumes, is left alone."""
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .optional import need_torch
from .planning.hashing import key_of

if TYPE_CHECKING:
    from .dataset import Dataset

_WORKERS = 4
# Arguments of DataLoader that have one value here, and why.
_FIXED = {
    "batch_size": (None, "Dataset(batch_size=...) says how large a batch is"),
    "persistent_workers": (False, "workers begin anew in each iteration, where the Dataset stands"),
    "in_order": (True, "the state is a place in the order of the batches"),
}


class Loader:
    """What Dataset.loader() gives: a DataLoader whose data set's state follows the batches that
    were received, not those that workers have ready. Takes a DataLoader's arguments, but for
    batch_size, persistent_workers and in_order=False."""

    def __init__(self, dataset: Dataset, num_workers: int, **arguments: Any):
        torch = need_torch("Dataset.loader()")
        for name, (value, why) in _FIXED.items():
            if arguments.get(name, value) != value:
                raise ValueError(f"loader() has no {name}={arguments[name]!r}: {why}")
        arguments["batch_size"] = None
        self.dataset = dataset
        self._generator = None
        if arguments.get("generator") is None:
            self._generator = arguments["generator"] = torch.Generator()
        self._loader = torch.utils.data.DataLoader(dataset, num_workers=num_workers, **arguments)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self._begun():
            self.dataset.follow(batch)
            yield batch

    def __repr__(self) -> str:
        return f"<Loader of {self.dataset!r}>"

    def _begun(self) -> Iterator[dict[str, Any]]:
        """The DataLoader's iterator, with its workers started."""
        dataset = self.dataset
        if self._generator is not None:
            self._generator.manual_seed(
                key_of(dataset.options.seed, _WORKERS, dataset.rank, dataset.step))
        with dataset.starting_workers():
            return iter(self._loader)
