# SPDX-License-Identifier: Apache-2.0
"""A view: which records of a source are used, how often, with which captions and tokens.

It is computed once, from text frames alone, and stored as a file of lengths and weights that
stands in for the shards' indexes from then on. Captions that are not the stored ones are in the
file, with their ids. Where all is tokenized anew, ids of stored texts are not: the same tokenizer
makes them again at load time."""
from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ._shard import Sequencer
from .columns import F64, I32, I64, Bools, starts_of
from .dataset_index import DatasetIndex
from .lazy import cached_property
from .reader import ShardReader
from .record import Alternative, Record
from .sources import view_file
from .sources.caption_rules import text_of
from .sources.catalogue import Paths, find_shards, first_few
from .sources.documents import PLAN, Markers, OwnIds, Texts, lengths_of
from .sources.tokenizer import tokenizer_of
from .warned import warn

Tokenizer = Callable[[str], Sequence[int]]
Captions = Callable[[Record], Sequence[str]] | Mapping[Any, str | Sequence[str]]
_MAX_IDS = 2**31


UNIT_WEIGHT = 1 << 20  # a weight of 1, where weights are added up


def units_of(weights: F64) -> I64:
    """At least 1 where there is any."""
    units: I64 = np.ceil(weights * UNIT_WEIGHT).astype(np.int64)
    return units


@dataclass(repr=False)
class View:
    """An opened view. Make one with build_view(), or open a file of it with View.open().

    Its meta and arrays (shard/FORMAT.md, section 10) are not to be changed."""
    meta: dict[str, Any]
    arrays: view_file.Arrays
    tokenizer: Tokenizer | None = None

    @staticmethod
    def open(path: str | os.PathLike[str], tokenizer: Tokenizer | None = None) -> View:
        """path: a file of build_view(). tokenizer: the one it was built with, if it was.
        ValueError where it is no view, or is damaged, or the tokenizer is not given."""
        try:
            meta, arrays = view_file.read(path)
            _refuse_nonsense(meta, arrays)
        except FileNotFoundError:
            raise
        except Exception as error:  # whatever gzip, json and numpy make of foreign bytes
            raise ValueError(f"{path} is no view of latentmill, or damaged: {error}") from None
        if bool(meta["tokenizer"]) != (tokenizer is not None):
            raise ValueError(f"{path} was built {'with' if meta['tokenizer'] else 'without'} a "
                             "tokenizer: open it so, by View.open(path, ...)")
        return View(meta, arrays, tokenizer)

    def __repr__(self) -> str:
        tokens = f", tokens of {self.tokenizer_name!r}" if self.tokenizer_name else ""
        return (f"View: {np.count_nonzero(self.arrays['weight'])} of {len(self.arrays['weight'])} "
                f"records in {len(self.meta['shards'])} shards{tokens}")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file; one that is there is replaced when all is written."""
        view_file.write(path, self.meta, self.arrays)

    @property
    def fingerprint(self) -> str:
        """Of lengths, weights, captions and markers, and of the shards it is of."""
        fingerprint: str = self.meta["fingerprint"]
        return fingerprint

    @property
    def markers(self) -> Markers | None:
        """Of another vocabulary than the stored one; None: the shards' own."""
        return Markers(*self.meta["markers"]) if self.meta["markers"] else None

    @property
    def tokenizer_name(self) -> str:
        """"": it was built without one."""
        name: str = self.meta["tokenizer"]
        return name

    @property
    def n_pieces(self) -> int:
        """The highest id that its tokenizer gave, and one more."""
        n: int = self.meta["n_pieces"]
        return n

    def check(self, source: str, n_shards: int, shard: int, fingerprint: str,
              index: DatasetIndex | None = None) -> None:
        """ValueError where the source has other shards, of which it says one's number. index:
        the source's, where it has one, which may be older than the view."""
        known = self.meta["shards"]
        if n_shards == len(known) and known[shard] == fingerprint:
            return
        if index is not None and n_shards < len(known) and \
                {one.tobytes().hex() for one in index.fingerprints}.issubset(known):
            raise ValueError(f"the view of source {source!r} has shards that {index.file} lacks; "
                             f"run `latentmill index {index.folder or '.'}` again")
        raise ValueError(f"the view of source {source!r} was made of other shards; make one of "
                         "these with latentmill.build_view()")

    @cached_property
    def _starts(self) -> dict[str, I64]:
        """Of each shard, where its part of these arrays begins. [shards + 1]"""
        a = self.arrays
        replaced = _replaced(a["replaced"] > 0, a["texts"], a["count"])
        records = starts_of(a["records"])
        parts = starts_of(a["texts"])[records]
        alternatives = starts_of(a["count"])[parts]
        texts = starts_of(replaced)[alternatives]
        return {"texts": records, "count": parts, "n_ids": alternatives, "text_bytes": texts,
                "ids": starts_of(a["n_ids"] * replaced)[alternatives],
                "text": starts_of(a["text_bytes"])[texts]}

    @cached_property
    def units(self) -> I64:
        """Sum of the weights of each shard's records: whole numbers, which add up the same on
        every machine. [shards]"""
        return np.diff(starts_of(units_of(self.arrays["weight"]))[self._starts["texts"]])

    def _of(self, shard: int, array: str, starts: str = "") -> npt.NDArray[Any]:
        """The shard's part of an array that is as long as `starts` is."""
        begin, end = self._starts[starts or array][shard:shard + 2].tolist()
        return self.arrays[array][begin:end]

    def texts(self, shard: int) -> Texts:
        """Stands in for documents.texts_of() of a shard's index."""
        texts, count = self._of(shard, "texts"), self._of(shard, "count")
        n_ids = self._of(shard, "n_ids")
        replaced = self._of(shard, "replaced", "texts") > 0
        own = None
        if replaced.any():
            own = OwnIds(replaced, starts_of(n_ids * _replaced(replaced, texts, count)),
                         self._of(shard, "ids"))
        return Texts(starts_of(texts), starts_of(count), n_ids, self._of(shard, "name", "n_ids"),
                     self.meta["names"], self._of(shard, "weight", "texts"), own)

    def captions(self, record: Record) -> list[Alternative]:
        """Those that the record has in this view; ids None: the tokenizer's. ValueError where it
        is in none of the view's shards."""
        fingerprint = record.shard_fingerprint
        if fingerprint not in self.meta["shards"]:
            raise ValueError(f"{record!r} is in none of the view's shards")
        shard = self.meta["shards"].index(fingerprint)
        texts, at = self.texts(shard), record.position
        if texts.own is None or not texts.own.replaced[at]:
            return [caption if self.tokenizer is None else caption._replace(ids=None)
                    for caption in record.captions]
        begin, count = (int(one[0]) for one in texts.captions(np.array([at])))
        before = int(_replaced(texts.own.replaced, np.diff(texts.first), texts.count)[:begin].sum())
        ends = starts_of(self._of(shard, "text_bytes")).tolist()
        text = self._of(shard, "text")
        return [Alternative(texts.names[texts.name[begin + i]],
                            text[ends[before + i]:ends[before + i + 1]].tobytes().decode(),
                            texts.own.of(begin + i)) for i in range(count)]

    def tokens(self, record: Record, caption: int, n_caption: int, choices: list[int] | None,
               n_others: int) -> list[I32]:
        """Ids of a stored caption (-1: none) and of the record's other texts, of each of which
        choices has the alternative, by the tokenizer. ValueError where they are not as many as
        the view has."""
        assert self.tokenizer is not None
        others = [ids_by(self.tokenizer, record, text.alternatives[chosen].text or "")
                  for text, chosen in zip(record.texts[1:], choices or ())]
        drawn = record.captions[caption:caption + 1] if caption >= 0 else []
        first = [ids_by(self.tokenizer, record, one.text or "") for one in drawn] or \
            [np.zeros(0, np.int32)]
        if len(first[0]) != n_caption or sum(map(len, others)) != n_others or \
                max(int(ids.max(initial=-1)) for ids in first + others) >= self.n_pieces:
            raise ValueError(f"{record!r}: the tokenizer gives other tokens than when the view was "
                             "made: build it again")
        return first + others if record.captions else others


def _refuse_nonsense(meta: dict[str, Any], a: view_file.Arrays) -> None:
    """ValueError where a file's numbers do not go together, or are none that build_view() makes."""
    if not all(isinstance(meta[name], list) for name in ("shards", "names")) or not all(
            isinstance(s, str) and "\0" not in s and _is_unicode(s)
            for s in (meta["tokenizer"], *meta["shards"], *meta["names"])):
        raise ValueError("a name is no string")
    _refuse_tokenizer(meta)
    n, n_texts, n_captions = len(a["weight"]), len(a["count"]), len(a["n_ids"])
    below = {"records": n + 1, "texts": n_texts + 1, "count": n_captions + 1, "weight": 1e6,
             "n_ids": _MAX_IDS, "name": len(meta["names"]), "replaced": 2, "ids": _MAX_IDS}
    if not all(((0 <= a[name]) & (a[name] < bound)).all() for name, bound in below.items()):
        raise ValueError("a length, position or weight cannot be")
    if (len(a["records"]), len(a["texts"]), len(a["replaced"]), len(a["name"]),
            a["records"].sum(), a["texts"].sum(), a["count"].sum()) != \
            (len(meta["shards"]), n, n, n_captions, n, n_texts, n_captions) or \
            (a["count"] == 0).any() or (a["replaced"] > a["texts"]).any():
        raise ValueError("its arrays do not go together")
    replaced = _replaced(a["replaced"] > 0, a["texts"], a["count"])
    if (len(a["text_bytes"]), len(a["ids"]), len(a["text"])) != \
            (replaced.sum(), a["n_ids"][replaced].sum(), a["text_bytes"].sum()):
        raise ValueError("its captions do not go together")
    if (a["ids"] >= meta["n_pieces"]).any():
        raise ValueError("an id is not below its n_pieces")
    text, begins = a["text"], starts_of(a["text_bytes"])[:-1]
    text.tobytes().decode()
    if (text[begins[begins < len(text)]] & 0xC0 == 0x80).any():
        raise ValueError("a caption begins within a character")


def _refuse_tokenizer(meta: dict[str, Any]) -> None:
    markers, n_pieces = meta["markers"], meta["n_pieces"]
    if type(n_pieces) is not int or not 0 <= n_pieces <= _MAX_IDS:
        raise ValueError("its n_pieces is no number of ids")
    if not meta["tokenizer"]:
        fine = markers is None
    else:  # BOS and EOS may lack
        fine = isinstance(markers, list) and len(markers) == 4 and all(
            m is None and i < 2 or type(m) is int and 0 <= m < _MAX_IDS
            for i, m in enumerate(markers))
    if not fine:
        raise ValueError("its markers are not those of a tokenizer")


def _is_unicode(name: str) -> bool:
    """Half a surrogate pair is none."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def ids_by(tokenizer: Tokenizer, record: Record, text: str) -> I32:
    """The tokenizer's of a text of the record, checked."""
    given = tokenizer(text)
    try:
        ids = np.asarray(given)
    except ValueError:  # lists in it
        ids = np.zeros(())
    if ids.ndim != 1 or ids.size and (
            ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= 1 << 31):
        raise ValueError(f"tokenizer: of a text of {record!r} it gives {_short(given)}, not a "
                         "list of integers from 0 to 2**31 - 1")
    return ids.astype(np.int32)


def build_view(paths: Paths, out: str | os.PathLike[str], *,
               where: Callable[[Record], bool] | None = None,
               weight: Callable[[Record], float] | None = None,
               captions_map: Captions | None = None,
               tokenizer: Tokenizer | None = None, markers: Mapping[str, int | None] | None = None,
               tokenizer_name: str = "custom") -> View:
    """Looks at the text of every record once and writes a view to `out`.

    paths: as of a Source. where(record): whether it is used. weight(record): how often it
    occurs in a pass over the source, on average; 0: never. Both may look at record.metadata_json
    (the input's JSON, parsed; record.metadata has its bytes; None where it had none), images and
    captions; a latent that is asked for is decompressed.

    captions_map: the captions instead of the stored ones, which go into the view with their
    ids: a callable of the record, or a mapping of keys to one or more texts (others keep
    theirs). A key that several NAMEs have stands for all of their records; (NAME, key) for one
    of them. Keys that no record has are named in a warning; where all are such it is a
    ValueError. The data set's own tokenizer makes the ids: the model that stands beside
    dataset.json, by latentmill.Tokenizer. Byte order marks before a text and newlines behind a
    caption go, as `latentmill prepare` drops them; a blank text or a caption with NUL is a
    ValueError.

    tokenizer: a latentmill.Tokenizer, as Tokenizer("pairs/") is that of a data set, which has its
    markers; or tokenizer(text): another one, for all texts: token ids, without markers, the same on
    every call; with markers={"bos": .., "eos": .., "boi": .., "eoi": ..} (None for a BOS or EOS
    that is not to be). View.open() needs it again. tokenizer_name: what two views are compared
    by.

    Gives the view, opened. FileNotFoundError where there are no shards, DamagedError where a text
    frame is damaged, OSError where `out` cannot be written: then a file that was there stays.
    ValueError and TypeError say which record or argument is wrong; what `where` and the other
    functions raise goes on as it is, with a note that names the record."""
    if captions_map is not None and not isinstance(captions_map, Mapping) and \
            not callable(captions_map):
        raise TypeError(f"captions_map is a mapping of keys, or a callable; not {captions_map!r}")
    if markers is None and all(hasattr(tokenizer, name) for name in Markers._fields):
        markers = {name: getattr(tokenizer, name) for name in Markers._fields}
    if (tokenizer is None) != (markers is None):
        raise ValueError("a tokenizer comes with markers={'bos', 'eos', 'boi', 'eoi'}")
    if not tokenizer_name:
        raise ValueError("tokenizer_name is empty, which stands for the shards' own tokenizer")
    meta = {"tokenizer": tokenizer_name if tokenizer else "", "shards": [], "names": [],
            "markers": None if markers is None else list(_checked(markers))}
    view = View(meta, {}, tokenizer)
    builder = _Builder(view, where, weight, captions_map)
    for path in find_shards(paths):
        builder.add(ShardReader(path, columns="text"))
    builder.finish()
    meta["fingerprint"] = view_file.digest(meta, view.arrays)
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

    def __init__(self, view: View, where: Callable[[Record], bool] | None,
                 weight: Callable[[Record], float] | None, captions_map: Captions | None):
        self._view = view
        self._where = where
        self._weight = weight
        self._captions_map = captions_map
        self._used_keys: set[Any] = set()  # of captions_map
        self._names: dict[str, int] = {}
        self._values: dict[str, list[Any]] = {name: [] for name in view_file.ARRAYS}
        self._ids, self._text = bytearray(), bytearray()  # two of these arrays
        self._n_pieces = 0
        self._tokenizer = view.tokenizer  # of new captions
        self._tokenizers: dict[str, Tokenizer] = {}  # of data sets, by their SHA-256

    def add(self, reader: ShardReader) -> None:
        """The next shard. ValueError names the record that something is wrong with."""
        lengths_of(reader, Sequencer(PLAN, 1))
        if self._captions_map is not None and self._view.tokenizer is None:
            sha256 = (reader.header["tokenizer"] or {}).get("sha256", "")
            if sha256 not in self._tokenizers:
                self._tokenizers[sha256] = tokenizer_of(reader)
            self._tokenizer = self._tokenizers[sha256]
        self._view.meta["shards"].append(reader.fingerprint)
        self._values["records"].append(len(reader))
        for record in reader:
            try:
                self._add_record(record)
            except Exception as error:
                if repr(record) not in str(error):
                    error.add_note(f"build_view() was at {record!r}")
                raise

    def _add_record(self, record: Record) -> None:
        weight = self._weight_of(record)
        given = self._mapped(record, weight > 0) if record.captions else None
        self._values["weight"].append(weight)
        self._values["replaced"].append(given is not None)
        texts = record.texts if weight else []
        self._values["texts"].append(len(texts))
        for number, text in enumerate(texts):
            if given is not None and number == 0:
                self._add_own(record, given)
                continue
            self._values["count"].append(len(text.alternatives))
            for one in text.alternatives:
                self._add_caption(one.name, self._n_ids(record, one))

    def _weight_of(self, record: Record) -> float:
        if self._where is not None and not self._where(record):
            return 0.0
        weight: Any = 1.0 if self._weight is None else self._weight(record)
        if not isinstance(weight, numbers.Real) or not 0 <= float(weight) < 1e6:
            raise ValueError(f"weight of {record!r} is {weight!r}, not a number from 0 to a "
                             "million")
        return float(weight)

    def _mapped(self, record: Record, is_used: bool) -> str | Sequence[str] | None:
        """What captions_map says of it; None: nothing, or the record is not used."""
        found: Any = None
        if isinstance(self._captions_map, Mapping):
            for key in (record.key, (record.name, record.key)):
                if key in self._captions_map:
                    self._used_keys.add(key)
                    found = self._captions_map[key]
        elif self._captions_map is not None and is_used:
            found = self._captions_map(record)
            found = () if found is None else found
        return found if is_used else None

    def _add_own(self, record: Record, given: str | Sequence[str]) -> None:
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, Sequence) or not all(isinstance(text, str) for text in texts):
            raise TypeError(f"captions_map: {record!r} is given {given!r}, not a text or a list of "
                            "texts")
        if not texts:
            raise ValueError(f"{record!r} has no caption left: leave it out by where=")
        self._values["count"].append(len(texts))
        for one in texts:
            try:
                text = text_of(one, is_document=not record.images)
                data = text.encode()
            except UnicodeEncodeError as error:
                raise ValueError(f"captions_map: a text of {record!r} is no Unicode: {error}"
                                 ) from None
            except ValueError as error:
                raise ValueError(f"captions_map: a text of {record!r} {error}; leave it out, or "
                                 "the record by where=") from None
            assert self._tokenizer is not None
            ids = self._counted(ids_by(self._tokenizer, record, text))
            self._add_caption("captions_map", len(ids))
            self._ids += ids.astype("<u4").tobytes()
            self._values["text_bytes"].append(len(data))
            self._text += data

    def _add_caption(self, name: str, n_ids: int) -> None:
        self._values["name"].append(self._names.setdefault(name, len(self._names)))
        self._values["n_ids"].append(n_ids)

    def _n_ids(self, record: Record, text: Alternative) -> int:
        """Of a text as it is stored."""
        if self._view.tokenizer is not None:
            return len(self._counted(ids_by(self._view.tokenizer, record, text.text or "")))
        if text.ids is None:
            raise ValueError(f"{record!r} has no token ids: the view needs a tokenizer")
        return len(text.ids)

    def _counted(self, ids: I32) -> I32:
        self._n_pieces = max(self._n_pieces, int(ids.max(initial=-1)) + 1)
        return ids

    def finish(self) -> None:
        """Gives the view its arrays."""
        if isinstance(self._captions_map, Mapping):
            self._name_unused(self._captions_map)
        self._view.meta["names"] = list(self._names)
        self._view.meta["n_pieces"] = self._n_pieces
        self._view.arrays = {name: np.array(self._values[name], dtype)
                             for name, dtype in view_file.ARRAYS.items()}
        for name, data in (("ids", self._ids), ("text", self._text)):
            self._view.arrays[name] = np.frombuffer(bytes(data), view_file.ARRAYS[name])

    def _name_unused(self, captions: Mapping[Any, object]) -> None:
        unused = [key for key in captions if key not in self._used_keys]
        if not self._used_keys:
            raise ValueError(f"captions_map has the key of no record; its first are {unused[:3]}")
        if unused:
            warn(f"{len(unused)} of {len(captions)} keys of captions_map are no record's: "
                 f"{first_few([repr(key) for key in unused])}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 100 else f"{text[:100]}..."


def _replaced(replaced: Bools, texts: I64, count: I64) -> Bools:
    """Which alternatives are of the first text of a replaced record. replaced: [n]; texts:
    [n], of each record; count: of each text."""
    first = np.zeros(len(count), bool)
    first[starts_of(texts)[:-1][replaced]] = True
    return np.repeat(first, count)
