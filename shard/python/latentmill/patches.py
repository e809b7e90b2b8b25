# SPDX-License-Identifier: Apache-2.0
"""Latents as they are stored -> what a model is given: scaled, and cut into patches."""
from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from . import _shard
from .columns import DTYPES, F32

T = TypeVar("T", bound=np.generic)
_NUMBERS = {name: number for number, name in DTYPES.items()}


def patchify(latents: npt.NDArray[T], patch: int, order: str = "pqc") -> npt.NDArray[T]:
    """[n, C, H, W] -> [n, (H/k)(W/k), k*k*C], patches left to right, top to bottom.

    order: of the values of a patch: "pqc" (row, column, channel) or "cpq". ValueError where k
    does not divide H and W."""
    n, c, height, width = latents.shape
    k = patch
    cut = latents.reshape(n, c, height // k, k, width // k, k)
    axes = (0, 2, 4, 3, 5, 1) if order == "pqc" else (0, 2, 4, 1, 3, 5)
    return cut.transpose(axes).reshape(n, (height // k) * (width // k), k * k * c)


def unpatchify(patches: npt.NDArray[T], dims: tuple[int, int, int], order: str = "pqc"
               ) -> npt.NDArray[T]:
    """The inverse: [n, (H/k)(W/k), k*k*C] -> [n, C, H, W] of dims (C, H, W). ValueError where
    these do not go together."""
    c, height, width = dims
    n, count, values = patches.shape
    k = round((values // c) ** 0.5)
    rows, columns = height // k, width // k
    if (rows * columns, k * k * c) != (count, values):
        raise ValueError(f"{count} patches of {values} values do not make a latent of {dims}")
    inner = (k, k, c) if order == "pqc" else (c, k, k)
    axes = (0, 5, 1, 3, 2, 4) if order == "pqc" else (0, 3, 1, 4, 2, 5)
    cut = patches.reshape(n, rows, columns, *inner)
    return cut.transpose(axes).reshape(n, c, height, width)


def bf16_to_float32(array: npt.NDArray[np.uint16]) -> F32:
    """The values of bfloat16 numbers whose bits are a uint16 array. Exact.

    With torch: torch.from_numpy(array.view(numpy.int16).copy()).view(torch.bfloat16)."""
    return (array.astype(np.uint32) << 16).view(np.float32)


def to_float32(raw: npt.NDArray[Any], dtype: str | int | None) -> F32:
    """The values of a latent as it is stored, in an array of their own."""
    return bf16_to_float32(raw) if dtype == "bf16" else raw.astype(np.float32)


def scaled(raw: npt.NDArray[Any], dtype: str | int | None, scale: F32, shift: F32) -> F32:
    """(raw - shift) * scale in float32. raw: [C, H, W], or with p = 1 more of
    them; scale, shift: [1 or C, p, p]."""
    if scale.shape[-1] > 1:  # C knows which cell has which
        rows = np.empty((raw[0].size, len(raw)), np.float32)
        cut_patches([raw], str(dtype), 1, "pqc", scale, shift, rows)
        return np.ascontiguousarray(rows.T).reshape(raw.shape)
    values = to_float32(raw, dtype)
    values -= shift
    values *= scale
    return values


def cut_patches(latents: list[npt.NDArray[Any]], dtype: str, patch: int, order: str,
                scale: F32, shift: F32, out: F32) -> None:
    """patchify(scaled(raw)) of each raw latent (C, H, W), in one go, into out: float32 [sum of
    their (H/k)(W/k), k*k*C]. The same bits."""
    _shard.patches(latents, _NUMBERS[dtype], patch, order == "cpq", scale, shift, out,
                   scale.shape[-1])
