# SPDX-License-Identifier: Apache-2.0
"""Transfusion's attention (Zhou et al., 2024, arXiv:2408.11039): causal, and bidirectional inside
each image, within a document.

    q may attend to k: same document and (k <= q or same image), or k = q"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _shard
from .columns import I32, Bools
from .optional import need_torch
from .options import one_of

if TYPE_CHECKING:
    import torch

_NEEDED = {"tokens", "doc_ids", "image_ids", "spans", "span_markers"}  # of a batch


def image_ids(batch: dict[str, Any], full_span: str = "patches") -> I32:
    """Which image each position belongs to, by its row of spans. int32 [b, L]; -1: none.

    full_span: what counts as inside: its patches, or BOI and EOI too ("with_markers"), where
    they stand right beside it."""
    one_of("full_span", full_span, ("patches", "with_markers"))
    if not isinstance(batch, Mapping) or not _NEEDED <= set(batch):
        raise TypeError(f"a batch of a Dataset has {', '.join(sorted(_NEEDED))}; not "
                        f"{list(batch) if isinstance(batch, Mapping) else type(batch)}")
    shape = tuple(batch["tokens"].shape)
    if len(shape) != 2:
        raise ValueError(f"tokens of a batch are [b, L], not {list(shape)}: a DataLoader of your "
                         "own takes batch_size=None")
    ids = np.ascontiguousarray(batch["image_ids"], np.int32)
    if full_span == "patches":
        return ids
    ids = ids.copy()
    boi, eoi = np.asarray(batch["span_markers"]).T
    sequence, offset, length = np.asarray(batch["spans"])[:, :3].T
    ids[sequence[boi], offset[boi] - 1] = np.flatnonzero(boi)
    ids[sequence[eoi], offset[eoi] + length[eoi]] = np.flatnonzero(eoi)
    return ids


def attention_mask(batch: dict[str, Any], full_span: str = "patches") -> torch.Tensor:
    """bool [b, 1, L, L], True where position q may attend to k: for
    scaled_dot_product_attention(..., attn_mask=mask). Padding attends to itself alone.

    batch: of a Dataset, as arrays or tensors. full_span: images are bidirectional among their
    "patches", or "with_markers": BOI and EOI too. Needs torch: ImportError. TypeError and
    ValueError where the batch is none of a Dataset."""
    from_numpy = need_torch("attention_mask()").from_numpy
    mask: torch.Tensor = from_numpy(attention_mask_array(batch, full_span))
    return mask


def attention_mask_array(batch: dict[str, Any], full_span: str = "patches") -> Bools:
    """attention_mask() as an array."""
    image = image_ids(batch, full_span)
    b, n = image.shape
    mask = np.zeros((b, 1, n, n), bool)
    _shard.attention_mask(b, np.ascontiguousarray(batch["doc_ids"], np.int32), image, mask)
    return mask


def flex_attention_mask(batch: dict[str, Any], full_span: str = "patches", device: Any = None
                        ) -> Callable[[Any, Any, Any, Any], torch.Tensor]:
    """The same as a function (b, h, q, k) -> bool for flex_attention's create_block_mask():

        mask = create_block_mask(flex_attention_mask(batch, device="cuda"), b, None, L, L)

    device: that the mask's tensors are put on, where flex_attention will run. Errors as of
    attention_mask(). torch's flex_attention has no backward on a CPU: use that one there."""
    torch = need_torch("flex_attention_mask()")
    image = torch.as_tensor(image_ids(batch, full_span), device=device)
    document = torch.as_tensor(np.asarray(batch["doc_ids"]), device=device)

    def mask(b: Any, h: Any, q: Any, k: Any) -> Any:
        same_document = (document[b, q] == document[b, k]) & (document[b, q] >= 0)
        same_image = (image[b, q] == image[b, k]) & (image[b, q] >= 0)
        return (same_document & ((q >= k) | same_image)) | (q == k)

    return mask
