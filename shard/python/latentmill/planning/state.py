# SPDX-License-Identifier: Apache-2.0
"""Where training stands, and what a saved state must agree with before it is taken up."""
from __future__ import annotations

import json
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .. import _shard

VERSION = 2

# Another order of the records: a cursor means nothing then.
_ORDER = ("seed", "group")
# Options that pack the same order in the same way: the window in hand is gone on with.
_NOT_PACKING = ("weights_by", "window", "patch_order", "position_ids")


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
        """What position_of() takes."""
        return {"epoch": self.epoch, "step": self.step, "offset": self.offset,
                "cursors": dict(self.cursors), "takes": dict(self.takes)}

    def behind(self) -> Position:
        """Where the next window begins; what it takes is open."""
        cursors = {name: cursor + self.takes[name] for name, cursor in self.cursors.items()}
        return Position(self.epoch, self.step, 0, cursors, {})


@dataclass(frozen=True)
class Identity:
    """What a state must agree with."""
    sources: Mapping[str, str]                # fingerprint by name
    weights: Mapping[str, list[list[float]]]  # schedule by name
    options: Mapping[str, Any]
    plan: str                        # canonical JSON


class StateError(ValueError):
    """No state, a damaged one, or one of other data or another configuration; says what to do."""


def make_state(position: Position, identity: Identity, fingerprint: str) -> dict[str, Any]:
    """Plain dicts, lists, strings and integers, which JSON and torch.save() keep."""
    return {"version": VERSION, "fingerprint": fingerprint, **position.as_dict(),
            "sources": dict(identity.sources), "weights": dict(identity.weights),
            "options": dict(identity.options), "plan": identity.plan}


def position_of(values: Mapping[str, Any]) -> Position:
    """Of a state, or of a batch's "state". Raises StateError."""
    try:
        epoch, step, offset = (_count(values[name]) for name in ("epoch", "step", "offset"))
        cursors, takes = ({name: _count(units) for name, units in values[which].items()}
                          for which in ("cursors", "takes"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"the state is damaged: {error!r}") from None
    if not cursors or takes.keys() != cursors.keys():
        raise StateError("the state is damaged: cursors and takes are of different sources")
    return Position(epoch, step, offset, cursors, takes)


def load_position(state: Mapping[str, Any], identity: Identity, strict: bool
                  ) -> tuple[Position, bool]:
    """The position that the state means here; its takes are {} where the window in hand is to
    be made anew. And whether it may be gone on with: else the next window is next. Raises
    StateError."""
    _refuse_no_state(state)
    state = {**state, "plan": _canonical(state["plan"])}
    position = position_of(state)
    if position.cursors.keys() != state["sources"].keys():
        raise StateError("the state is damaged: it has cursors of other sources than its own")
    _refuse(state, identity, strict)
    before, now = set(state["sources"]), set(identity.sources)
    same_packing = not _differences(state["options"], identity.options,
                                    without=(*_ORDER, *_NOT_PACKING)) and \
        state["plan"] == identity.plan
    cursors, takes = ({name: values.get(name, 0) for name in identity.sources}
                      for values in (position.cursors, position.takes))
    if position.offset == 0 and not (before == now and _unchanged(state, identity)):
        takes = {}
    goes_on = position.offset == 0 or (same_packing and before <= now)
    return replace(position, cursors=cursors, takes=takes), goes_on


def _refuse_no_state(state: Any) -> None:
    """What people have in hand instead of a state."""
    wanted = "load_state_dict() takes what state_dict() gave, not "
    if not isinstance(state, Mapping):
        hint = ": read the file first, as with torch.load()" \
            if isinstance(state, (str, bytes, os.PathLike)) else ""
        raise StateError(f"{wanted}{type(state).__name__}{hint}")
    if "version" not in state and "cursors" in state:
        raise StateError(f"{wanted}a batch's \"state\": state_dict(batch) makes a state of it")
    for name, value in state.items():
        if "version" not in state and isinstance(value, Mapping) and "cursors" in value:
            raise StateError(f"{wanted}a dict that has a state in it: pass its item {name!r}")
    if type(state.get("version")) is int and state["version"] == 1:
        raise StateError(f"the state is of version 1, made by an older latentmill, whose steps were "
                         f"others; this is version {VERSION}. Go on with that one, or begin anew: "
                         "set_epoch() goes to the begin of an epoch")
    if type(state.get("version")) is not int or state["version"] != VERSION:
        raise StateError(f"{wanted}a dict of version {state.get('version')!r}; "
                         f"this is version {VERSION}")
    for name in ("sources", "weights", "options"):
        if not isinstance(state.get(name), Mapping):
            raise StateError(f"the state is damaged: {name} is {_short(state.get(name))}")
    if not isinstance(state.get("plan"), str):
        raise StateError("the state does not say by which plan its sequences were made: it is of a "
                         "version before plans, or damaged. Begin anew; or, where it was of the same "
                         "shards, give it a member \"plan\" with dataset.plan")


def _count(value: Any) -> int:
    number = operator.index(value)
    if number < 0:
        raise ValueError(f"{number} is below 0")
    return number


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
        what += _differences(state["weights"], identity.weights, "weight of ")
        what += _differences(state["options"], identity.options)
        what += _plan_differences(state["plan"], identity.plan)
        what += [f"{which} lack {name!r}" for which, now in
                 (("weights", identity.weights), ("options", identity.options))
                 for name in now if name not in state[which]]
    if what:
        raise StateError("the state does not fit (strict=False takes it all the same): " +
                         "; ".join(what))


def _plan_differences(old: str, new: str) -> list[str]:
    """Rule by rule, counted from 0; both canonical."""
    if old == new:
        return []
    before, now = json.loads(old), json.loads(new)
    rules = before["rules"], now["rules"]
    what = [f"rule {number}: {json.dumps(a)}, now {json.dumps(b)}"
            for number, (a, b) in enumerate(zip(*rules)) if a != b]
    if len(rules[0]) != len(rules[1]):
        what.append(f"{len(rules[0])} rules, now {len(rules[1])}")
    if before["ends"] != now["ends"]:
        what.append(f"ends: {before['ends']!r}, now {now['ends']!r}")
    return ["the plan is another one: " + ", ".join(what)]


def _canonical(plan: str) -> str:
    """Plans that mean the same are the same."""
    try:
        return _shard.Plan(plan).json
    except ValueError as error:
        raise StateError(f"the state is damaged: plan is {_short(plan)}: {error}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _unchanged(state: Mapping[str, Any], identity: Identity) -> bool:
    return not _differences(state["options"], identity.options) and \
        state["plan"] == identity.plan and \
        _plain(state["weights"]) == _plain(identity.weights)


def _plain(value: Any) -> Any:
    """Tuples as lists, as a state that went through JSON has them."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "",
                 without: tuple[str, ...] = ()) -> list[str]:
    return [f"{prefix}{name}: {old.get(name)!r}, now {new[name]!r}" for name in new
            if name in old and name not in without and _plain(old[name]) != _plain(new[name])]
