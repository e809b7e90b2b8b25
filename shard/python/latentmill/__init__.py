# SPDX-License-Identifier: Apache-2.0
"""latentmill: training samples for Transfusion-style models, read from shards.

    from latentmill import ShardReader

    for record in ShardReader("000042.lms"):
        train_on(record.latent, record.ids)

or, shuffled, mixed and packed into sequences, with a state to go on from:

    from latentmill import Dataset

    for batch in Dataset({"pairs": "shards/", "text": "text/"}, batch_size=32):
        train_on(batch["tokens"], batch["labels"], batch["patches"], batch["spans"])

The shards are made by the program `latentmill prepare`. numpy is all this package needs;
with torch a Dataset is an IterableDataset.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._shard import Block, DamagedError, Plan, Prefetcher, ShardError, __version__
from .columns import Column, Columns, Frames, NO_IDS, NONE, PartType
from .attention import attention_mask, flex_attention_mask
from .interop import to_transfusion_pytorch
from .patches import bf16_to_float32, patchify, unpatchify
from .dataset_index import DatasetIndex
from .planning.state import StateError
from .reader import DamageWarning, ShardReader
from .record import (Alternative, Image, Other, OtherRendition, Record, Rendition, Sequence, Span,
                     Tensor, Text)
from .sources.source import IncompatibleError, Source
from .views import View, build_view

if TYPE_CHECKING:
    from .dataset import Dataset
    from .tokenizer import Tokenizer

__all__ = [
    "Alternative",
    "Block",
    "Column",
    "Columns",
    "DamageWarning",
    "DamagedError",
    "Dataset",
    "DatasetIndex",
    "Frames",
    "Image",
    "IncompatibleError",
    "NONE",
    "NO_IDS",
    "Other",
    "OtherRendition",
    "PartType",
    "Plan",
    "Prefetcher",
    "Record",
    "Rendition",
    "Sequence",
    "ShardError",
    "ShardReader",
    "Source",
    "Span",
    "StateError",
    "Tensor",
    "Text",
    "Tokenizer",
    "View",
    "__version__",
    "attention_mask",
    "bf16_to_float32",
    "build_view",
    "flex_attention_mask",
    "patchify",
    "to_transfusion_pytorch",
    "unpatchify",
]


def __getattr__(name: str) -> Any:
    if name == "Dataset":  # imports torch, which takes a second
        return import_module(".dataset", __name__).Dataset
    if name == "Tokenizer":  # an extension of its own, which a build may lack
        return import_module(".tokenizer", __name__).Tokenizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
