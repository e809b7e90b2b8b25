# SPDX-License-Identifier: Apache-2.0
"""One training sample, decoded when it is looked at."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _shard, patches
from .columns import DTYPES, KINDS

if TYPE_CHECKING:
    from .reader import ShardReader

# numpy has no bf16: its bits as they are.
_NUMPY = dict(zip(DTYPES, map(np.dtype, ("u1", "<u2", "<u4", "<i4", "<f2", "<u2", "<f4"))))
_BYTES = np.dtype("u1")
_U32 = np.dtype("<u4")
_TEXT, _LATENT = 0, 1

ORDERS = ("caption_first", "image_first")


class Image(NamedTuple):
    """Where a latent's pixels came from; sizes in pixels, oriented by EXIF."""

    original_size: tuple[int, int]  # (width, height)
    crop: tuple[int, int, int, int]  # (left, top, width, height) of the original
    target_size: tuple[int, int]  # (width, height) that was encoded
    sha256: bytes  # of the encoded source image, 32 bytes


class Alternative(NamedTuple):
    """One text of a text segment: of a pair's, one caption."""

    name: str  # where it came from: "txt", "json.captions[2]"
    text: str
    ids: npt.NDArray[np.uint32] | None  # (tokens), without markers; None: not tokenized


class TextSegment(NamedTuple):
    kind: str  # "text"
    loss: bool  # False: context
    alternatives: list[Alternative]


class TensorSegment(NamedTuple):
    kind: str | int  # "latent", "codes", "features", "encoded_image", or a number
    loss: bool  # False: context
    dtype: str | int  # "fp16", "bf16", ... or a number
    array: npt.NDArray[Any]  # read-only; bf16 as uint16, an unknown dtype as uint8 (bytes)
    image: int | None  # position in the record's images
    encoder: int | None  # position in the header's encoders


Segment = TextSegment | TensorSegment


class Record:
    """A record of a shard. Nothing is decompressed before it is asked for; text and
    latents of its block are decompressed apart from each other.

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
        self._row_data: Any = None

    def __reduce__(self):
        return _record_at, (self._reader, self.position)

    def __repr__(self) -> str:
        key, name, index = self._reader.shard.identify(self.position)
        return f"<Record {name} {key}, index {index}>"

    def _loaded(self, tensors: bool = False) -> _shard.Block:
        block = self._block
        if block is None:
            block = self._block = self._reader._block_of(self.position, tensors)
        return block

    def _data(self):
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
        """Drawn for epoch 0: "caption_first" or "image_first"."""
        return ORDERS[self._data()[3]]

    @property
    def caption_drawn(self) -> int:
        """Drawn for epoch 0: position in captions."""
        return self._data()[4]

    @property
    def text_checksum(self) -> int:
        """XXH3-64 of everything but the tensors."""
        return self._data()[5]

    @property
    def tensor_checksum(self) -> int:
        """XXH3-64 of the tensors' raw bytes."""
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
    def images(self) -> list[Image]:
        """The source images of its latents."""
        return [Image(*image) for image in self._data()[8]]

    @property
    def captions(self) -> list[Alternative]:
        """The alternatives of its first text segment; [] where it has no text."""
        for segment in self._data()[9]:
            if segment[0] == _TEXT:
                return self._alternatives(segment)
        return []

    @property
    def caption(self) -> str | None:
        """The text of the caption drawn for epoch 0; None where it has no text."""
        data = self._data()
        for segment in data[9]:
            if segment[0] == _TEXT:
                return segment[2][data[4]][1]
        return None

    @property
    def ids(self) -> npt.NDArray[np.uint32] | None:
        """Token ids of the caption drawn for epoch 0, (tokens) uint32, without markers.

        None where it has no text or was not tokenized."""
        data = self._data()
        for segment in data[9]:
            if segment[0] == _TEXT:
                _, _, first, n = segment[2][data[4]]
                return None if n is None else self._ids(first, n)
        return None

    @property
    def texts(self) -> list[TextSegment]:
        """Its text segments. Does not need the latents."""
        return [
            TextSegment("text", segment[1] == 1, self._alternatives(segment))
            for segment in self._data()[9]
            if segment[0] == _TEXT
        ]

    @property
    def segments(self) -> list[Segment]:
        """All of it in its order. Needs the latents."""
        return [self._segment(segment) for segment in self._data()[9]]

    @property
    def latent(self) -> npt.NDArray[Any] | None:
        """Its first latent, raw: (C, H, W) float16 or float32; bfloat16 as uint16 (see
        bf16_to_float32). None where it has none."""
        return self._latent(0)

    @property
    def logvar(self) -> npt.NDArray[Any] | None:
        """The log-variance that goes with latent, shaped as it. None where its encoder's
        moments are not "mean+logvar"."""
        latents = [s for s in self._data()[9] if s[0] == _LATENT]
        if not latents or latents[0][5] is None:
            return None
        encoder = self._reader.header["encoders"][latents[0][5]]
        return self._latent(1) if encoder["moments"] == "mean+logvar" else None

    @property
    def latent_dtype(self) -> str | None:
        """The dtype that latent is stored in: "fp16", "bf16" or "fp32"."""
        place = self._loaded().latent(self._row)
        return None if place is None else DTYPES[place[3]]

    def latent_float32(self, scaled: bool = True) -> npt.NDArray[np.float32] | None:
        """latent as (C, H, W) float32 of its own. scaled: (raw - shift) * scale, with its
        encoder's scale and shift, one value or one a channel."""
        raw = self.latent
        if raw is None:
            return None
        if not scaled:
            return patches.to_float32(raw, self.latent_dtype)
        first = next(s for s in self._data()[9] if s[0] == _LATENT)
        scale, shift = self._reader.scale_and_shift(first[5])
        if len(scale) not in (1, len(raw)):
            raise _shard.ShardError(
                f"{self._reader.path}: encoder {first[5]} has {len(scale)} scales for"
                f" latents of {len(raw)} channels"
            )
        return patches.scaled(raw, self.latent_dtype, scale, shift)

    def _ids(self, first: int, n: int) -> npt.NDArray[np.uint32]:
        return np.frombuffer(memoryview(self._loaded().ids), _U32, n, 4 * first)

    def _alternatives(self, segment) -> list[Alternative]:
        return [
            Alternative(name, text, None if n is None else self._ids(first, n))
            for name, text, first, n in segment[2]
        ]

    def _latent(self, n: int) -> npt.NDArray[Any] | None:
        block = self._loaded(tensors=True)
        place = block.latent(self._row, n)
        if place is None:
            return None
        column, offset, n_bytes, dtype, dims = place
        return tensor_view(block.tensor(column), offset, n_bytes, dtype, dims)

    def _segment(self, segment) -> Segment:
        if segment[0] == _TEXT:
            return TextSegment("text", segment[1] == 1, self._alternatives(segment))
        kind, flags, dtype, dims, image, encoder, column, offset, n_bytes = segment
        return TensorSegment(
            KINDS.get(kind, kind),
            flags == 1,
            DTYPES.get(dtype, dtype),
            tensor_view(self._loaded().tensor(column), offset, n_bytes, dtype, dims),
            image,
            encoder,
        )


def tensor_view(buffer, offset: int, n_bytes: int, dtype: int, dims: tuple[int, ...]):
    """Read-only values of a tensor in the buffer of its column."""
    kind = _NUMPY.get(dtype)
    if kind is None:
        return np.frombuffer(buffer, _BYTES, n_bytes, offset)
    if n_bytes == 0:  # a buffer of nothing is refused
        return np.broadcast_to(kind.type(), dims)
    return np.frombuffer(buffer, kind, n_bytes // kind.itemsize, offset).reshape(dims)


def _record_at(reader: ShardReader, position: int) -> Record:
    return reader[position]
