# SPDX-License-Identifier: Apache-2.0
"""What the index of a shard says of all its records, as arrays.

No block is read for it: this is what a packer needs to know of a record. The file is read in
C; here its tables and arrays get names."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _shard

NO_IDS = _shard.NO_IDS  # number of ids of a text that is not tokenized
NONE = _shard.NONE  # no owner; the column of a text frame

PARTS: dict[int, str] = _shard.PARTS  # kinds of parts, by their numbers in the file
KINDS: dict[int, str] = _shard.KINDS  # of tensors
DTYPES: dict[int, str] = _shard.DTYPES
FITS: dict[int, str] = _shard.FITS

Bools = npt.NDArray[np.bool_]
U32 = npt.NDArray[np.uint32]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


def part_name(kind: int) -> str | int:
    """"text", "image", "data", or the number of a later version's kind."""
    return PARTS.get(kind, kind)


@dataclass(frozen=True)
class Column:
    """A column of tensors: what is compressed together."""

    kind: str | int  # "latent", "codes", "features", "pixels", "ids", or a number
    encoder: int  # position in the header's encoders
    dtype: str | int  # "fp16", ... or a number
    output: int  # of the encoder's outputs, by number
    mirrored: bool
    logvar: bool  # a log-variance, not the mean


def column_of(kind: int, encoder: int, dtype: int, output: int, mirrored: bool, logvar: bool
              ) -> Column:
    """Of the numbers that the file has."""
    return Column(KINDS.get(kind, kind), encoder, DTYPES.get(dtype, dtype), output, mirrored,
                  logvar)


@dataclass(frozen=True)
class PartType:
    """What parts of many records have in common."""

    kind: str | int  # "text", "image", "data", or a number
    loss: bool  # False: context, which no loss falls on
    role: str  # "": none
    n_alternatives: int  # of a text; 0 of all others
    tensors: tuple[tuple[Column, int], ...]  # each with its owner: rendition or alternative


@dataclass(frozen=True)
class Columns:
    """Arrays over a shard's n records, p parts, a alternatives and t tensors, and tables they
    point into.

    The parts of record i are part_start[i] to part_start[i + 1]; the alternatives and tensors
    of part j alternative_start[j] to [j + 1] and tensor_start[j] to [j + 1]."""

    names: list[str]  # NAMEs of units
    caption_names: list[str]
    types: list[PartType]
    shapes: U32  # (shapes, 9): number of dims, dims, zeros
    name: U32  # (n) position in names
    index: U64  # (n) place in the unit
    block: U32  # (n)
    row: U32  # (n) row in the block
    text_checksum: U64  # (n) Record.text_checksum
    tensor_checksum: U64  # (n) Record.tensor_checksum
    part_start: I64  # (n + 1)
    type: U32  # (p) position in types
    alternative_start: I64  # (p + 1)
    alternative_name: U32  # (a) position in caption_names
    alternative_n_ids: U32  # (a) number of token ids; NO_IDS: not tokenized
    source: U64  # (image parts) the first 8 bytes of the source's SHA-256
    tensor_start: I64  # (p + 1)
    shape: U32  # (t) position in shapes
    checksum: U64  # (t) XXH3-64 of the values
    block_start: I64  # (blocks + 1) position of each block's row 0


@dataclass(frozen=True)
class Frames:
    """Arrays over the frames of a shard: each block's text frame, then its tensor frames."""

    block: U32
    column: U32  # position in columns; NONE: the text frame
    first_row: U32  # in the block, whose tensors the frame begins with
    offset: U64  # bytes from the file's start
    n_bytes: U32  # compressed
    raw_bytes: U32
    checksum: U64  # XXH3-64 of the compressed bytes
    columns: list[Column]


def starts_of(counts: npt.NDArray[Any]) -> I64:
    """(n) counts -> (n + 1) where each begins, and the sum."""
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def _array(buffer: _shard.Buffer, dtype: str) -> npt.NDArray[Any]:
    return np.frombuffer(memoryview(buffer), dtype)


def _part_type(kind: int, loss: bool, role: str, n_alternatives: int,
               tensors: Iterable[tuple[Any, int]]) -> PartType:
    return PartType(part_name(kind), loss, role, n_alternatives, tuple(
        (column_of(*column), owner) for column, owner in tensors))


def read_columns(shard: _shard.Shard) -> Columns:
    """Everything of the index but keys and frames. Raises ShardError."""
    c = shard.columns()
    block_start = starts_of(_array(c["block_records"], "<u4"))
    counts = np.diff(block_start)
    block = np.repeat(np.arange(len(counts), dtype=np.uint32), counts)
    return Columns(
        names=c["names"],
        caption_names=c["caption_names"],
        types=[_part_type(*one) for one in c["types"]],
        shapes=_array(c["shapes"], "<u4").reshape(-1, 1 + _shard.MAX_DIMS),
        name=_array(c["name"], "<u4"),
        index=_array(c["index"], "<u8"),
        block=block,
        row=(np.arange(len(block)) - block_start[block]).astype(np.uint32),
        text_checksum=_array(c["text_checksum"], "<u8"),
        tensor_checksum=_array(c["tensor_checksum"], "<u8"),
        part_start=_array(c["part_start"], "<i8"),
        type=_array(c["type"], "<u4"),
        alternative_start=_array(c["alternative_start"], "<i8"),
        alternative_name=_array(c["alternative_name"], "<u4"),
        alternative_n_ids=_array(c["alternative_n_ids"], "<u4"),
        source=_array(c["source"], "<u8"),
        tensor_start=_array(c["tensor_start"], "<i8"),
        shape=_array(c["shape"], "<u4"),
        checksum=_array(c["checksum"], "<u8"),
        block_start=block_start,
    )


def read_frames(shard: _shard.Shard) -> Frames:
    """Where every frame is. Raises ShardError."""
    f = shard.frames()
    n_bytes = _array(f["n_bytes"], "<u4")
    counts = _array(f["block_frames"], "<u4")
    return Frames(
        block=np.repeat(np.arange(len(counts), dtype=np.uint32), counts),
        column=_array(f["column"], "<u4"),
        first_row=_array(f["first_row"], "<u4"),
        offset=(f["start"] + starts_of(n_bytes)[:-1]).astype(np.uint64),
        n_bytes=n_bytes,
        raw_bytes=_array(f["raw_bytes"], "<u4"),
        checksum=_array(f["checksum"], "<u8"),
        columns=[column_of(*one) for one in f["columns"]],
    )
