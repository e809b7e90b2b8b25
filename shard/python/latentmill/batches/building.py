# SPDX-License-Identifier: Apache-2.0
"""Sequences -> the arrays that a training step is given."""
from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._shard import Composed
from ..columns import F32, I32, I64
from ..options import Options
from ..planning.tally import TOTALS
from .composing import Composer, Positions, Row
from .fetching import Fetched
from .padding import Padding

Transform = Callable[[dict[str, Any]], dict[str, Any]]


class BatchBuilder:
    """Builds the part of a step that one rank gets."""

    def __init__(self, options: Options, channels: int, transform: Transform | None,
                 padding: Padding, refuse: Callable[[Exception], None]):
        """refuse: takes what a document cannot be had for, and raises it unless that is
        skipped."""
        self._options = options
        self._channels = channels
        self._composer = Composer(options, refuse)
        self._padding = padding
        self._transform = transform

    def build(self, rows: Sequence[Row], tally: I64) -> dict[str, Any]:
        """The arrays of a step's sequences. tally: of all ranks' sequences."""
        positions, composed, blocks = self._composer.compose(rows)
        out = {**positions._asdict(), **self._spans(composed), "keys": composed.keys}
        out["cu_seqlens"] = self._cu_seqlens(positions, composed.n_begins)
        if self._options.patch is None:
            out["latents"] = self._latents(composed, blocks)
        else:
            out["patches"] = self._patches(composed, blocks, self._options.patch)
        if self._transform is not None:
            self._transform_each(out, composed.n_images, self._transform)
        out["counts"] = _counts(tally)
        return out

    def _cu_seqlens(self, positions: Positions, n: int) -> I32:
        begins = self._padding.array("cu_seqlens", n, (), np.int32, positions.tokens.size)
        begins[:n] = positions.cu_seqlens[:n]
        return begins

    def _spans(self, composed: Composed) -> dict[str, Any]:
        n = composed.n_images
        spans, markers, follows = (self._padding.array("spans", n, row, dtype) for row, dtype in (
            ((6,), np.int32), ((2,), bool), ((), bool)))
        composed.spans(spans, markers, follows)
        spans[n:, 5] = composed.n_patches
        return {"spans": spans, "span_markers": markers, "text_follows": follows}

    def _patches(self, composed: Composed, blocks: list[Fetched], patch: int) -> F32:
        n = composed.n_patches
        patches: F32 = self._padding.array("patches", n, (patch * patch * self._channels,),
                                           np.float32)
        self._put(composed, blocks, patch, patches[:n])
        return patches

    def _latents(self, composed: Composed, blocks: list[Fetched]) -> list[F32]:
        dims = composed.dims()
        ends = np.cumsum([math.prod(one) for one in dims], dtype=np.int64)
        values = np.empty(int(ends[-1]) if len(ends) else 0, np.float32)
        self._put(composed, blocks, 0, values)
        return [one.reshape(shape) for one, shape in zip(np.split(values, ends[:-1]), dims)]

    def _put(self, composed: Composed, blocks: list[Fetched], patch: int, out: F32) -> None:
        """All sources of a Dataset share scale and shift. patch: 0: (C, H, W)."""
        if composed.first is None:
            return
        block, encoder = composed.first
        scale, shift = blocks[block].shard.scales[encoder]
        composed.patches(patch, self._options.patch_order == "cpq", scale, shift, scale.shape[-1],
                         out)

    def _transform_each(self, out: dict[str, Any], n_images: int, transform: Transform) -> None:
        spans = out["spans"][:n_images]
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


def _counts(tally: I64) -> dict[str, I64]:
    """By name."""
    tokens, patches = tally[TOTALS:].reshape(2, -1)
    return {"loss_tokens": np.array(tally[0]), "images": np.array(tally[1]), "tokens": tokens,
            "patches": patches}


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
    if not np.can_cast(after.dtype, before.dtype, "same_kind"):
        raise ValueError(f"transform changed {name} from {before.dtype} to {after.dtype}")
    before[...] = after
