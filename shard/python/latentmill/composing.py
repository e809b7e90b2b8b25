# SPDX-License-Identifier: Apache-2.0
"""One document as positions: tokens, roles and images, before it is put into a sequence."""
from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .documents import Markers, Part, Shape, image_positions
from .options import Options

# A role says whether a position may be the input of a text loss, and the target of one.
INPUT, TARGET = 1, 2
TEXT, CONTEXT_TEXT = INPUT | TARGET, INPUT
ROLES = {"bos": INPUT, "eos": TARGET, "boi": TARGET, "eoi": INPUT}
FILLER = 0  # token and role of patches and padding


class ImageSpan(NamedTuple):
    offset: int        # first patch, in the document
    rows: int
    columns: int
    image: int         # which of the document's
    text_follows: bool # text with a loss stands behind it in the document


class Composed(NamedTuple):
    tokens: np.ndarray  # int32 [length]
    roles: np.ndarray   # uint8 [length]
    spans: list[ImageSpan]


class Composer:
    """Composes documents of one vocabulary under one configuration."""

    def __init__(self, options: Options, markers: Markers, grid: int):
        self._options = options
        self._markers = markers
        self._grid = grid
        self._cache: dict[tuple, tuple] = {}

    def compose(self, shape: Shape, caption_first: bool, texts: list[np.ndarray]) -> Composed:
        """texts: ids of each text of the record, the drawn caption as far as it is used."""
        tokens, roles, spans = [], [], []
        at = 0
        for token, role, part in self._pieces(shape, caption_first):
            if part is not None and part.kind == "text":
                token = texts[part.ordinal]
                role = np.full(len(token), TEXT if part.loss else CONTEXT_TEXT, np.uint8)
                if part.loss and len(token):
                    spans = [span._replace(text_follows=True) for span in spans]
            elif part is not None:
                rows, columns = (side // self._grid for side in part.dims[1:])
                spans.append(ImageSpan(at, rows, columns, len(spans), False))
            tokens.append(token)
            roles.append(role)
            at += len(token)
        return Composed(np.concatenate(tokens, dtype=np.int32, casting="unsafe"),
                        np.concatenate(roles), spans)

    def _pieces(self, shape: Shape, caption_first: bool) -> tuple:
        """(tokens, roles, part or None) in order; a text's tokens are filled in later."""
        key = shape.parts, caption_first
        if key not in self._cache:
            self._cache[key] = tuple(self._make_pieces(shape, caption_first))
        return self._cache[key]

    def _make_pieces(self, shape: Shape, caption_first: bool):
        if shape.is_pair or (shape.is_text and len(shape.parts) == 1):
            kind = "text" if shape.is_text else \
                "caption_first" if caption_first else "image_first"
            parts = {part.kind: part for part in shape.parts}
            for name in self._options.template(kind):
                yield from self._piece(name, parts.get(name))
            return
        yield from self._piece("bos", None)
        for part in shape.parts:
            before, after = ((), ()) if part.kind == "text" else (("boi",), ("eoi",))
            for name in (*before, part.kind, *after):
                yield from self._piece(name, part)
        yield from self._piece("eos", None)

    def _piece(self, name: str | int, part: Part | None):
        if name == "text":
            yield None, None, part
        elif name == "image":
            n = image_positions(part, self._grid)
            yield np.zeros(n, np.int32), np.zeros(n, np.uint8), part
        elif isinstance(name, int):
            yield np.array([name], np.int32), np.array([TEXT], np.uint8), None
        elif (token := getattr(self._markers, name)) is not None:
            role = ROLES[name]
            if part is not None and not part.loss:
                role &= ~TARGET
            yield np.array([token], np.int32), np.array([role], np.uint8), None
