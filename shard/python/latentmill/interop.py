# SPDX-License-Identifier: Apache-2.0
"""Records in the form that other trainers eat."""
from __future__ import annotations

from typing import Any

import numpy as np

from .optional import need_torch
from .record import Record


def to_transfusion_pytorch(record: Record, caption: int | None = None, order: str | None = None,
                           channel_first: bool = False) -> list[Any]:
    """A record as lucidrains' transfusion-pytorch takes a sample: a list of int64 token tensors
    and float32 latent tensors, scaled, in the record's order. It adds its own markers and
    patches. (H, W, C), or (C, H, W) for Transfusion(channel_first_latent=True).

    caption, order: the record's own draw (epoch 0) by default. Texts without tokens are left
    out. Needs torch. ValueError where a text was not tokenized."""
    torch = need_torch("to_transfusion_pytorch()")
    parts = []
    for kind, value in _parts(record, caption, order):
        if kind == "text":
            if len(value):
                parts.append(torch.from_numpy(value.astype(np.int64)))
        else:
            axes = (0, 1, 2) if channel_first else (1, 2, 0)
            parts.append(torch.from_numpy(np.ascontiguousarray(value.transpose(axes))))
    return parts


def _parts(record: Record, caption: int | None, order: str | None) -> list[tuple[str, np.ndarray]]:
    """Texts and latents as they follow each other in a sequence."""
    texts = [("text", _ids(record, number, caption)) for number in range(len(record.texts))]
    if len(texts) > 1:
        raise ValueError(f"{record!r} is no pair and no text")
    latent = record.latent_float32()
    if latent is None:
        return texts
    image_first = (order or record.order) == "image_first"
    return [("latent", latent), *texts] if image_first else [*texts, ("latent", latent)]


def _ids(record: Record, number: int, caption: int | None) -> np.ndarray:
    chosen = record.caption_drawn if caption is None else caption
    ids = record.texts[number].alternatives[chosen].ids
    if ids is None:
        raise ValueError(f"{record!r} has no token ids (--tokenizer none)")
    return ids
