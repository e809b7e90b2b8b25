# SPDX-License-Identifier: Apache-2.0
"""Packs documents into sequences of one length: a pure function of their lengths.

Sequences are filled one after the other. Each takes documents in the order given, which is
shuffled already, until two more would fill it; then it is finished with the one or two of the
next 256 documents that leave the least room. What room is left then is filled by cutting a
text, into pieces of at least 16 positions, whose rest begins the next sequence. Only texts are
cut, and only at the end of a sequence."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _shard
from ..columns import I64, Bools


@dataclass(frozen=True)
class Packing:
    """Sequences as runs of pieces: sequence s has pieces first[s] .. first[s + 1] - 1, and piece
    p is positions start[p] .. start[p] + length[p] - 1 of document item[p]."""
    first: I64   # [sequences + 1]
    item: I64    # [pieces]
    start: I64   # [pieces]
    length: I64  # [pieces]

    def __len__(self) -> int:
        return len(self.first) - 1

    def fill(self, capacity: int) -> float:
        """Share of all positions that hold a token or a patch."""
        return float(self.length.sum()) / max(1, len(self) * capacity)


def pack(lengths: I64, is_text: Bools, capacity: int) -> Packing:
    """Packs documents of `lengths` positions, in this order, into sequences of `capacity`.

    lengths: [n], at least 1; documents that are no text must be no longer than capacity, or it
    is a ValueError. is_text: [n], those that may be cut."""
    first, item, start, length = (
        np.frombuffer(memoryview(values), np.int64) for values in _shard.pack(
            np.ascontiguousarray(lengths, np.int64), np.ascontiguousarray(is_text, bool), capacity))
    return Packing(first, item, start, length)
