# SPDX-License-Identifier: Apache-2.0
"""A DataLoader that its Dataset's state follows.

Workers are copies of the Dataset that go ahead on their own, so each iteration begins with new
ones, from where the Dataset stands. Loops fetch ahead, too: a batch moves the Dataset behind
itself when it is first read, or at the iteration's end. The seed of the workers comes from a
generator of our own: torch's global one, which a training restores when it resumes, is left
alone."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from .batches.batch import Batch
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
    were received, not those that workers or the loop have ready. Takes a DataLoader's arguments,
    but for batch_size, persistent_workers and in_order=False.

    A batch counts as received once something of it was read, or where the iteration has ended:
    so state_dict() is right also in a loop that fetches ahead, as Lightning's does. One that
    copies batches to a device before they are due reads them: there, state_dict(batch)."""

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
        dataset, position = self.dataset, None
        iteration = dataset.begin()
        for batch in self._begun():
            dataset.refuse_ended(iteration)
            position = dataset.position_behind(batch)
            yield Batch(batch, partial(dataset.receive, iteration, position))
        if position is not None:
            dataset.receive(iteration, position)

    def __len__(self) -> int:
        return len(self.dataset)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Loader of {self.dataset!r}>"

    def state_dict(self, batch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Where training stands: behind the last batch that was received, or behind `batch`. See
        Dataset.state_dict()."""
        return self.dataset.state_dict(batch)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Goes on behind a state. See Dataset.load_state_dict()."""
        self.dataset.load_state_dict(state, strict)

    def _begun(self) -> Iterator[dict[str, Any]]:
        """The DataLoader's iterator, with its workers started."""
        dataset = self.dataset
        if self._generator is not None:
            self._generator.manual_seed(
                key_of(dataset.options.seed, _WORKERS, dataset.rank, dataset.step))
        with dataset.starting_workers():
            return iter(self._loader)
