# SPDX-License-Identifier: Apache-2.0
"""Sequences -> the arrays that a training step is given."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..columns import F32, I32, I64, Bools
from ..options import Options
from ..patches import cut_patches, scaled
from .fetching import Content

NO_LOSS = -100
PADDING = -1  # document id

Transform = Callable[[dict[str, Any]], dict[str, Any]]


class Piece(NamedTuple):
    """Positions start .. start + length - 1 of a document, which may be unreadable."""
    content: Content | None
    start: int
    length: int


class _Latents(NamedTuple):
    """The raw latents of a batch. All sources of a Dataset share the rest."""
    raw: list[npt.NDArray[Any]]
    dtype: str
    scale: F32
    shift: F32


class BatchBuilder:
    """Builds the part of a step that one rank gets."""

    def __init__(self, options: Options, channels: int, transform: Transform | None):
        self._options = options
        self._channels = channels
        self._transform = transform

    def build(self, sequences: Sequence[Sequence[Piece]]) -> dict[str, Any]:
        """Each sequence is its pieces; none: padding."""
        length = self._options.pack or max(
            1, *(sum(piece.length for piece in pieces) for pieces in sequences))
        batch = _Building(length)
        for pieces in sequences:
            batch.add(pieces)
        out = batch.finish(self._options.position_ids == "collapsed")
        patch = self._options.patch
        if patch is None:
            out["latents"] = self._latents(batch.latents)
        else:
            out["patches"] = self._patches(batch.latents, patch, int(out["spans"][:, 2].sum()))
        if self._transform is not None:
            self._transform_each(out, self._transform)
        return out

    def _latents(self, latents: _Latents | None) -> F32 | list[F32]:
        if latents is None:
            return []
        values = [scaled(raw, *latents[1:]) for raw in latents.raw]
        same = len({one.shape for one in values}) == 1
        return np.stack(values) if same else values

    def _patches(self, latents: _Latents | None, patch: int, n: int) -> F32:
        patches = np.empty((n, patch * patch * self._channels), np.float32)
        if latents is not None:
            raw, dtype, scale, shift = latents
            cut_patches(raw, dtype, patch, self._options.patch_order, scale, shift, patches)
        return patches

    def _transform_each(self, out: dict[str, Any], transform: Transform) -> None:
        spans = out["spans"]
        for number in range(len(out["tokens"])):
            which = np.flatnonzero(spans[:, 0] == number)
            images = slice(int(which[0]), int(which[-1]) + 1) if len(which) else slice(0, 0)
            sample = {name: out[name][number] for name in
                      ("tokens", "labels", "doc_ids", "position_ids", "keys")}
            sample["spans"] = spans[images]
            sample["span_markers"] = out["span_markers"][images]
            sample["text_follows"] = out["text_follows"][images]
            if "patches" in out:
                first = int(spans[images.start, 5]) if len(which) else 0
                images = slice(first, first + int(spans[which, 2].sum()))
            values = "patches" if "patches" in out else "latents"
            sample[values] = out[values][images]
            changed = transform({name: value[:] if isinstance(value, list) else value
                                 for name, value in sample.items()})
            if not isinstance(changed, Mapping):
                raise ValueError(f"transform returned {type(changed).__name__}, not the sample "
                                 "as a dict")
            if missing := sample.keys() - changed.keys():
                raise ValueError(f"transform left out {', '.join(sorted(missing))}")
            for name, before in sample.items():
                _replace(name, before, changed[name])


def _replace(name: str, before: Any, after: Any) -> None:
    """Puts a transform's value where the old one is; values may change, lengths may not."""
    if after is before:
        return
    if isinstance(before, list):
        if len(after) != len(before):
            raise ValueError(f"transform changed the length of {name} from {len(before)} to "
                             f"{len(after)}")
        for number, (old, new) in enumerate(zip(before, after)):
            if isinstance(old, np.ndarray):
                _replace(f"{name}[{number}]", old, new)
            else:
                before[number] = new
        return
    after = np.asarray(after)
    if after.shape != before.shape:
        raise ValueError(f"transform changed {name} from {before.shape} to {after.shape}")
    before[...] = after


class _Building:
    """A batch's positions while it is built, as runs that are joined at its end."""

    def __init__(self, length: int):
        self._length = length  # of a sequence
        self._tokens: list[I32] = []
        self._loss: list[Bools] = []
        self._documents: list[tuple[int, int]] = []  # doc_id or PADDING, positions
        self._next_token: list[tuple[int, int]] = []  # position, label beyond a piece's end
        self._spans: list[tuple[int, ...]] = []
        self._n_patches = 0
        self._span_flags: list[list[bool]] = []  # BOI, EOI, text_follows
        self._keys: list[list[tuple[str, str]]] = []
        self._filler = np.zeros(length, np.int32), np.zeros(length, bool)
        self.latents: _Latents | None = None

    def add(self, pieces: Sequence[Piece]) -> None:
        """One more sequence."""
        self._keys.append([])
        at = 0
        for piece in pieces:
            if piece.content is None:
                self._pad(piece.length)
            else:
                self._add_piece(at, piece.content, piece)
            at += piece.length
        self._pad(self._length - at)

    def _pad(self, n: int) -> None:
        tokens, loss = self._filler
        self._put(tokens[:n], loss[:n], PADDING)

    def _put(self, tokens: I32, loss: Bools, doc_id: int) -> None:
        self._tokens.append(tokens)
        self._loss.append(loss)
        self._documents.append((doc_id, len(tokens)))

    def _add_piece(self, at: int, content: Content, piece: Piece) -> None:
        sequence = len(self._keys) - 1
        tokens, loss = content.tokens, content.loss
        if piece.length != len(tokens):
            tokens, loss = self._cut(tokens, loss, piece, sequence * self._length + at)
        self._put(tokens, loss, len(self._keys[-1]))
        self._keys[-1].append(content.identity)
        for (offset, rows, columns, *flags), latent, encoder in content.images:
            n = rows * columns
            self._spans.append((sequence, at + offset, n, rows, columns, self._n_patches))
            self._n_patches += n
            self._span_flags.append(flags)
            if self.latents is None:
                scale, shift = content.shard.scales[encoder]
                self.latents = _Latents([], content.dtype, scale, shift)
            self.latents.raw.append(latent)

    def _cut(self, tokens: I32, loss: Bools, piece: Piece, at: int
             ) -> tuple[I32, Bools]:
        """The piece, which begins at `at` of the batch. Its last label is beyond it."""
        end = piece.start + piece.length
        cut = loss[piece.start:end].copy()
        if cut[-1]:
            self._next_token.append((at + piece.length - 1, int(tokens[end])))
            cut[-1] = False
        return tokens[piece.start:end], cut

    def finish(self, collapsed: bool) -> dict[str, Any]:
        """All of a batch but its latents; a Dataset says the shapes. collapsed: the patches of an
        image share a position id."""
        shape = len(self._keys), self._length
        numbers, lengths = np.array(self._documents, np.int64).T
        tokens = np.concatenate(self._tokens).reshape(shape)
        doc_ids = np.repeat(numbers.astype(np.int32), lengths).reshape(shape)
        spans = np.array(self._spans, np.int32).reshape(-1, 6)
        flags = np.array(self._span_flags, bool).reshape(-1, 3)
        begins = np.ones(shape, bool)
        np.not_equal(doc_ids[:, 1:], doc_ids[:, :-1], out=begins[:, 1:])
        cu_seqlens = np.append(np.flatnonzero(begins), begins.size).astype(np.int32)
        return {
            "tokens": tokens,
            "labels": self._labels(tokens),
            "doc_ids": doc_ids,
            "position_ids": _position_ids(cu_seqlens, spans if collapsed else spans[:0], shape),
            "cu_seqlens": cu_seqlens,
            "spans": spans,
            "span_markers": flags[:, :2],
            "text_follows": flags[:, 2],
            "keys": self._keys,
        }

    def _labels(self, tokens: I32) -> I64:
        """No document's last position has a loss of its own."""
        loss = np.concatenate(self._loss).reshape(tokens.shape)
        labels = np.full(tokens.shape, NO_LOSS, np.int64)
        np.copyto(labels[:, :-1], tokens[:, 1:], where=loss[:, :-1])
        for position, token in self._next_token:
            labels.reshape(-1)[position] = token
        return labels


def _position_ids(cu_seqlens: I32, collapsed: I32, shape: tuple[int, int]) -> I32:
    """Counted from each begin on; the patches of collapsed spans count as one."""
    if len(collapsed):
        steps = np.ones(shape, np.int32)
        for sequence, offset, length in collapsed[:, :3].tolist():
            steps[sequence, offset + 1:offset + length] = 0
        count = np.cumsum(steps.reshape(-1), dtype=np.int32)
    else:
        count = np.arange(shape[0] * shape[1], dtype=np.int32)
    count -= np.repeat(count[cu_seqlens[:-1]], np.diff(cu_seqlens))
    return count.reshape(shape)
