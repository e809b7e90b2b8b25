# SPDX-License-Identifier: Apache-2.0
"""What the index of a shard says of all its records, as arrays.

No block is read for it: this is what a packer needs to know of a record.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from . import _shard
from .lazy import cached_property

NO_IDS = 0xFFFFFFFF  # number of ids of a text that is not tokenized
NONE = 0xFFFFFFFF  # no encoder

# Kinds of segments and dtypes of tensors, by their numbers in the file.
KINDS = {0: "text", 1: "latent", 2: "codes", 3: "features", 4: "encoded_image"}
DTYPES = {0: "u8", 1: "u16", 2: "u32", 3: "i32", 4: "fp16", 5: "bf16", 6: "fp32"}

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class LayoutSegment:
    """A segment of all records that have the layout."""

    kind: str | int  # "text", "latent", "codes", "features", "encoded_image" or a number
    loss: bool  # False: context, which no loss falls on
    n_alternatives: int = 0  # of a text; 0 for all others
    dtype: str | int | None = None  # of a tensor: "fp16", ... or a number
    dims: tuple[int, ...] = ()  # a latent's: (C, H, W)
    encoder: int | None = None  # position in the header's encoders
    n_bytes: int = 0  # of the tensor's values


@dataclass(frozen=True)
class Layout:
    """What records of one shape have in common."""

    segments: tuple[LayoutSegment, ...]

    @cached_property
    def n_alternatives(self) -> int:
        """Of all its text segments."""
        return sum(segment.n_alternatives for segment in self.segments)


@dataclass(frozen=True)
class Columns:
    """Arrays over a shard's n records, its a alternatives, and tables they point into.

    The alternatives of record i are alternative_start[i] to alternative_start[i + 1], in
    the order of its text segments."""

    names: list[str]  # NAMEs of units
    caption_names: list[str]
    layouts: list[Layout]
    name: U32  # (n) position in names
    index: U64  # (n) place in the unit
    block: U32  # (n)
    row: U32  # (n) row in the block
    layout: U32  # (n) position in layouts
    alternative_start: npt.NDArray[np.int64]  # (n + 1)
    alternative_name: U32  # (a) position in caption_names
    alternative_n_ids: U32  # (a) number of token ids; NO_IDS: not tokenized
    text_checksum: U64  # (n) XXH3-64 of everything but the tensors
    tensor_checksum: U64  # (n) XXH3-64 of the tensors' raw bytes
    block_start: npt.NDArray[np.int64]  # (blocks + 1) position of each block's row 0


@dataclass(frozen=True)
class Frames:
    """Arrays over the frames of a shard: each block's text frame, then its columns."""

    block: U32
    column: U32  # position in columns; NONE: the text frame
    offset: U64  # bytes from the file's start
    n_bytes: U32  # compressed
    raw_bytes: U32
    checksum: U64  # XXH3-64 of the compressed bytes
    columns: list[tuple[str | int, int | None, str | int]]  # (kind, encoder, dtype)


def _bad(what: str) -> _shard.ShardError:
    return _shard.ShardError(f"the index's {what} cannot be")


def split_table(table: bytes, what: str) -> list[bytes]:
    """u32 n, n lengths, the entries back to back. Raises ShardError."""
    if len(table) < 4:
        raise _bad(what)
    (n,) = struct.unpack_from("<I", table)
    if len(table) < 4 + 4 * n:
        raise _bad(what)
    ends = np.cumsum(np.frombuffer(table, "<u4", n, 4), dtype=np.int64) + 4 + 4 * n
    if (ends[-1] if n else 4) != len(table):
        raise _bad(what)
    starts = [4 + 4 * n, *ends[:-1].tolist()]
    return [table[start:end] for start, end in zip(starts, ends.tolist())]


def _layout_segment(data: bytes, at: int) -> tuple[LayoutSegment, int]:
    kind, flags = struct.unpack_from("<2I", data, at)
    if kind == 0:
        (n,) = struct.unpack_from("<I", data, at + 8)
        return LayoutSegment("text", flags == 1, n_alternatives=n), at + 12
    dtype, encoder, n_dims, n_bytes = struct.unpack_from("<3IQ", data, at + 8)
    if n_dims > 8:
        raise _bad("layout")
    dims = struct.unpack_from(f"<{n_dims}I", data, at + 28)
    segment = LayoutSegment(
        KINDS.get(kind, kind),
        flags == 1,
        dtype=DTYPES.get(dtype, dtype),
        dims=dims,
        encoder=None if encoder == NONE else encoder,
        n_bytes=n_bytes,
    )
    return segment, at + 28 + 4 * n_dims


def decode_layouts(table: bytes) -> list[Layout]:
    """A table of layouts. Raises ShardError."""
    return [_layout(entry) for entry in split_table(table, "layouts")]


def _layout(data: bytes) -> Layout:
    segments = []
    try:
        (n,) = struct.unpack_from("<I", data)
        at = 4
        for _ in range(n):
            segment, at = _layout_segment(data, at)
            segments.append(segment)
    except struct.error:
        raise _bad("layout") from None
    if at != len(data):
        raise _bad("layout")
    return Layout(tuple(segments))


def _strings(shard: _shard.Shard, column: int, what: str) -> list[str]:
    entries = split_table(bytes(shard.column(column)), what)
    return [entry.decode("utf-8", "surrogateescape") for entry in entries]


def _values(shard: _shard.Shard, column: int, dtype: str, n: int | None = None):
    values = np.frombuffer(memoryview(shard.column(column)), dtype)
    if n is not None and len(values) != n:
        raise _bad(f"column {column}")
    return values


def _positions(shard: _shard.Shard, column: int, table: list, n: int | None) -> U32:
    values = _values(shard, column, "<u4", n)
    if len(values) and int(values.max()) >= len(table):
        raise _bad(f"column {column}")
    return values


def starts_of(counts: npt.NDArray) -> npt.NDArray[np.int64]:
    """(n) counts -> (n + 1) where each begins, and the sum."""
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def read_columns(shard: _shard.Shard) -> Columns:
    """Everything of the index but keys and frames. Raises ShardError."""
    n = shard.n_records
    names = _strings(shard, 1, "table of NAMEs")
    caption_names = _strings(shard, 2, "table of captions' names")
    layouts = decode_layouts(bytes(shard.column(3)))
    layout = _positions(shard, 11, layouts, n)
    per_layout = np.array([one.n_alternatives for one in layouts], np.int64)
    alternative_start = starts_of(per_layout[layout] if n else np.zeros(0, np.int64))
    a = int(alternative_start[-1])
    block = _values(shard, 9, "<u4", n)
    return Columns(
        names=names,
        caption_names=caption_names,
        layouts=layouts,
        name=_positions(shard, 5, names, n),
        index=_values(shard, 6, "<u8", n),
        block=block,
        row=_values(shard, 10, "<u4", n),
        layout=layout,
        alternative_start=alternative_start,
        alternative_name=_positions(shard, 12, caption_names, a),
        alternative_n_ids=_values(shard, 13, "<u4", a),
        text_checksum=_values(shard, 14, "<u8", n),
        tensor_checksum=_values(shard, 15, "<u8", n),
        block_start=starts_of(np.bincount(block, minlength=shard.n_blocks)),
    )


def read_frames(shard: _shard.Shard) -> Frames:
    """Where every frame is. Raises ShardError."""
    columns = []
    for entry in split_table(bytes(shard.column(4)), "columns"):
        if len(entry) != 12:
            raise _bad("columns")
        kind, encoder, dtype = struct.unpack("<3I", entry)
        columns.append(
            (
                KINDS.get(kind, kind),
                None if encoder == NONE else encoder,
                DTYPES.get(dtype, dtype),
            )
        )
    return Frames(
        block=_values(shard, 16, "<u4"),
        column=_values(shard, 17, "<u4"),
        offset=_values(shard, 18, "<u8"),
        n_bytes=_values(shard, 19, "<u4"),
        raw_bytes=_values(shard, 20, "<u4"),
        checksum=_values(shard, 21, "<u8"),
        columns=columns,
    )


def read_keys(shard: _shard.Shard) -> list[str]:
    """The keys of all records, in order. Raises ShardError."""
    ends = np.cumsum(_values(shard, 7, "<u2", shard.n_records), dtype=np.int64).tolist()
    data = bytes(shard.column(8))
    if (ends[-1] if ends else 0) != len(data):
        raise _bad("keys")
    return [
        data[start:end].decode("utf-8", "surrogateescape")
        for start, end in zip([0, *ends], ends)
    ]
