# SPDX-License-Identifier: Apache-2.0
"""Reads the documents of a window: each block once, decompressed ahead in C threads."""
from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ._shard import Block, DamagedError, Prefetcher, ShardError
from .documents import Documents, Shape
from .planning import Window
from .reader import DamageWarning, skipped_text
from .record import Record, tensor_view
from .sources import OpenShard, OpenSource
from .views import View

Frame = tuple[str, int, int]  # path of the shard, block, frame of it


class Content(NamedTuple):
    """What a document is made of. Arrays may be views of a block."""
    shard: OpenShard
    shape: Shape
    caption_first: bool
    length: int                # positions
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
                 on_error: str, named: set[Frame]):
        """named: the damaged frames that were named; kept, and added to."""
        self._sources = sources
        self._prefetcher = Prefetcher(threads, max_bytes)
        self._skip = on_error == "skip"
        self._named = named

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
        rows = reading.documents.position[which] - block.first_record
        if block.errors():
            readable = np.array([self._readable(block, row) for row in rows.tolist()], bool)
            reading.content.update((document, None) for document in which[~readable].tolist())
            which, rows = which[readable], rows[readable]
        rows_of_block = _Rows(source, shard, block)
        contents = rows_of_block.contents(reading.documents.take(which), rows.tolist())
        reading.content.update(zip(which.tolist(), contents))

    def _readable(self, block: Block, row: int) -> bool:
        error = block.damage(row)
        if error is None:
            return True
        if not self._skip or not isinstance(error, DamagedError):
            raise error
        frame = error.shard, error.block, error.frame
        if frame not in self._named:
            self._named.add(frame)
            warnings.warn(skipped_text(error), DamageWarning, 2)
        return False


class _Rows:
    """The records of a decompressed block as contents of documents."""

    def __init__(self, source: OpenSource, shard: OpenShard, block: Block):
        self._view = source.view
        self._shard = shard
        self._block = block

    def contents(self, d: Documents, rows: list[int]) -> Iterator[Content]:
        """Of documents that stand in these rows."""
        if not rows:
            return
        texts_of_all = self._ids(d, rows)
        # If few are wanted, they get arrays of their own, so that the block's memory can go.
        copy = len(rows) < 0.5 * self._block.n_records
        arrangements = self._shard.lengths.arrangement[d.position].tolist()
        mirrored = functools.cache(lambda image: self._mirrored(d, image))
        for i, (row, position, arrangement, n_caption, caption_first, length, texts) in enumerate(zip(
                rows, d.position.tolist(), arrangements, d.n_caption.tolist(),
                d.caption_first.tolist(), d.length.tolist(), texts_of_all)):
            parts, places = self._block.seen(row)
            shape = self._shard.shape_of(parts, arrangement)
            key, name, _ = self._shard.reader.shard.identify(position)
            if texts:
                texts[0] = texts[0][:n_caption]
            images = [(*place, part) for place, part in zip(places, parts) if place]
            latents = [self._latent(both[0] if both and mirrored(both[1])[i] else place, part)
                       for place, both, part in images]
            if copy:
                texts = [ids.copy() for ids in texts]
                latents = [latent.copy() for latent in latents]
            yield Content(self._shard, shape, caption_first, length, texts, latents, (name, key))

    def _latent(self, place: tuple[int, int, int], part: tuple) -> np.ndarray:
        frame, offset, n_bytes = place
        _, _, dtype, dims, _ = part
        return tensor_view(self._block.tensor(frame), offset, n_bytes, dtype, dims)

    # All three give, document by document, the ids of its caption and of its other texts. A
    # document without its caption gets any: as many as are used, none, are kept.

    def _ids(self, d: Documents, rows: list[int]) -> Iterator[list[np.ndarray]]:
        """Of a view where it has its own, else the stored ones."""
        lengths, view = self._shard.texts, self._view
        own = lengths.own
        replaced = None if own is None else own.replaced[d.position]
        stored = d.caption if replaced is None else np.where(replaced, -1, d.caption)
        texts_of_all = self._stored_ids(d, stored) if view is None or view.tokenizer is None else \
            self._new_ids(view, d, stored, rows)
        if own is None or replaced is None:
            yield from texts_of_all
            return
        chosen = lengths.captions(d.position)[0] + np.maximum(d.caption, 0)
        for texts, is_own, alternative in zip(texts_of_all, replaced.tolist(), chosen.tolist()):
            if is_own:
                texts[0] = own.of(alternative).astype(np.int32)
            yield texts

    def _mirrored(self, d: Documents, image: int) -> np.ndarray:
        """Whether it is the image's mirrored rendition that is seen, where there are both: bool,
        by the document's place in d."""
        mirrored = np.zeros(len(d.position), bool)
        for number in np.unique(d.pass_number).tolist():
            which = np.flatnonzero(d.pass_number == number)
            mirrored[which] = self._shard.measure.mirrored(self._shard.reader.shard, d.take(which), image)
        return mirrored

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

    def _new_ids(self, view: View, d: Documents, captions: np.ndarray, rows: list[int]
                 ) -> Iterator[list[np.ndarray]]:
        texts = self._shard.texts
        start, _ = texts.captions(d.position)
        choices = self._other_choices(d)
        for i, (row, position, caption) in enumerate(
                zip(rows, d.position.tolist(), captions.tolist())):
            record = Record(self._shard.reader, position, self._block, row)
            n_caption = texts.n_ids[start[i] + caption] if caption >= 0 else 0
            yield view.tokens(record, caption, n_caption, choices.get(i), int(d.n_others[i]))

    def _stored_ids(self, d: Documents, captions: np.ndarray) -> Iterator[list[np.ndarray]]:
        ids = np.frombuffer(memoryview(self._block.ids), np.int32)
        texts, start = self._shard.stored_texts, self._shard.ids_start
        block = self._block
        ends = texts.start[texts.first[[block.first_record, block.first_record + block.n_records]]]
        before, after = start[ends].tolist()
        if after - before != len(ids):
            raise ShardError(f"{self._shard.reader.path}: block {block.number} has "
                             f"{len(ids)} token ids, its index says {after - before}")
        choices = self._other_choices(d)
        text = texts.first[d.position]
        n_texts = (texts.first[d.position + 1] - text).tolist()
        chosen = texts.start[text] + np.maximum(captions, 0)
        begins = (start[chosen] - before).tolist()
        ends = (start[np.minimum(chosen + 1, len(start) - 1)] - before).tolist()
        for i, (n, begin, end) in enumerate(zip(n_texts, begins, ends)):
            found = [ids[begin:end]] if n else []
            for t in range(1, n):
                at = int(texts.start[text[i] + t]) + (choices[i][t - 1] if i in choices else 0)
                found.append(ids[start[at] - before:start[at + 1] - before])
            yield found
