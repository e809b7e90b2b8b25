# SPDX-License-Identifier: Apache-2.0
"""Types of the C extension. Positions, rows and numbers of blocks count from 0."""

from os import PathLike
from typing import Any, final

__version__: str

class ShardError(Exception):
    """A file that is no shard, or one whose header or index is damaged."""

class DamagedError(ShardError):
    """A damaged frame: its samples are lost, all others of the shard are not."""

    shard: str  # the file's path
    block: int
    frame: int  # 0: the block's text frame; 1 + i: its tensor frame i
    keys: list[str]  # of all samples that are lost with it

@final
class Buffer:
    """Read-only bytes, for numpy.frombuffer() and memoryview()."""

    def __len__(self) -> int: ...
    def __buffer__(self, flags: int, /) -> memoryview: ...

# (name, text, position of its first id in Block.ids, number of ids or None)
_Alternative = tuple[str, str, int, int | None]
# (0, flags, alternatives)
_TextSegment = tuple[int, int, tuple[_Alternative, ...]]
# (kind, flags, dtype, dims, image, encoder, column, offset in it, bytes)
_TensorSegment = tuple[
    int, int, int, tuple[int, ...], int | None, int | None, int, int, int
]
# (original (w, h), crop (left, top, w, h), target (w, h), SHA-256)
_Image = tuple[tuple[int, int], tuple[int, int, int, int], tuple[int, int], bytes]
# (key, name, index, order, caption_drawn, text_checksum, tensor_checksum, metadata,
#  images, segments)
_Row = tuple[
    str,
    str,
    int,
    int,
    int,
    int,
    int,
    bytes | None,
    tuple[_Image, ...],
    tuple[_TextSegment | _TensorSegment, ...],
]

@final
class Shard:
    """A shard file, opened by its path whenever something of it is read. Everything but
    block() reads the index alone.

    Raises ShardError where the file is no shard or not the one that was opened, OSError
    where it cannot be read."""

    header_json: str
    n_records: int
    n_blocks: int
    n_bytes: int
    def __init__(self, path: str | PathLike[str]) -> None: ...
    def fingerprint(self) -> bytes: ...
    def column(self, id: int, /) -> Buffer: ...
    def find(self, key: str, name: str | None = None, /) -> int | None: ...
    def identify(self, position: int, /) -> tuple[str, str, int]: ...
    def locate(self, position: int, /) -> tuple[int, int]: ...
    def block(self, number: int, tensors: bool = True, /) -> Block: ...

@final
class Block:
    """A decompressed block. Made by Shard.block() and Prefetcher.take().

    A damaged frame is no error until something of it is asked for: then DamagedError, or
    ShardError where the file is not the one that was opened, or OSError where it cannot be
    read."""

    shard: Shard
    number: int  # of the block in its shard
    first_record: int  # position of row 0
    n_records: int
    ids: Buffer  # token ids of all rows' alternatives in their order, uint32
    def row(self, row: int, /) -> _Row: ...
    def latent(
        self, row: int, n: int = 0, /
    ) -> tuple[int, int, int, int, tuple[int, ...]] | None:
        """(column, offset, bytes, dtype, dims) of the row's n-th latent."""
    def tensor(self, column: int, /) -> Buffer:
        """All values of a column of tensors, little-endian. Outlives the block."""
    def load_tensors(self) -> None:
        """Decompresses them now, where the block was loaded without them."""
    def errors(self) -> list[Exception]:
        """One for each frame that could not be read: DamagedError, ShardError or OSError."""
    def damage(self, row: int, /) -> Exception | None:
        """Why this row cannot be read whole, as far as frames were loaded."""

@final
class DatasetFile:
    """An open index.lmi. Columns are read when they are asked for.

    Raises ShardError where the file is no such index, OSError where it cannot be read."""

    n_shards: int
    incomplete: bool
    def __init__(self, path: str | PathLike[str]) -> None: ...
    def column(self, id: int, /) -> Buffer: ...
    def fingerprint(self) -> bytes: ...

@final
class Prefetcher:
    """Decompresses blocks ahead in C threads, without the GIL.

    threads: 1 to 1024. max_bytes: raw bytes that are in work or wait to be taken; one
    block alone may be larger. The threads start with the first block, and again in a
    child of fork(), which goes on with what was pending. One thread takes at a time."""

    def __init__(self, threads: int = 2, max_bytes: int = 268435456) -> None: ...
    def submit(self, shard: Shard, block: int, tensors: bool = True) -> None:
        """Asks for a block; never waits. `shard` is ShardReader.shard."""
    def take(self) -> Block:
        """The oldest block that was submitted and not taken, damaged or not.

        IndexError where nothing is pending."""
    def close(self) -> None:
        """Drops what is pending and joins the threads."""
    def __len__(self) -> int:
        """Blocks that are pending."""
    def __enter__(self) -> Prefetcher: ...
    def __exit__(self, *exc: object) -> None: ...

def draw(
    shard: Shard, purpose: str, positions: Any, epoch: int, seed: int, out: Any, /
) -> None:
    """FORMAT.md, section 7: out[i] is u of the record at positions[i]. Both are buffers of
    8 bytes a record: int64, and uint64 to be written."""

def draw_one(purpose: str, name: str, key: str, epoch: int, seed: int, /) -> int:
    """u of one identity: FORMAT.md, section 7."""

def patches(
    latents: list[Any],
    dtype: int,
    window: int,
    channel_first: bool,
    scale: Any,
    shift: Any,
    out: Any,
    /,
) -> None:
    """Fills out, fp32, with (latent - shift) * scale of each latent, cut into patches. All
    are buffers; latents (C, H, W), scale and shift fp32 of 1 or C values."""
