# SPDX-License-Identifier: Apache-2.0
"""Types of the C extension. Positions, rows and numbers of blocks count from 0."""

from collections.abc import Sequence
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

# (name, text, position of its first id in Block.ids, number of ids or None, kind, content): of an
# unknown kind content, and None for the text
_Alternative = tuple[str, str | None, int, int | None, int, bytes]
# (mirrored, fit, target (w, h), crop, content), of an unknown kind (kind, bytes)
_Rendition = tuple[Any, ...]
# (kind, encoder, output, mirrored, logvar, dtype, dims, owner, checksum, frame, offset in it, bytes);
# of an image the owner is one of its own renditions
_Tensor = tuple[
    int, int, int, bool, bool, int, tuple[int, ...], int | None, int, int, int, int
]
# (key, name, index, order, caption_drawn, text_checksum, tensor_checksum, metadata), and of the
# alternative drawn for epoch 0 the text, the position of its first id and their number
_Row = tuple[
    str, str, int, int, int, int, int, bytes | None, str | None, int, int | None, int
]
# (offset, length, part, kind, tensor, rows, columns, loss, visible, advance)
_Span = tuple[int, int, int, int, int, int, int, bool, bool, bool]

PARTS: dict[int, str]  # names of kinds of parts by their numbers in the file
FITS: dict[int, str]  # names of how a rendition was fitted
KINDS: dict[int, str]  # names of kinds of tensors by their numbers in the file
DTYPES: dict[int, str]  # names of dtypes
NO_IDS: int  # number of ids of a text that is not tokenized
NONE: int  # no owner; the column of a text frame
MAX_DIMS: int  # of a tensor
ARRANGEMENTS: tuple[str, ...]  # "other", "pair", "text": by the numbers of Shard.measure()
ITEMS: dict[str, int]  # "text", "image", "bos", ...: what a template of a Sequencer has

@final
class Plan:
    """What a sequence holds of a record: FORMAT.md, section 8, "Plans".

    json: None is Transfusion's. ValueError where it is no plan."""

    json: str  # canonical: the same plan, the same bytes; plans are equal where it is
    def __init__(self, json: str | None = None) -> None: ...

@final
class Sequencer:
    """How a reader sees records.

    window: of patches, 1, 2, 4 or 8. markers: (bos, eos, boi, eoi), ids or None, instead of the
    tokenizer's. templates: of pairs caption first, image first, and of texts: numbers of ITEMS
    and ids; an empty one: as the plan says."""

    def __init__(self, plan: Plan, window: int, markers: Sequence[int | None] | None = None,
                 templates: Sequence[Sequence[int]] | None = None) -> None: ...

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
    def encoder_array(
        self, encoder: int, name: str, output: int = 0, /
    ) -> tuple[tuple[int, ...], bytes] | None:
        """latentmill.ShardReader.encoder_array(): the dims and the values."""
    def columns(self) -> dict[str, Any]:
        """What the index says of records: latentmill.columns.read_columns()."""
    def frames(self) -> dict[str, Any]:
        """Where the frames are: latentmill.columns.read_frames()."""
    def keys(self) -> list[str]: ...
    def measure(self, sequencer: Sequencer, /) -> tuple[Buffer, Buffer, Buffer, Buffer, Buffer]:
        """Of each record, from the index: u8 its arrangement, u32 number of texts, u32 number
        of images with markers, u64 positions besides what is drawn of texts, caption first and image first.
        ValueError, which says of which record, where a window does not divide a latent, or the
        plan has no rule for a part."""
    def length(self, position: int, sequencer: Sequencer, order: int, drawn: Sequence[int], /
               ) -> int:
        """Positions of a record's sequence, from the index, by draws: a number a part."""
    def tally(self, sequencer: Sequencer, pieces: Any, first: Any, start: Any, n_ids: Any, stored: bool,
              seed: int, out: Any, /) -> None:
        """Fills out, int64 [n, 3], with positions with a loss, latents and their patches, of pieces
        of sequences, from the index. pieces: int64 [n, 7]: record, image first, ids of its first
        text, pass, copy, first position, length. first, start, n_ids: of Texts. stored: draws are
        epoch 0's."""
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
    ids: Any  # a Buffer, which numpy's stubs do not know: token ids of all rows' alternatives in their order, uint32
    def row(self, row: int, /) -> _Row: ...
    def parts(self, row: int, /) -> tuple[tuple[Any, ...], ...]:
        """(kind, loss, role, number) of each, and of an image (width, height), SHA-256, crop and
        target of its first rendition or None, of others what unknown kinds hold, as bytes."""
    def alternatives(self, row: int, part: int = ..., /) -> tuple[_Alternative, ...]:
        """Of a text, by default the first; of other parts ()."""
    def renditions(self, row: int, part: int, /) -> tuple[_Rendition, ...]:
        """What was made of an image; of other parts ()."""
    def tensors(self, row: int, part: int, /) -> list[_Tensor]:
        """What encoders made of a part, in the row's order."""
    def latent(
        self, row: int, logvar: bool = False, /
    ) -> tuple[int, int, int, int, tuple[int, ...], int] | None:
        """(frame, offset, bytes, dtype, dims, encoder) of the latent of the image that stands for
        the record, or of the log-variance that goes with it."""
    def sequence(
        self, row: int, sequencer: Sequencer, order: int, drawn: Any, /
    ) -> tuple[bytes, bytes, tuple[_Span, ...]]:
        """Tokens (uint32), loss (bytes of 0 and 1) and spans: FORMAT.md, section 8. order: 0
        caption first, 1 image first, -1 as stored. drawn: a number a part, or None: as stored."""
    def tensor(self, frame: int, /) -> Buffer:
        """All values of a tensor frame, little-endian. Outlives the block."""
    def errors(self) -> list[Exception]:
        """One for each frame that could not be read: DamagedError, ShardError or OSError."""
    def text_error(self) -> Exception | None:
        """Of the text frame: why no row can be read."""
    def damage(self, row: int, /) -> Exception | None:
        """Why this row cannot be read whole, as far as frames were loaded."""

@final
class Composed:
    """The sequences of a step, besides the arrays that compose() filled. Keeps its blocks."""

    n_images: int  # latents
    n_patches: int  # of all of them
    n_begins: int  # numbers that `begins` has
    problems: tuple[tuple[int, str, int, str], ...]
    """Pieces that cannot be composed: the piece, and "frame" with the number of a tensor frame that
    is not loaded, "length" with the one it has, or "invalid" with the reason. Where there are any,
    the arrays are not finished, and keys is None."""
    keys: list[list[tuple[str, str]]]  # of each sequence (NAME, key) of each document
    first: tuple[int, int] | None  # block and encoder of the first latent
    def spans(self, spans: Any, markers: Any, follows: Any, /) -> None:
        """Fills the first rows of int32 [n, 6]: sequence, offset, length, rows, columns, first
        patch; bool [n, 2]: BOI before it, EOI behind it; bool [n]: text with a loss behind it."""
    def dims(self) -> tuple[tuple[int, int, int], ...]: ...
    def patches(self, window: int, channel_first: bool, scale: Any, shift: Any, scale_window: int,
                out: Any, /) -> None:
        """patches() of all latents, with the GIL released. window: 0: as (C, H, W). Of a step that
        was sampled, of samples of their posteriors."""

@final
class DatasetFile:
    """An open index.lmi. Columns are read when they are asked for.

    Raises ShardError where the file is no such index, OSError where it cannot be read."""

    n_shards: int
    incomplete: bool
    def __init__(self, path: str | PathLike[str]) -> None: ...
    def column(self, name: str, /) -> Buffer: ...
    def columns(self) -> list[tuple[int, int, int, int, bool, bool]]:
        """(kind, encoder, dtype, output, mirrored, logvar) of each column."""
    def table(self, name: str, /) -> tuple[Buffer, Buffer]:
        """(starts, entries): entry i of a table is entries[starts[i]:starts[i + 1]], uint64."""
    def fingerprint(self) -> bytes: ...

@final
class Prefetcher:
    """Decompresses blocks ahead in C threads, without the GIL.

    threads: 1 to 1024. max_bytes: raw bytes that are in work or wait to be taken; one
    block alone may be larger. The threads start with the first block, and again in a
    child of fork(), which goes on with what was pending. One thread takes at a time."""

    def __init__(self, threads: int = 2, max_bytes: int = 268435456) -> None: ...
    def submit(self, shard: Shard, block: int, tensors: bool = True, plan: Plan = ...) -> None:
        """Asks for a block; never waits. `shard` is ShardReader.shard. plan: those tensors alone
        that it may show; by default all."""
    def take(self) -> Block:
        """The oldest block that was submitted and not taken, damaged or not.

        IndexError where nothing is pending."""
    def close(self) -> None:
        """Drops what is pending and joins the threads."""
    def __len__(self) -> int:
        """Blocks that are pending."""
    def __enter__(self) -> Prefetcher: ...
    def __exit__(self, *exc: object) -> None: ...

PIECE_ENTRIES: int  # of a row of compose()'s table: shard/python/native/compose.h

def compose(
    blocks: Sequence[Block], sequencers: Sequence[Sequencer], pieces: Any,
    own: Sequence[tuple[Any, ...]], n_sequences: int, tokens: Any, labels: Any, doc_ids: Any,
    position_ids: Any, source_ids: Any, image_ids: Any, begins: Any, collapsed: bool, stored: bool,
    sampled: bool, seed: int, /
) -> Composed:
    """Fills the arrays of a step, [n_sequences, L] int32 (labels int64), and begins, int32
    [pieces + n_sequences + 1], with the GIL released. pieces: int64 [n, PIECE_ENTRIES]. own: of
    documents, of each text its ids instead of the stored ones, a buffer of uint32, or None.
    collapsed: the patches of an image share a position id. stored: draws are epoch 0's. sampled:
    latents will be."""

def attention_mask(n_sequences: int, doc_ids: Any, image_ids: Any, mask: Any, /) -> None:
    """Sets what is true of a mask [n_sequences, L, L] of bytes, zeros before. Both ids: int32."""

def pack(lengths: Any, is_text: Any, capacity: int, /) -> tuple[Buffer, Buffer, Buffer, Buffer]:
    """latentmill.planning.packing.pack(): first, item, start, length, int64 each."""

def draw(
    shard: Shard, purpose: str, positions: Any, epoch: int, seed: int, out: Any, /
) -> None:
    """FORMAT.md, section 7: out[i] is u of the record at positions[i]. Both are buffers of
    8 bytes a record: int64, and uint64 to be written."""

def default_encoder(header_json: str, /) -> int | None:
    """What stands for an image where nobody names an encoder: its position in the header's."""

def caption_purpose(text: int, /) -> str:
    """What a record's text, by its number among them, is drawn by."""

def mirror_purpose(image: int, /) -> str:
    """The same of the mirroring of an image."""

def draw_keys(shard: Shard, purpose: str, out: Any, /) -> None: ...
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
    scale_window: int = 1,
    /,
) -> None:
    """Fills out, fp32, with (latent - shift) * scale of each latent, cut into patches. All
    are buffers; latents (C, H, W), scale and shift fp32 of 1, C or, by scale_window p, C p p
    values."""
