# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a window: each block once, decompressed ahead in C threads."""
from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .._shard import Block, DamagedError, Prefetcher, ShardError
from ..columns import DTYPES, I32, I64, U32, Bools
from ..planning.windows import Window
from ..reader import Frame, name_damage
from ..record import Record, tensor_view
from ..sources.documents import PLAN, Documents
from ..sources.source import OpenShard, OpenSource
from ..views import View


class Content(NamedTuple):
    """What a document is. Latents may be views of a block."""
    shard: OpenShard
    tokens: I32
    loss: Bools                # the next token is a target with a loss
    # a span, its raw latent (C, H, W) and encoder
    images: list[tuple[tuple[Any, ...], npt.NDArray[Any], int]]
    dtype: str                 # of its latents
    identity: tuple[str, str]  # NAME, key


class Reading:
    """The documents of one window that somebody wants, block by block."""

    def __init__(self, documents: Documents, wanted: I64):
        self.documents = documents
        self.content: dict[int, Content | None] = {}
        self.pending: list[tuple[OpenSource, OpenShard, I64]] = []
        self._wanted = wanted

    def blocks(self, sources: Sequence[OpenSource]) -> Iterator[tuple[OpenShard, int, bool]]:
        """Each block with a wanted document, in the order of the files, and whether any of these
        has an image."""
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


def _split(values: I64, *keys: npt.NDArray[Any]) -> list[I64]:
    """Runs of values in which all keys stay the same."""
    changes = np.zeros(max(0, len(values) - 1), bool)
    for key in keys:
        changes |= key[1:] != key[:-1]
    return np.split(values, np.flatnonzero(changes) + 1) if len(values) else []


class Fetcher:
    """Asks for windows in their order, and takes their blocks in that order."""

    def __init__(self, sources: Sequence[OpenSource], threads: int, max_bytes: int,
                 on_error: str, named: set[Frame]):
        """named: the damaged frames that were named; kept, and added to."""
        self._sources = sources
        self._prefetcher = Prefetcher(threads, max_bytes)
        self._skip = on_error == "skip"
        self._named = named

    def close(self) -> None:
        """Drops what was asked for, and ends the threads."""
        self._prefetcher.close()

    def request(self, window: Window, wanted: I64) -> Reading:
        """wanted: numbers of documents. Never waits."""
        reading = Reading(window.documents, wanted)
        for shard, block, tensors in reading.blocks(self._sources):
            self._prefetcher.submit(shard.reader.shard, block, tensors, PLAN)
        reading.pending.reverse()
        return reading

    def take(self, reading: Reading, up_to: int) -> None:
        """Takes blocks until at most `up_to` are left. DamagedError unless skipped."""
        while len(reading.pending) > up_to:
            source, shard, which = reading.pending.pop()
            self._unpack(reading, source, shard, self._prefetcher.take(), which)

    def _unpack(self, reading: Reading, source: OpenSource, shard: OpenShard, block: Block,
                which: I64) -> None:
        rows = reading.documents.position[which] - block.first_record
        lost = block.text_error()
        if lost is not None:
            self._name(lost)
            reading.content.update((document, None) for document in which.tolist())
            return
        rows_of_block = _Rows(source, shard, block, self._name)
        contents = rows_of_block.contents(reading.documents.take(which), rows.tolist())
        reading.content.update(zip(which.tolist(), contents))

    def _name(self, error: Exception) -> None:
        name_damage(error, self._skip, self._named)


class _Rows:
    """The records of a decompressed block as contents of documents."""

    def __init__(self, source: OpenSource, shard: OpenShard, block: Block,
                 refuse: Callable[[Exception], None]):
        """refuse: takes what a document cannot be had for, and raises it unless that is skipped."""
        self._refuse = refuse
        self._view = source.view
        self._shard = shard
        self._block = block

    def contents(self, d: Documents, rows: list[int]) -> Iterator[Content | None]:
        """Of documents that stand in these rows; None: it needs a damaged frame."""
        if not rows:
            return
        # If few are wanted, they get arrays of their own, so that the block's memory can go.
        copy = len(rows) < 0.5 * self._block.n_records
        document, sequencer = self._block.document, self._shard.sequencer
        identify = self._shard.reader.shard.identify
        others, mirrored = self._other_choices(d), self._mirrored(d)
        for i, (row, position, caption, n_caption, caption_first, length, own) in enumerate(zip(
                rows, d.position.tolist(), d.caption.tolist(), d.n_caption.tolist(),
                d.caption_first.tolist(), d.length.tolist(), self._own_ids(d, rows))):
            drawn = (caption, *others[i]) if i in others else (caption,)
            key, name, _ = identify(position)
            images, dtype = [], 0
            try:
                tokens, loss, seen = document(row, sequencer, not caption_first, drawn, n_caption,
                                              mirrored[i] if mirrored else (), own)
                for span, (frame, offset, n_bytes, dtype, dims), encoder in seen:
                    latent = tensor_view(self._block.tensor(frame), offset, n_bytes, dtype, dims)
                    images.append((span, latent.copy() if copy else latent, encoder))
            except DamagedError as error:
                self._refuse(error)
                yield None
                continue
            except ValueError as error:
                raise ValueError(f"{self._shard.reader.path}: {name} {key}: {error}") from None
            if len(loss) != length:
                raise ShardError(f"{self._shard.reader.path}: {name} {key} has {len(loss)} "
                                 f"positions, not {length} as the index says")
            yield Content(self._shard, np.frombuffer(tokens, np.int32), np.frombuffer(loss, bool),
                          images, DTYPES[dtype], (name, key))

    def _own_ids(self, d: Documents, rows: list[int]) -> Iterator[Sequence[I32 | U32 | None]]:
        """Of each document the ids of its texts that are not the stored ones, by a view."""
        lengths, view = self._shard.texts, self._view
        own = lengths.own
        new: Iterator[Sequence[I32 | U32 | None]] = itertools.repeat(()) \
            if view is None or view.tokenizer is None else self._new_ids(view, d, rows)
        if own is None:
            yield from new
            return
        chosen = lengths.captions(d.position)[0] + np.maximum(d.caption, 0)
        for ids, is_own, alternative in zip(new, own.replaced[d.position].tolist(), chosen.tolist()):
            yield [own.of(alternative), *ids[1:]] if is_own else ids

    def _mirrored(self, d: Documents) -> list[list[bool]] | None:
        """Whether it is the mirrored rendition of each image that is seen, where there are both,
        by the document's place in d. None: there are none."""
        if self._shard.most_images == 0:
            return None
        mirrored = np.zeros((len(d), self._shard.most_images), bool)
        for number in np.unique(d.pass_number).tolist():
            which = np.flatnonzero(d.pass_number == number)
            for image in range(self._shard.most_images):
                mirrored[which, image] = self._shard.measure.mirrored(
                    self._shard.reader.shard, d.take(which), image)
        seen: list[list[bool]] = mirrored.tolist()
        return seen

    def _other_choices(self, d: Documents) -> dict[int, list[int]]:
        """By the document's place in d."""
        choices: dict[int, list[int]] = {}
        first = self._shard.texts.first
        several = first[d.position + 1] - first[d.position] > 1
        for number in np.unique(d.pass_number[several]).tolist():
            which = np.flatnonzero(d.pass_number == number)
            some = self._shard.measure.other_choices(self._shard.reader.shard,
                                                     self._shard.texts, d.take(which))
            choices.update((int(which[i]), chosen) for i, chosen in some.items())
        return choices

    def _new_ids(self, view: View, d: Documents, rows: list[int]) -> Iterator[list[I32]]:
        texts, own = self._shard.texts, self._shard.texts.own
        captions = d.caption if own is None else np.where(own.replaced[d.position], -1, d.caption)
        start, _ = texts.captions(d.position)
        choices = self._other_choices(d)
        for i, (row, position, caption) in enumerate(
                zip(rows, d.position.tolist(), captions.tolist())):
            record = Record(self._shard.reader, position, self._block, row)
            n_caption = texts.n_ids[start[i] + caption] if caption >= 0 else 0
            yield view.tokens(record, caption, n_caption, choices.get(i), int(d.n_others[i]))
