# SPDX-License-Identifier: Apache-2.0
"""One document as positions: tokens, roles and images, before it is put into a sequence.

It is the default plan of FORMAT.md, section 8, with the options that a plan has not (templates,
dropout, views). It stands beside shard_sequence_build() because batches are made without a
record: from what records have in common, which is composed once, and arrays of a block's ids.
tests/python/test_parts.py compares both with the same twin."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .documents import Markers, Part, Shape, image_positions
from .options import Options

# A role says whether a position may be the input of a text loss, and the target of one.
INPUT, TARGET = 1, 2
TEXT, CONTEXT_TEXT = INPUT | TARGET, INPUT
ROLES = {"bos": INPUT, "eos": TARGET, "boi": TARGET, "eoi": INPUT}
FILLER = 0  # token and role of patches and padding
_MOST_RUNS = 4096  # that are kept


class ImageSpan(NamedTuple):
    offset: int        # first patch, in the document
    rows: int
    columns: int
    boi: bool          # BOI stands right before it
    eoi: bool          # EOI stands right behind it
    text_follows: bool # text with a loss stands behind it in the document


class Composed(NamedTuple):
    """Runs that follow each other, most of them shared by many documents: read-only."""
    tokens: list[np.ndarray]  # int32
    roles: list[np.ndarray]   # uint8, of the same lengths
    spans: list[ImageSpan]
    length: int


class _Run(NamedTuple):
    """What is always the same between two texts of a document."""
    tokens: np.ndarray
    roles: np.ndarray
    images: tuple[tuple, ...]  # ImageSpans without text_follows, offset in the run


class Composer:
    """Composes documents of one vocabulary under one configuration."""

    def __init__(self, options: Options, markers: Markers, grid: int):
        self._options = options
        self._markers = markers
        self._grid = grid
        self._cache: dict[tuple, list[_Run | Part]] = {}

    def compose(self, shape: Shape, caption_first: bool, texts: list[np.ndarray]) -> Composed:
        """texts: int32 ids of each text of the record, the drawn caption as far as it is used."""
        tokens, roles, images = [], [], []
        at = last_text = 0
        for run in self._runs(shape, caption_first):
            if isinstance(run, _Run):
                images += [(at + image[0], *image[1:]) for image in run.images]
                tokens.append(run.tokens)
                roles.append(run.roles)
                at += len(run.tokens)
                continue
            ids = texts[run.ordinal]
            if run.loss and len(ids):
                last_text = at
            tokens.append(ids)
            roles.append(_text_roles(len(ids), run.loss))
            at += len(ids)
        spans = [ImageSpan._make((*image, image[0] < last_text)) for image in images]
        return Composed(tokens, roles, spans, at)

    def _runs(self, shape: Shape, caption_first: bool) -> list[_Run | Part]:
        """In order: what is constant, and texts, which are filled in."""
        key = shape, caption_first
        runs = self._cache.get(key)
        if runs is None:
            if len(self._cache) >= _MOST_RUNS:  # of images that are all of another size
                self._cache.clear()
            runs = self._cache[key] = list(self._make_runs(shape, caption_first))
        return runs

    def _make_runs(self, shape: Shape, caption_first: bool) -> Iterator[_Run | Part]:
        tokens: list[int] = []
        roles: list[int] = []
        images: list[tuple[int, int, int, bool, bool]] = []
        parts: list[tuple[str | int, Part | None]] = [
            ("", None), *self._parts(shape, caption_first), ("", None)]
        for (before, _), (name, part), (behind, _) in zip(parts, parts[1:], parts[2:]):
            if name == "text":
                assert part is not None
                yield _run(tokens, roles, images)
                tokens, roles, images = [], [], []
                yield part
            elif name == "image":
                assert part is not None
                rows, columns = (side // self._grid for side in part.dims[1:])
                images.append((len(tokens), rows, columns, before == "boi", behind == "eoi"))
                tokens += [FILLER] * image_positions(part, self._grid)
                roles += [0] * (rows * columns)
            elif isinstance(name, int):
                tokens.append(name)
                roles.append(TEXT)
            elif (token := getattr(self._markers, name)) is not None:
                tokens.append(token)
                context = part is not None and not part.loss
                roles.append(ROLES[name] & ~TARGET if context else ROLES[name])
        yield _run(tokens, roles, images)

    def _parts(self, shape: Shape, caption_first: bool
               ) -> Iterator[tuple[str | int, Part | None]]:
        """What stands in a document, as a template names it, with its part of the record."""
        if shape.arrangement != "other":
            kind = "text" if shape.arrangement == "text" else \
                "caption_first" if caption_first else "image_first"
            parts: dict[str | int, Part] = {part.kind: part for part in shape.parts}
            for name in self._options.template(kind):
                yield name, parts.get("image" if name in ("boi", "eoi") else name)
            return
        yield "bos", None
        for part in shape.parts:
            for name in (part.kind,) if part.kind == "text" else ("boi", "image", "eoi"):
                yield name, part
        yield "eos", None


_ROLES = {loss: np.full(512, TEXT if loss else CONTEXT_TEXT, np.uint8) for loss in (True, False)}


def _text_roles(n: int, loss: bool) -> np.ndarray:
    """Read-only. Captions are short: most come from one array."""
    roles = _ROLES[loss]
    return roles[:n] if n <= len(roles) else np.full(n, roles[0], np.uint8)


def _run(tokens: list[int], roles: list[int], images: list[tuple]) -> _Run:
    return _Run(np.array(tokens, np.int32), np.array(roles, np.uint8), tuple(images))
