# SPDX-License-Identifier: Apache-2.0
"""A view: which records of a source are used, how often, with which captions and tokens.

It is computed once, from text frames alone, and stored as a file of lengths and weights that
stands in for the shards' indexes from then on. The file holds no text and no ids: where
captions or tokens are not the stored ones, the same callables make them again at load time."""
from __future__ import annotations

import hashlib
import json
import numbers
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .catalogue import find_shards
from .columns import starts_of
from .documents import Markers, Texts, shape_of
from .lazy import cached_property
from .reader import ShardReader
from .record import Alternative, Record

Tokenizer = Callable[[str], Sequence[int]]
Captions = Callable[[Record], Sequence[str]] | Mapping[str, str | Sequence[str]]
_ARRAYS = {"records": np.int64, "count": np.int64, "others": np.int64, "weight": np.float64,
           "n_ids": np.uint32, "name": np.uint32}
_MAGIC = "latentmill view 1"
_MAX_IDS = 2**31


UNIT_WEIGHT = 1 << 20  # a weight of 1, where weights are added up


def units_of(weights: np.ndarray) -> np.ndarray:
    """At least 1 where there is any. int64"""
    return np.ceil(weights * UNIT_WEIGHT).astype(np.int64)


@dataclass(repr=False)
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
            if os.path.exists(path) and not os.path.isfile(path):
                raise ValueError("it is not a regular file")
            with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
                meta = json.loads(str(file["meta"]))
                view = View(meta, {name: file[name] for name in _ARRAYS}, tokenizer, captions_map)
            if meta["magic"] != _MAGIC or view._digest() != meta["fingerprint"]:
                raise ValueError("its fingerprint is not that of its content")
            view._check()
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever zipfile and numpy make of foreign bytes
            raise ValueError(f"{path} is no view of latentmill, or damaged: {error}") from None
        for name in ("tokenizer", "captions_map"):
            if bool(meta[name]) != (getattr(view, name) is not None):
                raise ValueError(f"{path} was built {'with' if meta[name] else 'without'} "
                                 f"{name}: open it so, by View.open(path, ...)")
        return view

    def __repr__(self) -> str:
        tokens = f", tokens of {self.tokenizer_name!r}" if self.tokenizer_name else ""
        return (f"View: {np.count_nonzero(self.arrays['weight'])} of {len(self.arrays['weight'])} "
                f"records in {len(self.meta['shards'])} shards{tokens}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file; one that is there is replaced when all is written."""
        temporary = Path(f"{os.fspath(path)}.tmp.{os.getpid()}")
        arrays: dict[str, Any] = {"meta": np.array(json.dumps(self.meta)), **self.arrays}
        try:
            with open(temporary, "wb") as file:
                np.savez_compressed(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

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

    @property
    def n_pieces(self) -> int:
        """The highest id that its tokenizer gave, and one more."""
        return self.meta["n_pieces"]

    def check(self, source: str, n_shards: int, shard: int, fingerprint: str) -> None:
        """ValueError where the source has other shards, of which it says one's number."""
        known = self.meta["shards"]
        if n_shards != len(known) or known[shard] != fingerprint:
            raise ValueError(f"the view of source {source!r} was made of other shards; make one of "
                             "these with latentmill.build_view()")

    @cached_property
    def _starts(self) -> np.ndarray:
        """Records and alternatives before each shard. int64 [2, shards + 1]"""
        records = starts_of(self.arrays["records"])
        return np.stack([records, starts_of(self.arrays["count"])[records]])

    @cached_property
    def units(self) -> np.ndarray:
        """Sum of the weights of each shard's records: whole numbers, which add up the same on
        every machine. int64 [shards]"""
        return np.diff(starts_of(units_of(self.arrays["weight"]))[self._starts[0]])

    def texts(self, shard: int) -> Texts:
        """Stands in for documents.texts_of() of a shard's index."""
        rows, alternatives = (slice(*start[shard:shard + 2].tolist()) for start in self._starts)
        count = self.arrays["count"][rows]
        return Texts(np.cumsum(count) - count, count, self.arrays["n_ids"][alternatives],
                     self.arrays["name"][alternatives], self.meta["names"],
                     self.arrays["others"][rows], self.arrays["weight"][rows])

    def captions(self, record: Record) -> list[tuple[str, str]]:
        """(name, text) of each caption that the record has in this view."""
        given = self._mapped(record)
        if given is None:
            return [(caption.name, caption.text) for caption in record.captions]
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"captions_map: {record!r} is given {given!r}, not a text or a list of "
                            "texts")
        return [("captions_map", text) for text in texts]

    def _mapped(self, record: Record) -> str | Sequence[str] | None:
        """What captions_map says of it; None: nothing."""
        if callable(self.captions_map):
            given = self.captions_map(record)
            return () if given is None else given
        texts: Mapping[Any, str | Sequence[str]] = self.captions_map or {}
        return texts.get((record.name, record.key), texts.get(record.key))

    def tokens(self, record: Record, caption: int, n_caption: int, n_others: int
               ) -> list[np.ndarray]:
        """Ids of the caption (-1: none) and of the record's other texts, by the tokenizer.
        ValueError where they are not as many as the view has."""
        others = [self.ids(record, one.text) for one in _other_texts(record)]
        chosen = self.captions(record)[caption:caption + 1] if caption >= 0 else []
        first = [self.ids(record, text) for _, text in chosen] or [np.zeros(0, np.int32)]
        if len(first[0]) != n_caption or sum(map(len, others)) != n_others or \
                max(int(ids.max(initial=-1)) for ids in first + others) >= self.n_pieces:
            raise ValueError(f"{record!r}: tokenizer or captions_map give other tokens than when "
                             "the view was made: build it again")
        return first + others if record.captions else others

    def ids(self, record: Record, text: str) -> np.ndarray:
        """The tokenizer's, checked. int32"""
        assert self.tokenizer is not None
        given = self.tokenizer(text)
        try:
            ids = np.asarray(given)
        except ValueError:  # lists in it
            ids = np.zeros(())
        if ids.ndim != 1 or ids.size and (
                ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= 1 << 31):
            raise ValueError(f"tokenizer: of a text of {record!r} it gives {_short(given)}, not a "
                             "list of integers from 0 to 2**31 - 1")
        return ids.astype(np.int32)

    def _check(self) -> None:
        """ValueError where numbers do not go together, or are none that build_view() makes."""
        a, meta = self.arrays, self.meta
        if any(a[name].dtype != dtype or a[name].ndim != 1 for name, dtype in _ARRAYS.items()):
            raise ValueError("an array is not of its type")
        n, n_captions = len(a["weight"]), len(a["n_ids"])
        below = {"records": n + 1, "count": n_captions + 1, "others": _MAX_IDS, "weight": 1e6,
                 "n_ids": _MAX_IDS, "name": len(meta["names"])}
        if not all(((0 <= a[name]) & (a[name] < bound)).all() for name, bound in below.items()):
            raise ValueError("a length, position or weight cannot be")
        if (len(a["records"]), len(a["count"]), len(a["others"]), len(a["name"]),
                a["records"].sum(), a["count"].sum()) != \
                (len(meta["shards"]), n, n, n_captions, n, n_captions):
            raise ValueError("its arrays do not go together")
        if not all(isinstance(meta[name], list) for name in ("shards", "names")) or not all(
                isinstance(s, str) for s in (meta["tokenizer"], *meta["shards"], *meta["names"])):
            raise ValueError("a name is no string")
        if type(meta["captions_map"]) is not bool or type(meta["n_pieces"]) is not int or \
                not 0 <= meta["n_pieces"] <= _MAX_IDS:
            raise ValueError("it does not say what it was made with")
        bos, eos, *images = meta["markers"] or (None, None, 0, 0)
        if len(images) != 2 or not all(type(m) is int and 0 <= m < _MAX_IDS for m in
                                       (*images, bos or 0, eos or 0)):
            raise ValueError("its markers are no ids")

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
    occurs in a pass over the source, on average; 0: never. Both may look at record.metadata_json
    (the input's JSON, parsed; record.metadata has its bytes; None where it had none), images and
    captions; a latent that is asked for is decompressed. captions_map: the captions
    instead of the stored ones, a callable of the record, or a mapping of keys to one or more
    texts (others keep theirs). A key that several NAMEs have stands for all of their records;
    (NAME, key) for one of them. It needs a tokenizer. tokenizer(text): token ids, without markers,
    the same on every call; with markers={"bos": .., "eos": .., "boi": .., "eoi": ..} (None for
    a BOS or EOS that is not to be). tokenizer_name: what two views are compared by."""
    if captions_map is not None and tokenizer is None:
        raise ValueError("captions_map needs a tokenizer: its texts have no stored ids")
    if captions_map is not None and not isinstance(captions_map, Mapping) and \
            not callable(captions_map):
        raise TypeError(f"captions_map is a mapping of keys, or a callable; not {captions_map!r}")
    if (tokenizer is None) != (markers is None):
        raise ValueError("a tokenizer comes with markers={'bos', 'eos', 'boi', 'eoi'}")
    meta = {"magic": _MAGIC, "tokenizer": tokenizer_name if tokenizer else "",
            "captions_map": captions_map is not None, "shards": [], "names": [],
            "markers": None if markers is None else list(_checked(markers))}
    view = View(meta, {}, tokenizer, captions_map)
    builder = _Builder(view, where, weight)
    for path in find_shards(paths):
        builder.add(ShardReader(path, columns="text"))
    builder.finish()
    meta["fingerprint"] = view._digest()
    view.save(out)
    return view


def _checked(markers: Mapping[str, int | None]) -> Markers:
    if not isinstance(markers, Mapping) or set(markers) != set(Markers._fields):
        raise ValueError(f"markers has each of {', '.join(Markers._fields)}; not {markers!r}")
    checked: dict[str, Any] = {}
    for name, given in markers.items():
        if given is None and name in ("bos", "eos"):
            checked[name] = None
            continue
        if not isinstance(given, numbers.Integral) or not 0 <= given < 1 << 31:
            raise ValueError(f"markers: {name} is an integer from 0 to 2**31 - 1, not {given!r}")
        checked[name] = int(given)
    return Markers(**checked)


class _Builder:
    """Collects what a view says of each record."""

    def __init__(self, view: View, where, weight):
        self._view = view
        self._where = where
        self._weight = weight
        self._names: dict[str, int] = {}
        self._values: dict[str, list] = {name: [] for name in _ARRAYS}
        self._n_pieces = 0
        self._any_mapped = False

    def add(self, reader: ShardReader) -> None:
        for layout in reader.columns().layouts:
            shape_of(layout, reader.header["encoders"])
        self._view.meta["shards"].append(reader.fingerprint)
        self._values["records"].append(len(reader))
        for record in reader:
            self._add_record(record)

    def _add_record(self, record: Record) -> None:
        weight = self._weight_of(record)
        if isinstance(self._view.captions_map, Mapping) and not self._any_mapped:
            self._any_mapped = self._view._mapped(record) is not None
        lengths = list(self._lengths(record)) if weight else []
        if weight and not lengths and record.captions:
            raise ValueError(f"{record!r} has no caption left: leave it out by where=")
        self._values["count"].append(len(lengths))
        for name, length in lengths:
            self._values["name"].append(self._names.setdefault(name, len(self._names)))
            self._values["n_ids"].append(length)
        self._values["weight"].append(weight)
        self._values["others"].append(self._others(record) if weight else 0)

    def _weight_of(self, record: Record) -> float:
        if self._where is not None and not self._where(record):
            return 0.0
        weight: Any = 1.0 if self._weight is None else self._weight(record)
        if not isinstance(weight, numbers.Real) or not 0 <= float(weight) < 1e6:
            raise ValueError(f"weight of {record!r} is {weight!r}, not a number from 0 to a "
                             "million")
        return float(weight)

    def _lengths(self, record: Record) -> Iterator[tuple[str, int]]:
        if self._view.tokenizer is not None:
            for name, text in self._view.captions(record):
                yield name, self._n_ids(record, text)
            return
        for caption in record.captions:
            yield caption.name, len(_ids(record, caption))

    def _n_ids(self, record: Record, text: str) -> int:
        ids = self._view.ids(record, text)
        self._n_pieces = max(self._n_pieces, int(ids.max(initial=-1)) + 1)
        return len(ids)

    def _others(self, record: Record) -> int:
        return sum(len(_ids(record, one)) if self._view.tokenizer is None
                   else self._n_ids(record, one.text) for one in _other_texts(record))

    def finish(self) -> None:
        if isinstance(self._view.captions_map, Mapping) and not self._any_mapped:
            raise ValueError("captions_map has the key of no record; its first are "
                             f"{list(self._view.captions_map)[:3]}")
        self._view.meta["names"] = list(self._names)
        self._view.meta["n_pieces"] = self._n_pieces
        self._view.arrays = {name: np.array(self._values[name], dtype)
                             for name, dtype in _ARRAYS.items()}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:100]}..."


def _ids(record: Record, text: Alternative) -> np.ndarray:
    if text.ids is None:
        raise ValueError(f"{record!r} has no token ids: the view needs a tokenizer")
    return text.ids


def _other_texts(record: Record) -> list[Alternative]:
    """Of each text but the first, its first alternative."""
    return [text.alternatives[0] for text in record.texts[1:]]
