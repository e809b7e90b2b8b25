# SPDX-License-Identifier: Apache-2.0
"""One shard file."""

from __future__ import annotations

import json
import operator
import os
import stat
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _shard
from .columns import Columns, Frames, read_columns, read_frames
from .lazy import cached_property
from .record import Record
from .warned import warn


Frame = tuple[str, int, int]  # path of the shard, block, frame of it


class DamageWarning(UserWarning):
    """Samples that on_error="skip" leaves out. Each damaged frame is named once."""


class ShardReader:
    """The records of one shard file, in random access.

    path: a .lms file. columns: what iteration and read() decompress and check before they
    give a record, "all", or "text" (everything but the tensors; those of a record can
    still be asked for). on_error: what iteration and read() do with a damaged frame,
    "raise" DamagedError, or "skip" its samples with one DamageWarning.

    FileNotFoundError and other OSErrors where the file cannot be read, ShardError where it
    is no shard or its header or index is damaged.

    The file is open only while something of it is read, so any number of readers may be
    there. ShardError where it was replaced or changed in between.

    It pickles as its absolute path, and refuses a file that is another one when it is
    unpickled. A forked process may go on using it."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        columns: str = "all",
        on_error: str = "raise",
    ):
        if on_error not in ("raise", "skip"):
            raise ValueError(f'on_error is "raise" or "skip", not {on_error!r}')
        self.path = os.fsdecode(path)
        if not os.path.isabs(self.path):  # it is opened again, in any working directory
            self.path = os.path.join(os.getcwd(), self.path)
        self._tensors = _with_tensors(columns)
        self._skip = on_error == "skip"
        if stat.S_ISDIR(os.stat(self.path).st_mode):  # or the usual exceptions
            raise _shard.ShardError(f"{self.path} is a folder: ShardReader reads one .lms file; "
                                    "Dataset and DatasetIndex take a folder")
        self.shard = _shard.Shard(self.path)  # what Prefetcher.submit() takes
        self._block: _shard.Block | None = None  # the last one that was read
        self._scales: dict[int, tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]] = {}
        self._named: set[Frame] = set()  # frames that were named

    def __reduce__(self) -> tuple[Any, ...]:
        columns = "all" if self._tensors else "text"
        on_error = "skip" if self._skip else "raise"
        return _reopen, (self.path, columns, on_error, self.fingerprint)

    def __repr__(self) -> str:
        return f"ShardReader({self.path!r}): {len(self)} records"

    def __len__(self) -> int:
        return self.shard.n_records

    @cached_property
    def header(self) -> dict[str, Any]:
        """What holds for all records: FORMAT.md, section 2."""
        header: dict[str, Any] = json.loads(self.shard.header_json)
        return header

    @cached_property
    def fingerprint(self) -> str:
        """XXH3-128 of all blocks, 32 hex digits. Checks the whole index."""
        return self.shard.fingerprint().hex()

    @cached_property
    def keys(self) -> list[str]:
        """Of all records, from the index."""
        return self.shard.keys()

    def columns(self) -> Columns:
        """What the index says of all records, as arrays; no block is read."""
        return self._columns

    @cached_property
    def _columns(self) -> Columns:
        return read_columns(self.shard)

    @cached_property
    def frames(self) -> Frames:
        """Where the compressed frames are."""
        return read_frames(self.shard)

    def scale_and_shift(
        self, encoder: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Of one encoder of latents, each (1 or C, p, p) float32: latent = (raw - shift) * scale,
        repeated over the grid where the window p is above 1."""
        if encoder in self._scales:
            return self._scales[encoder]
        scale, shift = (self.encoder_array(encoder, name) for name in ("scale", "shift"))
        if scale is None or shift is None:
            name = self.header["encoders"][encoder]["name"]
            raise ValueError(f"{self.path}: {name!r} is no encoder of latents")
        dims = scale.shape if scale.ndim == 3 else (-1, 1, 1)
        self._scales[encoder] = scale.reshape(dims), shift.reshape(dims)
        return self._scales[encoder]

    def encoder_array(
        self, encoder: int, name: str, output: int = 0
    ) -> npt.NDArray[Any] | None:
        """An array of one of the header's encoders, which stores long ones as base64: "scale" or
        "shift" of latents and "mean" or "std" of one output's features as float32, "id_map" of
        codes as uint32. None: it has none."""
        stored = self.shard.encoder_array(encoder, name, output)
        if stored is None:
            return None
        dims, values = stored
        return np.frombuffer(values, np.uint32 if name == "id_map" else np.float32).reshape(dims)

    def __getitem__(self, i: int) -> Record:
        """Record i; from the end where it is below 0. Nothing is decompressed. IndexError."""
        position = self._position(i)
        number, row = self.shard.locate(position)
        block = self._block
        if block is not None and block.number != number:
            block = None
        return Record(self, position, block, row)

    def _position(self, i: int) -> int:
        n = self.shard.n_records
        position = operator.index(i)
        if not -n <= position < n:
            raise IndexError(f"{self.path} has {n} records, not a record {position}")
        return position % n

    def by_key(self, key: str, name: str | None = None) -> Record:
        """The first record of that key and, if given, of the unit NAME. KeyError."""
        if not isinstance(key, str):
            raise TypeError(f"by_key({key!r}): a key is a string; reader[i] is record i")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"by_key({key!r}, {name!r}): a NAME is a string")
        position = self.shard.find(key, name)
        if position is None:
            unit = "" if name is None else f" of {name!r}"
            raise KeyError(f"{self.path} has no record {key!r}{unit}")
        return self[position]

    def __iter__(self) -> Iterator[Record]:
        return self._iterate()

    def _iterate(self) -> Iterator[Record]:
        for number in range(self.shard.n_blocks):
            block = self.shard.block(number, self._tensors)
            first, whole = block.first_record, not block.errors()
            for row in range(block.n_records):
                if whole or self._readable(block, row):
                    yield Record(self, first + row, block, row)

    def read(
        self, positions: Iterable[int], columns: str | None = None
    ) -> list[Record | None]:
        """These records, in that order; each block they are in is decompressed once, with
        the GIL released. columns: "all" or "text", the reader's own by default. With
        on_error="skip" a damaged record is None, so that places do not shift; else it is a
        DamagedError. IndexError."""
        tensors = self._tensors if columns is None else _with_tensors(columns)
        blocks: dict[int, tuple[_shard.Block, bool]] = {}
        records: list[Record | None] = []
        first = end = 0  # of the block of the record before
        for i in positions:
            position = self._position(i)
            if not first <= position < end:
                number = self.shard.locate(position)[0]
                if number not in blocks:
                    block = self.shard.block(number, tensors)
                    blocks[number] = block, not block.errors()
                block, whole = blocks[number]
                first, end = block.first_record, block.first_record + block.n_records
            row = position - first
            readable = whole or self._readable(block, row)
            records.append(Record(self, position, block, row) if readable else None)
        return records

    def records(self, block: _shard.Block) -> list[Record]:
        """All records of a block of this shard, damaged or not, as Prefetcher.take() gives it."""
        first = block.first_record
        return [Record(self, first + row, block, row) for row in range(block.n_records)]

    def _readable(self, block: _shard.Block, row: int) -> bool:
        error = block.damage(row)
        if error is None:
            return True
        name_damage(error, self._skip, self._named)
        return False

    def block_of(self, position: int) -> _shard.Block:
        """The block of a record, which is kept until another is asked for: for Record."""
        number = self.shard.locate(position)[0]
        block = self._block
        if block is None or block.number != number:
            block = self.shard.block(number, False)  # each frame when it is asked for
            self._block = None if block.errors() else block
        return block


def name_damage(error: Exception, skip: bool, named: set[Frame]) -> None:
    """Warns of a damaged frame, unless it is among `named`, which gets it: of its first five keys
    and the others. Raises the error where it is no damage, or that is not skipped."""
    if not skip or not isinstance(error, _shard.DamagedError):
        raise error
    frame = error.shard, error.block, error.frame
    if frame in named:
        return
    named.add(frame)
    more = "".join(f", {key}" for key in error.keys[5:])
    warn(f"{error}; skipped{more and ' with them: ' + more[2:]}", DamageWarning)


def _with_tensors(columns: str) -> bool:
    if columns not in ("all", "text"):
        raise ValueError(f'columns is "all" or "text", not {columns!r}')
    return columns == "all"


def _reopen(path: str, columns: str, on_error: str, fingerprint: str) -> ShardReader:
    reader = ShardReader(path, columns, on_error)
    if reader.fingerprint != fingerprint:
        raise _shard.ShardError(f"{path} is not the file that was pickled any more")
    return reader
