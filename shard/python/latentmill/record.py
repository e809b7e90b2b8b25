# SPDX-License-Identifier: Apache-2.0
"""One training sample, decoded when it is looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _shard, patches
from .columns import DTYPES, FITS, KINDS, PARTS, part_name
from .options import one_of

if TYPE_CHECKING:
    from .reader import ShardReader

# numpy has no bf16: its bits as they are.
_TYPES = {"u8": "u1", "u16": "<u2", "u32": "<u4", "i32": "<i4", "fp16": "<f2", "bf16": "<u2",
          "fp32": "<f4"}
_NUMPY = {number: np.dtype(_TYPES[name]) for number, name in DTYPES.items() if name in _TYPES}
_BYTES = np.dtype("u1")
_U32 = np.dtype("<u4")
_new = tuple.__new__  # of a named tuple

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


class Alternative(NamedTuple):
    """One text of a text part: of a pair's, one caption."""

    name: str  # where it came from: "txt", "json.captions[2]"
    text: str | None  # None: of a later version's kind
    ids: npt.NDArray[np.uint32] | None  # (tokens), without markers; None: not tokenized
    kind: int = 0  # or a later version's
    content: bytes = b""  # of unknown kinds, as it is stored

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Alternative):
            return False
        ids, others = self.ids, other.ids
        same_ids = np.array_equal(ids, others) if ids is not None and others is not None \
            else ids is others
        return same_ids and _but_ids(self) == _but_ids(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(_but_ids(self))


def _but_ids(one: Alternative) -> tuple[str, str | None, int, bytes]:
    return one.name, one.text, one.kind, one.content


class _Lazy:
    """What stands in a row, made when it is looked at. Equal where all that it says is."""

    __slots__ = ("_at",)
    _fields: tuple[str, ...]
    _at: tuple[ShardReader, _shard.Block, int]  # and its row

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._fields)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Lazy) or type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self._fields)

    def __repr__(self) -> str:
        said = (f"{name}={value!r}" for name, value in zip(self._fields, self._values()))
        return f"{type(self).__name__}({', '.join(said)})"

    def _position(self) -> tuple[ShardReader, int]:
        reader, block, row = self._at
        return reader, block.first_record + row


class Tensor(_Lazy):
    """What an encoder made of a part. Its values are decompressed when they are asked for."""

    __slots__ = ("_part", "_stored")
    _fields = ("encoder", "kind", "output", "mirrored", "logvar", "dtype", "shape", "owner",
               "checksum")

    def __init__(self, at: tuple[ShardReader, _shard.Block, int], stored: _shard._Tensor, part: int):
        self._at = at
        self._stored = stored
        self._part = part

    def __hash__(self) -> int:
        return hash(self._values())

    def __reduce__(self) -> tuple[Any, ...]:
        number = next(i for i, one in enumerate(self._at[1].tensors(self._at[2], self._part))
                      if one == self._stored)
        return _tensor_at, (*self._position(), self._part, number)

    @property
    def encoder(self) -> str:
        """Its name in the header."""
        name: str = self._at[0].header["encoders"][self._stored[1]]["name"]
        return name

    @property
    def kind(self) -> str | int:
        """"latent", "codes", "features", "pixels", "ids", or a number."""
        return KINDS.get(self._stored[0], self._stored[0])

    @property
    def output(self) -> int:
        """Of the encoder's outputs, by number."""
        return self._stored[2]

    @property
    def mirrored(self) -> bool:
        """Of the mirrored rendition."""
        return self._stored[3]

    @property
    def logvar(self) -> bool:
        """A log-variance, not the mean."""
        return self._stored[4]

    @property
    def dtype(self) -> str | int:
        """"fp16", "bf16", ... or a number."""
        return DTYPES.get(self._stored[5], self._stored[5])

    @property
    def shape(self) -> tuple[int, ...]:
        return self._stored[6]

    @property
    def owner(self) -> int | None:
        """Of an image: position in its renditions; of a text: in its alternatives."""
        return self._stored[7]

    @property
    def checksum(self) -> int:
        """XXH3-64 of its values."""
        return self._stored[8]

    @property
    def array(self) -> npt.NDArray[Any]:
        """Its values, read-only; bf16 as uint16, a file or an unknown dtype as uint8 (bytes)."""
        _, _, _, _, _, dtype, dims, _, _, frame, offset, n_bytes = self._stored
        return tensor_view(self._at[1].tensor(frame), offset, n_bytes, dtype, dims)


class _Part(_Lazy):
    """A part of a record. It has no hash: its lists are the caller's."""

    # What is read often is a slot, not a property: that costs a call.
    __slots__ = ("_made", "_number", "_tensors", "loss", "role")
    _made: Any  # alternatives or renditions; None: not yet
    _number: int  # in the record
    _tensors: list[Tensor] | None
    loss: bool  # False: context
    role: str  # "": none

    def __reduce__(self) -> tuple[Any, ...]:
        return _part_at, (*self._position(), self._number)

    @property
    def tensors(self) -> list[Tensor]:
        tensors = self._tensors
        if tensors is None:
            at, part = self._at, self._number
            tensors = self._tensors = [Tensor(at, one, part)
                                       for one in at[1].tensors(at[2], part)]
        return tensors


class Text(_Part):
    __slots__ = ()
    _fields = ("kind", "loss", "role", "alternatives", "tensors")
    kind = "text"

    def __init__(self, at: tuple[ShardReader, _shard.Block, int], stored: Any):
        self._at = at
        self._made = self._tensors = None
        _, self.loss, self.role, self._number, _ = stored

    @property
    def alternatives(self) -> list[Alternative]:
        if self._made is None:
            _, block, row = self._at
            self._made = _alternatives(block, row, self._number)
        made: list[Any] = self._made
        return made


class Image(_Part):
    __slots__ = ("crop", "original_size", "sha256", "target_size")
    _fields = ("kind", "loss", "role", "original_size", "sha256", "renditions", "tensors")
    kind = "image"
    original_size: tuple[int, int]  # (width, height), oriented by EXIF
    sha256: bytes  # of the encoded source image, 32 bytes
    # Of its first rendition: (left, top, width, height) of the source, and (width, height)
    # that was encoded
    crop: tuple[int, int, int, int] | None
    target_size: tuple[int, int] | None

    def __init__(self, at: tuple[ShardReader, _shard.Block, int], stored: Any):
        self._at = at
        self._made = self._tensors = None
        (_, self.loss, self.role, self._number, self.original_size, self.sha256, self.crop,
         self.target_size) = stored

    @property
    def renditions(self) -> list[Rendition | OtherRendition]:
        if self._made is None:
            _, block, row = self._at
            self._made = [_rendition(one) for one in block.renditions(row, self._number)]
        made: list[Any] = self._made
        return made


class Other(_Part):
    """A part of data, or of a later version's kind."""

    __slots__ = ("content", "kind")
    _fields = ("kind", "loss", "role", "content", "tensors")
    kind: str | int  # "data", or a number
    content: bytes  # of unknown kinds, as it is stored

    def __init__(self, at: tuple[ShardReader, _shard.Block, int], stored: Any):
        self._at = at
        self._made = self._tensors = None
        kind, self.loss, self.role, self._number, self.content = stored
        self.kind = part_name(kind)


Part = Text | Image | Other
_PARTS: dict[int, Any] = {number: {"text": Text, "image": Image}.get(name, Other)
          for number, name in PARTS.items()}


def _alternatives(block: _shard.Block, *place: int) -> list[Alternative]:
    stored = block.alternatives(*place)
    ids = np.frombuffer(block.ids, _U32)  # of all rows
    return [
        _new(Alternative, (name, text, None if n is None else ids[first:first + n], kind, content))
        for name, text, first, n, kind, content in stored
    ]


class Record:
    """A record of a shard: its parts in their order. Nothing is decompressed before it is asked
    for; text and tensors of its block are decompressed apart from each other.

    Arrays are read-only views of the block, which lives as long as one of them does:
    copy what you keep for long. It pickles as the shard's path and its position.

    Whatever needs a damaged frame raises DamagedError."""

    __slots__ = ("_block", "_parts", "_place", "_reader", "_row", "_row_data", "position")

    position: int  # in the shard

    def __init__(
        self, reader: ShardReader, position: int, block: _shard.Block | None, row: int
    ):
        self._reader = reader
        self.position = position
        self._block = block
        self._row = row
        self._row_data: _shard._Row | None = None
        self._parts: list[Part] | None = None
        self._place: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _record_at, (self._reader, self.position)

    def __repr__(self) -> str:
        key, name, index = self._reader.shard.identify(self.position)
        return f"<Record {name} {key}, index {index}>"

    def _loaded(self) -> _shard.Block:
        block = self._block
        if block is None:
            block = self._block = self._reader.block_of(self.position)
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
    def arrangement(self) -> str:
        """"pair": one text and one image, "text": one text, or "other"; data is not counted."""
        return _shard.ARRANGEMENTS[self._data()[11]]

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

    def _all(self) -> list[Part]:
        parts = self._parts
        if parts is None:
            block = self._loaded()
            at, kinds = (self._reader, block, self._row), _PARTS
            parts = self._parts = [kinds.get(one[0], Other)(at, one)
                                   for one in block.parts(self._row)]
        return parts

    @property
    def parts(self) -> list[Part]:
        """All of it, in its order."""
        return self._all()[:]

    @property
    def images(self) -> list[Image]:
        """Its images."""
        return [part for part in self._all() if type(part) is Image]

    @property
    def texts(self) -> list[Text]:
        """Its texts."""
        return [part for part in self._all() if type(part) is Text]

    def tensor(self, encoder: str, output: int = 0, mirrored: bool = False, logvar: bool = False
               ) -> Tensor | None:
        """What the encoder of this name made of the first part that it made something of; None:
        of none."""
        wanted = (encoder, output, mirrored, logvar)
        for part in self._all():
            for one in part.tensors:
                if (one.encoder, one.output, one.mirrored, one.logvar) == wanted:
                    return one
        return None

    @property
    def captions(self) -> list[Alternative]:
        """The alternatives of its first text; [] where it has no text."""
        return _alternatives(self._loaded(), self._row)

    @property
    def caption(self) -> str | None:
        """The text of the caption drawn for epoch 0; None where it has no text, or that is of a
        later version's kind."""
        return self._data()[8]

    @property
    def ids(self) -> npt.NDArray[np.uint32] | None:
        """Token ids of the caption drawn for epoch 0, (tokens) uint32, without markers.

        None where it has no text or was not tokenized."""
        data = self._data()
        n = data[10]
        return None if n is None else np.frombuffer(self._loaded().ids, _U32, n, 4 * data[9])

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
        place = self._place
        if place is None:
            place = self._shown()
        return self._values(place)

    @property
    def logvar(self) -> npt.NDArray[Any] | None:
        """The log-variance that goes with latent, shaped as it. None where its encoder's
        moments are not "mean+logvar"."""
        return self._values(self._loaded().latent(self._row, True))

    @property
    def latent_dtype(self) -> str | int | None:
        """The dtype that latent is stored in: "fp16", "bf16" or "fp32"."""
        place = self._shown()
        return DTYPES.get(place[3], place[3]) if place else None

    def latent_float32(self, scaled: bool = True) -> npt.NDArray[np.float32] | None:
        """latent as (C, H, W) float32 of its own. scaled: (raw - shift) * scale, with its
        encoder's scale and shift."""
        raw, dtype = self.latent, self.latent_dtype
        if raw is None:
            return None
        if not scaled:
            return patches.to_float32(raw, dtype)
        return patches.scaled(raw, dtype, *self._reader.scale_and_shift(self._shown()[5]))

    def _shown(self) -> Any:
        """Where its latent is, as the block says; (): it has none."""
        place = self._place = self._place or self._loaded().latent(self._row) or ()
        return place

    def _values(self, place: Any) -> npt.NDArray[Any] | None:
        if not place:
            return None
        frame, offset, n_bytes, dtype, dims, _ = place
        return tensor_view(self._loaded().tensor(frame), offset, n_bytes, dtype, dims)


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
    if len(r) == 2:
        return OtherRendition(*r)
    mirrored, fit, target, crop, content = r
    return Rendition(FITS[fit], mirrored, target, crop, content)


def tensor_view(buffer: Any, offset: int, n_bytes: int, dtype: int, dims: tuple[int, ...]
                ) -> npt.NDArray[Any]:
    """Read-only values of a tensor in the buffer of its frame."""
    kind = _NUMPY.get(dtype)
    if kind is None:
        return np.frombuffer(buffer, _BYTES, n_bytes, offset)
    if n_bytes == 0:  # a buffer of nothing is refused
        return np.broadcast_to(kind.type(), dims)
    return np.frombuffer(buffer, kind, n_bytes // kind.itemsize, offset).reshape(dims)


def _record_at(reader: ShardReader, position: int) -> Record:
    return reader[position]


def _part_at(reader: ShardReader, position: int, number: int) -> Part:
    return reader[position].parts[number]


def _tensor_at(reader: ShardReader, position: int, part: int, number: int) -> Tensor:
    return reader[position].parts[part].tensors[number]
