# SPDX-License-Identifier: Apache-2.0
"""latentmill: training samples for Transfusion-style models, read from shards.

    from latentmill import ShardReader

    for record in ShardReader("000042.lms"):
        train_on(record.latent, record.ids)

The shards are made by the program `latentmill prepare`. numpy is all this package needs.
"""

from ._shard import Block, DamagedError, Prefetcher, ShardError
from .columns import Columns, Frames, Layout, LayoutSegment, NO_IDS, NONE
from .reader import DamageWarning, ShardReader
from .record import (
    Alternative,
    Image,
    Record,
    Segment,
    TensorSegment,
    TextSegment,
    bf16_to_float32,
)

__all__ = [
    "Alternative",
    "Block",
    "Columns",
    "DamageWarning",
    "DamagedError",
    "Frames",
    "Image",
    "Layout",
    "LayoutSegment",
    "NONE",
    "NO_IDS",
    "Prefetcher",
    "Record",
    "Segment",
    "ShardError",
    "ShardReader",
    "TensorSegment",
    "TextSegment",
    "bf16_to_float32",
]
