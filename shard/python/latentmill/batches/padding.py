# SPDX-License-Identifier: Apache-2.0
"""Arrays of a step whose length is not given by its positions: of as many rows as there are, or of
a fixed number, so that torch.compile sees one shape."""
from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..options import PADDED, Options


def rooms(options: Options, n_sequences: int, least_image: float | None) -> dict[str, int] | None:
    """How many rows patches, spans and cu_seqlens have in every step; None: as many as there are.
    least_image: the fewest positions that an image brings; None: there are no images."""
    if options.pad_to is None or options.pack is None:
        return None
    positions = n_sequences * options.pack
    images = 0 if least_image is None else n_sequences * int(options.pack // least_image)
    most = {"patches": positions if images else 0, "spans": images, "cu_seqlens": positions + 1}
    given = {} if isinstance(options.pad_to, str) else options.pad_to
    assert set(most) == set(PADDED)
    return {name: given.get(name, rows) for name, rows in most.items()}


class Padding:
    """Makes these arrays."""

    def __init__(self, room: dict[str, int] | None):
        self._room = room

    def array(self, name: str, n: int, row: tuple[int, ...], dtype: Any, filler: int = 0
              ) -> npt.NDArray[Any]:
        """[n, *row], or of as many rows as are fixed, of which those behind n are `filler`.
        ValueError where there are more. name: whose room it has."""
        room = n if self._room is None else self._room[name]
        if n > room:
            raise ValueError(f"a step has {n} {name}, more than pad_to gives room for ({room}): "
                             f"give pad_to={{{name!r}: {n}}}, or more")
        out = np.empty((room, *row), dtype)
        out[n:] = filler
        return out
