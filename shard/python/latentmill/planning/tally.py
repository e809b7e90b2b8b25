# SPDX-License-Identifier: Apache-2.0
"""What the sequences of a window hold, from the index alone: every rank plans all of them, and so
knows what a step has over all ranks."""
from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..columns import I64
from ..options import Options
from ..sources.source import OpenSource
from .windows import Window

TOTALS = 2  # loss tokens and images come first, then tokens and patches of each source


def tallies(window: Window, sources: Sequence[OpenSource], options: Options) -> I64:
    """Of each sequence: positions with a loss, images (latents), then of each source positions that
    are no patch, then of each source patches. [sequences, 2 + 2 sources]"""
    d, packing = window.documents, window.packing
    item = packing.item
    out = np.zeros((len(packing), TOTALS + 2 * len(sources)), np.int64)
    order = np.lexsort((d.shard[item], d.source[item]))
    of_shard = d.source[item[order]] << 32 | d.shard[item[order]]
    sequence = np.repeat(np.arange(len(packing)), np.diff(packing.first))
    for which in np.split(order, np.flatnonzero(np.diff(of_shard)) + 1) if len(order) else ():
        number = int(d.source[item[which[0]]])
        counts = _pieces(window, sources[number], which, options)
        for column, values in ((0, counts[:, 0]), (1, counts[:, 1]),
                               (TOTALS + number, packing.length[which] - counts[:, 2]),
                               (TOTALS + len(sources) + number, counts[:, 2])):
            np.add.at(out[:, column], sequence[which], values)
    return out


def _pieces(window: Window, source: OpenSource, which: I64, options: Options) -> I64:
    """Losses, images and patches of these pieces, all of one shard. [pieces, 3]"""
    d, packing = window.documents, window.packing
    item = packing.item[which]
    shard = source.shard(int(d.shard[item[0]]))
    pieces = np.stack([d.position[item], ~d.caption_first[item], d.n_caption[item],
                       d.pass_number[item], d.copy[item], packing.start[which],
                       packing.length[which]], axis=1).astype(np.int64)
    out = np.empty((len(which), 3), np.int64)
    texts = shard.texts
    first, start = (np.require(one, np.int64, ["C", "A"]) for one in (texts.first, texts.start))
    n_ids = np.require(texts.n_ids, np.uint32, ["C", "A"])
    shard.reader.shard.tally(shard.sequencer, pieces, first, start, n_ids,
                             options.captions == "stored", options.seed, out)
    return out
