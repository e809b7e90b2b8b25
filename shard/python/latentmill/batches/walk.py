# SPDX-License-Identifier: Apache-2.0
"""The steps of an epoch, as the pieces of the sequences that are built of them.

Every rank and worker plans all windows, whose sequences are dealt to the steps in their order,
and asks for the blocks of its own alone. The blocks of a window are read while the one before
it is given. Planning is a step ahead, so that the position behind each step says whether its
epoch has another one."""
from __future__ import annotations

from collections import deque
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
from .fetching import Fetcher


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
    """A window that is planned; its blocks are asked for when it is the next."""

    def __init__(self, position: Position, window: Window, begin: int, tallies: I64):
        self.position = position
        self.window = window
        self.begin = begin  # sequences of the walk before the window's sequence 0
        self.end = begin + len(window)
        self.tallies = tallies  # of its sequences

    def ask(self, fetcher: Fetcher, mine: I64) -> None:
        """For the blocks of the sequences `mine`, those that are built here."""
        packing = self.window.packing
        items = [packing.item[packing.first[s]:packing.first[s + 1]] for s in mine]
        self.mine = set(mine.tolist())
        self.reading = fetcher.request(self.window, np.concatenate([np.zeros(0, np.int64), *items]))
        self.n_blocks = len(self.reading.pending)


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
        self._last = planner.options.last
        self._windows: deque[_Ahead] = deque()  # planned, from the one in hand on
        self._n = -start.offset     # sequences that are planned
        self._behind = start        # all that are planned
        self._epoch = start.epoch   # the one whose end is the walk's
        self._is_whole = False      # planned up to there
        self._n_before = self._n    # up to the end of the epoch before it
        self._n_empty = 0           # epochs in a row that gave nothing
        self._rows: list[Row] = []  # of the step in hand
        self._tally = self._no_tally()  # of its sequences so far, over all ranks

    def steps(self) -> Iterator[Step]:
        """All steps up to the epoch's end, in their order. Where less than a step is left of it,
        they are the next epoch's."""
        self._plan(self._part.batch_size)
        current = self._asked(0)
        while current is not None:
            following = self._asked(1)
            self._fetcher.take(current.reading, 0)
            yield from self._window_steps(current, following)
            self._windows.popleft()
            current = following
        if self._last == "pad" and self._n % self._part.batch_size:
            yield self._padded()

    def _plan(self, n: int) -> None:
        """Plans windows until there are n sequences, or the epoch ends. A window is empty where
        its records give no documents: it is passed over."""
        while self._n < n and not self._is_whole:
            position = self._behind
            window = self._planner.window(position.cursors, position.takes)
            if position.offset and position.offset >= len(window):
                raise StateError(f"the state is damaged: {position.offset} sequences of a window "
                                 f"that has {len(window)}")
            self._name_too_long(window)
            if len(window):
                self._windows.append(_Ahead(position, window, self._n, tallies(
                    window, self._planner.sources, self._planner.options)))
            self._n += len(window)
            step = self._start.step + self._n // self._part.batch_size
            self._behind, ends = self._planner.behind(position, step)
            if ends and not position.carried:
                self._end_epoch()

    def _end_epoch(self) -> None:
        """Ends the walk, or goes on into the next epoch where there is no step up to here."""
        least = 1 if self._last == "pad" else self._part.batch_size
        if self._n >= least:
            self._is_whole = True
            return
        if self._n > self._n_before and self._last == "carry":
            self._n_empty = 0
        else:
            self._count_empty()
        if self._last == "drop":
            self._windows.clear()
            self._n = 0
        self._n_before = self._n
        self._epoch += 1

    def _count_empty(self) -> None:
        """With small weights chance may leave an epoch empty, but hardly this many."""
        self._n_empty += 1
        if self._n_empty < 2 + int(64 / self._planner.mixture.documents):
            return
        if self._windows:
            raise ValueError(f"{self._n_empty} epochs up to epoch {self._epoch} have less than a "
                             f"step of {self._part.batch_size} sequences, which last=\"drop\" "
                             "leaves out: take last=\"carry\", or a smaller batch_size")
        raise ValueError(
            f"{self._n_empty} epochs up to epoch {self._epoch} have no documents: views, "
            'long_captions="drop" and pack leave out all records of all sources')

    def _asked(self, number: int) -> _Ahead | None:
        """A window, its blocks asked for: where the steps with its sequences, and one more, are
        planned. None: the epoch ends before it."""
        if number >= len(self._windows):
            self._plan(self._n + 1)
        if number >= len(self._windows):
            return None
        ahead = self._windows[number]
        size = self._part.batch_size
        self._plan((ahead.end // size + 1) * size)
        ahead.ask(self._fetcher, self._mine(ahead))
        return ahead

    def _no_tally(self) -> I64:
        return np.zeros(TOTALS + 2 * len(self._planner.sources), np.int64)

    def _mine(self, ahead: _Ahead) -> I64:
        """Sequences of a window that this worker builds. What does not fill a step is dealt to
        the ranks in turn, if it is given at all."""
        at = np.arange(ahead.begin, ahead.end)
        step, slot = np.divmod(at, self._part.batch_size)
        left = slot % self._part.world_size if self._last == "pad" else -1
        rank = np.where(step < self._n // self._part.batch_size, slot // self._part.each, left)
        mine = (at >= 0) & (rank == self._part.rank) & \
            (step % self._part.n_workers == self._part.worker)
        return np.flatnonzero(mine)

    def _window_steps(self, current: _Ahead, following: _Ahead | None) -> Iterator[Step]:
        size, n = self._part.batch_size, len(current.window)
        for number in range(max(0, -current.begin), n):
            self._tally += current.tallies[number]
            if number in current.mine:
                self._rows.append(Planned(current.reading, current.window.packing, number))
                if following is not None:
                    self._fetcher.take(following.reading,
                                       following.n_blocks * (n - 1 - number) // n)
            done = current.begin + number + 1
            if done % size == 0:
                yield self._finish(done // size, self._position(done))

    def _position(self, done: int) -> Position:
        """Behind `done` sequences."""
        size, left = self._part.batch_size, self._n - done
        is_last = self._is_whole and left < (1 if self._last == "pad" else size)
        if left <= 0 or (is_last and self._last == "drop"):
            return self._behind
        ahead = next(ahead for ahead in self._windows if done < ahead.end)
        epoch, of_window = self._epoch + is_last, ahead.position.epoch - ahead.position.carried
        return replace(ahead.position, epoch=epoch, offset=done - ahead.begin,
                       carried=epoch - of_window)

    def _finish(self, steps: int, position: Position) -> Step:
        """Ends the step behind which that position is."""
        is_mine = (steps - 1) % self._part.n_workers == self._part.worker
        built = Built(self._rows, self._tally)
        self._rows, self._tally = [], self._no_tally()
        return (built if is_mine else None), replace(position, step=self._start.step + steps)

    def _padded(self) -> Step:
        """The epoch's last step, completed with padding."""
        self._rows += [None] * (self._part.each - len(self._rows))
        return self._finish(self._n // self._part.batch_size + 1, self._behind)

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
