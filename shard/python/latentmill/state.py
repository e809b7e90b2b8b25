# SPDX-License-Identifier: Apache-2.0
"""Where training stands, and what a saved state must agree with before it is taken up."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1

# Another order of the records: a cursor means nothing then.
_ORDER = ("seed", "group")
# Another packing of the same order: the window in hand cannot be gone on with.
_NOT_PACKING = ("weights_by", "window")


@dataclass(frozen=True)
class Position:
    """Between two steps. Cursors and takes are of the window in hand, by source, in units of
    mixture.UNIT; `offset` of its sequences have been received."""
    epoch: int
    step: int
    offset: int
    cursors: dict[str, int]
    takes: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "step": self.step, "offset": self.offset,
                "cursors": dict(self.cursors), "takes": dict(self.takes)}

    def behind(self) -> Position:
        """Where the next window begins; what it takes is open."""
        cursors = {name: cursor + self.takes[name] for name, cursor in self.cursors.items()}
        return Position(self.epoch, self.step, 0, cursors, {})


@dataclass(frozen=True)
class Identity:
    """What a state must agree with."""
    sources: Mapping[str, str]           # fingerprint by name
    weights: Mapping[str, list]          # schedule by name
    options: Mapping[str, Any]


class StateError(ValueError):
    """A state of other data or another configuration; says what differs."""


def make_state(position: Position, identity: Identity, fingerprint: str) -> dict[str, Any]:
    return {"version": VERSION, "fingerprint": fingerprint, **position.as_dict(),
            "sources": dict(identity.sources), "weights": dict(identity.weights),
            "options": dict(identity.options)}


def load_position(state: Mapping[str, Any], identity: Identity, strict: bool) -> Position:
    """The position that the state means here; its takes are {} where the next window is to be
    made anew. Raises StateError."""
    if state.get("version") != VERSION:
        raise StateError(f"a state of version {state.get('version')!r}, not {VERSION}")
    _refuse(state, identity, strict)
    try:
        position = Position(int(state["epoch"]), int(state["step"]), int(state["offset"]),
                            _integers(state["cursors"]), _integers(state["takes"]))
    except (KeyError, TypeError, AttributeError) as error:
        raise StateError(f"the state is damaged: {error!r}") from None
    before, now = set(state["sources"]), set(identity.sources)
    same_packing = not _differences(state["options"], identity.options,
                                    without=(*_ORDER, *_NOT_PACKING))
    if position.offset and (before - now or not same_packing):
        position = position.behind()
    cursors = {name: position.cursors.get(name, 0) for name in identity.sources}
    if position.offset == 0 and not (before == now and _unchanged(state, identity)):
        return Position(position.epoch, position.step, 0, cursors, {})
    takes = {name: position.takes.get(name, 0) for name in identity.sources}
    return Position(position.epoch, position.step, position.offset, cursors,
                    takes if position.takes else {})


def _refuse(state: Mapping[str, Any], identity: Identity, strict: bool) -> None:
    what = [f"source {name!r} has other data ({state['sources'][name]}, now {fingerprint})"
            for name, fingerprint in identity.sources.items()
            if state["sources"].get(name, fingerprint) != fingerprint]
    what += _differences({k: state["options"].get(k) for k in _ORDER},
                         {k: identity.options[k] for k in _ORDER})
    if not set(state["sources"]) & set(identity.sources):
        what.append("no source has the name of one in the state: "
                    f"{', '.join(state['sources'])}, now {', '.join(identity.sources)}")
    if what:
        raise StateError("the state does not fit: " + "; ".join(what))
    if strict:
        what += [f"source {name!r} was added" for name in identity.sources
                 if name not in state["sources"]]
        what += [f"source {name!r} was removed" for name in state["sources"]
                 if name not in identity.sources]
        what += _differences(_plain(state["weights"]), _plain(identity.weights), "weight of ")
        what += _differences(state["options"], identity.options)
    if what:
        raise StateError("the state does not fit (strict=False takes it all the same): " +
                         "; ".join(what))


def _unchanged(state: Mapping[str, Any], identity: Identity) -> bool:
    return not _differences(state["options"], identity.options) and \
        _plain(state["weights"]) == _plain(identity.weights)


def _integers(values: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Tuples as lists, as a state that went through JSON has them."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "",
                 without: tuple[str, ...] = ()) -> list[str]:
    return [f"{prefix}{name}: {old.get(name)!r}, now {new[name]!r}" for name in new
            if name in old and name not in without and _plain(old[name]) != _plain(new[name])]
