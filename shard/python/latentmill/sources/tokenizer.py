# SPDX-License-Identifier: Apache-2.0
"""The tokenizer that shards were made with: the file beside them, opened as their header says."""
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..reader import ShardReader


def tokenizer_of(reader: ShardReader) -> Callable[[str], list[int]]:
    """ValueError where the shard has none, or another file has its name; FileNotFoundError;
    ImportError where the package was built without its tokenizers."""
    about = reader.header["tokenizer"]
    if about is None:
        raise ValueError(f"{reader.path} was made without a tokenizer (--tokenizer none): "
                         "captions_map needs tokenizer= and markers=")
    path = _find(reader.path, Path(about["file"]).name)
    try:
        from ..tokenizer import Tokenizer
    except ImportError as error:
        raise ImportError(f"captions_map cannot open {path}: {error}; or give tokenizer= and "
                          "markers=") from None
    return Tokenizer(path, header=about).encode


def _find(shard: str, name: str) -> Path:
    """Beside the shard or in a folder above it: a NAME may have folders of its own."""
    for start in (Path(shard), Path(shard).resolve()):
        for folder in start.parents:
            if (folder / name).is_file():
                return folder / name
    raise FileNotFoundError(f"{name}, the tokenizer of {shard}, is neither beside it nor in a "
                            "folder above: copy it there (latentmill prepare put it beside "
                            "dataset.json), or give tokenizer= and markers=")
