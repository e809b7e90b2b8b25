# SPDX-License-Identifier: Apache-2.0
"""Records -> documents: which caption and order each gets, and how many positions it takes.

All of it comes from a shard's index (or from a view's file that stands in for it) and from
hashes of (seed, epoch, identity); no block is read. A document is one record as a trainer
sees it once: `BOS caption BOI patch*n EOI EOS` and so on (shard/FORMAT.md, section 8)."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .. import _shard
from ..columns import F64, I64, NO_IDS, U32, U64, Bools, Columns, starts_of
from .draws import ORDER, copied, draw, mirrors, pick, share
from ..lazy import cached_property
from ..options import Options
from ..reader import ShardReader

PLAN = _shard.Plan()  # of all data sets: Transfusion's
ARRANGEMENTS = _shard.ARRANGEMENTS  # of a record's parts: "other", "pair", "text"


@dataclass(frozen=True)
class Lengths:
    """What the index says of the sequences of a shard's n records, whatever is drawn."""
    arrangement: npt.NDArray[np.uint8]  # position in ARRANGEMENTS: of what is seen
    n_texts: I64
    n_images: I64       # that are seen
    caption_first: I64  # positions without those of texts
    image_first: I64    # the same; of other records than pairs it is equal

    @cached_property
    def pair(self) -> Bools:
        """Which records are a pair. [n]"""
        pair: Bools = self.arrangement == ARRANGEMENTS.index("pair")
        return pair


def lengths_of(reader: ShardReader, sequencer: _shard.Sequencer) -> Lengths:
    """ValueError where its window does not divide a latent, or a part has no place in a
    sequence."""
    try:
        arrangement, n_texts, n_images, caption_first, image_first = (
            memoryview(values) for values in reader.shard.measure(sequencer))
    except ValueError as error:
        raise ValueError(f"{reader.path}: {error}") from None
    return Lengths(np.frombuffer(arrangement, "u1"),
                   np.frombuffer(n_texts, "<u4").astype(np.int64),
                   np.frombuffer(n_images, "<u4").astype(np.int64),
                   np.frombuffer(caption_first, "<i8"), np.frombuffer(image_first, "<i8"))


@dataclass(frozen=True)
class OwnIds:
    """Ids of captions that a view has instead of a shard's stored ones."""
    replaced: Bools  # [n]: the record has these
    start: I64       # [alternatives + 1], in ids
    ids: U32

    def of(self, alternative: int) -> U32:
        """The ids of one: a view of ids. [tokens]"""
        return self.ids[self.start[alternative]:self.start[alternative + 1]]


@dataclass(frozen=True)
class Texts:
    """Lengths of the texts of a shard's n records: from its index, or from a view.

    The texts of record i are first[i] .. first[i + 1] - 1 of those over texts; the alternatives
    of text j are start[j] .. start[j + 1] - 1 of those over alternatives."""
    first: I64  # [n + 1]
    start: I64  # [texts + 1]
    n_ids: U32  # [alternatives]; NO_IDS: not tokenized
    name: U32   # [alternatives], position in names
    names: list[str]
    weight: F64 | None = None  # [n], times a record occurs in a pass
    own: OwnIds | None = None

    @cached_property
    def count(self) -> I64:
        """Alternatives of each text. [texts]"""
        return np.diff(self.start)

    def captions(self, positions: I64) -> tuple[I64, I64]:
        """Of the first text of each record its first alternative and how many there are, 0 where
        it has no text."""
        text = self.first[positions]
        exists = text < self.first[positions + 1]
        text = np.where(exists, text, 0)
        if len(self.count) == 0:
            return np.zeros(len(positions), np.int64), np.zeros(len(positions), np.int64)
        return self.start[text], np.where(exists, self.count[text], 0)


def texts_of(columns: Columns) -> Texts:
    """Those that a shard's index tells of."""
    is_text = np.array([one.kind == "text" for one in columns.types] or [False])[columns.type]
    before = starts_of(is_text)
    texts = np.flatnonzero(is_text)
    start = np.append(columns.alternative_start[texts], columns.alternative_start[-1])
    return Texts(before[columns.part_start], start, columns.alternative_n_ids,
                 columns.alternative_name, columns.caption_names)


@dataclass
class Documents:
    """Parallel arrays over documents; `order` and `caption` are draws."""
    source: I64       # which of the mixture's sources
    shard: I64        # which of the source's shards
    position: I64     # of the record in its shard
    pass_number: I64  # how often the source began anew before
    copy: I64         # 0, or which repetition by a view's weight
    n_others: I64     # tokens of all texts but the first
    caption_first: Bools
    caption: I64      # which of the captions; -1: none
    n_caption: I64    # its tokens, as far as they are used
    length: I64       # positions
    is_text: Bools    # has no image

    def __len__(self) -> int:
        return len(self.length)

    def take(self, which: I64) -> Documents:
        """Those at these places, copied."""
        return Documents(*(array[which] for array in vars(self).values()))

    @staticmethod
    def join(parts: list[Documents]) -> Documents:
        """All of them, one part behind the other."""
        if not parts:
            return Documents(*(np.zeros(0, np.int64),) * 6, np.zeros(0, bool),
                             *(np.zeros(0, np.int64),) * 3, np.zeros(0, bool))
        return Documents(*(np.concatenate(columns)
                           for columns in zip(*(vars(part).values() for part in parts))))


class Markers(NamedTuple):
    """Token ids; None: the model has none, and it is left out."""
    bos: int | None
    eos: int | None
    boi: int
    eoi: int


class Measure:
    """Measures documents of one shard under one configuration."""

    def __init__(self, options: Options, header: dict[str, Any]):
        self._options = options
        self._header = header
        p = options.caption_first
        self._caption_first: float = \
            header["caption_first"] if p is None else p

    def documents(self, shard: _shard.Shard, texts: Texts, lengths: Lengths, positions: I64,
                  pass_number: int) -> Documents:
        """The documents of records `positions` in a pass over their source. shard: for draws."""
        d = Drawing(self._options, self._header, shard, pass_number)
        positions, copies = d.repeat(positions, texts)
        pair = lengths.pair[positions]
        no_text = lengths.n_texts[positions] == 0
        caption, n_caption, keep = d.captions(positions, copies, texts, pair)
        n_caption = np.where(no_text, 0, n_caption)
        first = d.orders(positions, copies, pair, self._caption_first)
        n_others = d.others(positions, copies, texts)[1]
        fixed = np.where(first, lengths.caption_first[positions], lengths.image_first[positions])
        length = fixed + n_caption + n_others
        n = len(positions)
        whole = Documents(
            np.zeros(n, np.int64), np.zeros(n, np.int64), positions,
            np.full(n, pass_number, np.int64), copies, n_others, first,
            np.where(no_text, -1, caption), n_caption, length,
            lengths.n_images[positions] == 0)
        return whole.take(np.flatnonzero(keep & (length > 0)))

    def other_choices(self, shard: _shard.Shard, texts: Texts, d: Documents
                      ) -> dict[int, list[int]]:
        """Of documents of one shard and pass with several texts, by their place in d: which
        alternative of each text but the first is seen."""
        drawing = Drawing(self._options, self._header, shard, int(d.pass_number[0]))
        return drawing.others(d.position, d.copy, texts)[0]

    def mirrored(self, shard: _shard.Shard, d: Documents, image: int) -> Bools:
        """Of documents of one shard and pass: whether the mirrored rendition of image part `image`
        is seen where there are both. [n]"""
        drawing = Drawing(self._options, self._header, shard, int(d.pass_number[0]))
        return drawing.mirrored(d.position, d.copy, image)


class Drawing:
    """Draws for records of one shard in one pass; a repetition of a record draws anew.

    What is stored in a record are the draws of epoch 0 by the header's seed."""

    def __init__(self, options: Options, header: dict[str, Any], shard: _shard.Shard,
                 pass_number: int):
        self._options = options
        self._header = header
        self._shard = shard
        self._pass = pass_number

    def _stored(self, purpose: str, positions: I64) -> U64:
        return draw(self._shard, purpose, positions, 0, self._header["seed"])

    def _draw(self, purpose: str, positions: I64, copies: I64) -> U64:
        u = draw(self._shard, purpose, positions, self._pass, self._options.seed)
        for copy in np.unique(copies[copies > 0]):
            which = np.flatnonzero(copies == copy)
            u[which] = draw(self._shard, copied(purpose, int(copy)), positions[which], self._pass,
                            self._options.seed)
        return u

    def repeat(self, positions: I64, texts: Texts) -> tuple[I64, I64]:
        """Positions as often as their weights say, and which repetition each is."""
        if texts.weight is None:
            return positions, np.zeros(len(positions), np.int64)
        weight = texts.weight[positions]
        whole = np.floor(weight)
        times = whole.astype(np.int64)
        u = draw(self._shard, "weight", positions, self._pass, self._options.seed)
        times += share(u, weight - whole)
        copies = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        return np.repeat(positions, times), copies

    def orders(self, positions: I64, copies: I64, pair: Bools, caption_first: float) -> Bools:
        """Whether the caption is first; always so of what is no pair."""
        if self._options.order == "stored":
            u = self._stored(ORDER, positions)
        else:
            u = self._draw(ORDER, positions, copies)
        return ~pair | share(u, caption_first)

    def captions(self, positions: I64, copies: I64, texts: Texts, pair: Bools
                 ) -> tuple[I64, I64, Bools]:
        """Which caption, its tokens as far as they are used, and which records are kept."""
        o = self._options
        u = self._caption_draw(_shard.caption_purpose(0), positions, copies)
        if isinstance(o.captions, Mapping):
            caption = _choose(u, self._shares(positions, texts))
        else:
            count = np.maximum(texts.captions(positions)[1], 1)
            caption = pick(u, count.astype(np.uint64)).astype(np.int64)
        n_caption = _ids(texts, positions, caption)
        keep = np.ones(len(positions), bool)
        long = pair & (n_caption > o.max_caption_tokens) \
            if o.max_caption_tokens is not None else np.zeros(len(pair), bool)
        if o.long_captions == "drop":
            keep = ~long
        elif o.long_captions == "other_caption" and o.max_caption_tokens is not None and long.any():
            which = np.flatnonzero(long)
            u = self._caption_draw("caption+other", positions[which], copies[which])
            caption[which] = self._fitting(u, positions[which], texts, o.max_caption_tokens)
            n_caption = _ids(texts, positions, caption)
        if o.max_caption_tokens is not None:
            n_caption = np.where(pair, np.minimum(n_caption, o.max_caption_tokens), n_caption)
        if o.caption_dropout > 0:
            u = self._draw("dropout", positions, copies)
            dropped = pair & share(u, o.caption_dropout)
            caption, n_caption = np.where(dropped, -1, caption), np.where(dropped, 0, n_caption)
        return caption, n_caption, keep

    def others(self, positions: I64, copies: I64, texts: Texts
               ) -> tuple[dict[int, list[int]], I64]:
        """Of records with several texts, by their place in positions: which alternative of each
        but the first. And how many ids these have, of all positions."""
        n_texts = texts.first[positions + 1] - texts.first[positions]
        n_ids = np.zeros(len(positions), np.int64)
        choices: dict[int, list[int]] = {i: [] for i in np.flatnonzero(n_texts > 1).tolist()}
        for t in range(1, int(n_texts.max(initial=0))):
            which = np.flatnonzero(n_texts > t)
            text = texts.first[positions[which]] + t
            u = self._caption_draw(_shard.caption_purpose(t), positions[which], copies[which])
            chosen = pick(u, texts.count[text].astype(np.uint64)).astype(np.int64)
            n_ids[which] += texts.n_ids[texts.start[text] + chosen]
            for i, one in zip(which.tolist(), chosen.tolist()):
                choices[i].append(one)
        return choices, n_ids

    def mirrored(self, positions: I64, copies: I64, image: int) -> Bools:
        """Whether the mirrored rendition of image part `image` is seen."""
        u = self._caption_draw(_shard.mirror_purpose(image), positions, copies)
        return mirrors(u)

    def _caption_draw(self, purpose: str, positions: I64, copies: I64) -> U64:
        if self._options.captions == "stored":
            return self._stored(purpose, positions)
        return self._draw(purpose, positions, copies)

    def _shares(self, positions: I64, texts: Texts) -> F64:
        """Shares of each record's captions: [records, most captions].

        `json.captions` stands for all of `json.captions[0]`, `json.captions[1]`, ...; they
        divide its share. Equal ones where none is named."""
        names, exists = _grid(texts.name, positions, texts)
        shares = self._options.captions
        if not isinstance(shares, Mapping):
            return exists.astype(np.float64)
        keys = [name if name in shares else name.split("[")[0] for name in texts.names]
        numbers = {key: number for number, key in enumerate(shares)}
        number = np.array([numbers.get(key, -1) for key in keys] or [-1])
        kind = np.where(exists, number[np.minimum(names, len(number) - 1)], -1)
        weights = np.zeros(kind.shape)
        for n, one in enumerate(shares.values()):
            same = kind == n
            weights += same * (one / np.maximum(same.sum(1, keepdims=True), 1))
        return np.where((weights > 0).any(1, keepdims=True), weights, exists)

    def _fitting(self, u: U64, positions: I64, texts: Texts, most: int) -> I64:
        """One of the captions of at most `most` tokens, by their shares, else the shortest that
        has a share."""
        n_ids, _ = _grid(texts.n_ids, positions, texts)
        shares = self._shares(positions, texts)
        n_ids = np.where(shares > 0, n_ids, NO_IDS)
        fits = n_ids <= most
        return np.where(fits.any(1), _choose(u, shares * fits), np.argmin(n_ids, axis=1))


def _choose(u: U64, weights: F64) -> I64:
    """A column of each row, by its weights; 0 where they have none. [rows]"""
    if weights.shape[1] == 0:
        return np.zeros(len(u), np.int64)
    sums = np.cumsum(weights, axis=1)
    at = np.minimum(u / 2.0**64 * sums[:, -1], np.nextafter(sums[:, -1], 0))
    chosen: I64 = np.argmax(sums > at[:, None], axis=1)
    return chosen


def _grid(values: U32, positions: I64, texts: Texts) -> tuple[I64, Bools]:
    """values of captions as [records, most captions], and which of these exist."""
    start, count = texts.captions(positions)
    column = np.arange(count.max(initial=0))
    exists = column[None, :] < count[:, None]
    at = np.where(exists, start[:, None] + column[None, :], 0)
    if len(values) == 0:
        return np.zeros(exists.shape, np.int64), exists
    return values[at].astype(np.int64), exists


def _ids(texts: Texts, positions: I64, caption: I64) -> I64:
    """How many ids the captions have; 0 of what has no text."""
    if len(texts.n_ids) == 0:
        return np.zeros(len(positions), np.int64)
    start, count = texts.captions(positions)
    at = np.minimum(start + caption, len(texts.n_ids) - 1)
    return np.where(count > 0, texts.n_ids[at], 0).astype(np.int64)
