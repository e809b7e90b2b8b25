# SPDX-License-Identifier: Apache-2.0
"""A view: which records of a source are used, how often, with which captions and tokens.

It is computed once, from text frames alone, and stored as a file of lengths and weights that
stands in for the shards' indexes from then on. The file holds no text and no ids: where
captions or tokens are not the stored ones, the same callables make them again at load time."""
from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .documents import Markers, Texts, shape_of
from .reader import ShardReader
from .record import Alternative, Record

Tokenizer = Callable[[str], Sequence[int]]
Captions = Callable[[Record], Sequence[str]] | Mapping[str, str | Sequence[str]]
_ARRAYS = {"records": np.int64, "count": np.int64, "others": np.int64, "weight": np.float64,
           "n_ids": np.uint32, "name": np.uint32}
_MAGIC = "latentmill view 1"


@dataclass
class View:
    """An opened view. Make one with build_view(), or open a file of it with View.open()."""
    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]
    tokenizer: Tokenizer | None = None
    captions_map: Captions | None = None

    @staticmethod
    def open(path: str | os.PathLike[str], tokenizer: Tokenizer | None = None,
             captions_map: Captions | None = None) -> View:
        """path: a file of build_view(). tokenizer, captions_map: the ones it was built with.
        ValueError where it is no view, or is damaged, or one of these is not given."""
        try:
            with np.load(path, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                arrays = {name: file[name] for name in _ARRAYS}
        except (KeyError, ValueError, OSError, zipfile.BadZipFile, zlib.error) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(f"{path} is no view of latentmill: {error}") from None
        view = View(meta, arrays, tokenizer, captions_map)
        if meta.get("magic") != _MAGIC or view._digest() != meta["fingerprint"]:
            raise ValueError(f"{path} is no view of latentmill, or damaged")
        for name in ("tokenizer", "captions_map"):
            if bool(meta[name]) != (getattr(view, name) is not None):
                raise ValueError(f"{path} was built {'with' if meta[name] else 'without'} "
                                 f"{name}: open it so, by View.open(path, ...)")
        return view

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file; one that is there is replaced when all is written."""
        temporary = Path(f"{os.fspath(path)}.tmp.{os.getpid()}")
        with open(temporary, "wb") as file:
            np.savez_compressed(file, meta=np.array(json.dumps(self.meta)), **self.arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)

    @property
    def fingerprint(self) -> str:
        """Of lengths, weights and markers, and of the shards it is of."""
        return self.meta["fingerprint"]

    @property
    def markers(self) -> Markers | None:
        """Of another vocabulary than the stored one; None: the shards' own."""
        return Markers(*self.meta["markers"]) if self.meta["markers"] else None

    @property
    def tokenizer_name(self) -> str:
        return self.meta["tokenizer"]

    def check(self, fingerprints: Sequence[str], source: str) -> None:
        if list(fingerprints) != self.meta["shards"]:
            raise ValueError(f"the view of source {source!r} was made of other shards")

    def texts(self, shard: int) -> Texts:
        """Stands in for documents.texts_of() of a shard's index."""
        ends = np.cumsum(self.arrays["records"])
        rows = slice(int(ends[shard] - self.arrays["records"][shard]), int(ends[shard]))
        count = self.arrays["count"][rows]
        before = int(self.arrays["count"][:rows.start].sum())
        alternatives = slice(before, before + int(count.sum()))
        return Texts(np.cumsum(count) - count, count, self.arrays["n_ids"][alternatives],
                     self.arrays["name"][alternatives], self.meta["names"],
                     self.arrays["others"][rows], self.arrays["weight"][rows])

    def captions(self, record: Record) -> list[tuple[str, str]]:
        """(name, text) of each caption that the record has in this view."""
        if callable(self.captions_map):
            return [("captions_map", text) for text in self.captions_map(record)]
        if self.captions_map is not None and record.key in self.captions_map:
            texts = self.captions_map[record.key]
            return [("captions_map", text) for text in
                    ([texts] if isinstance(texts, str) else texts)]
        return [(caption.name, caption.text) for caption in record.captions]

    def tokens(self, record: Record, caption: int) -> list[np.ndarray]:
        """Ids of the caption (-1: none) and of the record's other texts, by the tokenizer."""
        assert self.tokenizer is not None
        texts = [one.text for one in _other_texts(record)]
        if record.captions:
            texts.insert(0, self.captions(record)[caption][1] if caption >= 0 else "")
        return [np.asarray(self.tokenizer(text) if text else (), np.int32) for text in texts]

    def _digest(self) -> str:
        digest = hashlib.sha256()
        described = {k: v for k, v in self.meta.items() if k != "fingerprint"}
        digest.update(json.dumps(described, sort_keys=True).encode())
        for name, dtype in _ARRAYS.items():
            digest.update(np.ascontiguousarray(self.arrays[name], dtype).tobytes())
        return digest.hexdigest()[:32]


def build_view(paths, out: str | os.PathLike[str], *,
               where: Callable[[Record], bool] | None = None,
               weight: Callable[[Record], float] | None = None,
               captions_map: Captions | None = None,
               tokenizer: Tokenizer | None = None, markers: Mapping[str, int | None] | None = None,
               tokenizer_name: str = "custom") -> View:
    """Looks at the text of every record once and writes a view to `out`.

    paths: as of a Source. where(record): whether it is used. weight(record): how often it
    occurs in a pass over the source, on average; 0: never. Both may look at record.metadata,
    images and captions; a latent that is asked for is decompressed. captions_map: the captions
    instead of the stored ones, a mapping of keys to one or more texts (others keep theirs), or
    a callable of the record; it needs a tokenizer. tokenizer(text): token ids, without markers,
    the same on every call; with markers={"bos": .., "eos": .., "boi": .., "eoi": ..} (None for
    a BOS or EOS that is not to be). tokenizer_name: what two views are compared by."""
    from .sources import find_shards  # which opens views

    if captions_map is not None and tokenizer is None:
        raise ValueError("captions_map needs a tokenizer: its texts have no stored ids")
    if (tokenizer is None) != (markers is None):
        raise ValueError("a tokenizer comes with markers={'bos', 'eos', 'boi', 'eoi'}")
    meta = {"magic": _MAGIC, "tokenizer": tokenizer_name if tokenizer else "",
            "captions_map": captions_map is not None, "shards": [], "names": [],
            "markers": None if markers is None else
            [markers[name] for name in ("bos", "eos", "boi", "eoi")]}
    view = View(meta, {}, tokenizer, captions_map)
    builder = _Builder(view, where, weight)
    for path in find_shards(paths):
        builder.add(ShardReader(path, columns="text"))
    view.arrays = builder.arrays()
    meta["fingerprint"] = view._digest()
    view.save(out)
    return view


class _Builder:
    """Collects what a view says of each record."""

    def __init__(self, view: View, where, weight):
        self._view = view
        self._where = where
        self._weight = weight
        self._names: dict[str, int] = {}
        self._values: dict[str, list] = {name: [] for name in _ARRAYS}

    def add(self, reader: ShardReader) -> None:
        for layout in reader.columns().layouts:
            shape_of(layout, reader.header["encoders"])
        self._view.meta["shards"].append(reader.fingerprint)
        self._values["records"].append(len(reader))
        for record in reader:
            self._add_record(record)

    def _add_record(self, record: Record) -> None:
        weight = 1.0 if self._weight is None else float(self._weight(record))
        if not 0 <= weight < 1e6:
            raise ValueError(f"weight of {record!r} is {weight}, not 0 to a million")
        if self._where is not None and not self._where(record):
            weight = 0.0
        lengths = list(self._lengths(record)) if weight else []
        if weight and not lengths and record.captions:
            raise ValueError(f"{record!r} has no caption left: leave it out by where=")
        self._values["count"].append(len(lengths))
        for name, length in lengths:
            self._values["name"].append(self._names.setdefault(name, len(self._names)))
            self._values["n_ids"].append(length)
        self._values["weight"].append(weight)
        self._values["others"].append(self._others(record) if weight else 0)

    def _lengths(self, record: Record) -> Iterator[tuple[str, int]]:
        if self._view.tokenizer is not None:
            for name, text in self._view.captions(record):
                yield name, len(self._view.tokenizer(text))
            return
        for caption in record.captions:
            yield caption.name, len(_ids(record, caption))

    def _others(self, record: Record) -> int:
        tokenizer = self._view.tokenizer
        if tokenizer is None:
            return sum(len(_ids(record, one)) for one in _other_texts(record))
        return sum(len(tokenizer(one.text)) for one in _other_texts(record))

    def arrays(self) -> dict[str, np.ndarray]:
        self._view.meta["names"] = list(self._names)
        return {name: np.array(self._values[name], dtype) for name, dtype in _ARRAYS.items()}


def _ids(record: Record, text: Alternative) -> np.ndarray:
    if text.ids is None:
        raise ValueError(f"{record!r} has no token ids: the view needs a tokenizer")
    return text.ids


def _other_texts(record: Record) -> list[Alternative]:
    """Of each text but the first, its first alternative."""
    return [text.alternatives[0] for text in record.texts[1:]]
