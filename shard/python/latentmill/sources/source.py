# SPDX-License-Identifier: Apache-2.0
"""A source: named shards, opened as they are needed and checked to fit together."""
from __future__ import annotations

import base64
import hashlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .. import _shard
from .._shard import ShardError
from ..columns import F32, F64, I64, NO_IDS, NONE, Column, starts_of
from ..dataset_index import DatasetIndex
from ..lazy import cached_property
from ..options import Options
from ..reader import ShardReader
from ..views import UNIT_WEIGHT, View, units_of
from ..warned import warn
from .catalogue import ACCEPTED, Catalogue, Paths
from .data_set import TRY
from .draws import held_out
from .documents import PLAN, Documents, Lengths, Markers, Measure, Texts, lengths_of, texts_of
from .weight import Weight, schedule

# What a source's means are taken over: so many shards at most, and documents of these, both
# evenly spread.
_SAMPLED_SHARDS, _SAMPLED_DOCUMENTS = 64, 1 << 16
_COMPARED_TWINS = 4  # pairs of shards of one NAME whose keys are compared


@dataclass(frozen=True)
class Source:
    """Shards that are mixed with one weight.

    paths: a folder (with all shards in and below it), a .lms file, or a list of both. Of a
    folder that latentmill prepare wrote, with manifests, those of finished units are taken, and
    others named in a warning; of one without manifests (copied shards) all.
    weight: relative to those of the other sources, or a schedule [(0, 1.0), (90_000, 3.0)]:
    each weight holds from its step on. view: a file of latentmill.build_view(), or a View; one
    that was made of the folders of several sources, build_view(["pairs/", "text/"], ...), is given
    to each of these."""
    paths: Paths
    weight: Weight = 1.0
    view: str | os.PathLike[str] | View | None = None

    def __post_init__(self) -> None:
        schedule(self.weight)
        if not isinstance(self.view, (str, os.PathLike, View, type(None))):
            raise TypeError(f"view is a file of build_view(), or a View; not {self.view!r}")


Sources = Paths | Source | Mapping[str, Paths | Source]


def named_sources(sources: Sources) -> dict[str, Source]:
    """The argument `sources` of a Dataset."""
    if not isinstance(sources, Mapping):
        sources = {"data": sources}
    if not sources:
        raise ValueError(f"no sources: give {ACCEPTED}")
    for name in sources:
        if not isinstance(name, str):
            raise TypeError(f"a source's name is a string, not {name!r}")
    return {name: source if isinstance(source, Source) else Source(source)
            for name, source in sources.items()}


def _columns_of(index: DatasetIndex, configuration: int) -> list[Column]:
    """Columns of tensors of the shards of one configuration."""
    shards = np.repeat(index.configuration, np.diff(index.column_start))
    return [index.columns[i] for i in np.unique(index.column[shards == configuration])]


def _default_encoder(header: dict[str, Any]) -> int | None:
    """What stands for an image: position in the header's encoders."""
    return _shard.default_encoder(json.dumps({"name": "", "part": 0, **header}))


def default_patch(catalogues: Iterable[Catalogue]) -> int:
    """The window that the first shard with latents, or else the first, was prepared for."""
    headers = [catalogue.first_header() for catalogue in catalogues]
    patch: int = next((h for h in headers if h["encoders"]), headers[0])["patch"]
    return patch


@dataclass
class OpenShard:
    """A shard's reader, and its lengths: from its index, or from a view."""
    reader: ShardReader
    lengths: Lengths
    texts: Texts
    measure: Measure
    sequencer: _shard.Sequencer
    scales: dict[int, tuple[F32, F32]]  # scale and shift, by encoder of latents
    window: int = 0  # of its source, that needed it last

    def documents(self, records: I64, pass_number: int) -> Documents:
        """Of these records in a pass over the source."""
        return self.measure.documents(self.reader.shard, self.texts, self.lengths, records,
                                      pass_number)

    @property
    def weights(self) -> F64:
        """How often each record comes in a pass. [n]"""
        return np.ones(len(self.reader)) if self.texts.weight is None else self.texts.weight

    @cached_property
    def most_images(self) -> int:
        """Of a record, where it may have mirrored renditions; 0 where none has."""
        if not any(column.mirrored for column in self.reader.frames.columns):
            return 0
        columns = self.reader.columns()
        is_image = np.array([one.kind == "image" for one in columns.types] or [False])
        return int(np.diff(starts_of(is_image[columns.type])[columns.part_start]).max(initial=0))


class OpenSource:
    """One source of a Dataset. Pickles without its open shards."""

    def __init__(self, name: str, source: Source, catalogue: Catalogue, options: Options,
                 view: View | None = None, shared: bool = False):
        """view: that of the source, where it is open. shared: it is of other sources' shards, too."""
        self.name = name
        self.weight = schedule(source.weight)
        self.view = view if view is not None else _opened_view(source.view)
        self._shared = shared
        self.in_view = np.arange(len(catalogue))  # of each shard its number in the view
        self.many_roots = not isinstance(source.paths, (str, os.PathLike))
        self._catalogue = catalogue
        self._options = options
        self._open: OrderedDict[int, OpenShard] = OrderedDict()  # the last used one last
        self._window = 0
        self.contracts: list[tuple[str, Contract]] = []
        self.headers: list[dict[str, Any]] = []  # one of each contract
        self.channels = 0  # of its latents
        self.codes_end = 0  # above which ids no code of an image is
        self.least_image: float | None = None  # positions that an image brings, in these
        self.image_lengths: set[int] = set()  # of records with images, without their texts
        self.caption_names: set[str] = set()  # in the shards that were looked at
        self._raw = np.zeros(4, np.int64)   # over these: bytes of blocks, records, blocks, shards
        self._split = np.zeros(2, np.int64)  # over these: units of weight, of one side and all
        self._sums = np.zeros(3, np.int64)  # over these: positions, documents, units of weight
        self.is_steady = self.view is None and options.split is None and \
            options.long_captions != "drop"
        self._examine()
        if not self.counts.sum():
            raise ValueError(f"source {name!r} has no records")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": OrderedDict()}

    @property
    def counts(self) -> I64:
        """Records of each shard. [shards]"""
        return self._catalogue.counts

    def _examine(self) -> None:
        """What must be the same in all shards, from the index or else from each of them, and
        what their records are in the mean."""
        index, n = self._catalogue.index, len(self._catalogue)
        if self._shared:
            self._find_in_view()
        sample = self._sample()
        self.is_steady &= len(sample) == n  # each record gives one document for sure
        if index is not None:
            for number, header in enumerate(index.configurations):
                self._add_contract(index.file, header, _columns_of(index, number))
            for number in range(n) if self.view is not None else ():
                self._check_view(number)
        for number in range(n) if index is None else sorted(sample):
            reader = self._catalogue.open(number)
            if index is None:
                self._add_contract(reader.path, reader.header, reader.frames.columns)
                self._check_view(number)
            if number in sample:
                shard = self._opened(number, reader)
                self._add_image_lengths(shard)
                self.is_steady &= bool((np.minimum(
                    shard.lengths.caption_first, shard.lengths.image_first) > 0).all())
                self._add_raw_bytes(reader)
                self._add_sums(shard, number, len(sample))
        self._find_split(set(range(n)) - sample)

    def _find_split(self, others: set[int]) -> None:
        """Looks on in the shards that are no sample where that has no record of a split."""
        if self._options.split is None:
            return
        for number in sorted(others):
            if self._split[0]:
                return
            self._add_sums(self._opened(number, self._catalogue.open(number)), number, 1)
        if not self._split[0]:
            side, part = self._options.split
            raise ValueError(f"source {self.name!r} has no record in split=({side!r}, {part}): all of its "
                             f"{self.counts.sum()} records are on the other side; give a "
                             f"{'larger' if side == 'val' else 'smaller'} share")

    def _sample(self) -> set[int]:
        """Numbers of the shards that are looked at: of those that a view takes something of."""
        some = np.arange(len(self._catalogue)) if self.view is None else \
            np.flatnonzero(self._units())
        if len(some) > _SAMPLED_SHARDS:
            some = some[np.arange(_SAMPLED_SHARDS) * (len(some) - 1) // (_SAMPLED_SHARDS - 1)]
        return set(some.tolist())

    def _units(self) -> I64:
        """Sum of the weights of each shard's records in the view. [shards]"""
        assert self.view is not None
        units = self.view.units
        return units[self.in_view] if self._shared else units[:len(self._catalogue)]

    def _find_in_view(self) -> None:
        """Which shards of the view are this source's. ValueError where it has another one."""
        assert self.view is not None
        number_of = {fingerprint: i for i, fingerprint in enumerate(self.view.meta["shards"])}
        for number in range(len(self._catalogue)):
            if self._catalogue.index is None:
                self._catalogue.open(number)  # which tells of its fingerprint
            fingerprint = self._catalogue.fingerprints[number].tobytes().hex()
            if fingerprint not in number_of:
                raise ValueError(f"the view of source {self.name!r} lacks {self.names[number]}: make one of all "
                                 "sources that share it, build_view([folder, ...], ...)")
            self.in_view[number] = number_of[fingerprint]

    def _check_view(self, number: int) -> None:
        if self.view is not None and not self._shared:
            self.view.check(self.name, len(self._catalogue), number,
                            self._catalogue.fingerprints[number].tobytes().hex(),
                            self._catalogue.index)

    def _add_contract(self, path: str, header: dict[str, Any], columns: list[Column]) -> None:
        contract = Contract.of(path, header, columns, self.view)
        if contract.images is not None:
            encoder = header["encoders"][_default_encoder(header)]
            if contract.images.kind == "latent":
                self.channels = max(self.channels, encoder["channels"])
            else:
                self.codes_end = max(self.codes_end, _codes_end(encoder))
        if not any(contract == other for _, other in self.contracts):
            self.contracts.append((path, contract))
            self.headers.append(header)

    def _add_raw_bytes(self, reader: ShardReader) -> None:
        """What its blocks are when they are decompressed: texts, and tensors that are seen."""
        frames, seen = reader.frames, _default_encoder(reader.header)
        is_seen = np.array([column.encoder == seen for column in frames.columns] + [False])
        of_text = frames.column == NONE
        column = np.where(of_text, len(frames.columns), frames.column)
        raw = int(frames.raw_bytes[of_text | is_seen[column]].sum(dtype=np.int64))
        self._raw += np.array([raw, len(reader), reader.shard.n_blocks, 1])

    @property
    def raw_bytes(self) -> float:
        """Of a record in the mean."""
        raw, records, _, _ = self._raw.tolist()
        return raw / max(records, 1)

    def mean_block(self) -> tuple[float, float]:
        """Records of a block, and blocks of a shard."""
        _, records, blocks, shards = self._raw.tolist()
        return records / max(blocks, 1), blocks / max(shards, 1)

    def _add_image_lengths(self, shard: OpenShard) -> None:
        which = shard.lengths.n_images > 0
        lengths = np.minimum(shard.lengths.caption_first, shard.lengths.image_first)[which]
        if not len(lengths):
            return
        least = float((lengths / shard.lengths.n_images[which]).min())
        self.least_image = min(self.least_image or least, least)
        if self.view is None:
            self.image_lengths.update((int(lengths.min()), int(lengths.max())))

    def _add_sums(self, shard: OpenShard, number: int, n_shards: int) -> None:
        """One of n_shards sampled ones; as far as a sequence has room for its documents. Where
        there are few records, several passes are, as each draws anew."""
        self.caption_names.update(shard.texts.names)
        most = _SAMPLED_DOCUMENTS // n_shards
        weights = shard.weights
        records = np.flatnonzero(weights)
        self._split += (int(units_of(weights).sum()), len(shard.reader) * UNIT_WEIGHT
                        if self.view is None else int(self._units()[number]))
        n = min(len(records), most)
        records = records[np.arange(n) * len(records) // max(n, 1)]
        units = int(units_of(weights[records]).sum())
        most_passes = 1 << 7 - (n_shards - 1).bit_length()
        passes = min(most_passes, 1 << (most // max(n, 1)).bit_length() - 1)
        for pass_number in range(passes):
            documents = shard.documents(records, pass_number)
            length = documents.length
            if self._options.pack is not None:
                length = length[documents.is_text | (length <= self._options.pack)]
            self._sums += np.array([length.sum(), len(length), units]) * (most_passes // passes)

    def means(self) -> tuple[float, float]:
        """Positions and documents that a record gives."""
        positions, documents, units = self._sums.tolist()
        if positions == 0:
            raise ValueError(f"nothing of source {self.name!r} is left to train on: its view, split, "
                             "long_captions or pack leave all of it out")
        n = int(self.counts.sum())
        all_units = n * UNIT_WEIGHT if self.view is None else int(self._units().sum())
        if self._options.split is not None:
            one_side, both = self._split.tolist()
            all_units = all_units * one_side // both
        return positions * all_units / (units * n), documents * all_units / (units * n)

    @cached_property
    def fingerprint(self) -> str:
        """Of the records' bytes, and of the view."""
        return self.fingerprint_of(np.arange(len(self._catalogue)))

    @property
    def names(self) -> list[str]:
        """Of each shard its path from the folder on that it was found in."""
        return self._catalogue.names()

    def identities(self, number: int) -> set[tuple[str, str]]:
        """(NAME, key) of the records of a shard."""
        shard = self._catalogue.open(number).shard
        return {shard.identify(i)[1::-1] for i in range(shard.n_records)}

    def fingerprint_of(self, shards: I64) -> str:
        """If it had these alone."""
        digest = hashlib.sha256(self._catalogue.fingerprints[shards].tobytes())
        digest.update((self.view.fingerprint if self.view else "").encode())
        return digest.hexdigest()[:32]

    def begin_window(self, most_open: int) -> None:
        """Closes shards beyond most_open that the window before this one did not need."""
        self._window += 1
        while len(self._open) > most_open and \
                next(iter(self._open.values())).window < self._window - 1:
            self._open.popitem(last=False)

    def shard(self, number: int) -> OpenShard:
        """Opens it, or finds it among those that are open."""
        if number not in self._open:
            self._open[number] = self._opened(number, self._catalogue.open(number))
        shard = self._open[number]
        shard.window = self._window
        self._open.move_to_end(number)
        return shard

    def _opened(self, number: int, reader: ShardReader) -> OpenShard:
        texts = texts_of(reader.columns()) if self.view is None else \
            self.view.texts(int(self.in_view[number]))
        if texts.weight is not None and len(texts.weight) != len(reader):
            raise ValueError(f"the view of source {self.name!r} tells of {len(texts.weight)} "
                             f"records of {reader.path}, which has {len(reader)}: it is damaged")
        if self.view is None or self.view.markers is None:
            _refuse_missing_ids(reader, texts)
        if self._options.split is not None:
            side, part = self._options.split
            out = held_out(reader.shard, part)
            weight: F64 = np.ones(len(reader)) if texts.weight is None else texts.weight.copy()
            weight[~out if side == "val" else out] = 0
            texts = replace(texts, weight=weight)
        sequencer = _shard.Sequencer(PLAN, self._grid(reader.header),
                                     self._markers(reader.header), self._options.items())
        return OpenShard(
            reader, lengths_of(reader, sequencer), texts, Measure(self._options, reader.header),
            sequencer,
            {i: reader.scale_and_shift(i) for i, e in enumerate(reader.header["encoders"])
             if e["kind"] == "latent"})

    def _markers(self, header: dict[str, Any]) -> Markers:
        if self.view is not None and self.view.markers is not None:
            return self.view.markers
        t = header["tokenizer"]
        if t is None:
            raise ShardError(f"source {self.name!r} has shards without a tokenizer (--tokenizer "
                             "none): it needs a view made by "
                             "latentmill.build_view(..., tokenizer=...)")
        return Markers(t["bos"], t["eos"], t["boi"], t["eoi"])

    def _grid(self, header: dict[str, Any]) -> int:
        """Window that positions are counted with."""
        return self._options.patch or self._options.grid or header["patch"]

    def block_starts(self, number: int) -> I64:
        """Of a shard: position of each block's first record, and how many there are."""
        return self.shard(number).reader.columns().block_start

    def token_ids(self) -> tuple[Markers, int]:
        """Its markers, and above which ids there is no token besides these."""
        if self.view is not None and self.view.markers is not None:
            return self.view.markers, max(self.view.n_pieces, self.codes_end)
        header = next(h for h in self.headers if h["tokenizer"] is not None)
        return self._markers(header), max(header["tokenizer"]["n_pieces"], self.codes_end)


def _refuse_missing_ids(reader: ShardReader, texts: Texts) -> None:
    if reader.header["tokenizer"] is None or (texts.n_ids == NO_IDS).any():
        raise ShardError(f"{reader.path} has texts without token ids (--tokenizer none): it needs "
                         "a view made by latentmill.build_view(..., tokenizer=...)")


# Members of an encoder that its sources must share, by its kind.
_SHARED = {"latent": ("weights_sha256", "scale", "shift", "moments"),
           "codes": ("weights_sha256", "codebook", "id_offset", "id_map")}
# And of one whose weights have no hash.
_UNHASHED = ("name", "family", "numerics", "config")


def _opened_view(view: str | os.PathLike[str] | View | None) -> View | None:
    return View.open(view) if isinstance(view, (str, os.PathLike)) else view


def open_sources(named: Mapping[str, Source], catalogues: Mapping[str, Catalogue], options: Options
                 ) -> list[OpenSource]:
    """In order of name. A view that several have is opened once, and is of the shards of all.
    ValueError where it is of shards that none of them has."""
    files: dict[str, View] = {}
    views: dict[str, View | None] = {}
    for name, source in named.items():
        view = source.view
        if isinstance(view, (str, os.PathLike)):
            path = os.path.abspath(os.fspath(view))
            view = files[path] = files.get(path) or View.open(view)
        views[name] = view
    having: dict[int, list[str]] = {}
    for name in sorted(named):
        having.setdefault(id(views[name]), []).append(name)
    sources = [OpenSource(name, named[name], catalogues[name], options, views[name],
                          views[name] is not None and len(having[id(views[name])]) > 1)
               for name in sorted(named)]
    for names in having.values():
        view = views[names[0]]
        if view is not None and len(names) > 1:
            known = np.concatenate([one.in_view for one in sources if one.name in names])
            if missing := len(view.meta["shards"]) - len(np.unique(known)):
                raise ValueError(f"the view of sources {', '.join(names)} is of {missing} shards that none of "
                                 "them has; make one of these with latentmill.build_view()")
    return sources


class Seen(NamedTuple):
    """What images are seen by."""
    kind: str  # "latent" or "codes"
    encoder: tuple[Any, ...]  # its members by _SHARED, and maybe by _UNHASHED
    dtype: str | int | None  # of latents


@dataclass(frozen=True)
class Contract:
    """What shards must share to be trained on together. None: has none of it, fits all."""
    tokenizer: tuple[Any, ...] | None
    images: Seen | None

    TOKENIZER = ("sha256", "bos", "eos", "boi", "eoi")

    @staticmethod
    def of(path: str, header: dict[str, Any], columns: list[Column], view: View | None
           ) -> Contract:
        """Of a shard at `path`, or of the shards of one configuration of an index. ValueError
        where its images cannot be trained on."""
        t = header["tokenizer"]
        tokenizer: tuple[Any, ...] | None
        if view is not None and view.markers is not None:
            tokenizer = (view.tokenizer_name, *view.markers)
        else:
            tokenizer = None if t is None else tuple(t[name] for name in Contract.TOKENIZER)
        encoder = _default_encoder(header)
        dtypes = {c.dtype for c in columns if c.encoder == encoder and not c.logvar}
        if encoder is None or not dtypes:
            return Contract(tokenizer, None)
        described = header["encoders"][encoder]
        shared = tuple(described.get(name) for name in _SHARED[described["kind"]])
        if described.get("weights_sha256") is None:  # all else that tells one from another
            shared += tuple(described.get(name) for name in _UNHASHED)
        if described["kind"] == "codes":
            return Contract(tokenizer, Seen("codes", shared, None))
        if len(dtypes) > 1:
            raise ValueError(f"{path} has latents of more than one dtype")
        return Contract(tokenizer, Seen("latent", shared, next(iter(dtypes))))

    def differences(self, other: Contract) -> list[str]:
        """Why their shards may not be mixed, a line each."""
        out = []
        if self.tokenizer and other.tokenizer:
            out += [f"tokenizer's {name}: {a} and {b}" for name, a, b in
                    zip(self.TOKENIZER, self.tokenizer, other.tokenizer) if a != b]
        mine, theirs = self.images, other.images
        if mine is None or theirs is None:
            return out
        if mine.kind != theirs.kind:
            return [*out, f"images seen as: {mine.kind} and {theirs.kind}"]
        out += [f"{'VAE' if mine.kind == 'latent' else 'encoder'}'s {name}: {_short(a)} and {_short(b)}"
                for name, a, b in zip(_SHARED[mine.kind] + _UNHASHED, mine.encoder, theirs.encoder) if a != b]
        if mine.dtype != theirs.dtype:
            out.append(f"dtype of latents: {mine.dtype} and {theirs.dtype}")
        return out


def _codes_end(encoder: dict[str, Any]) -> int:
    """The highest token of an encoder of codes, and one more."""
    ids = encoder.get("id_map")
    if ids is None:
        return int((encoder.get("id_offset") or 0) + encoder["codebook"])
    if isinstance(ids, dict):  # FORMAT.md, section 2
        ids = np.frombuffer(base64.b64decode(ids["u32"]), "<u4").tolist()
    return int(max(ids)) + 1


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def refuse_unknown_captions(sources: Sequence[OpenSource], shares: Mapping[str, float]) -> None:
    """Raises ValueError where no record has a caption of a name that is to be drawn; a warning
    where not all shards were looked at."""
    names = sorted(set().union(*(source.caption_names for source in sources)))
    known = {*names, *(name.split("[")[0] for name in names)}
    unknown = [name for name in shares if name not in known]
    if not unknown:
        return
    message = (f"captions: no record has one of the name {', '.join(map(repr, unknown))}; there "
               f"are {', '.join(map(repr, names))}")
    if all(len(source.counts) <= _SAMPLED_SHARDS for source in sources):
        raise ValueError(message)
    warn(f"{message} in {_SAMPLED_SHARDS} shards of each source")


def refuse_no_logvar(sources: Iterable[OpenSource]) -> None:
    """Raises ValueError where latents have no log-variance to be sampled with."""
    for source in sources:
        for header in source.headers:
            encoder = _default_encoder(header)
            if encoder is None or header["encoders"][encoder]["kind"] != "latent":
                continue
            if header["encoders"][encoder]["moments"] != "mean+logvar":
                raise ValueError(f"posterior='sample': source {source.name!r} has shards without "
                                 "log-variances; latentmill prepare --moments mean+logvar keeps "
                                 "them")


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


def warn_of_twins(sources: Sequence[OpenSource]) -> None:
    """A warning where shards of one NAME, in several folders, have records of one (NAME, key): these
    are drawn alike, and `keys` does not tell them apart. Sources that both have a view may share
    records."""
    seen: dict[str, tuple[OpenSource, int]] = {}
    twins = []
    for source in sources:
        for number, name in enumerate(source.names if len(sources) > 1 or source.many_roots else ()):
            name = TRY.sub("", name.removesuffix(".lms"))
            other, at = seen.setdefault(name, (source, number))
            if (other, at) != (source, number) and not (other.view and source.view):
                twins.append((other, at, source, number))
    for other, at, source, number in twins[:_COMPARED_TWINS]:
        if both := other.identities(at) & source.identities(number):
            name, key = min(both)
            where = f"source {source.name!r} has" if other is source else \
                f"sources {other.name!r} and {source.name!r} have"
            warn(f"{where} shards of the same NAME ({len(twins)}), and records of the same NAME and key "
                 f"in them ({len(both)} in {source.names[number]}), as {name} {key}: all draws of two such "
                 "are alike, and a batch's keys do not tell them apart. Prepare one of them with inputs of "
                 "other names, or leave it out")
            return


class IncompatibleError(ValueError):
    """Sources that may not be mixed: another encoder, dtype of latents, or tokenizer."""


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
