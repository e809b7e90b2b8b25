# SPDX-License-Identifier: Apache-2.0
"""Everything besides the data that decides which sequences there are, and in which order."""
from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ._shard import ITEMS

Template = tuple[str | int, ...]
PADDED = ("patches", "spans", "cu_seqlens")  # arrays that pad_to gives a length
TEMPLATES = ("caption_first", "image_first", "text")  # as a Sequencer takes them


@dataclass(frozen=True)
class Options:
    """The configuration of a Dataset; its arguments of the same names explain them."""
    seed: int = 0
    pack: int | None = 4096
    patch: int | None = None       # window of the patches that are given; None: whole latents
    grid: int | None = None        # window that positions are counted with, where patch is None
    order: str = "redraw"
    captions: str | Mapping[str, float] = "redraw"
    caption_first: float | None = None
    caption_dropout: float = 0.0
    max_caption_tokens: int | None = None
    long_captions: str = "truncate"
    sequence: Mapping[str, Template] | None = None
    window: int | None = None      # None: until Dataset has looked at the sources
    shuffle_bytes: int = 1 << 26
    group: int = 8
    weights_by: str = "tokens"
    patch_order: str = "pqc"
    position_ids: str = "sequential"
    split: tuple[str, float] | None = None
    last: str = "carry"
    posterior: str = "mean"
    pad_to: str | Mapping[str, int] | None = None

    def __post_init__(self) -> None:
        one_of("order", self.order, ("redraw", "stored"))
        one_of("long_captions", self.long_captions, ("truncate", "other_caption", "drop"))
        one_of("weights_by", self.weights_by, ("tokens", "samples"))
        one_of("patch_order", self.patch_order, ("pqc", "cpq"))
        one_of("position_ids", self.position_ids, ("sequential", "collapsed"))
        one_of("last", self.last, ("carry", "pad", "drop"))
        one_of("posterior", self.posterior, ("mean", "sample"))
        for name, others in (("patch", ("default", None)), ("grid", (None,))):
            one_of(name, getattr(self, name), (*others, 1, 2, 4, 8))
            if getattr(self, name) is not None:
                self._take_whole(name, 1)
        for name in ("pack", "max_caption_tokens", "window", "group", "shuffle_bytes"):
            if getattr(self, name) is not None or name in ("group", "shuffle_bytes"):
                self._take_whole(name, 1)
        self._take_whole("seed", 0, (1 << 64) - 1)
        self._check_captions()
        self._check_split()
        self._check_pad_to()
        for name in ("caption_dropout", "caption_first"):
            given = getattr(self, name)
            if given is not None and not 0 <= _number(name, given) <= 1:
                raise ValueError(f"{name} is a share from 0 to 1, not {given!r}")
        if self.order == "stored" and self.caption_first is not None:
            raise ValueError("caption_first= draws an order anew, order='stored' does not: give "
                             "one of them")

    def _take_whole(self, name: str, least: int, most: int | None = None) -> None:
        object.__setattr__(self, name, whole(name, getattr(self, name), least, most))

    def _check_split(self) -> None:
        if self.split is None:
            return
        if not isinstance(self.split, (tuple, list)) or len(self.split) != 2:
            raise ValueError('split is ("train", SHARE) or ("val", SHARE), SHARE of the records '
                             f"that are held out; not {self.split!r}")
        side, share = self.split
        one_of("the first of split", side, ("train", "val"))
        if not 0 < _number("the share of split", share) < 1:
            raise ValueError(f"the share of split is above 0 and below 1, not {share!r}")
        object.__setattr__(self, "split", (str(side), float(share)))

    def _check_captions(self) -> None:
        if self.captions in ("redraw", "stored"):
            return
        if not isinstance(self.captions, Mapping) or not self.captions:
            raise ValueError("captions is 'redraw', 'stored' or a mapping of names to shares, not "
                             f"{self.captions!r}")
        for name, given in self.captions.items():
            if not 0 < _number(f"captions[{name!r}]", given) < math.inf:
                raise ValueError(f"captions[{name!r}] is a share above 0, not {given!r}")

    def _check_pad_to(self) -> None:
        given = self.pad_to
        if given is None:
            return
        if self.pack is None or self.patch is None:
            raise ValueError("pad_to= needs pack= and patch=: without them sequences have several "
                             "lengths, and latents are a list")
        if isinstance(given, Mapping):
            for name in given:
                one_of("pad_to", name, PADDED)
            object.__setattr__(self, "pad_to", {name: whole(f"pad_to[{name!r}]", rows, 0)
                                                for name, rows in given.items()})
        elif given != "max":
            raise ValueError(f"pad_to is 'max' or a mapping of {', '.join(PADDED)} to numbers, not "
                             f"{given!r}")

    def items(self) -> list[list[int]] | None:
        """The templates as a Sequencer takes them."""
        if self.sequence is None:
            return None
        return [[ITEMS[part] if isinstance(part, str) else part
                 for part in self.sequence.get(kind, ())] for kind in TEMPLATES]

    def as_state(self) -> dict[str, Any]:
        """What a state keeps, to say what differs when it is loaded by another configuration."""
        state = asdict(self)
        del state["shuffle_bytes"]  # which says no more than the window that came of it
        if not isinstance(self.captions, str):
            state["captions"] = dict(self.captions)
        if self.split is not None:
            state["split"] = list(self.split)
        if self.sequence is not None:
            state["sequence"] = {kind: list(parts) for kind, parts in self.sequence.items()}
        return state


def templates(sequence: None | Sequence[str | int] | Mapping[str, Sequence[str | int]]
              ) -> dict[str, Template] | None:
    """The argument `sequence` of a Dataset, checked: one template for pairs of either order, or
    a mapping of caption_first, image_first and text."""
    if sequence is None:
        return None
    if not isinstance(sequence, Mapping):
        sequence = {"caption_first": sequence, "image_first": sequence}
    checked = {}
    for kind, parts in sequence.items():
        one_of("sequence", kind, TEMPLATES)
        wanted = ("text",) if kind == "text" else ("text", "image")
        parts = [part if isinstance(part, str) else whole(f"a token of sequence[{kind!r}]", part, 0, 2**31 - 1)
                 for part in parts]
        for part in parts:
            if isinstance(part, str):
                one_of(f"sequence[{kind!r}]", part, tuple(ITEMS))
        if [part for part in parts if part in ("text", "image")] not in (
                list(wanted), list(reversed(wanted))):
            raise ValueError(f"sequence[{kind!r}] has each of {', '.join(wanted)} once")
        checked[kind] = tuple(parts)
    return checked


def one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    """ValueError, naming argument and choice, where it is none of them; True is not 1."""
    if not any(value == one and isinstance(value, bool) == isinstance(one, bool)
               for one in allowed):
        raise ValueError(f"{name} is one of {', '.join(map(repr, allowed))}, not {value!r}")


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Any kind of integer as an int."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is an integer, not {value!r}")
    number = int(value)
    if number < least or (most is not None and number > most):
        raise ValueError(f"{name} is at least {least}, not {number}" if most is None else
                         f"{name} is in {least} .. {most}, not {number}")
    return number


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is a number, not {value!r}")
    return float(value)
