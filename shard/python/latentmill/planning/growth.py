# SPDX-License-Identifier: Apache-2.0
"""A source that grew: the pass in hand goes on with the shards that it began with, and the next
one has all.

Cursors count records pass after pass, so those of the older, smaller passes end before the place
where the next pass begins when it is counted with all shards. A cursor jumps from `end` to `begin`
between two windows, and none lies between: each tells by itself which shards it means."""
from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..columns import I64
from ..sources.catalogue import first_few
from ..sources.source import OpenSource
from .mixture import UNIT
from .state import Position, StateError


@dataclass(frozen=True)
class Older:
    """The shards of the passes up to `end`. Cursors are in units."""
    shards: I64  # their numbers among all, ascending
    n_records: int
    end: int
    begin: int   # of the next pass, counted with all shards


def pack_names(names: Sequence[str]) -> str:
    """For a state: some 3 bytes a shard where they are numbered."""
    text = "\0".join(names).encode("utf-8", "surrogateescape")
    return base64.b64encode(zlib.compress(text, 9)).decode()


def _unpacked(packed: Any) -> list[str]:
    try:
        return zlib.decompress(base64.b64decode(packed)).decode("utf-8", "surrogateescape").split("\0")
    except (ValueError, TypeError, zlib.error) as error:
        raise StateError(f"the state is damaged: shards: {error!r}") from None


def older_shards(state: Mapping[str, Any], source: OpenSource) -> I64 | None:
    """Which of a source's shards a state knows, where the others were added; None: all, or it is
    of other data. Raises StateError that names shards which are gone."""
    fingerprint = state["sources"].get(source.name)
    packed = state["shards"].get(source.name)
    if fingerprint is None or fingerprint == source.fingerprint or packed is None:
        return None
    names = _unpacked(packed)
    number = {name: i for i, name in enumerate(source.names)}
    if not any(name in number for name in names):
        return None
    if gone := [name for name in names if name not in number]:
        raise StateError(f"the state does not fit: source {source.name!r} lacks shards that it had "
                         f"({len(gone)}): {first_few(gone)}. Bring them back, or begin anew")
    shards = np.array([number[name] for name in names], np.int64)
    if len(number) != len(source.names) or source.fingerprint_of(shards) != fingerprint:
        return None
    return shards


def grown(position: Position, source: OpenSource, shards: I64) -> tuple[Older | None, int]:
    """How it goes on from a position whose passes had these shards; and its cursor now. The window
    in hand, if there is one, may reach into the next pass: that has the same shards then."""
    cursor, n = position.cursors[source.name], int(source.counts[shards].sum())
    whole, all_units = n * UNIT, int(source.counts.sum()) * UNIT
    taken = position.takes.get(source.name, 0)
    if not taken and cursor % whole == 0:
        return None, cursor // whole * all_units
    passes = (cursor + max(taken, 1) - 1) // whole + 1
    return Older(shards, n, passes * whole, passes * all_units), cursor
