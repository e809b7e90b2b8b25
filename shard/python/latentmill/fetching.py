# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a window: each block once, decompressed ahead in C threads."""
from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ._shard import Block, DamagedError, Prefetcher
from .columns import NO_IDS
from .documents import Documents, Shape
from .planning import Window
from .reader import DamageWarning
from .record import Record, tensor_view
from .sources import OpenShard, OpenSource


class Content(NamedTuple):
    """What a document is made of. Arrays may be views of a block."""
    shape: Shape
    texts: list[np.ndarray]    # ids of each text, the caption as far as it is used
    latents: list[np.ndarray]  # (C, H, W) raw, of each image
    identity: tuple[str, str]  # NAME, key


class Reading:
    """The documents of one window that somebody wants, block by block."""

    def __init__(self, documents: Documents, wanted: np.ndarray):
        self.documents = documents
        self.content: dict[int, Content | None] = {}
        self.pending: list[tuple[OpenSource, OpenShard, np.ndarray]] = []
        self._wanted = wanted

    def blocks(self, sources: Sequence[OpenSource]):
        """(shard, block) of each block with a wanted document, in the order of the files."""
        d, wanted = self.documents, self._wanted
        order = wanted[np.lexsort((d.position[wanted], d.shard[wanted], d.source[wanted]))]
        for part in _split(order, d.source[order], d.shard[order]):
            source = sources[int(d.source[part[0]])]
            shard = source.shard(int(d.shard[part[0]]))
            blocks = shard.reader.columns().block[d.position[part]]
            for same in _split(part, blocks):
                self.pending.append((source, shard, same))
                block = int(shard.reader.columns().block[d.position[same[0]]])
                yield shard, block, bool((~d.is_text[same]).any())


def _split(values: np.ndarray, *keys: np.ndarray) -> list[np.ndarray]:
    """Runs of values in which all keys stay the same."""
    changes = np.zeros(max(0, len(values) - 1), bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.split(values, np.flatnonzero(changes) + 1) if len(values) else []


class Fetcher:
    """Asks for windows in their order, and takes their blocks in that order."""

    def __init__(self, sources: Sequence[OpenSource], threads: int, max_bytes: int,
                 on_error: str):
        self._sources = sources
        self._prefetcher = Prefetcher(threads, max_bytes)
        self._skip = on_error == "skip"
        self._named: set[tuple[str, int, int]] = set()

    def close(self) -> None:
        self._prefetcher.close()

    def request(self, window: Window, wanted: np.ndarray) -> Reading:
        """wanted: int64, numbers of documents. Never waits."""
        reading = Reading(window.documents, wanted)
        for shard, block, tensors in reading.blocks(self._sources):
            self._prefetcher.submit(shard.reader.shard, block, tensors)
        reading.pending.reverse()
        return reading

    def take(self, reading: Reading, up_to: int) -> None:
        """Takes blocks until at most `up_to` are left. DamagedError unless skipped."""
        while len(reading.pending) > up_to:
            source, shard, which = reading.pending.pop()
            self._unpack(reading, source, shard, self._prefetcher.take(), which)

    def _unpack(self, reading: Reading, source: OpenSource, shard: OpenShard, block: Block,
                which: np.ndarray) -> None:
        d, first = reading.documents, block.first_record
        errors = bool(block.errors())
        share = len(which) / block.n_records
        for document in which.tolist():
            row = int(d.position[document]) - first
            if errors and not self._readable(block, row):
                reading.content[document] = None
                continue
            reading.content[document] = _content(d, document, source, shard, block, row,
                                                 copy=share < 0.5)

    def _readable(self, block: Block, row: int) -> bool:
        error = block.damage(row)
        if error is None:
            return True
        if not self._skip or not isinstance(error, DamagedError):
            raise error
        frame = error.shard, error.block, error.frame
        if frame not in self._named:
            self._named.add(frame)
            warnings.warn(f"{error}; skipped: {', '.join(error.keys)}", DamageWarning, 2)
        return False


def _content(d: Documents, document: int, source: OpenSource, shard: OpenShard, block: Block,
             row: int, copy: bool) -> Content:
    position = int(d.position[document])
    shape = shard.shapes[d.layout[document]]
    caption, n_caption = int(d.caption[document]), int(d.n_caption[document])
    key, name, _ = shard.reader.shard.identify(position)
    if source.view is not None and source.view.tokenizer is not None:
        record = Record(shard.reader, position, block, row)
        texts = source.view.tokens(record, caption)
        if texts and len(texts[0]) < n_caption:
            raise ValueError(f"{name} {key}: the tokenizer gives {len(texts[0])} tokens; the view "
                             f"has {n_caption}: build it again")
    else:
        texts = _stored_ids(shard, shape, block, position, caption)
    if texts:
        texts[0] = texts[0][:n_caption]
    latents = []
    for part in shape.images:
        column, offset, n_bytes, dtype, dims = block.latent(row, part.ordinal)
        latent = tensor_view(block.tensor(column), offset, n_bytes, dtype, dims)
        latents.append(latent.copy() if copy else latent)
    if copy:
        texts = [ids.copy() for ids in texts]
    return Content(shape, texts, latents, (name, key))


def _stored_ids(shard: OpenShard, shape: Shape, block: Block, position: int, caption: int
                ) -> list[np.ndarray]:
    """Ids of the caption and of the first alternative of each other text."""
    columns = shard.reader.columns()
    if shard.ids_start is None:
        n_ids = np.where(columns.alternative_n_ids == NO_IDS, 0, columns.alternative_n_ids)
        shard.ids_start = np.concatenate(([0], np.cumsum(n_ids, dtype=np.int64)))
    start = shard.ids_start
    alternative = int(columns.alternative_start[position])
    before = int(start[columns.alternative_start[block.first_record]])
    ids = np.frombuffer(block.ids, np.uint32)
    out = []
    for number, n in enumerate(shape.text_alternatives):
        one = alternative + (max(caption, 0) if number == 0 else 0)
        out.append(ids[start[one] - before:start[one + 1] - before])
        alternative += n
    return out
