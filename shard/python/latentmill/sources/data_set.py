# SPDX-License-Identifier: Apache-2.0
"""What is in a folder of shards, and what it lacks: judged and said as by the program, whose
rule stands in tools/store/data_set.h. No shard is opened."""
from __future__ import annotations

import errno
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]
MANIFEST = ".manifest.json"
STATES = ("complete", "damaged", "rejected")
# Links to nothing and to themselves stay so; a lack of rights may pass.
NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
OF_OTHERS = (".ipynb_checkpoints", ".snapshot", "lost+found")
TEMPORARY = re.compile(r"(.+\.lms)\.tmp\.[^.]+\.[0-9]+\.[0-9a-f]{8}", re.DOTALL)
PART = re.compile(r"(?<=[^/])\+[0-9]{5}\Z")
TRY = re.compile(r"(?<=[^/])~[0-9a-f]{8}\Z")  # where two tries of a unit may give different bytes
DISTURBING = re.compile("[\0-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff"
                        "\udc80-\udcff]")
NO_MANIFEST = "its members are not those of a manifest"


class DataSet:
    """Paths are from the folder on, with those below it, by NAME and part. What is wrong is a
    sentence each."""

    def __init__(self, folder: PathLike):
        self.folder = Path(folder)
        self.shards: list[str] = []      # finished: manifests name them, with their size
        self.unreadable: list[str] = []  # manifests and folders
        self.missing: list[str] = []     # shards that manifests name, gone or of another size
        self.any_gone = False
        self.may_pass = False            # some could not be read for now
        self.unfinished: list[str] = []  # temporaries of units without a manifest; _claimed
        self.foreign: list[str] = []     # shards that no manifest names
        self.n_units = 0                 # whose manifest could be read
        self._unread: set[str] = set()   # paths of `unreadable`
        # Manifests that say nothing yet (a name is taken, no more) or were taken away meanwhile.
        self._claimed: set[str] = set()
        self._finished: set[str] = set()
        self._named: set[str] = set()    # by manifests
        self._look(list(files_below(self.folder, self._note_unreadable)))

    def problems(self) -> list[str]:
        return self.unreadable + self.missing + self.unfinished + self.foreign

    def has_no_samples(self) -> bool:
        """All units are finished, and none has a shard."""
        return self.n_units > 0 and not self.shards and not self.problems()

    def _note_unreadable(self, path: str, error: OSError) -> None:
        if path not in self._unread:
            self._unread.add(path)
            self.may_pass |= error.errno not in NOT_THERE
            self.unreadable.append(
                shown(f"{self.folder / path}: {os.strerror(error.errno or errno.EIO)}"))

    def _look(self, files: list[str]) -> None:
        manifests = {file for file in files if _ends_in(file, MANIFEST)}
        temporaries = [file for file in files if _shard_of(file)]
        there = {file: size for file in files if _ends_in(file, ".lms")
                 and (size := self._size(file)) is not None}
        alone = not manifests and not any(os.path.basename(file) == "dataset.json" for file in files)
        lost = self._read_all(manifests, there)
        if alone:
            self._add_alone([shard for shard, size in there.items() if size > 0])
        else:
            late = self._late_manifests(manifests, [*there, *temporaries])
            lost |= self._read_all(late, there)
            manifests |= late
        self.missing = [lost[shard] for shard in sorted(lost, key=in_order)]
        foreign = there.keys() - self._named - self._finished - self._unread
        done = manifests - self._claimed
        self.foreign = [shown(f"{self.folder / shard}: no manifest names it, its unit is unfinished")
                        for shard in sorted(foreign, key=in_order)
                        if manifest_of(shard) not in self._unread
                        # What a try has left that lost is as good as a temporary.
                        and not (_is_of_try(shard) and manifest_of(shard) in done)]
        self.shards = sorted(self._finished, key=in_order)
        unfinished = [file for file in temporaries
                      if manifest_of(file) not in done]
        self.unfinished = [shown(f"{self.folder / file}: its unit is unfinished")
                           for file in sorted([*unfinished, *self._claimed], key=_by_stem)]

    def _add_alone(self, shards: list[str]) -> None:
        """Each stands for itself, but not beside another try of its unit."""
        tries: dict[str, set[str]] = {}
        for shard in shards:
            tries.setdefault(manifest_of(shard), set()).add(PART.sub("", shard.removesuffix(".lms")))
        for shard in sorted(shards, key=in_order):
            if len(tries[manifest_of(shard)]) == 1:
                self._finished.add(shard)
            else:
                self._unread.add(shard)
                self.unreadable.append(shown(
                    f"{self.folder / shard}: shards of two tries of its unit are here, and no manifest "
                    "says which counts; leave those of one, or bring it back"))

    def _late_manifests(self, manifests: set[str], files: list[str]) -> set[str]:
        """Those that came since the folder was listed: the units of these files may be finished
        now."""
        return {manifest for file in files if file not in self._named
                and (manifest := manifest_of(file)) not in manifests and self._size(manifest)}

    def _size(self, path: str) -> int | None:
        """None: it is no file."""
        try:
            status = os.stat(self.folder / path)
        except OSError as error:
            if error.errno not in NOT_THERE:
                self._note_unreadable(path, error)
            return None
        return None if stat.S_ISDIR(status.st_mode) else status.st_size

    def _read_all(self, manifests: set[str], there: dict[str, int]) -> dict[str, str]:
        """What is wrong with shards that they name."""
        wrong: dict[str, str] = {}
        for manifest in sorted(manifests, key=lambda path: os.fsencode(path)[:-len(MANIFEST)]):
            before = _number(self.folder / manifest)
            lost, any_gone = self._compare(manifest, there)
            if lost and _number(self.folder / manifest) != before:  # its unit is made again
                self._claimed.add(manifest)
            else:
                wrong |= lost
                self.any_gone |= any_gone
        return wrong

    def _compare(self, manifest: str, there: dict[str, int]) -> tuple[dict[str, str], bool]:
        """What is wrong with shards that it names, and whether one is gone."""
        wrong: dict[str, str] = {}
        any_gone = False
        for shard, size in self._shards_of(manifest).items():
            self._named.add(shard)
            found = there.get(shard)
            if found != size:  # since the folder was listed it may have come or been replaced
                found = self._size(shard)
            if found == size:
                self._finished.add(shard)
            elif found is not None:
                wrong[shard] = shown(f"{self.folder / shard} has {found} bytes; "
                                     f"{self.folder / manifest} says {size}")
            elif shard not in self._unread:
                any_gone = True
                wrong[shard] = shown(f"{self.folder / shard} is missing; "
                                     f"{self.folder / manifest} names it")
        return wrong, any_gone

    def _shards_of(self, manifest: str) -> dict[str, int]:
        """Shards that it names, and their sizes."""
        path = self.folder / manifest
        try:
            if path.stat().st_size == 0:  # nor is a pipe opened: that may wait for ever
                self._claimed.add(manifest)
                return {}
            shards = parse_manifest(parse_json(path.read_bytes()))
        except OSError as error:
            if error.errno == errno.ENOENT and not os.path.lexists(path):  # taken away meanwhile
                self._claimed.add(manifest)
            else:
                self._note_unreadable(manifest, error)
        except (ValueError, RecursionError) as error:
            self._unread.add(manifest)
            self.unreadable.append(shown(f"{path} is damaged or no manifest: {error}"))
        else:
            self.n_units += 1
            return {os.path.join(os.path.dirname(manifest), name): size for name, size in shards}
        return {}


def _raise(_path: str, error: OSError) -> None:
    raise error


def files_below(folder: PathLike, unreadable: Callable[[str, OSError], object] = _raise
                ) -> Iterator[str]:
    """Paths from the folder on, which must be readable itself. Links to folders are followed,
    but not upwards; a folder that is found twice is looked into once, under its own name rather
    than a link's.
    What others keep beside files is passed over: "._" and a file's name (macOS), OF_OTHERS."""
    folders, links = [""], list[str]()
    seen = {_number(parent) for parent in Path(os.path.realpath(folder)).parents}
    while folders or links:
        if not folders:
            links.sort(key=os.fsencode, reverse=True)
            folders.append(links.pop())
        below = folders.pop()
        try:
            entries, number = _list(os.path.join(folder, below) if below else folder)
        except OSError as error:
            if not below:
                raise
            unreadable(below, error)
            continue
        if below and number in seen:
            continue
        seen.add(number)
        for entry in entries:
            path = os.path.join(below, entry.name)
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in OF_OTHERS:
                    folders.append(path)
            elif not entry.name.startswith("._"):
                if entry.is_symlink() and os.path.isdir(entry.path):
                    links.append(path)
                else:
                    yield path


def may_differ(folder: PathLike, shards: list[str], files: list[str], since: int) -> bool:
    """Whether other shards than these may be finished, or something be lost: judged by what files
    there are (`shards` among them), and by which manifests are newer than `since`
    (nanoseconds)."""
    manifests = {file for file in files if _ends_in(file, MANIFEST)}
    alone = not manifests and not any(os.path.basename(file) == "dataset.json" for file in files)
    named = [file for file in files if _shard_of(file)] + (shards if not alone else [])
    return sum(_ends_in(file, ".lms") for file in files) != len(shards) or \
        any(manifest_of(file) not in manifests for file in named) or \
        any(_is_newer(os.path.join(folder, manifest), since) for manifest in manifests)


def _is_newer(path: PathLike, since: int) -> bool:
    """Or says nothing yet, or cannot be looked at."""
    try:
        status = os.stat(path)
    except OSError:
        return True
    return status.st_mtime_ns > since or status.st_size == 0


def in_order(shard: str) -> bytes:
    """By NAME and part, as in an index."""
    return os.fsencode(shard)[:-len(".lms")]


def manifest_of(file: str) -> str:
    """That of a shard or its temporary."""
    return TRY.sub("", PART.sub("", (_shard_of(file) or file).removesuffix(".lms"))) + MANIFEST


def _is_of_try(shard: str) -> bool:
    return TRY.search(PART.sub("", shard.removesuffix(".lms"))) is not None


def shown(text: str) -> str:
    """With what would change a line escaped, as the program prints it."""
    return DISTURBING.sub(lambda found: _escaped(found[0]), text)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xdc80 <= code <= 0xdcff:  # a byte that is not UTF-8
        return f"\\x{code - 0xdc00:02x}"
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character, f"\\u{code:04x}")


def _number(folder: PathLike) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _list(folder: PathLike) -> tuple[list[os.DirEntry[str]], tuple[int, int]]:
    status = os.stat(folder)
    with os.scandir(folder) as entries:
        return list(entries), (status.st_dev, status.st_ino)


def _ends_in(path: str, suffix: str) -> bool:
    name = os.path.basename(path)
    return name.endswith(suffix) and name != suffix


def _shard_of(file: str) -> str | None:
    """The shard that a temporary is to become."""
    folder, name = os.path.split(file)
    temporary = TEMPORARY.fullmatch(name)
    return os.path.join(folder, temporary[1]) if temporary else None


def _by_stem(file: str) -> tuple[bytes, bytes]:
    """Of a shard's temporary or a manifest."""
    shard = _shard_of(file)
    stem = os.fsencode(file)[:-len(MANIFEST)] if shard is None else in_order(shard)
    return stem, os.fsencode(file)


# ---- manifests, as strictly as the program reads them ----

def parse_json(data: bytes) -> Any:
    """ValueError says what JSON it is not."""
    try:
        value = json.loads(data.decode(), object_pairs_hook=_members, parse_constant=_refuse,
                           parse_int=_integer, parse_float=_real)
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from None
    if not isinstance(value, (dict, list)):
        raise ValueError("it is neither an object nor an array")
    _check_strings(value)
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError(f"two members are called {name!r}")
        members[name] = value
    return members


def _refuse(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _integer(text: str) -> int:
    if len(text) > 20 or not -2**63 <= int(text) < 2**63:
        raise ValueError(f"the integer {text[:40]} has more than 64 bits")
    return int(text)


def _real(text: str) -> float:
    if math.isinf(value := float(text)):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def _check_strings(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string has a NUL")
        if any("\ud800" <= c <= "\udfff" for c in value):
            raise ValueError("a string has half of a surrogate pair")
    elif isinstance(value, dict):
        for name, member in value.items():
            _check_strings(name)
            _check_strings(member)
    elif isinstance(value, list):
        for element in value:
            _check_strings(element)


def parse_manifest(manifest: Any) -> list[tuple[str, int]]:
    """Names and sizes of its shards; ValueError where it is none."""
    result, run = _member(manifest, "result", dict), _member(manifest, "run", dict)
    inputs, shards = _member(result, "inputs", list), _member(result, "shards", list)
    read = inputs[0] if inputs and isinstance(inputs[0], dict) else {}
    origin = _member(run, "input", dict)
    _member(origin, "path", str)
    _member(origin, "size", object)
    for name in ("sha256", "probe"):
        _optional(read, name, str, "")
    if _member(read, "status", str) not in STATES or \
            any(_optional(read, name, int, 0) < 0 for name in ("bytes", "groups")):
        raise ValueError(NO_MANIFEST)
    named = [(_member(shard, "name", str), _member(shard, "bytes", int)) for shard in shards]
    if any("/" in name or not _ends_in(name, ".lms") or size <= 0 for name, size in named):
        raise ValueError(NO_MANIFEST)
    return named


def _member(of: Any, name: str, kind: type) -> Any:
    value = of.get(name, _member) if isinstance(of, dict) else _member
    if value is _member or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(NO_MANIFEST)
    return value


def _optional(of: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    return _member(of, name, kind) if name in of else default
