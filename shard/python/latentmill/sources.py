# SPDX-License-Identifier: Apache-2.0
"""A source: named shards, opened as they are needed and checked to fit together."""
from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._shard import ShardError
from .columns import NO_IDS, Layout
from .dataset_index import DatasetIndex
from .composing import Composer
from .documents import Markers, Measure, Shape, Texts, shape_of, texts_of
from .lazy import cached_property
from .mixture import Weight, schedule
from .options import Options
from .reader import ShardReader
from .views import View

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
_SAMPLED_SHARDS = 64


@dataclass(frozen=True)
class Source:
    """Shards that are mixed with one weight.

    paths: a folder (with all shards in and below it), a .lms file, or a list of both. Of a
    folder that latentmill prepare wrote, with manifests, those of finished units are taken, and
    others named in a warning; of one without manifests (copied shards) all.
    weight: relative to those of the other sources, or a schedule [(0, 1.0), (90_000, 3.0)]:
    each weight holds from its step on. view: a file of latentmill.build_view(), or a View."""
    paths: Paths
    weight: Weight = 1.0
    view: str | os.PathLike[str] | View | None = None


Sources = Paths | Source | Mapping[str, Paths | Source]


def named_sources(sources: Sources) -> dict[str, Source]:
    """The argument `sources` of a Dataset."""
    if not isinstance(sources, Mapping):
        sources = {"data": sources}
    if not sources:
        raise ValueError("no sources")
    return {name: source if isinstance(source, Source) else Source(source)
            for name, source in sources.items()}


def index_of(paths: Paths) -> DatasetIndex | None:
    """index.lmi of a folder that has one."""
    if isinstance(paths, (str, os.PathLike)) and (Path(paths) / "index.lmi").exists():
        return DatasetIndex(paths)
    return None


def _layouts(index: DatasetIndex, configuration: int) -> list[Layout]:
    """Layouts of the shards of one configuration."""
    shards = np.repeat(index.configuration, np.diff(index.layout_start))
    return [index.layouts[i] for i in np.unique(index.layout[shards == configuration])]


def _first_header(paths: Paths) -> dict[str, Any]:
    index = index_of(paths)
    return ShardReader(find_shards(paths)[0]).header if index is None else index.configurations[0]


def default_patch(named: Mapping[str, Source]) -> int:
    """The window that the first shard with latents, or else the first, was prepared for."""
    headers = [_first_header(source.paths) for source in named.values()]
    return next((h for h in headers if h["encoders"]), headers[0])["patch"]


def find_shards(paths: Paths) -> list[Path]:
    """All shards below folders and in lists, by name. FileNotFoundError names what is missing:
    a path, or a shard that a manifest tells of."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += _shards_below(path)
        elif path.exists():
            found.append(path)
        else:
            raise FileNotFoundError(f"no such shard or folder: {path}")
    if not found:
        raise FileNotFoundError(f"no shards in {', '.join(map(str, paths))}")
    return found


def _shards_below(folder: Path) -> list[Path]:
    """Of a folder of `latentmill prepare` those that its manifests name, else all."""
    there = sorted(folder.rglob("*.lms"))
    manifests = sorted(folder.rglob("*.manifest.json"))
    if not manifests and next(folder.rglob("dataset.json"), None) is None:
        return there
    named = {shard for manifest in manifests for shard in _named_shards(manifest)}
    if missing := sorted(named.difference(there)):
        raise FileNotFoundError("shards that their manifests name are missing: " +
                                ", ".join(map(str, missing)))
    if unfinished := [str(path) for path in there if path not in named]:
        warnings.warn(f"{len(unfinished)} shards of unfinished units, which no manifest names, "
                      f"are left out: {first_few(unfinished)}. Let latentmill prepare finish "
                      "them, or name the files", stacklevel=2)
    return [path for path in there if path in named]


def _named_shards(manifest: Path) -> list[Path]:
    """They lie beside it. ShardError where it is no manifest."""
    try:
        if not manifest.is_file():
            raise ValueError("not a regular file")
        shards = json.loads(manifest.read_bytes())["result"]["shards"]
        return [manifest.parent / Path(shard["name"]).name for shard in shards]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ShardError(f"{manifest} is damaged or no manifest ({error}): restore it, or remove "
                         "it and let latentmill prepare make its unit again") from None


def first_few(names: Sequence[str]) -> str:
    """For a message."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


@dataclass
class OpenShard:
    """A shard's reader, and its lengths: from its index, or from a view."""
    reader: ShardReader
    shapes: list[Shape]
    texts: Texts
    layout: np.ndarray
    measure: Measure
    composer: Composer
    scales: list[tuple[np.ndarray, np.ndarray]]  # scale and shift of each encoder

    @cached_property
    def ids_start(self) -> np.ndarray:
        """Token ids before each alternative of the shard. int64 [alternatives + 1]."""
        n_ids = self.reader.columns().alternative_n_ids
        return np.concatenate(([0], np.cumsum(np.where(n_ids == NO_IDS, 0, n_ids),
                                              dtype=np.int64)))


class OpenSource:
    """One source of a Dataset. Pickles without its open shards."""

    def __init__(self, name: str, source: Source, options: Options):
        self.name = name
        self.weight = schedule(source.weight)
        self._index = index_of(source.paths)
        if self._index is None:
            self.paths: list[str | Path] = [*find_shards(source.paths)]
        else:  # in the order of find_shards()
            names = [self._index.name(i) for i in range(len(self._index))]
            self._order = np.array(sorted(range(len(names)), key=lambda i: Path(names[i]).parts),
                                   np.int64)
            self.paths = [self._index.path(int(i)) for i in self._order]
        self.view = View.open(source.view) if isinstance(source.view, (str, os.PathLike)) \
            else source.view
        self._options = options
        self._open: OrderedDict[int, OpenShard] = OrderedDict()
        self._examine()
        if self.view is not None:
            self.view.check(self.fingerprints, name)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    def _examine(self) -> None:
        """Counts, fingerprints, and what must be the same in all shards: from index.lmi where
        the source is a folder that has one, else each shard is opened once."""
        self.contracts: list[tuple[str, Contract]] = []
        self.channels = 0  # of its latents
        self.image_lengths: set[int] = set()  # of records with images, without their texts
        if self._index is not None:
            index, order = self._index, self._order
            self.counts = index.records[order].astype(np.int64)
            self.fingerprints = [row.tobytes().hex() for row in index.fingerprints[order]]
            for number, header in enumerate(index.configurations):
                self._add_contract(index.file, header, _layouts(index, number))
        else:
            counts, self.fingerprints = [], []
            for path in self.paths:
                reader = ShardReader(path)
                counts.append(len(reader))
                self.fingerprints.append(reader.fingerprint)
                self._add_contract(str(path), reader.header, reader.columns().layouts)
            self.counts = np.array(counts, np.int64)
        if not self.counts.sum():
            raise ValueError(f"source {self.name!r} has no records")

    def _add_contract(self, path: str, header: dict[str, Any], layouts: list[Layout]) -> None:
        contract = Contract.of(path, header, layouts, self.view)
        self.channels = max([self.channels, *(s.dims[0] for layout in layouts
                                              for s in layout.segments if s.kind == "latent")])
        if not any(contract == other for _, other in self.contracts):
            self.contracts.append((path, contract))
        if self.view is None and header["tokenizer"] is not None:
            shapes = _shapes(path, header, layouts)
            lengths = np.minimum(*self._measure(header).fixed(shapes)).tolist()
            self.image_lengths.update(n for n, shape in zip(lengths, shapes) if not shape.is_text)

    @cached_property
    def fingerprint(self) -> str:
        """Of the records' bytes, and of the view."""
        parts = [*self.fingerprints, self.view.fingerprint if self.view else ""]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

    def shard(self, number: int) -> OpenShard:
        """Opens it, or finds it among those that a window and the next one need."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        reader = ShardReader(self.paths[number])
        columns = reader.columns()
        shapes = _shapes(reader.path, reader.header, columns.layouts)
        if self.view is None:
            texts = texts_of(columns, shapes)
            _refuse_missing_ids(reader, texts)
        else:
            texts = self.view.texts(number)
        opened = OpenShard(
            reader, shapes, texts, columns.layout, self._measure(reader.header),
            Composer(self._options, self._markers(reader.header), self._grid(reader.header)),
            [reader.scale_and_shift(i) for i in range(len(reader.header["encoders"]))])
        self._open[number] = opened
        while len(self._open) > 2 * self._options.group + 2:
            self._open.popitem(last=False)
        return opened

    def _measure(self, header: dict[str, Any]) -> Measure:
        return Measure(self._options, self._markers(header), self._grid(header), header)

    def _markers(self, header: dict[str, Any]) -> Markers:
        if self.view is not None and self.view.markers is not None:
            return self.view.markers
        t = header["tokenizer"]
        return Markers(t["bos"], t["eos"], t["boi"], t["eoi"])

    def _grid(self, header: dict[str, Any]) -> int:
        """Window that positions are counted with."""
        return self._options.patch or self._options.grid or header["patch"]

    def block_starts(self, number: int) -> np.ndarray:
        return self.shard(number).reader.columns().block_start

    def means(self) -> tuple[float, float]:
        """Positions and documents that a record gives, on average over all draws. Of many
        shards 64 are looked at, evenly spread."""
        some = np.unique(np.linspace(0, len(self.paths) - 1, _SAMPLED_SHARDS).astype(int)) \
            if len(self.paths) > _SAMPLED_SHARDS else range(len(self.paths))
        positions = documents = records = 0.0
        for number in some:
            s = self.shard(int(number))
            p, d = s.measure.expected(s.texts, s.layout, s.shapes)
            positions, documents = positions + p, documents + d
            records += len(s.layout)
        if positions <= 0:
            raise ValueError(f"nothing of source {self.name!r} is left to train on")
        return positions / records, documents / records


def _shapes(path: str, header: dict[str, Any], layouts: list[Layout]) -> list[Shape]:
    try:
        return [shape_of(layout, header["encoders"]) for layout in layouts]
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _refuse_missing_ids(reader: ShardReader, texts: Texts) -> None:
    if (texts.n_ids == NO_IDS).any():
        raise ShardError(f"{reader.path} has texts without token ids (--tokenizer none): it needs "
                         "a view made by latentmill.build_view(..., tokenizer=...)")


@dataclass(frozen=True)
class Contract:
    """What shards must share to be trained on together. None: has none of it, fits all."""
    tokenizer: tuple | None
    latents: tuple | None

    TOKENIZER = ("sha256", "bos", "eos", "boi", "eoi")
    LATENTS = ("weights_sha256", "scale", "shift", "moments")

    @staticmethod
    def of(path: str, header: dict[str, Any], layouts: list[Layout], view: View | None
           ) -> Contract:
        t = header["tokenizer"]
        tokenizer: tuple | None
        if view is not None and view.markers is not None:
            tokenizer = (view.tokenizer_name, *view.markers)
        else:
            tokenizer = None if t is None else tuple(t[name] for name in Contract.TOKENIZER)
        latents = {(_encoder(header["encoders"][s.encoder]), s.dtype) for layout in layouts
                   for s in layout.segments if s.kind == "latent"}
        if len(latents) > 1:
            raise ValueError(f"{path} has latents of more than one kind")
        return Contract(tokenizer, next(iter(latents), None))

    def differences(self, other: Contract) -> list[str]:
        out = []
        if self.tokenizer and other.tokenizer:
            out += [f"tokenizer's {name}: {a} and {b}" for name, a, b in
                    zip(self.TOKENIZER, self.tokenizer, other.tokenizer) if a != b]
        if self.latents and other.latents:
            (mine, dtype), (theirs, their_dtype) = self.latents, other.latents
            out += [f"VAE's {name}: {_short(a)} and {_short(b)}" for name, a, b in
                    zip(self.LATENTS, mine, theirs) if a != b]
            if dtype != their_dtype:
                out.append(f"dtype of latents: {dtype} and {their_dtype}")
        return out


def _encoder(encoder: dict[str, Any]) -> tuple:
    return tuple(tuple(v) if isinstance(v := encoder[name], list) else v
                 for name in Contract.LATENTS)


def _short(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def refuse_short_pack(sources: Iterable[OpenSource], pack: int, skip: bool) -> None:
    """Raises ValueError where records with images, which are never cut, cannot fit into a
    sequence even without their texts. skip: only where none of a source can."""
    for source in sources:
        lengths = source.image_lengths
        if lengths and (min(lengths) if skip else max(lengths)) > pack:
            raise ValueError(
                f"pack={pack} is too short for source {source.name!r}: its longest pairs need "
                f"{max(lengths)} positions besides their captions, and only texts may be cut; "
                "use a longer pack or a larger patch")


class IncompatibleError(ValueError):
    """Sources that may not be mixed: another VAE, dtype of latents, or tokenizer."""


def refuse_incompatible(sources: Iterable[OpenSource]) -> None:
    """Raises IncompatibleError with everything in which two shards differ."""
    known: list[tuple[str, Contract]] = []
    for source in sources:
        for path, contract in source.contracts:
            for other_path, other in known:
                differences = other.differences(contract)
                if differences:
                    raise IncompatibleError(f"{other_path} and {path} cannot be mixed: " +
                                            "; ".join(differences))
            known.append((path, contract))
