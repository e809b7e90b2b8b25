# SPDX-License-Identifier: Apache-2.0
"""Records in the form that other trainers eat."""
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .columns import U32
from .optional import need_torch
from .options import one_of
from .record import ORDERS, Record, Text


def to_transfusion_pytorch(record: Record, caption: int | None = None, order: str | None = None,
                           channel_first: bool = False) -> list[Any]:
    """A record as lucidrains' transfusion-pytorch takes a sample: a list of int64 token tensors
    and float32 latent tensors, scaled, in the record's order. It adds its own markers and
    patches. (H, W, C), or (C, H, W) for Transfusion(channel_first_latent=True). An image of codes is
    a tensor of tokens, with the shard's BOI and EOI.

    caption, order: the record's own draw (epoch 0) by default. Texts without tokens are left
    out. Needs torch. ValueError where a text was not tokenized, the record has more than
    one text and one image, or its image has neither a Record.latent nor codes that a sequence
    shows."""
    torch = need_torch("to_transfusion_pytorch()")
    if not isinstance(record, Record):
        raise TypeError(f"to_transfusion_pytorch() takes a Record, not {type(record)}")
    parts = []
    for kind, value in _parts(record, caption, order):
        if kind == "text":
            if len(value):
                parts.append(torch.from_numpy(value.astype(np.int64)))
        else:
            axes = (0, 1, 2) if channel_first else (1, 2, 0)
            parts.append(torch.from_numpy(np.ascontiguousarray(value.transpose(axes))))
    return parts


def _parts(record: Record, caption: int | None, order: str | None
           ) -> list[tuple[str, npt.NDArray[Any]]]:
    """Texts and latents as they follow each other in a sequence."""
    order = order or record.order
    one_of("order", order, ORDERS)
    _refuse_others(record)
    parts: list[tuple[str, npt.NDArray[Any]]] = [
        ("text", _ids(record, text, caption)) for text in record.texts]
    if record.images:
        parts.insert(0 if order == "image_first" else len(parts), _image(record))
    return parts


def _image(record: Record) -> tuple[str, npt.NDArray[Any]]:
    latent = record.latent_float32()
    if latent is not None:
        return "latent", latent
    sequence = record.sequence()
    for span in sequence.spans:
        if span.kind == "codes":  # with its markers
            return "text", sequence.tokens[span.offset - 1:span.offset + span.length + 1]
    raise ValueError(f"{record!r} has an image without a latent and codes (but of an encoder "
                     "behind the first): to_transfusion_pytorch() takes those")


def _refuse_others(record: Record) -> None:
    if record.arrangement != "other":
        return
    kinds = [part.kind for part in record.parts]
    if [kind for kind in kinds if kind != "data"] not in ([], ["image"]):
        raise ValueError(f"{record!r} has the parts {', '.join(map(str, kinds))}: "
                         "to_transfusion_pytorch() takes at most one text and one image")


def _ids(record: Record, text: Text, caption: int | None) -> U32:
    chosen = record.caption_drawn if caption is None else caption
    if not 0 <= chosen < len(text.alternatives):
        raise ValueError(f"{record!r} has {len(text.alternatives)} captions, "
                         f"not a caption {chosen}")
    ids = text.alternatives[chosen].ids
    if ids is None:
        raise ValueError(f"{record!r} has no token ids (--tokenizer none)")
    return ids
