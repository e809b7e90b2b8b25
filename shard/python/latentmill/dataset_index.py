# SPDX-License-Identifier: Apache-2.0
"""index.lmi: what a trainer must know of all shards of a data set before it opens one.

`latentmill index DIR` makes it.
"""

from __future__ import annotations

import json
import os
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _shard
from .columns import U32, U64, Column, column_of, starts_of
from .lazy import cached_property
from .reader import ShardReader


class DatasetIndex:
    """All shards of a data set, in order of NAME and part.

    path: the data set's folder, or its index.lmi. Opening reads a few hundred bytes; each
    array is read when it is asked for. Arrays have one value a shard where nothing else
    is said. FileNotFoundError where there is no index, ShardError where it is damaged.

    A Dataset needs records, fingerprints, configurations and columns. The sums are for you: what
    a data set holds before draws and options, as in index.tokens.sum() + index.cells.sum() // 2**2
    for tokens and, of one encoder of latents, positions of window 2.

    It pickles as its path, and refuses another index when it is unpickled."""

    def __init__(self, path: str | os.PathLike[str]):
        path = os.path.abspath(os.fspath(path))
        self.file = os.path.join(path, "index.lmi") if os.path.isdir(path) else path
        self.folder = os.path.dirname(self.file)
        if not os.path.exists(self.file):
            how = f"; make it with: latentmill index {path}" if os.path.isdir(path) else ""
            raise FileNotFoundError(f"{self.file}: no such file or folder{how}")
        self._index = _shard.DatasetFile(self.file)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.file, self.fingerprint)

    def __len__(self) -> int:
        return self._index.n_shards

    def __repr__(self) -> str:
        return f"DatasetIndex({self.file!r}): {len(self)} shards"

    @property
    def incomplete(self) -> bool:
        """It was made with --incomplete, of a set that lacked something."""
        return self._index.incomplete

    @cached_property
    def fingerprint(self) -> str:
        """XXH3-128 over the shards' paths and fingerprints, 32 hex digits. Checks the
        whole file."""
        return self._index.fingerprint().hex()

    def _values(self, column: str, dtype: str) -> npt.NDArray[Any]:
        return np.frombuffer(memoryview(self._index.column(column)), dtype)

    @cached_property
    def records(self) -> U32:
        """Number of records."""
        return self._values("records", "<u4")

    @cached_property
    def blocks(self) -> U32:
        """Number of blocks."""
        return self._values("blocks", "<u4")

    @cached_property
    def n_bytes(self) -> U64:
        """Size of the file."""
        return self._values("n_bytes", "<u8")

    @cached_property
    def fingerprints(self) -> npt.NDArray[np.uint8]:
        """(shards, 16) ShardReader.fingerprint as bytes."""
        return self._values("fingerprints", "u1").reshape(-1, 16)

    @cached_property
    def tokens(self) -> U64:
        """Text tokens without markers that one pass gives in the mean over the draws of
        captions, rounded per text part."""
        return self._values("tokens", "<u8")

    @cached_property
    def parts(self) -> U64:
        """Number of parts."""
        return self._values("parts", "<u8")

    @cached_property
    def images(self) -> U64:
        """Number of image parts."""
        return self._values("images", "<u8")

    @cached_property
    def configuration(self) -> U32:
        """Position in configurations."""
        configuration = self._values("configuration", "<u4")
        if (configuration >= len(self.configurations)).any():
            raise self._damaged("a shard has none of its configurations")
        return configuration

    @cached_property
    def configurations(self) -> list[dict[str, Any]]:
        """The shards' headers without what is one shard's own (name, part), each once:
        tokenizer, encoders, config and so on (FORMAT.md, section 2)."""
        return [self._header(entry) for entry in self._entries("configurations")]

    def _header(self, entry: bytes) -> dict[str, Any]:
        try:
            header: dict[str, Any] = json.loads(entry)
            _shard.default_encoder(json.dumps({"name": "", "part": 0, **header}))
        except (ValueError, TypeError, RecursionError, _shard.ShardError) as error:
            raise self._damaged(f"it has a configuration that is none ({error})") from None
        return header

    def _damaged(self, what: str) -> _shard.ShardError:
        return _shard.ShardError(f"{self.file} is damaged: {what}; run `latentmill index "
                                 f"{self.folder or '.'}` again")

    @cached_property
    def columns(self) -> list[Column]:
        """All columns that tensors of the data set stand in; a column's encoder is a position in
        the encoders of its shard's configuration."""
        return [column_of(*one) for one in self._index.columns()]

    @cached_property
    def column_start(self) -> npt.NDArray[np.int64]:
        """(shards + 1): shard i has column[s:e], with tensors[s:e] and so on, s =
        column_start[i], e = column_start[i + 1]."""
        return starts_of(self._values("n_columns", "<u4"))

    @cached_property
    def column(self) -> U32:
        """Per shard and column: position in columns."""
        column = self._values("column", "<u4")
        if len(column) != self.column_start[-1] or (column >= len(self.columns)).any():
            raise self._damaged("it does not say which columns its shards have")
        return column

    @cached_property
    def tensors(self) -> U64:
        """Per shard and column: number of tensors."""
        return self._values("tensors", "<u8")

    @cached_property
    def cells(self) -> U64:
        """Per shard and column: places of the tensors' grids (H * W): so many patches of window
        1, and cells / k**2 of window k."""
        return self._values("cells", "<u8")

    @cached_property
    def ids(self) -> U64:
        """Per shard and column: values of codes and ids."""
        return self._values("ids", "<u8")

    def _table(self, name: str) -> tuple[npt.NDArray[np.uint64], memoryview]:
        starts, entries = self._index.table(name)
        return np.frombuffer(memoryview(starts), "<u8"), memoryview(entries)

    def _entries(self, name: str) -> list[bytes]:
        starts, entries = self._table(name)
        return [bytes(entries[a:b]) for a, b in pairwise(starts.tolist())]

    @cached_property
    def _paths(self) -> tuple[npt.NDArray[np.uint64], memoryview]:
        return self._table("paths")

    def names(self) -> list[str]:
        """Paths of all shards, from the folder on."""
        return [_decoded(entry) for entry in self._entries("paths")]

    def name(self, i: int) -> str:
        """Path of shard i, from the folder on. IndexError."""
        if not 0 <= i < len(self):
            raise IndexError(f"{self.file} has {len(self)} shards, not a shard {i}")
        starts, entries = self._paths
        return _decoded(bytes(entries[starts[i]:starts[i + 1]]))

    def path(self, i: int) -> str:
        """Path of shard i."""
        return os.path.join(self.folder, self.name(i))

    def open(self, i: int, columns: str = "all", on_error: str = "raise") -> ShardReader:
        """A reader of shard i. FileNotFoundError where it is missing, ShardError where it
        is not the shard that was indexed."""
        reader = ShardReader(self.path(i), columns, on_error)
        if (
            reader.shard.n_bytes != self.n_bytes[i]
            or reader.fingerprint != self.fingerprints[i].tobytes().hex()
        ):
            raise _shard.ShardError(
                f"{reader.path} is not the shard that {self.file} tells of, which is older: "
                f"run `latentmill index {self.folder or '.'}` again"
            )
        if len(reader) != self.records[i]:
            raise self._damaged(f"it tells of {self.records[i]} records in {reader.path}, which has "
                                f"{len(reader)}")
        return reader

    def problems(self) -> list[str]:
        """A line for each shard that is missing or has another size now. Looks at every
        file, but opens none."""
        lines = []
        for i in range(len(self)):
            path = self.path(i)
            try:
                size = os.stat(path).st_size
            except OSError as error:
                lines.append(f"{path}: {error.strerror}")
                continue
            if size != self.n_bytes[i]:
                lines.append(f"{path} has {size} bytes, not {self.n_bytes[i]}")
        return lines


def _decoded(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")


def _reopen(file: str, fingerprint: str) -> DatasetIndex:
    index = DatasetIndex(file)
    if index.fingerprint != fingerprint:
        raise _shard.ShardError(f"{file} is not the index that was pickled any more")
    return index
