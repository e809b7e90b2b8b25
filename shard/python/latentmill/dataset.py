# SPDX-License-Identifier: Apache-2.0
"""Batches for training: shuffled, mixed, packed, and resumable on another number of ranks."""
from __future__ import annotations

import hashlib
import math
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from .batches import BatchBuilder, Piece, Transform
from .catalogue import Catalogue
from .documents import PLAN, Markers
from .fetching import Fetcher, Frame, Reading
from .loader import Loader
from .mixture import UNIT, Mixture, Share
from .options import Options, one_of, templates, whole
from .planning import Planner, Window
from .reader import DamageWarning
from .sources import (OpenSource, Sources, default_patch, named_sources, refuse_incompatible,
                      refuse_short_pack, refuse_unknown_captions)
from .state import Identity, Position, StateError, load_position, make_state, position_of

try:
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError:
    IterableDataset = object  # type: ignore[assignment, misc]

    def get_worker_info():
        return None


class Dataset(IterableDataset):
    """Batches of packed sequences from shards: an IterableDataset where torch is installed, else
    a plain iterator. Iterating gives one epoch, from where the last one ended or was left, as
    numpy arrays; loader() gives torch's tensors.

    sources: a folder, a .lms file, a list of them, a Source, or a mapping of names to these.
    A folder's index.lmi is used where there is one; without it each shard is opened once.
    An epoch is one pass over the largest source (weights_by says in what); others repeat. Where
    a schedule gives that one weight 0, the largest of the others ends the epoch in hand.

    batch_size: sequences of a step over all ranks, a multiple of world_size. rank, world_size:
    of data parallelism (given together; 0 and 1 if not): ranks of one tensor- or
    pipeline-parallel group have the same rank. The sequences of a step are the same for any
    world_size.

    loader() gives a DataLoader that this data set's state follows. One of your own needs
    batch_size=None (the batches are made here) and, with workers, whose copies go on alone,
    set_epoch() before each epoch and state_dict(batch) for a state. torchdata's
    StatefulDataLoader keeps the state with one worker at most.

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
    window: records that are shuffled, mixed and packed together. group: shards that are
    open together. transform: sees each finished sequence as a dict and returns it; values may
    change, lengths may not.

    on_error: a damaged frame raises DamagedError ("raise"), or its samples become padding and
    are named once in a DamageWarning ("skip"); with workers, which begin anew in each epoch,
    once in each epoch and worker that meets it. threads: that decompress. prefetch_bytes: raw
    bytes that they may hold. Besides, a process keeps the records of up to two windows that its
    rank and worker build: 2 window / (world_size workers) times a record's raw bytes, 128 MiB
    with the defaults and 16 KiB latents.

    Of a record that is no pair all parts follow each other as they are stored; of each of its
    texts an alternative is drawn. Images are seen by the header's first encoder of latents, those
    without a latent are left out, and so is data; parts of later kinds are a ValueError. Where
    an image has a mirrored rendition and another of the same shape, one of them is drawn, as its
    captions are (anew, or with captions="stored" as in epoch 0).

    Latents are the posterior mean; sampling by a stored log-variance is left to record.logvar.

    A batch is a dict, b = batch_size / world_size, L = pack:
        tokens        int32 [b, L]; 0 at patches and padding
        labels        int64 [b, L], shifted: the token to predict from each position, or -100
        doc_ids       int32 [b, L]: 0, 1, ... in each sequence; -1 on padding
        position_ids  int32 [b, L], from 0 in each document (and part of one)
        cu_seqlens    int32: where documents and padding begin in the b L positions, then b L
        spans         int32 [images, 6]: sequence, offset, length, rows, columns, first patch
        span_markers  bool [images, 2]: whether BOI is right before it, EOI right behind it
        text_follows  bool [images]: text with a loss stands behind it in its document
        patches       float32 [patches, k k C], (raw - shift) scale; with patch=None instead
        latents       float32 [images, C, H, W], or a list of [C, H, W] of several sizes
        keys          of each sequence a list of (NAME, key), by doc_id
        state         where training stands behind this batch: integers for state_dict()
    """

    def __init__(self, sources: Sources, *, batch_size: int, seed: int = 0,
                 rank: int | None = None, world_size: int | None = None, pack: int | None = 4096,
                 patch: int | Literal["default"] | None = "default", grid: int | None = None,
                 patch_order: str = "pqc", position_ids: str = "sequential",
                 order: str = "redraw", captions: str | Mapping[str, float] = "redraw",
                 caption_first: float | None = None, caption_dropout: float = 0.0,
                 max_caption_tokens: int | None = None, long_captions: str = "truncate",
                 sequence=None, weights_by: str = "tokens", window: int = 4096, group: int = 8,
                 transform: Transform | None = None,
                 on_error: str = "raise", threads: int = 2, prefetch_bytes: int = 1 << 26):
        one_of("patch_order", patch_order, ("pqc", "cpq"))
        one_of("position_ids", position_ids, ("sequential", "collapsed"))
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
            long_captions=long_captions, sequence=templates(sequence), window=window, group=group,
            weights_by=weights_by)
        self.options = options
        self._sources = [OpenSource(name, named[name], catalogues[name], options)
                         for name in sorted(named)]
        refuse_incompatible(self._sources)
        if isinstance(captions, Mapping):
            refuse_unknown_captions(self._sources, captions)
        if pack is not None:
            refuse_short_pack(self._sources, pack, on_error == "skip")
        self._mixture = Mixture([self._share(source) for source in self._sources], window)
        self._planner = Planner(self._sources, options)
        self._patch_order, self._position_ids = patch_order, position_ids
        self._transform, self._on_error = transform, on_error
        self._threads = whole("threads", threads, 1, 64)
        self._prefetch_bytes = whole("prefetch_bytes", prefetch_bytes, 0)
        self._named: set[Frame] = set()  # damaged frames that were named
        self._knows_epochs = False  # set_epoch() was used, or loader() starts workers
        self._position = self._fixed(Position(0, 0, 0, self._zero(), {}))

    def __iter__(self) -> Iterator[dict[str, Any]]:
        worker = get_worker_info()
        part = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        if worker is not None and worker.id == 0 and not self._knows_epochs:
            warnings.warn("the Dataset's epoch and state do not follow a DataLoader's workers: use "
                          "Dataset.loader(), or set_epoch() and state_dict(batch)", stacklevel=2)
        for batch, position in self._batches(*part):
            self._position = position
            if batch is not None:
                yield batch

    @property
    def epoch(self) -> int:
        """The epoch that the next batch is of."""
        return self._position.epoch

    @property
    def step(self) -> int:
        """Steps that were received, over all epochs."""
        return self._position.step

    @property
    def fingerprint(self) -> str:
        """Of the sources' names, records and views."""
        parts = [f"{source.name}\0{source.fingerprint}" for source in self._sources]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]

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
        takes = self._mixture.epoch_start(1, self.step)
        means = [source.means() for source in self._sources]
        if self.options.pack is None:
            sequences = sum(n / UNIT * documents for n, (_, documents) in zip(takes, means))
        else:
            sequences = sum(n / UNIT * positions for n, (positions, _) in zip(takes, means)) \
                / self.options.pack
        return math.ceil(sequences / self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Goes to an epoch's begin, without the ones before it. Where weights follow a
        schedule, as if those of the step in hand had always held."""
        epoch = whole("epoch", epoch, 0, 2**63 - 1)
        self._knows_epochs = True
        names = [source.name for source in self._sources]
        cursors = self._mixture.epoch_start(epoch, self._position.step)
        self._position = self._fixed(
            Position(epoch, self._position.step, 0, dict(zip(names, cursors)), {}))

    def state_dict(self, batch: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Where training stands: behind the last batch that iterating gave or, with a DataLoader
        with workers of your own, behind `batch`. A few integers and strings; the same on every
        rank, for any world_size and batch_size. RuntimeError in one of several workers: it has
        its part only."""
        if batch is None:
            _refuse_part()
        position = self._position if batch is None else self._position_behind(batch)
        return make_state(position, self._identity(), self.fingerprint)

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Goes on behind a state. Raises StateError where it is of other data, options or
        another plan, or no state at all.

        strict=False takes changed weights, options and plans, added sources (from their begin) and
        removed ones. Where a source was removed or packing changed, what is left of the window
        in hand is left out: at most `window` documents. Other data under a source's name,
        another seed and another group are refused all the same."""
        _refuse_part()
        position, goes_on = load_position(state, self._identity(), strict)
        if goes_on:
            self._refuse_takes(position, state["options"].get("window"))
        self._position = self._fixed(position) if goes_on else \
            self._next_window(position, position.step)[0]

    def loader(self, num_workers: int = 0, **arguments: Any) -> Loader:
        """A DataLoader over this data set whose batches this data set's state follows."""
        return Loader(self, num_workers, **arguments)

    def _share(self, source: OpenSource) -> Share:
        positions, documents = source.means()
        size = positions if self.options.weights_by == "tokens" else documents
        return Share(source.name, source.weight, int(source.counts.sum()), size, documents)

    def _identity(self) -> Identity:
        return Identity({source.name: source.fingerprint for source in self._sources},
                        {source.name: [list(pair) for pair in source.weight]
                         for source in self._sources}, self.options.as_state(), self.plan)

    def _zero(self) -> dict[str, int]:
        return {source.name: 0 for source in self._sources}

    def _position_behind(self, batch: Mapping[str, Any]) -> Position:
        if not isinstance(batch, Mapping) or "state" not in batch:
            raise StateError("this batch has no \"state\": state_dict(batch) takes one that a "
                             "Dataset gave, whole")
        position = position_of(batch["state"])
        if list(position.cursors) != list(self._zero()):
            raise StateError("this batch is of a Dataset with other sources")
        return position

    def _fixed(self, position: Position) -> Position:
        """With what its window takes."""
        if position.takes:
            return position
        takes = self._mixture.takes(list(position.cursors.values()), position.step)
        return replace(position, takes=dict(zip(position.cursors, takes)))

    def _refuse_takes(self, position: Position, window: Any) -> None:
        """StateError where its window, of a state's option, takes what none does: to list that
        might not end. Weights may have been others then."""
        window = max(self.options.window, window if isinstance(window, int) else 0)
        for (name, units), most in zip(position.takes.items(), self._mixture.most_takes(window)):
            if units > most:
                raise StateError(f"the state is damaged: it takes {units // UNIT} records of source "
                                 f"{name!r} for a window of {window} documents")

    def _next_window(self, position: Position, step: int) -> tuple[Position, bool]:
        """Where the window behind this one begins, and whether a new epoch does."""
        ends = self._mixture.ends_epoch(list(position.cursors.values()),
                                        list(position.takes.values()))
        behind = replace(position.behind(), step=step, epoch=position.epoch + ends)
        return self._fixed(behind), ends

    def _batches(self, worker: int, n_workers: int
                 ) -> Iterator[tuple[dict[str, Any] | None, Position]]:
        """The steps of this rank that are this worker's, each with the position behind it; the
        others only with that."""
        fetcher = Fetcher(self._sources, self._threads, self._prefetch_bytes, self._on_error,
                          self._named)
        channels = max(source.channels for source in self._sources)
        builder = BatchBuilder(self.options, channels, self._patch_order, self._position_ids,
                               self._transform)
        walk = _Walk(self, fetcher, worker, n_workers)
        try:
            for sequences, position in walk.steps():
                batch = None
                if sequences is not None:
                    batch = builder.build(sequences)
                    batch["state"] = position.as_dict()
                yield batch, position
        finally:
            fetcher.close()


class _Ahead:
    """A window whose blocks are asked for."""

    def __init__(self, position: Position, window: Window, begin: int, reading: Reading,
                 is_last: bool, behind: Position):
        self.position = position
        self.window = window
        self.begin = begin      # sequences of the walk before the window's sequence 0
        self.reading = reading
        self.n_blocks = len(reading.pending)
        self.is_last = is_last  # of the epoch
        self.behind = behind


class _Walk:
    """Goes through the rest of an epoch, window by window and step by step."""

    def __init__(self, dataset: Dataset, fetcher: Fetcher, worker: int, n_workers: int):
        self._dataset = dataset
        self._fetcher = fetcher
        self._worker, self._n_workers = worker, n_workers
        self._first_step = dataset._position.step
        self._rows: list[list[Piece]] = []  # of the step in hand

    def steps(self) -> Iterator[tuple[list[list[Piece]] | None, Position]]:
        current: _Ahead | None = self._first()
        while current is not None:
            following = self._following(current)
            self._fetcher.take(current.reading, 0)
            yield from self._window_steps(current, following)
            if following is None:
                yield from self._rest(current)
            current = following

    # A window is empty where its records give no documents. It is passed over: else the steps of
    # an epoch that ends with one would never reach the next epoch.

    def _first(self) -> _Ahead:
        """The window to begin with, of the next epoch where nothing is left of this one."""
        start, epochs = self._dataset._position, 0
        # With small weights chance may leave an epoch empty, but hardly this many.
        most_empty = 2 + int(64 / self._dataset._mixture.documents)
        ahead = self._open(start, -start.offset)
        while not len(ahead.window):
            epochs += ahead.is_last
            if epochs == most_empty:
                raise ValueError(
                    f"{epochs} epochs up to epoch {ahead.position.epoch} have no documents: views, "
                    'long_captions="drop" and pack leave out all records of all sources')
            ahead = self._open(ahead.behind, 0)
        return ahead

    def _following(self, current: _Ahead) -> _Ahead | None:
        """The next window of the epoch. Empty ones are counted to the current one."""
        while not current.is_last:
            ahead = self._open(current.behind, current.begin + len(current.window))
            if len(ahead.window):
                return ahead
            current.behind, current.is_last = ahead.behind, ahead.is_last
        return None

    def _open(self, position: Position, begin: int) -> _Ahead:
        dataset = self._dataset
        window = dataset._planner.window(position.cursors, position.takes)
        if position.offset and position.offset >= len(window):
            raise StateError(f"the state is damaged: {position.offset} sequences of a window that "
                             f"has {len(window)}")
        self._name_too_long(window)
        step = self._first_step + (begin + len(window)) // dataset.batch_size
        behind, is_last = dataset._next_window(position, step)
        packing, mine = window.packing, self._mine(begin, len(window))
        items = [packing.item[packing.first[s]:packing.first[s + 1]] for s in mine]
        wanted = np.unique(np.concatenate(items)) if items else np.zeros(0, np.int64)
        reading = self._fetcher.request(window, wanted)
        return _Ahead(position, window, begin, reading, is_last, behind)

    def _mine(self, begin: int, n: int) -> np.ndarray:
        """Sequences of a window that this worker builds."""
        at = np.arange(begin, begin + n)
        step, slot = np.divmod(at, self._dataset.batch_size)
        each = self._dataset.batch_size // self._dataset.world_size
        mine = (at >= 0) & (slot // each == self._dataset.rank) & \
            (step % self._n_workers == self._worker)
        return np.flatnonzero(mine)

    def _window_steps(self, current: _Ahead, following: _Ahead | None):
        size, n = self._dataset.batch_size, len(current.window)
        mine = set(self._mine(current.begin, n).tolist())
        for number in range(max(0, -current.begin), n):
            if number in mine:
                self._rows.append(self._sequence(current, number))
                if following is not None:
                    self._fetcher.take(following.reading,
                                       following.n_blocks * (n - 1 - number) // n)
            done = current.begin + number + 1
            if done % size == 0:
                yield self._finish(done // size, current, number + 1)

    def _sequence(self, current: _Ahead, number: int) -> list[Piece]:
        content, pieces = current.reading.content, []
        for item, start, length in current.window.packing.pieces(number):
            is_end = start + length == current.window.documents.length[item]
            pieces.append(Piece(content.pop(item) if is_end else content[item], start, length))
        return pieces

    def _finish(self, steps: int, current: _Ahead, offset: int):
        """Ends a step; `offset` sequences of the window are behind it then."""
        step = self._first_step + steps
        if offset == len(current.window):
            position = replace(current.behind, step=step)
        else:
            position = replace(current.position, step=step, offset=offset)
        is_mine = (steps - 1) % self._n_workers == self._worker
        rows, self._rows = self._rows, []
        return (rows if is_mine else None), position

    def _rest(self, current: _Ahead):
        """Completes the epoch's last step with padding."""
        size = self._dataset.batch_size
        each = size // self._dataset.world_size
        done = current.begin + len(current.window)
        if done % size == 0:
            return
        self._rows += [[]] * (each - len(self._rows))
        yield self._finish(done // size + 1, current, len(current.window))

    def _name_too_long(self, window: Window) -> None:
        documents = window.too_long
        if not len(documents):
            return
        names = []
        for i in range(min(len(documents), 20)):
            source = self._dataset._sources[int(documents.source[i])]
            shard = source.shard(int(documents.shard[i])).reader.shard
            key, name, _ = shard.identify(int(documents.position[i]))
            names.append(f"{name} {key} ({documents.length[i]})")
        message = (f"{len(documents)} samples need more than pack={self._dataset.options.pack} "
                   f"positions, and only texts may be cut (max_caption_tokens shortens captions): "
                   f"{', '.join(names)}")
        if self._dataset._on_error == "raise":
            raise ValueError(message)
        warnings.warn(message, DamageWarning, 2)


def _refuse_part() -> None:
    worker = get_worker_info()
    if worker is not None and worker.num_workers > 1:
        raise RuntimeError("one of several DataLoader workers has only its part of the state: "
                           "use Dataset.loader(), or state_dict(batch) in the main process")


def _warn_of_ranks() -> None:
    distributed = sys.modules.get("torch.distributed")
    n = os.environ.get("WORLD_SIZE", "")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        n = str(distributed.get_world_size())
    if n.isdigit() and int(n) > 1:
        warnings.warn(f"one of {n} processes, but Dataset() was given no rank and world_size: each "
                      "process gets all sequences. Pass rank=torch.distributed.get_rank(), "
                      "world_size=torch.distributed.get_world_size(), or world_size=1 if that is "
                      "meant", stacklevel=3)
