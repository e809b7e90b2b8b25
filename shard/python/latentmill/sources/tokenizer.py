# SPDX-License-Identifier: Apache-2.0
"""The tokenizer that shards were made with: the model beside them, opened by PyPI's
sentencepiece, which gives the ids that `latentmill prepare` gives."""
from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ..reader import ShardReader


def tokenizer_of(reader: ShardReader) -> Callable[[str], list[int]]:
    """ValueError where the shard has none, or another file has its name; FileNotFoundError;
    ImportError where sentencepiece is not installed."""
    about = reader.header["tokenizer"]
    if about is None:
        raise ValueError(f"{reader.path} was made without a tokenizer (--tokenizer none): "
                         "captions_map needs tokenizer= and markers=")
    path = _find(reader.path, Path(about["file"]).name)
    model = path.read_bytes()
    if hashlib.sha256(model).hexdigest() != about["sha256"]:
        raise ValueError(f"{path} is damaged, or not the tokenizer of {reader.path}: copy that one "
                         "there again")
    try:
        from sentencepiece import SentencePieceProcessor
    except ImportError:
        raise ImportError(f"captions_map needs SentencePiece to open {path}: pip install "
                          "sentencepiece; or give tokenizer= and markers=") from None
    processor = SentencePieceProcessor(model_proto=model)
    return lambda text: processor.encode(text.encode())


def _find(shard: str, name: str) -> Path:
    """Beside the shard or in a folder above it: a NAME may have folders of its own."""
    for start in (Path(shard), Path(shard).resolve()):
        for folder in start.parents:
            if (folder / name).is_file():
                return folder / name
    raise FileNotFoundError(f"{name}, the tokenizer of {shard}, is neither beside it nor in a "
                            "folder above: copy it there (latentmill prepare put it beside "
                            "dataset.json), or give tokenizer= and markers=")
