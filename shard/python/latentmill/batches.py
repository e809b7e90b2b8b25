# SPDX-License-Identifier: Apache-2.0
"""Sequences -> the arrays that a training step is given."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .composing import FILLER, INPUT, TARGET, Composed
from .fetching import Content
from .options import Options
from .patches import cut_patches, scaled

NO_LOSS = -100
PADDING = -1  # document id


class Piece(NamedTuple):
    """Positions start .. start + length - 1 of a document, which may be unreadable."""
    content: Content | None
    start: int
    length: int


class _Image(NamedTuple):
    latent: np.ndarray
    dtype: str
    scale: np.ndarray
    shift: np.ndarray


class BatchBuilder:
    """Builds the part of a step that one rank gets."""

    def __init__(self, options: Options, channels: int, patch_order: str, position_ids: str,
                 transform: Callable[[dict[str, Any]], dict[str, Any]] | None):
        self._options = options
        self._channels = channels
        self._patch_order = patch_order
        self._collapsed = position_ids == "collapsed"
        self._transform = transform

    def build(self, sequences: Sequence[Sequence[Piece]]) -> dict[str, Any]:
        """Each sequence is its pieces; none: padding."""
        length = self._options.pack or max(
            1, *(sum(piece.length for piece in pieces) for pieces in sequences))
        batch = _Building(len(sequences), length)
        for number, pieces in enumerate(sequences):
            at = 0
            for piece in pieces:
                if piece.content is not None:
                    batch.put(number, at, _composed(piece.content), piece)
                at += piece.length
        out = batch.finish(self._collapsed)
        self._put_images(out, batch.images)
        if self._transform is not None:
            self._transform_each(out)
        return out

    def _put_images(self, out: dict[str, Any], images: list[_Image]) -> None:
        patch = self._options.patch
        if patch is None:
            latents = [scaled(i.latent[None], i.dtype, i.scale, i.shift)[0] for i in images]
            same = len({latent.shape for latent in latents}) == 1
            out["latents"] = np.stack(latents) if same else latents
            return
        n = int(out["spans"][:, 2].sum())
        patches = np.empty((n, patch * patch * self._channels), np.float32)
        for (_, _, n, _, _, first), image in zip(out["spans"].tolist(), images):
            cut_patches(image.latent, image.dtype, patch, self._patch_order, image.scale,
                        image.shift, patches[first:first + n])
        out["patches"] = patches

    def _transform_each(self, out: dict[str, Any]) -> None:
        spans = out["spans"]
        for number in range(len(out["tokens"])):
            which = np.flatnonzero(spans[:, 0] == number)
            images = slice(int(which[0]), int(which[-1]) + 1) if len(which) else slice(0, 0)
            sample = {name: out[name][number] for name in
                      ("tokens", "labels", "doc_ids", "position_ids", "keys")}
            sample["spans"] = spans[images]
            sample["text_follows"] = out["text_follows"][images]
            if "patches" in out:
                first = int(spans[images.start, 5]) if len(which) else 0
                images = slice(first, first + int(spans[which, 2].sum()))
            values = "patches" if "patches" in out else "latents"
            sample[values] = out[values][images]
            changed = self._transform(dict(sample))
            for name, before in sample.items():
                _replace(name, before, changed[name])


def _composed(content: Content) -> Composed:
    composed = content.shard.composer.compose(content.shape, content.caption_first, content.texts)
    if len(composed.tokens) != content.length:
        name, key = content.identity
        raise ValueError(f"{content.shard.reader.path}: {name} {key} has {len(composed.tokens)} "
                         f"positions, not {content.length} as the index says")
    return composed


def _replace(name: str, before: Any, after: Any) -> None:
    """Puts a transform's value where the old one is; values may change, lengths may not."""
    if after is before:
        return
    if isinstance(before, list):
        if len(after) != len(before):
            raise ValueError(f"transform changed the length of {name}")
        before[:] = after
        return
    after = np.asarray(after)
    if after.shape != before.shape:
        raise ValueError(f"transform changed {name} from {before.shape} to {after.shape}")
    before[...] = after


class _Building:
    """A batch's positions while it is built."""

    def __init__(self, n: int, length: int):
        self.tokens = np.full((n, length), FILLER, np.int32)
        self.roles = np.zeros((n, length), np.uint8)
        self.doc_ids = np.full((n, length), PADDING, np.int32)
        self.keys: list[list[tuple[str, str]]] = [[] for _ in range(n)]
        self.next_token: list[tuple[int, int, int]] = []  # labels beyond a piece's end
        self.spans: list[tuple[int, ...]] = []
        self.text_follows: list[bool] = []
        self.images: list[_Image] = []

    def put(self, sequence: int, at: int, composed: Composed, piece: Piece) -> None:
        end = piece.start + piece.length
        self.tokens[sequence, at:at + piece.length] = composed.tokens[piece.start:end]
        self.roles[sequence, at:at + piece.length] = composed.roles[piece.start:end]
        self.doc_ids[sequence, at:at + piece.length] = len(self.keys[sequence])
        self.keys[sequence].append(piece.content.identity)
        if end < len(composed.tokens) and composed.roles[end] & TARGET and \
                composed.roles[end - 1] & INPUT:
            self.next_token.append((sequence, at + piece.length - 1, int(composed.tokens[end])))
        for span in composed.spans:
            first = self.spans[-1][5] + self.spans[-1][2] if self.spans else 0
            self.spans.append((sequence, at + span.offset, span.rows * span.columns, span.rows,
                               span.columns, first))
            self.text_follows.append(span.text_follows)
        for part, latent in zip(piece.content.shape.images, piece.content.latents):
            self.images.append(_Image(latent, part.dtype,
                                      *piece.content.shard.scales[part.encoder]))

    def finish(self, collapsed: bool) -> dict[str, Any]:
        spans = np.array(self.spans, np.int32).reshape(-1, 6)
        return {
            "tokens": self.tokens,
            "labels": self._labels(),
            "doc_ids": self.doc_ids,
            "position_ids": self._position_ids(spans if collapsed else spans[:0]),
            "cu_seqlens": self._cu_seqlens(),
            "spans": spans,
            "text_follows": np.array(self.text_follows, bool),
            "keys": self.keys,
        }

    def _labels(self) -> np.ndarray:
        labels = np.full(self.tokens.shape, NO_LOSS, np.int64)
        loss = ((self.roles[:, :-1] & INPUT) != 0) & ((self.roles[:, 1:] & TARGET) != 0) & \
            (self.doc_ids[:, :-1] == self.doc_ids[:, 1:])
        np.copyto(labels[:, :-1], self.tokens[:, 1:], where=loss)
        for sequence, position, token in self.next_token:
            labels[sequence, position] = token
        return labels

    def _position_ids(self, collapsed: np.ndarray) -> np.ndarray:
        steps = np.ones(self.tokens.shape, np.int32)
        for sequence, offset, length in collapsed[:, :3].tolist():
            steps[sequence, offset + 1:offset + length] = 0
        position = np.cumsum(steps, axis=1, dtype=np.int32)
        begins = np.ones(self.tokens.shape, bool)
        begins[:, 1:] = self.doc_ids[:, 1:] != self.doc_ids[:, :-1]
        return position - np.maximum.accumulate(np.where(begins, position, 0), axis=1)

    def _cu_seqlens(self) -> np.ndarray:
        """Where documents and padding begin, in the batch laid end to end, and its length."""
        begins = np.ones(self.tokens.shape, bool)
        begins[:, 1:] = self.doc_ids[:, 1:] != self.doc_ids[:, :-1]
        return np.append(np.flatnonzero(begins.reshape(-1)), begins.size).astype(np.int32)
