# SPDX-License-Identifier: Apache-2.0
"""Records -> documents: which caption and order each gets, and how many positions it takes.

All of it comes from a shard's index (or from a view's file that stands in for it) and from
hashes of (seed, epoch, identity); no block is read. A document is one record as a trainer
sees it once: `BOS caption BOI patch*n EOI EOS` and so on (shard/FORMAT.md, section 8)."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .columns import NO_IDS, Columns, Layout
from .draws import draw, pick, share
from .lazy import cached_property
from .options import Options


class Part(NamedTuple):
    """A text or an image of a record, in its stored order."""
    kind: str          # "text" or "image"
    loss: bool         # False: context
    ordinal: int       # which of the record's texts or latents
    dims: tuple[int, ...] = ()   # of an image: C, H, W
    dtype: str = ""
    encoder: int = -1


@dataclass(frozen=True)
class Shape:
    """What a layout means for a sequence."""
    parts: tuple[Part, ...]
    text_alternatives: tuple[int, ...]  # of each text

    @cached_property
    def images(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.kind == "image")

    @cached_property
    def is_pair(self) -> bool:
        """One text and one image: only these have an order."""
        return sorted(part.kind for part in self.parts) == ["image", "text"]

    @cached_property
    def is_text(self) -> bool:
        return all(part.kind == "text" for part in self.parts)


def shape_of(layout: Layout, encoders: list[dict]) -> Shape:
    """A log-variance belongs to the mean before it and is no image of its own."""
    parts: list[Part] = []
    alternatives: list[int] = []
    latents = run = 0
    for segment in layout.segments:
        if segment.kind == "text":
            run = 0
            parts.append(Part("text", segment.loss, len(alternatives)))
            alternatives.append(segment.n_alternatives)
        elif segment.kind == "latent" and isinstance(segment.dtype, str) and \
                segment.encoder is not None:
            encoder = encoders[segment.encoder]
            if len(encoder["scale"]) not in (1, segment.dims[0]):
                raise ValueError(f"encoder {segment.encoder} has {len(encoder['scale'])} scales "
                                 f"for latents of {segment.dims[0]} channels")
            moments = encoder["moments"] == "mean+logvar"
            run = run + 1 if moments else 0
            if not moments or run % 2 == 1:
                parts.append(Part("image", segment.loss, latents, segment.dims,
                                  segment.dtype, segment.encoder))
            latents += 1
        else:
            raise ValueError(f"a segment of kind {segment.kind!r} has no place in a sequence")
    return Shape(tuple(parts), tuple(alternatives))


@dataclass(frozen=True)
class OwnIds:
    """Ids of captions that a view has instead of a shard's stored ones."""
    replaced: np.ndarray  # bool [n]: the record has these
    start: np.ndarray     # int64 [alternatives + 1], in ids
    ids: np.ndarray       # uint32

    def of(self, alternative: int) -> np.ndarray:
        return self.ids[self.start[alternative]:self.start[alternative + 1]]


@dataclass(frozen=True)
class Texts:
    """Lengths of the texts of a shard's records: from its index, or from a view.

    The captions of record i are its first text's alternatives, start[i] .. start[i] + count[i]
    - 1 of the arrays over alternatives."""
    start: np.ndarray      # int64 [n]
    count: np.ndarray      # int64 [n]
    n_ids: np.ndarray      # uint32 [alternatives]; NO_IDS: not tokenized
    name: np.ndarray       # uint32 [alternatives], position in names
    names: list[str]
    others: np.ndarray     # int64 [n]: ids of the first alternatives of all other texts
    weight: np.ndarray | None = None  # float64 [n], times a record occurs in a pass
    own: OwnIds | None = None


def texts_of(columns: Columns, shapes: list[Shape]) -> Texts:
    n = len(columns.layout)
    first = np.array([s.text_alternatives[0] if s.text_alternatives else 0 for s in shapes],
                     np.int64)
    start = columns.alternative_start[:-1].astype(np.int64)
    others = np.zeros(n, np.int64)
    for number, shape in enumerate(shapes):
        at = np.cumsum(shape.text_alternatives)[:-1]
        rows = np.flatnonzero(columns.layout == number) if len(at) else ()
        for offset in at:
            others[rows] += columns.alternative_n_ids[start[rows] + offset]
    return Texts(start, first[columns.layout] if n else np.zeros(0, np.int64),
                 columns.alternative_n_ids, columns.alternative_name, columns.caption_names, others)


@dataclass
class Documents:
    """Parallel arrays over documents; `order` and `caption` are draws."""
    source: np.ndarray         # int64: which of the mixture's sources
    shard: np.ndarray          # int64: which of the source's shards
    position: np.ndarray       # int64: of the record in its shard
    pass_number: np.ndarray    # int64: how often the source began anew before
    copy: np.ndarray           # int64: 0, or which repetition by a view's weight
    layout: np.ndarray         # int64: which of the shard's shapes
    caption_first: np.ndarray  # bool
    caption: np.ndarray        # int64: which of the captions; -1: none
    n_caption: np.ndarray      # int64: its tokens, as far as they are used
    length: np.ndarray         # int64: positions
    is_text: np.ndarray        # bool: has no image

    def __len__(self) -> int:
        return len(self.length)

    def take(self, which: np.ndarray) -> Documents:
        return Documents(*(array[which] for array in vars(self).values()))

    @staticmethod
    def join(parts: list[Documents]) -> Documents:
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


def count_template(parts, markers: Markers) -> int:
    """Positions of a template besides those of its text and its image."""
    return sum(1 for part in parts if part not in ("text", "image") and
               (not isinstance(part, str) or getattr(markers, part) is not None))


def image_positions(part: Part, grid: int) -> int:
    _, height, width = part.dims
    if height % grid or width % grid:
        raise ValueError(f"a patch window of {grid} does not divide a latent of "
                         f"{height} x {width}")
    return (height // grid) * (width // grid)


class Measure:
    """Measures documents of one shard under one configuration."""

    def __init__(self, options: Options, markers: Markers, grid: int, header: dict):
        self._options = options
        self._markers = markers
        self._grid = grid
        self._header = header
        p = options.caption_first
        self._caption_first: float = \
            header["caption_first"] if p is None else p

    def fixed(self, shapes: list[Shape]) -> tuple[np.ndarray, np.ndarray]:
        """Positions besides texts: int64 [shapes] each, caption first and image first."""
        both = np.zeros((2, len(shapes)), np.int64)
        for number, shape in enumerate(shapes):
            images = sum(image_positions(part, self._grid) for part in shape.images)
            for row, kind in enumerate(("caption_first", "image_first")):
                both[row, number] = images + self._markers_of(shape, kind)
        return both[0], both[1]

    def _markers_of(self, shape: Shape, kind: str) -> int:
        if shape.is_pair or (shape.is_text and len(shape.parts) == 1):
            template = self._options.template(kind if shape.is_pair else "text")
            return count_template(template, self._markers)
        ends = sum(end is not None for end in self._markers[:2])
        return ends + 2 * len(shape.images)

    def documents(self, shard, texts: Texts, layout: np.ndarray, shapes: list[Shape],
                  positions: np.ndarray, pass_number: int) -> Documents:
        """The documents of records `positions` in a pass over their source. shard: for draws."""
        d = _Drawing(self._options, self._header, shard, pass_number)
        positions, copies = d.repeat(positions, texts)
        kinds = layout[positions].astype(np.int64)
        pair = np.array([shape.is_pair for shape in shapes], bool)[kinds]
        no_text = np.array([not shape.text_alternatives for shape in shapes], bool)[kinds]
        caption, n_caption, keep = d.captions(positions, copies, texts, pair)
        n_caption = np.where(no_text, 0, n_caption)
        first = d.orders(positions, copies, pair, self._caption_first)
        fixed = np.where(first, *(by_order[kinds] for by_order in self.fixed(shapes)))
        length = fixed + n_caption + texts.others[positions]
        n = len(positions)
        whole = Documents(
            np.zeros(n, np.int64), np.zeros(n, np.int64), positions,
            np.full(n, pass_number, np.int64), copies, kinds, first,
            np.where(no_text, -1, caption), n_caption, length,
            np.array([shape.is_text for shape in shapes], bool)[kinds])
        return whole.take(np.flatnonzero(keep & (length > 0)))


class _Drawing:
    """Draws for records of one shard in one pass; a repetition of a record draws anew.

    What is stored in a record are the draws of epoch 0 by the header's seed."""

    def __init__(self, options: Options, header: dict, shard, pass_number: int):
        self._options = options
        self._header = header
        self._shard = shard
        self._pass = pass_number

    def _stored(self, purpose: str, positions: np.ndarray) -> np.ndarray:
        return draw(self._shard, purpose, positions, 0, self._header["seed"])

    def _draw(self, purpose: str, positions: np.ndarray, copies: np.ndarray) -> np.ndarray:
        u = draw(self._shard, purpose, positions, self._pass, self._options.seed)
        for copy in np.unique(copies[copies > 0]):
            which = np.flatnonzero(copies == copy)
            u[which] = draw(self._shard, f"{purpose}+{copy}", positions[which], self._pass,
                            self._options.seed)
        return u

    def repeat(self, positions: np.ndarray, texts: Texts) -> tuple[np.ndarray, np.ndarray]:
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

    def orders(self, positions, copies, pair, caption_first: float) -> np.ndarray:
        if self._options.order == "stored":
            u = self._stored("order", positions)
        else:
            u = self._draw("order", positions, copies)
        return ~pair | share(u, caption_first)

    def captions(self, positions, copies, texts: Texts, pair: np.ndarray
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which caption, its tokens as far as they are used, and which records are kept."""
        o = self._options
        u = self._caption_draw("caption", positions, copies)
        if isinstance(o.captions, Mapping):
            caption = _choose(u, self._shares(positions, texts))
        else:
            count = np.maximum(texts.count[positions], 1)
            caption = pick(u, count.astype(np.uint64)).astype(np.int64)
        n_caption = _ids(texts, positions, caption)
        keep = np.ones(len(positions), bool)
        long = pair & (n_caption > o.max_caption_tokens) \
            if o.max_caption_tokens is not None else np.zeros(len(pair), bool)
        if o.long_captions == "drop":
            keep = ~long
        elif o.long_captions == "other_caption" and long.any():
            which = np.flatnonzero(long)
            u = self._caption_draw("caption+other", positions[which], copies[which])
            caption[which] = self._fitting(u, positions[which], texts)
            n_caption = _ids(texts, positions, caption)
        if o.max_caption_tokens is not None:
            n_caption = np.where(pair, np.minimum(n_caption, o.max_caption_tokens), n_caption)
        if o.caption_dropout > 0:
            u = self._draw("dropout", positions, copies)
            dropped = pair & share(u, o.caption_dropout)
            caption, n_caption = np.where(dropped, -1, caption), np.where(dropped, 0, n_caption)
        return caption, n_caption, keep

    def _caption_draw(self, purpose: str, positions, copies) -> np.ndarray:
        if self._options.captions == "stored":
            return self._stored(purpose, positions)
        return self._draw(purpose, positions, copies)

    def _shares(self, positions: np.ndarray, texts: Texts) -> np.ndarray:
        """Shares of each record's captions: float64 [records, most captions].

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

    def _fitting(self, u, positions, texts: Texts) -> np.ndarray:
        """One of the captions that are short enough, by their shares, else the shortest that
        has a share."""
        n_ids, _ = _grid(texts.n_ids, positions, texts)
        shares = self._shares(positions, texts)
        n_ids = np.where(shares > 0, n_ids, NO_IDS)
        fits = n_ids <= self._options.max_caption_tokens
        return np.where(fits.any(1), _choose(u, shares * fits), np.argmin(n_ids, axis=1))


def _choose(u: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A column of each row, by its weights; 0 where they have none. int64 [rows]."""
    if weights.shape[1] == 0:
        return np.zeros(len(u), np.int64)
    sums = np.cumsum(weights, axis=1)
    at = np.minimum(u / 2.0**64 * sums[:, -1], np.nextafter(sums[:, -1], 0))
    return np.argmax(sums > at[:, None], axis=1)


def _grid(values: np.ndarray, positions: np.ndarray, texts: Texts
          ) -> tuple[np.ndarray, np.ndarray]:
    """values of alternatives as [records, most alternatives], and which of these exist."""
    count = texts.count[positions]
    column = np.arange(count.max(initial=0))
    exists = column[None, :] < count[:, None]
    at = np.where(exists, texts.start[positions][:, None] + column[None, :], 0)
    if len(values) == 0:
        return np.zeros(exists.shape, np.int64), exists
    return values[at].astype(np.int64), exists


def _ids(texts: Texts, positions: np.ndarray, caption: np.ndarray) -> np.ndarray:
    if len(texts.n_ids) == 0:
        return np.zeros(len(positions), np.int64)
    at = np.minimum(texts.start[positions] + caption, len(texts.n_ids) - 1)
    return np.where(texts.count[positions] > 0, texts.n_ids[at], 0).astype(np.int64)
