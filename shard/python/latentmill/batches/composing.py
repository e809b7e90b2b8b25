# SPDX-License-Identifier: Apache-2.0
"""Planned sequences -> the positions of a step: one call into C for all of them.

Each row of its table is a piece of a document: where it is, and what was drawn for it. C does
what shard/FORMAT.md, section 8, says, and draws what planning needs no knowledge of: which
alternative is seen of a record's texts but the first, and which rendition of its images."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from .. import _shard
from .._shard import Composed, DamagedError, ShardError
from ..columns import I32, I64
from ..options import Options
from ..planning.packing import Packing
from .fetching import Fetched, OwnIds, Reading

# Entries of a piece, in the order of struct compose_piece.
(_SEQUENCE, _LENGTH, _BLOCK, _ROW, _START, _WHOLE, _SOURCE, _IMAGE_FIRST, _CAPTION, _KEEP, _PASS,
 _COPY, _OWN) = range(_shard.PIECE_ENTRIES)


class Planned(NamedTuple):
    """A sequence of a window whose blocks are there."""
    reading: Reading
    packing: Packing
    number: int

    @property
    def length(self) -> int:
        """Positions of its documents."""
        return int(self.packing.length[self.pieces].sum())

    @property
    def pieces(self) -> slice:
        """Which of the packing's."""
        return slice(int(self.packing.first[self.number]), int(self.packing.first[self.number + 1]))


# A sequence of a step: what is false is nothing but padding.
Row = Planned | None


class Positions(NamedTuple):
    """The arrays of a step that have an entry for each position, [b, L]; and where documents
    and padding begin."""
    tokens: I32
    labels: I64
    doc_ids: I32
    position_ids: I32
    source_ids: I32
    image_ids: I32
    cu_seqlens: I32


class _Pieces:
    """The table of a step, and what its entries refer to."""

    def __init__(self, rows: Sequence[Row]):
        tables: list[I64] = []
        self.blocks: list[Fetched] = []
        self.own: list[OwnIds] = []
        self._given: list[tuple[Reading, I64]] = []  # the document of each piece
        numbered = [(number, row) for number, row in enumerate(rows) if row]
        for _, same in groupby(numbered, lambda one: id(one[1].reading)):
            tables.append(self._table(list(same)))
        self.table = np.concatenate([np.zeros((0, _shard.PIECE_ENTRIES), np.int64), *tables])

    def _table(self, numbered: list[tuple[int, Planned]]) -> I64:
        """Of sequences of one window."""
        reading, packing = numbered[0][1].reading, numbered[0][1].packing
        d = reading.documents
        slices = [row.pieces for _, row in numbered]
        which = np.concatenate([np.arange(one.start, one.stop) for one in slices])
        item, start, length = packing.item[which], packing.start[which], packing.length[which]
        table = np.empty((len(which), _shard.PIECE_ENTRIES), np.int64)
        table[:, _SEQUENCE] = np.repeat([number for number, _ in numbered],
                                        [one.stop - one.start for one in slices])
        for column, values in (
                (_LENGTH, length), (_ROW, reading.row[item]), (_START, start),
                (_WHOLE, d.length[item]), (_SOURCE, d.source[item]),
                (_IMAGE_FIRST, ~d.caption_first[item]), (_CAPTION, d.caption[item]),
                (_KEEP, d.n_caption[item]), (_PASS, d.pass_number[item]), (_COPY, d.copy[item])):
            table[:, column] = values
        table[:, _OWN] = -1
        blocks = reading.block[item]
        used, inverse = np.unique(blocks, return_inverse=True)
        n_lost = int(used[:1].sum() < 0)
        table[:, _BLOCK] = np.where(blocks < 0, -1, inverse - n_lost + len(self.blocks))
        self.blocks += [reading.fetched(number) for number in used[n_lost:].tolist()]
        self._add_own(table, item, reading)
        self._given.append((reading, item))
        return table

    def _add_own(self, table: I64, item: I64, reading: Reading) -> None:
        """Ids that are not the stored ones."""
        for number, (source, shard, _) in enumerate(self.blocks):
            if source.view is None or (source.view.tokenizer is None and shard.texts.own is None):
                continue
            for piece in np.flatnonzero(table[:, _BLOCK] == number).tolist():
                own = reading.own_ids(int(item[piece]))
                if own is not None:
                    table[piece, _OWN] = len(self.own)
                    self.own.append(own)

    def give(self) -> None:
        """They are composed."""
        for reading, pieces in self._given:
            reading.give(pieces)


class Composer:
    """Composes the sequences of a step."""

    def __init__(self, options: Options, refuse: Callable[[Exception], None]):
        """refuse: takes what a document cannot be had for, and raises it unless that is skipped."""
        self._options = options
        self._refuse = refuse

    def compose(self, rows: Sequence[Row]) -> tuple[Positions, Composed, list[Fetched]]:
        """Also the blocks that its images are of. Of cu_seqlens the first n_begins are set."""
        length = self._options.pack or max([1, *(row.length for row in rows if row)])
        pieces = _Pieces(rows)
        shape = len(rows), length
        tokens, doc_ids, position_ids, source_ids, image_ids = (
            np.empty(shape, np.int32) for _ in range(5))
        out = Positions(tokens, np.empty(shape, np.int64), doc_ids, position_ids, source_ids,
                        image_ids, np.empty(len(pieces.table) + len(rows) + 1, np.int32))
        composed = self._composed(pieces, out)
        while composed.problems:
            for problem in composed.problems:
                self._solve(pieces, *problem)
            composed = self._composed(pieces, out)
        pieces.give()
        return out, composed, pieces.blocks

    def _composed(self, pieces: _Pieces, out: Positions) -> Composed:
        return _shard.compose(
            [one.block for one in pieces.blocks], [one.shard.sequencer for one in pieces.blocks],
            pieces.table, pieces.own, len(out.tokens), *out,
            self._options.position_ids == "collapsed", self._options.captions == "stored",
            self._options.posterior == "sample", self._options.seed)

    def _solve(self, pieces: _Pieces, piece: int, kind: str, number: int, why: str) -> None:
        """Makes a piece padding, unless that is no damage."""
        row = pieces.table[piece]
        at = pieces.blocks[row[_BLOCK]]
        if kind == "frame":
            try:
                at.block.tensor(number)  # which was not loaded
            except DamagedError as error:
                self._refuse(error)
                row[_BLOCK] = -1
            return
        key, name, _ = at.shard.reader.shard.identify(at.block.first_record + int(row[_ROW]))
        what = f"{at.shard.reader.path}: {name} {key}"
        if kind == "length":
            raise ShardError(f"{what} has {number} positions, not {row[_WHOLE]} as the index says")
        raise ValueError(f"{what}: {why}")
