# SPDX-License-Identifier: Apache-2.0
"""One training sample, decoded when it is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _shard, patches
from .columns import DTYPES, FITS, KINDS, PARTS, column_of, part_name
from .options import one_of

if TYPE_CHECKING:
    from .reader import ShardReader

# numpy has no bf16: its bits as they are.
_TYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "i32": "<i4", "fp16": "<f2", "bf16": "<u2",
          "fp32": "<f4"}
_NUMPY = {number: np.dtype(_TYPES[name]) for number, name in DTYPES.items() if name in _TYPES}
_BYTES = np.dtype("u1")
_U32 = np.dtype("<u4")
_TEXT = next(number for number, name in PARTS.items() if name == "text")

# What was made of a part: renditions with their numbers, and tensors.
_Made = tuple[list[tuple[int, "_shard._Rendition"]], list["_shard._Tensor"]]

ORDERS = ("caption_first", "image_first")


class Rendition(NamedTuple):
    """What was made of an image's pixels, to be encoded; sizes in pixels."""

    fit: str  # "crop", "pad" or "stretch"
    mirrored: bool  # left and right are swapped
    target_size: tuple[int, int]  # (width, height) that the encoder saw
    crop: tuple[int, int, int, int]  # (left, top, width, height) of the source
    content: tuple[int, int, int, int]  # the same of the target: what the crop fills


class OtherRendition(NamedTuple):
    """A rendition of a later version's kind."""

    kind: int
    content: bytes  # as it is stored


@dataclass(frozen=True)
class Tensor:
    """What an encoder made of a part. Its values are decompressed when they are asked for."""

    encoder: str  # its name in the header
    kind: str | int  # "latent", "codes", "features", "pixels", "ids", or a number
    output: int  # of the encoder's outputs, by number
    mirrored: bool  # of the mirrored rendition
    logvar: bool  # a log-variance, not the mean
    dtype: str | int  # "fp16", "bf16", ... or a number
    shape: tuple[int, ...]
    owner: int | None  # of an image: position in its renditions; of a text: in its alternatives
    checksum: int  # XXH3-64 of its values
    _load: Callable[[], _shard.Block] = field(repr=False, compare=False)
    _place: tuple[int, int, int, int] = field(repr=False, compare=False)

    @property
    def array(self) -> npt.NDArray[Any]:
        """Its values, read-only; bf16 as uint16, a file or an unknown dtype as uint8 (bytes)."""
        frame, offset, n_bytes, dtype = self._place
        block = self._load()  # of which this frame alone is unpacked
        return tensor_view(block.tensor(frame), offset, n_bytes, dtype, self.shape)


class Alternative(NamedTuple):
    """One text of a text part: of a pair's, one caption."""

    name: str  # where it came from: "txt", "json.captions[2]"
    text: str | None  # None: of a later version's kind
    ids: npt.NDArray[np.uint32] | None  # (tokens), without markers; None: not tokenized
    kind: int = 0  # or a later version's
    content: bytes = b""  # of unknown kinds, as it is stored


class Text(NamedTuple):
    kind: str  # "text"
    loss: bool  # False: context
    role: str  # "": none
    alternatives: list[Alternative]
    tensors: list[Tensor]


class Image(NamedTuple):
    kind: str  # "image"
    loss: bool  # False: context
    role: str  # "": none
    original_size: tuple[int, int]  # (width, height), oriented by EXIF
    sha256: bytes  # of the encoded source image, 32 bytes
    renditions: list[Rendition | OtherRendition]
    tensors: list[Tensor]

    @property
    def crop(self) -> tuple[int, int, int, int] | None:
        """Of its first rendition: (left, top, width, height) of the source."""
        return next((r.crop for r in self.renditions if isinstance(r, Rendition)), None)

    @property
    def target_size(self) -> tuple[int, int] | None:
        """Of its first rendition: (width, height) that was encoded."""
        return next((r.target_size for r in self.renditions if isinstance(r, Rendition)), None)


class Other(NamedTuple):
    """A part of data, or of a later version's kind."""

    kind: str | int  # "data", or a number
    loss: bool  # False: context
    role: str  # "": none
    content: bytes  # of unknown kinds, as it is stored
    tensors: list[Tensor]


Part = Text | Image | Other


class Record:
    """A record of a shard: its parts in their order. Nothing is decompressed before it is asked
    for; text and tensors of its block are decompressed apart from each other.

    Arrays are read-only views of the block, which lives as long as one of them does:
    copy what you keep for long. It pickles as the shard's path and its position.

    Whatever needs a damaged frame raises DamagedError."""

    __slots__ = ("_block", "_reader", "_row", "_row_data", "position")

    position: int  # in the shard

    def __init__(
        self, reader: ShardReader, position: int, block: _shard.Block | None, row: int
    ):
        self._reader = reader
        self.position = position
        self._block = block
        self._row = row
        self._row_data: _shard._Row | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _record_at, (self._reader, self.position)

    def __repr__(self) -> str:
        key, name, index = self._reader.shard.identify(self.position)
        return f"<Record {name} {key}, index {index}>"

    def _loaded(self, tensors: bool = False) -> _shard.Block:
        block = self._block
        if block is None:
            block = self._block = self._reader.block_of(self.position, tensors)
        return block

    def _data(self) -> _shard._Row:
        data = self._row_data
        if data is None:
            data = self._row_data = self._loaded().row(self._row)
        return data

    @property
    def key(self) -> str:
        """Unique in its unit."""
        return self._data()[0]

    @property
    def name(self) -> str:
        """NAME of the unit it came from."""
        return self._data()[1]

    @property
    def shard_fingerprint(self) -> str:
        """Of the shard it is in: ShardReader.fingerprint."""
        return self._reader.fingerprint

    @property
    def index(self) -> int:
        """Its place in the unit, rejected samples counted."""
        return self._data()[2]

    @property
    def order(self) -> str:
        """Drawn for epoch 0: "caption_first" or "image_first". It says nothing of no pair."""
        return ORDERS[self._data()[3]]

    @property
    def caption_drawn(self) -> int:
        """Drawn for epoch 0: position in captions."""
        return self._data()[4]

    @property
    def text_checksum(self) -> int:
        """XXH3-64 of its row without renditions and tensors: parts, metadata and so on."""
        return self._data()[5]

    @property
    def tensor_checksum(self) -> int:
        """XXH3-64 of the tensors and of what they are of."""
        return self._data()[6]

    @property
    def metadata(self) -> bytes | None:
        """The input's own JSON, byte for byte."""
        return self._data()[7]

    @property
    def metadata_json(self) -> Any:
        """The same, parsed; None where there is none. ValueError where it is no JSON."""
        data = self._data()[7]
        return None if data is None else json.loads(data)

    @property
    def parts(self) -> list[Part]:
        """All of it, in its order."""
        stored = self._data()[8]
        renditions, tensors = self._loaded().made(self._row)
        made: list[_Made] = [([], []) for _ in stored]
        for number, rendition in enumerate(renditions):
            made[rendition[1]][0].append((number, rendition))
        for tensor in tensors:
            made[tensor[1]][1].append(tensor)
        return [self._part(*part) for part in zip(stored, made, strict=True)]

    @property
    def images(self) -> list[Image]:
        """Its images."""
        return [part for part in self.parts if isinstance(part, Image)]

    @property
    def texts(self) -> list[Text]:
        """Its texts."""
        return [part for part in self.parts if isinstance(part, Text)]

    def _first_text(self) -> tuple[_shard._Alternative, ...] | None:
        for kind, _, _, held in self._data()[8]:
            if kind == _TEXT:
                alternatives: tuple[_shard._Alternative, ...] = held
                return alternatives
        return None

    @property
    def captions(self) -> list[Alternative]:
        """The alternatives of its first text; [] where it has no text."""
        return self._alternatives(self._first_text() or ())

    @property
    def caption(self) -> str | None:
        """The text of the caption drawn for epoch 0; None where it has no text, or that is of a
        later version's kind."""
        alternatives = self._first_text()
        if alternatives is None:
            return None
        text = alternatives[self._data()[4]][2]
        return text if isinstance(text, str) else None

    @property
    def ids(self) -> npt.NDArray[np.uint32] | None:
        """Token ids of the caption drawn for epoch 0, (tokens) uint32, without markers.

        None where it has no text or was not tokenized."""
        place = self._loaded().drawn_ids(self._row)
        return None if place is None else self._ids(*place)

    def sequence(self, plan: _shard.Plan | None = None, patch: int | None = None,
                 order: str | None = None, drawn: list[int] | None = None) -> Sequence:
        """What a trainer sees of it: FORMAT.md, section 8.

        plan: Transfusion's by default. patch: the window; by default the header's. order, drawn
        (a number a part: of a text its alternative, of an image 1 for its mirrored rendition):
        by default epoch 0's draws. ValueError where a part has no place in it, or the plan names an
        encoder that the header has not."""
        one_of("order", order, (None, *ORDERS))
        one_of("patch", patch, (None, 1, 2, 4, 8))
        number = -1 if order is None else ORDERS.index(order)
        tokens, loss, spans = self._loaded().sequence(
            self._row, _shard.Sequencer(plan or _shard.Plan(), patch or self._reader.header["patch"]),
            number, drawn)
        return Sequence(np.frombuffer(tokens, _U32), np.frombuffer(loss, bool), [
            Span(offset, length, part, KINDS.get(kind, "text"), tensor, rows, columns, *flags)
            for offset, length, part, kind, tensor, rows, columns, *flags in spans])

    @property
    def latent(self) -> npt.NDArray[Any] | None:
        """The latent of its first image that has one, raw: (C, H, W) float16 or float32; bfloat16
        as uint16 (see bf16_to_float32). By the header's first encoder of latents or codes: None
        where that makes codes, or nothing of this record."""
        return self._latent()

    @property
    def logvar(self) -> npt.NDArray[Any] | None:
        """The log-variance that goes with latent, shaped as it. None where its encoder's
        moments are not "mean+logvar"."""
        return self._latent(logvar=True)

    @property
    def latent_dtype(self) -> str | int | None:
        """The dtype that latent is stored in: "fp16", "bf16" or "fp32"."""
        place = self._loaded().latent(self._row)
        return None if place is None else DTYPES.get(place[3], place[3])

    def latent_float32(self, scaled: bool = True) -> npt.NDArray[np.float32] | None:
        """latent as (C, H, W) float32 of its own. scaled: (raw - shift) * scale, with its
        encoder's scale and shift."""
        raw, dtype = self.latent, self.latent_dtype
        if raw is None:
            return None
        if not scaled:
            return patches.to_float32(raw, dtype)
        place = self._loaded().latent(self._row)
        assert place is not None
        return patches.scaled(raw, dtype, *self._reader.scale_and_shift(place[5]))

    def _latent(self, logvar: bool = False) -> npt.NDArray[Any] | None:
        block = self._block
        if block is None:  # where there are latents alone, all of the block in one go
            block = self._loaded(tensors=len(self._reader.header["encoders"]) == 1)
        place = block.latent(self._row, logvar)
        if place is None:
            return None
        frame, offset, n_bytes, dtype, dims, _ = place
        return tensor_view(block.tensor(frame), offset, n_bytes, dtype, dims)

    def _ids(self, first: int, n: int) -> npt.NDArray[np.uint32]:
        return np.frombuffer(memoryview(self._loaded().ids), _U32, n, 4 * first)

    def _alternatives(self, alternatives: Iterable[Any]) -> list[Alternative]:
        return [
            Alternative(name, None if kind else held, None if n is None else self._ids(first, n),
                        kind, held if kind else b"")
            for kind, name, held, first, n in alternatives
        ]

    def _part(self, stored: _shard._Part, made: _Made) -> Part:
        kind, flags, role, held = stored
        loss = flags == _shard.FLAG_LOSS
        renditions, all_tensors = made
        first = renditions[0][0] if renditions else 0
        tensors = [self._tensor(t, first) for t in all_tensors]
        name = part_name(kind)
        if name == "text":
            return Text("text", loss, role, self._alternatives(held), tensors)
        if name == "image":
            size, sha256 = held
            return Image("image", loss, role, size, sha256,
                         [_rendition(r) for _, r in renditions], tensors)
        return Other(name, loss, role, held, tensors)

    def _tensor(self, t: _shard._Tensor, first_rendition: int) -> Tensor:
        kind, _, owner, encoder, slot, dtype, dims, frame, offset, n_bytes, checksum = t
        column = column_of(kind, encoder, dtype, slot)
        return Tensor(
            self._reader.header["encoders"][encoder]["name"], column.kind, column.output,
            column.mirrored, column.logvar, column.dtype, dims,
            None if owner is None else owner - first_rendition, checksum, self._loaded,
            (frame, offset, n_bytes, dtype))


class Span(NamedTuple):
    """One appearance of a part in a sequence, without its markers."""

    offset: int  # of its first position
    length: int
    part: int  # position in the record's parts
    kind: str  # of its tensor; "text": a text's own ids
    tensor: int  # position in the record's tensors; of a text, of its alternative
    rows: int
    columns: int
    loss: bool
    visible: bool
    advance: bool


class Sequence(NamedTuple):
    """A record as a trainer sees it."""

    tokens: npt.NDArray[np.uint32]  # (length); 0 where a position is no token
    loss: npt.NDArray[np.bool_]  # (length): the next token is a target with a loss
    spans: list[Span]


def _rendition(r: _shard._Rendition) -> Rendition | OtherRendition:
    if len(r) == 3:
        return OtherRendition(r[0], r[2])
    _, _, mirrored, fit, target, crop, content = r
    return Rendition(FITS[fit], mirrored, target, crop, content)


def tensor_view(buffer: Any, offset: int, n_bytes: int, dtype: int, dims: tuple[int, ...]
                ) -> npt.NDArray[Any]:
    """Read-only values of a tensor in the Buffer of its frame."""
    kind = _NUMPY.get(dtype)
    if kind is None:
        return np.frombuffer(buffer, _BYTES, n_bytes, offset)
    if n_bytes == 0:  # a buffer of nothing is refused
        return np.broadcast_to(kind.type(), dims)
    return np.frombuffer(buffer, kind, n_bytes // kind.itemsize, offset).reshape(dims)


def _record_at(reader: ShardReader, position: int) -> Record:
    return reader[position]
