# SPDX-License-Identifier: Apache-2.0
"""Batches for training: shuffled, mixed, packed, and resumable on another number of ranks."""
from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from .batches.batch import Batch, Key, make_known
from .batches.building import BatchBuilder, Transform
from .batches.fetching import Fetcher
from .batches.padding import Padding, rooms
from .batches.walk import Part, Walk
from .columns import I64
from .loader import Loader
from .options import Options, one_of, templates, whole
from .planning.growth import grown, older_shards, pack_names
from .planning.mixture import UNIT, Mixture, Share
from .planning.quality import quality_of, warn_of_window
from .planning.shuffle import most_records
from .planning.state import Identity, Position, StateError, load_position, make_state, position_of, \
    refuse_no_state
from .planning.windows import Planner
from .reader import Frame
from .sources.catalogue import Catalogue
from .sources.documents import PLAN, Markers
from .sources.source import (OpenSource, Sources, default_patch, named_sources, open_sources,
                             refuse_incompatible, refuse_no_logvar, refuse_short_pack,
                             refuse_unknown_captions, warn_of_twins)
from .warned import warn

try:
    import torch
    from torch.utils import _pytree
    from torch.utils.data import IterableDataset, get_worker_info
    from torch.utils.data._utils import collate

    make_known(torch, _pytree, collate)
except ImportError:
    IterableDataset = object  # type: ignore[assignment, misc]

    def get_worker_info() -> None:
        return None


if TYPE_CHECKING:
    _Batches: TypeAlias = IterableDataset[dict[str, Any]]
else:
    _Batches = IterableDataset

Parts = Sequence[str | int]  # of a sequence, in its order


class Dataset(_Batches):
    """Batches of packed sequences from shards: an IterableDataset where torch is installed, else
    a plain iterable. Iterating gives one epoch, from where the last one ended or was left, as
    numpy arrays; loader() gives torch's tensors.

    sources: a folder, a .lms file, a list of them, a Source, or a mapping of names to these.
    A folder's index.lmi is used where there is one; without it each shard is opened once.
    An epoch is one pass over the largest source (weights_by says in what), up to its last whole
    step (last says what becomes of the rest); others repeat. Where
    a schedule gives that one weight 0, the largest of the others ends the epoch in hand.

    batch_size: sequences of a step over all ranks, a multiple of world_size. rank, world_size:
    of data parallelism (given together; 0 and 1 if not): ranks of one tensor- or
    pipeline-parallel group have the same rank. The sequences of a step are the same for any
    world_size.

    loader() gives a DataLoader that this data set's state follows. One of your own needs
    batch_size=None (the batches are made here; another is refused at the first one) and, with
    workers, whose copies go on alone, set_epoch() before each epoch and state_dict(batch) for a
    state. torchdata's StatefulDataLoader keeps the state without workers, and with one where
    set_epoch() comes before each epoch.

    A Dataset stands at one place: another iteration, set_epoch() and load_state_dict() end the
    iteration in hand, whose next step is a RuntimeError. len() is the steps of an epoch where all
    have as many for sure: of one source without a view, of 64 shards at most, unpacked, where no
    record gives no sequence, and last="carry" has nothing to carry. Else it is a TypeError; see
    approximate_steps_per_epoch.

    Draws, each a hash of (seed, pass over the source, NAME, key):
    order: "redraw" or "stored" (that of epoch 0). caption_first: share of caption first; by
    default the shards'. captions: "redraw", "stored", or shares of captions' names, as
    {"txt": 0.8, "json.captions": 0.2}. caption_dropout: share of pairs without their caption.
    max_caption_tokens: of pairs; longer ones are treated by long_captions: "truncate",
    "other_caption" (a shorter one of the record, if there is one), "drop" (the pair).
    sequence: parts instead of the template of pairs, as ("bos", "boi", "image", "eoi", "text",
    "eos"), or a mapping of caption_first, image_first and text to such; an int is a token.

    pack: positions of a sequence; None: one document each, padded to the longest of the batch.
    patch: 1, 2, 4, 8, "default" (the shards') or None: latents are given whole, and their
    positions are counted with window grid (the shards' by default). patch_order: "pqc" or
    "cpq". position_ids: "sequential" or "collapsed" (the patches of an image share one).
    window: records that are shuffled, mixed and packed together. None: as many as shuffle_bytes
    of decompressed blocks hold by the sources' mean sizes, or those of the largest group (at
    least 4,096) where that is less; a number that shuffles badly is told of once (shuffle_quality() says how well).
    group: shards that are open together: a pass goes through groups of this many or, evenly, up to
    twice as many. split: ("train", 0.01) leaves a hundredth of the records out, and ("val", 0.01)
    has these alone: both sides are given the same share, that which is held out. A record's side
    is a hash of its key and nothing else, so it is the same in whichever folder, NAME or shard the
    key stands, with any seed, and for all captions and renditions; a larger share holds out what a
    smaller one does, and more. last: what becomes of the sequences that do not fill an epoch's last step.
    "carry": they begin the next epoch's first step (where a whole epoch is less than a step, its
    iteration goes on into the next). "pad": they are dealt over the ranks in turn, and padding
    completes the step, of which a rank may have nothing else: take means over batches with
    care. "drop": they are left out. transform: sees each finished sequence as a dict and returns it; values may
    change, lengths may not.

    on_error: a damaged frame raises DamagedError ("raise"), or its samples become padding and
    are named once in a DamageWarning ("skip"); with workers, which begin anew in each epoch,
    once in each epoch and worker that meets it. threads: that decompress. prefetch_bytes: raw
    bytes that they may hold. Besides, a process keeps the blocks of up to two windows, until the
    last sequence that it builds of each: by default about 2 shuffle_bytes.

    Of a record that is no pair all parts follow each other as they are stored; of each of its
    texts an alternative is drawn. Images are seen by the header's first encoder of latents or codes,
    those without its tensor are left out, and so is data; parts of later kinds are a ValueError.
    Codes are tokens as those of text are, between BOI and EOI, with labels; they have no spans,
    patches and latents. Where
    an image has a mirrored rendition and another of the same shape, one of them is drawn, as its
    captions are (anew, or with captions="stored" as in epoch 0).

    posterior: latents are its "mean"; or each is a "sample", mean + exp(logvar / 2) eps, before scale
    and shift, of shards with log-variances (--moments mean+logvar); ValueError of others. eps is a
    function of (seed, pass, NAME, key, part), the same on every machine.

    pad_to: fixed shapes for torch.compile, with pack and patch: "max", or numbers of rows for some of
    {"patches", "spans", "cu_seqlens"}. "max" is b L patches, b L + 1 of cu_seqlens and as many spans
    as the smallest image that was seen in up to 64 shards of a source allows. More in a step is
    a ValueError that names the number. Padding is zero patches; spans [0, 0, 0, 0, 0, patches] without
    markers and text behind them, as many rows of span_markers and text_follows; b L in cu_seqlens.

    A batch is a dict, b = batch_size / world_size, L = pack:
        tokens        int32 [b, L]; 0 at patches and padding
        labels        int64 [b, L], shifted: the token to predict from each position, or -100
        doc_ids       int32 [b, L]: 0, 1, ... in each sequence; -1 on padding
        position_ids  int32 [b, L], from 0 in each document (and part of one)
        source_ids    int32 [b, L]: position in source_names; -1 on padding
        image_ids     int32 [b, L]: the row of spans whose patch it is; -1: none
        cu_seqlens    int32: where documents and padding begin in the b L positions, then b L
        spans         int32 [images, 6]: sequence, offset, length, rows, columns, first patch
        span_markers  bool [images, 2]: whether BOI is right before it, EOI right behind it
        text_follows  bool [images]: text with a loss stands behind it in its document
        patches       float32 [patches, k k C], (raw - shift) scale; with patch=None instead
        latents       a list of float32 [C, H, W]
        keys          of each sequence a list of (NAME, key), named tuples, by doc_id
        counts        of the step over all ranks, as planned (damaged documents count, too): a dict
                      of int64 arrays loss_tokens [] (labels that are not -100), images [] (rows
                      of spans), and of each source tokens and patches [sources]
        state         where training stands behind this batch: integers for state_dict()
    """

    def __init__(self, sources: Sources, *, batch_size: int, seed: int = 0,
                 rank: int | None = None, world_size: int | None = None, pack: int | None = 4096,
                 patch: int | Literal["default"] | None = "default", grid: int | None = None,
                 patch_order: str = "pqc", position_ids: str = "sequential",
                 order: str = "redraw", captions: str | Mapping[str, float] = "redraw",
                 caption_first: float | None = None, caption_dropout: float = 0.0,
                 max_caption_tokens: int | None = None, long_captions: str = "truncate",
                 sequence: Parts | Mapping[str, Parts] | None = None,
                 weights_by: str = "tokens", window: int | None = None,
                 shuffle_bytes: int = 1 << 26, group: int = 8,
                 split: tuple[str, float] | None = None,
                 last: str = "carry",
                 posterior: str = "mean", pad_to: str | Mapping[str, int] | None = None,
                 transform: Transform | None = None,
                 on_error: str = "raise", threads: int = 2, prefetch_bytes: int = 1 << 26):
        one_of("on_error", on_error, ("raise", "skip"))
        if transform is not None and not callable(transform):
            raise TypeError(f"transform is a function of a sample, not {transform!r}")
        if rank is None and world_size is None:
            _warn_of_ranks()
        elif (rank is None and world_size != 1) or world_size is None:
            raise ValueError("rank and world_size are given together: torch.distributed's "
                             "get_rank() and get_world_size()")
        self.batch_size = whole("batch_size", batch_size, 1)
        self.world_size = whole("world_size", 1 if world_size is None else world_size, 1)
        self.rank = whole("rank", 0 if rank is None else rank, 0, self.world_size - 1)
        if self.batch_size % self.world_size:
            raise ValueError(f"batch_size {batch_size} is not a multiple of world_size "
                             f"{world_size}: it counts the sequences of all ranks")
        named = named_sources(sources)
        catalogues = {name: Catalogue(source.paths) for name, source in named.items()}
        options = Options(
            seed=seed, pack=pack,
            patch=default_patch(catalogues.values()) if patch == "default" else patch,
            grid=grid, order=order, captions=captions, caption_first=caption_first,
            caption_dropout=caption_dropout, max_caption_tokens=max_caption_tokens,
            long_captions=long_captions, sequence=templates(sequence), window=window,
            shuffle_bytes=shuffle_bytes, group=group, weights_by=weights_by, patch_order=patch_order, position_ids=position_ids,
            split=split, last=last, posterior=posterior, pad_to=pad_to)
        self._sources = open_sources(named, catalogues, options)
        refuse_incompatible(self._sources)
        warn_of_twins(self._sources)
        if isinstance(captions, Mapping):
            refuse_unknown_captions(self._sources, captions)
        if pack is not None:
            refuse_short_pack(self._sources, pack, on_error == "skip")
        if options.posterior == "sample":
            refuse_no_logvar(self._sources)
        self.options = self._with_window(options)
        self._planner = Planner(self._sources, self._mixture(self.options), self.options)
        if window is not None:
            warn_of_window(self._planner)
        self._transform, self._on_error = transform, on_error
        self._threads = whole("threads", threads, 1, 64)
        self._prefetch_bytes = whole("prefetch_bytes", prefetch_bytes, 0)
        self._packed: dict[str, str] = {}  # paths of the shards, by source, once they are asked for
        self._named: set[Frame] = set()  # damaged frames that were named
        self._knows_epochs = False  # set_epoch() was used, or loader() starts workers
        self._is_followed = False  # a Loader moves it
        self._iteration = 0  # the last one that began; others have ended
        self._position = self._planner.begun(Position(0, 0, 0, self._zero(), {}))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        part = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        if self._is_followed:
            return (batch for batch, _ in self._batches(*part) if batch is not None)
        if worker is not None and worker.id == 0 and not self._knows_epochs:
            warn("the Dataset's epoch and state do not follow a DataLoader's workers: use "
                 "Dataset.loader(), or set_epoch() and state_dict(batch)")
        return self._moving(*part)

    def _moving(self, worker: int, n_workers: int) -> Iterator[dict[str, Any]]:
        """This worker's batches, each of which moves the Dataset."""
        iteration = self.begin()
        for batch, position in self._batches(worker, n_workers):
            self.refuse_ended(iteration)
            self._position = position
            if batch is not None:
                yield batch

    def __len__(self) -> int:
        records = int(self._sources[0].counts.sum())
        fills = records % self.batch_size == 0 or self.options.last != "carry"
        steps = records // self.batch_size + (self.options.last == "pad" and
                                              records % self.batch_size > 0)
        if self.options.pack is None and fills and steps and len(self._sources) == 1 and \
                self._sources[0].is_steady:
            return steps
        raise TypeError("how many steps an epoch has is not known before it is planned, and epochs "
                        "may differ: see Dataset.approximate_steps_per_epoch")

    def __bool__(self) -> bool:
        return True  # whatever is known of its length

    @property
    def epoch(self) -> int:
        """The epoch that the next batch is of: how many iterations have ended, where each went
        to its end."""
        return self._position.epoch

    @property
    def step(self) -> int:
        """Steps that were received, over all epochs."""
        return self._position.step

    @property
    def source_names(self) -> list[str]:
        """By the numbers of a batch's source_ids and counts."""
        return [source.name for source in self._sources]

    @property
    def fingerprint(self) -> str:
        """Of the sources' names, records and views."""
        return _fingerprint({source.name: source.fingerprint for source in self._sources})

    @property
    def plan(self) -> str:
        """What its sequences hold of a record: canonical JSON (FORMAT.md, section 8)."""
        return PLAN.json

    def __repr__(self) -> str:
        sources = ", ".join(f"{source.name} ({source.counts.sum()} records)"
                            for source in self._sources)
        return f"<Dataset of {sources}; epoch {self.epoch}, step {self.step}>"

    @property
    def markers(self) -> Markers:
        """The token ids of BOS, EOS (each None if there is none), BOI and EOI."""
        return self._sources[0].token_ids()[0]

    @property
    def vocabulary(self) -> int:
        """The size of a model's table of tokens: the highest id that a batch may have, and one
        more."""
        own = (self.options.sequence or {}).values()
        special = [*self.markers, *(part for parts in own for part in parts)]
        pieces = max(source.token_ids()[1] for source in self._sources)
        return max(pieces, *(token + 1 for token in special if isinstance(token, int)))

    @property
    def patch_values(self) -> int | None:
        """Values of a patch, k k C; 0 where there are texts only. None with patch=None."""
        channels = max(source.channels for source in self._sources)
        return None if self.options.patch is None else self.options.patch**2 * channels

    @property
    def approximate_steps_per_epoch(self) -> int:
        """About how many steps an epoch has, by the weights in hand: sources are measured by a
        sample of their records. To plan a learning rate with, not to count on."""
        takes = self._planner.mixture.epoch_start(1, self.step)
        means = [source.means() for source in self._sources]
        if self.options.pack is None:
            sequences = sum(n / UNIT * documents for n, (_, documents) in zip(takes, means))
        else:
            sequences = sum(n / UNIT * positions for n, (positions, _) in zip(takes, means)) \
                / self.options.pack
        steps = sequences / self.batch_size
        return math.ceil(steps) if self.options.last == "pad" else max(1, int(steps))

    def shuffle_quality(self, windows: int = 8) -> dict[str, float]:
        """How well the epoch in hand is shuffled: of `windows` of its windows, evenly spread, all
        steps are planned, from lengths alone; no block is read. A dict of

            window         documents of a window: the argument, or what None became
            windows, steps, documents   that were looked at
            same_shard     probability that two documents of a step are of one shard
            perfect        the same if the records of each group of shards were shuffled perfectly
            ratio          same_shard / perfect; 1.0 is perfect, up to 1.2 is good
            correlation    lag-1 correlation of source positions; 0 is perfect, below 0.02 is good
            shards_per_step, blocks_per_step   that the documents of a step are of, in the mean

        A document's source position is the place of its record in its group, shard by shard in
        order of NAME and record by record (a view's weights counted), from -1/2 to 1/2: what is
        left of it when the mean of a perfect shuffle over the group, 0, is taken off. The
        correlation is the mean product of the positions of two documents of one group and pass that
        follow each other in training (those of others between them aside), over the mean square.
        Chance moves it by about documents**-0.5: few documents say little."""
        windows = whole("windows", windows, 1)
        planner = Planner(self._sources, self._mixture(self.options), self.options)
        begin = planner.mixture.epoch_start(self.epoch, self.step)
        return quality_of(planner, begin, self.step, self.batch_size, windows)

    def set_epoch(self, epoch: int) -> None:
        """Goes to an epoch's begin, without the ones before it: what last="carry" has of them is
        left out. Where weights follow a schedule, as if those of the step in hand had always
        held."""
        epoch = whole("epoch", epoch, 0, 2**63 - 1)
        self._knows_epochs = True
        self.begin()
        names = [source.name for source in self._sources]
        self._planner.set_older({})
        cursors = self._planner.mixture.epoch_start(epoch, self._position.step)
        self._position = self._planner.begun(
            Position(epoch, self._position.step, 0, dict(zip(names, cursors)), {}))

    def state_dict(self, batch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Where training stands: behind the last batch that iterating gave (of a loader(): that
        was received) or, with a DataLoader with workers of your own, behind `batch`. A few integers and strings; the same on every
        rank, for any world_size and batch_size. RuntimeError in one of several workers: it has
        its part only; and in a single one unless set_epoch() was used."""
        if batch is None:
            self._refuse_worker()
        position = self._position if batch is None else self.position_behind(batch)
        identity = self._identity(position)
        return make_state(position, identity, _fingerprint(identity.sources))

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Goes on behind a state. Raises StateError where it is of other data, options or
        another plan, or no state at all.

        strict=False takes changed weights, options and plans, added sources (from their begin) and
        removed ones. Where a source was removed or packing changed, what is left of the window
        in hand is left out: at most `window` documents. Other data under a source's name,
        another seed and another group are refused all the same.

        strict=False also takes sources to which shards were added: each goes on with the shards of
        the state, in the same order, to the end of its pass, and has all of them from the next one
        on, on every rank, in the order of a Dataset of all shards at that cursor. (Of one source,
        and of the largest of several, a pass is an epoch. Where the window in hand reaches into
        the next pass, that one has the shards of the state, too.) Until then states are of those
        shards, and need strict=False again. How much of each source a window takes is counted with
        the means of all shards. A source with a view cannot grow: its view is of its shards.
        StateError names shards that are gone."""
        self._refuse_worker()
        refuse_no_state(state)
        older = {source.name: shards for source in self._sources
                 if (shards := older_shards(state, source)) is not None}
        added = {source.name: len(source.counts) - len(older[source.name])
                 for source in self._sources if source.name in older}
        position, goes_on = load_position(state, self._identity(None), strict, added)
        if goes_on:
            self._refuse_takes(position, state["options"].get("window"))
        self.begin()
        position = self._with_older(position, older)
        self._position = self._planner.begun(position) if goes_on else \
            self._planner.behind(position, position.step)[0]

    def _with_older(self, position: Position, shards: Mapping[str, I64]) -> Position:
        """Goes on with the shards of a state, of sources that grew, as long as their pass lasts."""
        cursors, older = dict(position.cursors), {}
        for number, source in enumerate(self._sources):
            if source.name in shards:
                one, cursors[source.name] = grown(position, source, shards[source.name])
                if one is not None:
                    older[number] = one
        self._planner.set_older(older)
        return replace(position, cursors=cursors)

    def begin(self) -> int:
        """For a Loader: ends the iteration in hand, and gives the number of another."""
        self._iteration += 1
        return self._iteration

    def refuse_ended(self, iteration: int) -> None:
        """RuntimeError where another one has begun, or the Dataset was moved."""
        if iteration != self._iteration:
            raise RuntimeError("this iteration was ended by another one of the same Dataset, "
                               "set_epoch() or load_state_dict(): a Dataset stands at one place. "
                               "Begin another iteration, or make a Dataset for each")

    def position_behind(self, batch: Mapping[str, Any]) -> Position:
        """That of a batch which this data set or a copy gave. Raises StateError."""
        if not isinstance(batch, Mapping) or "state" not in batch:
            raise StateError("this batch has no \"state\": state_dict(batch) takes one that a "
                             "Dataset gave, whole")
        position = position_of(batch["state"])
        if list(position.cursors) != list(self._zero()):
            raise StateError("this batch is of a Dataset with other sources")
        return position

    def receive(self, iteration: int, position: Position) -> None:
        """For a Loader: goes on behind a batch of an iteration, unless that has ended or a later
        one was received."""
        if iteration == self._iteration and position.step > self.step:
            self._position = position

    @contextmanager
    def starting_workers(self) -> Iterator[None]:
        """For a Loader: the iteration that begins within it, here or in copies, does not move the
        Dataset."""
        self._is_followed = True
        try:
            yield
        finally:
            self._is_followed = False

    def loader(self, num_workers: int = 0, **arguments: Any) -> Loader:
        """A DataLoader over this data set whose batches this data set's state follows."""
        return Loader(self, num_workers, **arguments)

    def _with_window(self, options: Options) -> Options:
        """It with a number where there is none."""
        if options.window is not None:
            return options
        window = self._mixture(replace(options, window=1 << 20)).window_within(
            [source.raw_bytes for source in self._sources],
            [most_records(source.counts, options.group) for source in self._sources],
            options.shuffle_bytes)
        return replace(options, window=window)

    def _mixture(self, options: Options) -> Mixture:
        assert options.window is not None
        return Mixture([self._share(source, options) for source in self._sources], options.window)

    def _share(self, source: OpenSource, options: Options) -> Share:
        positions, documents = source.means()
        size = positions if options.weights_by == "tokens" else documents
        return Share(source.name, source.weight, int(source.counts.sum()), size, documents)

    def _identity(self, position: Position | None) -> Identity:
        """Of the shards that the sources have at a position; None: of all."""
        sources, shards = {}, {}
        if not self._packed:
            self._packed.update((source.name, pack_names(source.names)) for source in self._sources)
        for number, source in enumerate(self._sources):
            older = None if position is None else \
                self._planner.mixture.older_at(number, position.cursors[source.name])
            if older is None:
                sources[source.name], shards[source.name] = source.fingerprint, self._packed[source.name]
            else:
                names = source.names
                sources[source.name] = source.fingerprint_of(older.shards)
                shards[source.name] = pack_names([names[i] for i in older.shards.tolist()])
        return Identity(sources, shards,
                        {source.name: [list(pair) for pair in source.weight]
                         for source in self._sources}, self.options.as_state(), self.plan)

    def _zero(self) -> dict[str, int]:
        return {source.name: 0 for source in self._sources}

    def _refuse_worker(self) -> None:
        """RuntimeError where a DataLoader's worker has no state that could be kept."""
        worker = get_worker_info()
        if worker is not None and worker.num_workers > 1:
            raise RuntimeError("one of several DataLoader workers has only its part of the state: "
                               "use Dataset.loader(), or state_dict(batch) in the main process")
        if worker is not None and not self._knows_epochs:
            raise RuntimeError("a DataLoader's worker begins each epoch with another copy of the "
                               "Dataset, which would repeat the same one: use Dataset.loader(), "
                               "or set_epoch() before each epoch")

    def _refuse_takes(self, position: Position, window: Any) -> None:
        """StateError where its window, of a state's option, takes what none does: to list that
        might not end. Weights may have been others then."""
        window = max(self.options.window or 0, window if isinstance(window, int) else 0)
        most_takes = self._planner.mixture.most_takes(window)
        for (name, units), most in zip(position.takes.items(), most_takes):
            if units > most:
                raise StateError(f"the state is damaged: it takes {units // UNIT} records of source "
                                 f"{name!r} for a window of {window} documents")

    def _least_image(self) -> float | None:
        least = [source.least_image for source in self._sources if source.least_image is not None]
        return min(least, default=None)

    def _batches(self, worker: int, n_workers: int
                 ) -> Iterator[tuple[dict[str, Any] | None, Position]]:
        """The steps of this rank that are this worker's, each with the position behind it; the
        others only with that."""
        fetcher = Fetcher(self._sources, self._threads, self._prefetch_bytes, self._on_error,
                          self._named, self.options.posterior == "sample")
        channels = max(source.channels for source in self._sources)
        padding = Padding(rooms(self.options, self.batch_size // self.world_size,
                                self._least_image()))
        builder = BatchBuilder(self.options, channels, self._transform, padding, fetcher.refuse)
        part = Part(self.batch_size, self.rank, self.world_size, worker, n_workers)
        walk = Walk(self._position, self._planner, fetcher, part, self._on_error)
        try:
            for built, position in walk.steps():
                batch = None
                if built is not None:
                    batch = Batch(builder.build(*built))
                    batch["state"] = position.as_dict()
                    batch["keys"] = [[Key(*key) for key in keys] for keys in batch["keys"]]
                yield batch, position
        finally:
            fetcher.close()


def _fingerprint(sources: Mapping[str, str]) -> str:
    parts = [f"{name}\0{fingerprint}" for name, fingerprint in sources.items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _warn_of_ranks() -> None:
    distributed = sys.modules.get("torch.distributed")
    n = os.environ.get("WORLD_SIZE", "")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        n = str(distributed.get_world_size())
    if n.isdigit() and int(n) > 1:
        warn(f"one of {n} processes, but Dataset() was given no rank and world_size: each "
             "process gets all sequences. Pass rank=torch.distributed.get_rank(), "
             "world_size=torch.distributed.get_world_size(), or world_size=1 if that is meant")
