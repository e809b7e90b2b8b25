# SPDX-License-Identifier: Apache-2.0
"""The steps of an epoch, as the pieces of the sequences that are built of them.

Every rank and worker plans all windows, whose sequences are dealt to the steps in their order,
and asks for the blocks of its own alone. The blocks of a window are read while the one before
it is given."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..columns import I64
from ..planning.state import Position, StateError
from ..planning.tally import TOTALS, tallies
from ..planning.windows import Planner, Window
from ..reader import DamageWarning
from ..warned import warn
from .composing import Planned, Row
from .fetching import Fetcher, Reading

class Built(NamedTuple):
    """A step that is built here: its sequences, and what all ranks' sequences hold (tallies())."""
    rows: list[Row]
    tally: I64


Step = tuple[Built | None, Position]  # None: it is built elsewhere; and the position behind it


class Part(NamedTuple):
    """Which sequences are built here: of each step a rank's, of a rank's steps a worker's."""
    batch_size: int  # sequences of a step over all ranks
    rank: int
    world_size: int
    worker: int
    n_workers: int

    @property
    def each(self) -> int:
        """Sequences of a step that a rank builds."""
        return self.batch_size // self.world_size


class _Ahead:
    """A window whose blocks are asked for."""

    def __init__(self, position: Position, window: Window, begin: int, reading: Reading,
                 is_last: bool, behind: Position, tallies: I64):
        self.position = position
        self.window = window
        self.begin = begin      # sequences of the walk before the window's sequence 0
        self.reading = reading
        self.n_blocks = len(reading.pending)
        self.is_last = is_last  # of the epoch
        self.behind = behind
        self.tallies = tallies  # of its sequences


class Walk:
    """Goes through the rest of an epoch, window by window and step by step."""

    def __init__(self, start: Position, planner: Planner, fetcher: Fetcher, part: Part,
                 on_error: str):
        """on_error: what is done with a sample that no sequence can hold, "raise" or "skip"."""
        self._start = start
        self._planner = planner
        self._fetcher = fetcher
        self._part = part
        self._on_error = on_error
        self._rows: list[Row] = []  # of the step in hand
        self._tally = self._no_tally()  # of its sequences so far, over all ranks

    def steps(self) -> Iterator[Step]:
        """All steps up to the epoch's end, in their order."""
        current: _Ahead | None = self._first()
        while current is not None:
            following = self._following(current)
            self._fetcher.take(current.reading, 0)
            yield from self._window_steps(current, following)
            if following is None:
                yield from self._rest(current)
            current = following

    # A window is empty where its records give no documents. It is passed over: else the steps of
    # an epoch that ends with one would never reach the next epoch.

    def _first(self) -> _Ahead:
        """The window to begin with, of the next epoch where nothing is left of this one."""
        start, epochs = self._start, 0
        # With small weights chance may leave an epoch empty, but hardly this many.
        most_empty = 2 + int(64 / self._planner.mixture.documents)
        ahead = self._open(start, -start.offset)
        while not len(ahead.window):
            epochs += ahead.is_last
            if epochs == most_empty:
                raise ValueError(
                    f"{epochs} epochs up to epoch {ahead.position.epoch} have no documents: views, "
                    'long_captions="drop" and pack leave out all records of all sources')
            ahead = self._open(ahead.behind, 0)
        return ahead

    def _following(self, current: _Ahead) -> _Ahead | None:
        """The next window of the epoch. Empty ones are counted to the current one."""
        while not current.is_last:
            ahead = self._open(current.behind, current.begin + len(current.window))
            if len(ahead.window):
                return ahead
            current.behind, current.is_last = ahead.behind, ahead.is_last
        return None

    def _open(self, position: Position, begin: int) -> _Ahead:
        window = self._planner.window(position.cursors, position.takes)
        if position.offset and position.offset >= len(window):
            raise StateError(f"the state is damaged: {position.offset} sequences of a window that "
                             f"has {len(window)}")
        self._name_too_long(window)
        step = self._start.step + (begin + len(window)) // self._part.batch_size
        behind, is_last = self._planner.behind(position, step)
        packing, mine = window.packing, self._mine(begin, len(window))
        items = [packing.item[packing.first[s]:packing.first[s + 1]] for s in mine]
        reading = self._fetcher.request(window, np.concatenate([np.zeros(0, np.int64), *items]))
        return _Ahead(position, window, begin, reading, is_last, behind,
                      tallies(window, self._planner.sources, self._planner.options))

    def _no_tally(self) -> I64:
        return np.zeros(TOTALS + 2 * len(self._planner.sources), np.int64)

    def _mine(self, begin: int, n: int) -> I64:
        """Sequences of a window that this worker builds."""
        at = np.arange(begin, begin + n)
        step, slot = np.divmod(at, self._part.batch_size)
        mine = (at >= 0) & (slot // self._part.each == self._part.rank) & \
            (step % self._part.n_workers == self._part.worker)
        return np.flatnonzero(mine)

    def _window_steps(self, current: _Ahead, following: _Ahead | None) -> Iterator[Step]:
        size, n = self._part.batch_size, len(current.window)
        mine = set(self._mine(current.begin, n).tolist())
        for number in range(max(0, -current.begin), n):
            self._tally += current.tallies[number]
            if number in mine:
                self._rows.append(Planned(current.reading, current.window.packing, number))
                if following is not None:
                    self._fetcher.take(following.reading,
                                       following.n_blocks * (n - 1 - number) // n)
            done = current.begin + number + 1
            if done % size == 0:
                yield self._finish(done // size, current, number + 1)

    def _finish(self, steps: int, current: _Ahead, offset: int) -> Step:
        """Ends a step; `offset` sequences of the window are behind it then."""
        step = self._start.step + steps
        if offset == len(current.window):
            position = replace(current.behind, step=step)
        else:
            position = replace(current.position, step=step, offset=offset)
        is_mine = (steps - 1) % self._part.n_workers == self._part.worker
        built = Built(self._rows, self._tally)
        self._rows, self._tally = [], self._no_tally()
        return (built if is_mine else None), position

    def _rest(self, current: _Ahead) -> Iterator[Step]:
        """Completes the epoch's last step with padding."""
        size = self._part.batch_size
        done = current.begin + len(current.window)
        if done % size == 0:
            return
        self._rows += [None] * (self._part.each - len(self._rows))
        yield self._finish(done // size + 1, current, len(current.window))

    def _name_too_long(self, window: Window) -> None:
        documents = window.too_long
        if not len(documents):
            return
        names = []
        for i in range(min(len(documents), 20)):
            source = self._planner.sources[int(documents.source[i])]
            shard = source.shard(int(documents.shard[i])).reader.shard
            key, name, _ = shard.identify(int(documents.position[i]))
            names.append(f"{name} {key} ({documents.length[i]})")
        message = (f"{len(documents)} samples need more than pack={self._planner.options.pack} "
                   f"positions, and only texts may be cut (max_caption_tokens shortens captions): "
                   f"{', '.join(names)}")
        if self._on_error == "raise":
            raise ValueError(message)
        warn(message, DamageWarning)
