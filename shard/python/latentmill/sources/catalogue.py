# SPDX-License-Identifier: Apache-2.0
"""Which shards a source has: found below folders, or told by index.lmi.

Every shard that is opened must be the one that was found or indexed; else training would go on
with other data under the same fingerprint."""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._shard import ShardError
from .data_set import DataSet, PathLike, files_below, in_order, may_differ, shown
from ..dataset_index import DatasetIndex
from ..reader import ShardReader
from ..warned import warn

Paths = PathLike | Sequence[PathLike]
ACCEPTED = ("a folder with shards, a .lms file, a list of these, a Source, or a mapping of names "
            "to these; `latentmill prepare --out DIR INPUT...` makes shards")


class Catalogue:
    """The shards of a source, by number. Pickles."""

    def __init__(self, paths: Paths):
        self.index = index_of(paths)
        self._first: ShardReader | None = None  # opened for its header, until open(0)
        if self.index is not None:
            if self.index.incomplete:
                _warn_of_incomplete(self.index)
            if not _fits_folder(self.index):
                self.index = None
        if self.index is not None:
            self.counts = self.index.records.astype(np.int64)
            self.fingerprints = self.index.fingerprints  # uint8 [n, 16]
        else:
            found = _find(paths)
            self._paths, self._names = list(found), list(found.values())
            self.counts = np.full(len(self._paths), -1, np.int64)  # until opened
            self.fingerprints = np.zeros((len(self._paths), 16), np.uint8)

    def __len__(self) -> int:
        return len(self.counts)

    def names(self) -> list[str]:
        """Of each shard its path from the folder on that it was found in."""
        return self._names if self.index is None else self.index.names()

    def first_header(self) -> dict[str, Any]:
        """The header of shard 0, or from an index the first configuration. ShardError."""
        if self.index is not None:
            if not self.index.configurations:
                folder = self.index.folder or "."
                find_shards(folder)  # says why there are none
                raise ShardError(f"{self.index.file} tells of no shards: run `latentmill index "
                                 f"{folder}` again")
            return self.index.configurations[0]
        self._first = self.open(0)
        return self._first.header

    def open(self, number: int) -> ShardReader:
        """ShardError where it is another shard than before, or than the indexed one."""
        if self.index is not None:
            return self.index.open(number)
        if number == 0 and self._first is not None:
            reader, self._first = self._first, None
            return reader
        reader = ShardReader(self._paths[number])
        fingerprint = np.frombuffer(reader.shard.fingerprint(), np.uint8)
        if self.counts[number] < 0:
            self.counts[number], self.fingerprints[number] = len(reader), fingerprint
        elif (self.fingerprints[number] != fingerprint).any():
            raise ShardError(f"{reader.path} was replaced by another shard since the Dataset was "
                             "made: make it anew")
        return reader


def index_of(paths: Paths) -> DatasetIndex | None:
    """index.lmi of a folder that has one."""
    if isinstance(paths, (str, os.PathLike)) and paths and (Path(paths) / "index.lmi").exists():
        return DatasetIndex(paths)
    return None


def find_shards(paths: Paths) -> list[Path]:
    """All finished shards below folders, in order of NAME and part, and in lists.
    FileNotFoundError names what is missing: a path, or a shard that a manifest tells of.
    ValueError: the folders are finished, and have no samples."""
    return list(_find(paths))


def _find(paths: Paths) -> dict[Path, str]:
    """find_shards(), each with its path from the folder on."""
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    if not isinstance(paths, Iterable):
        raise TypeError(f"a source is {ACCEPTED}; not {paths!r}")
    paths = list(paths)
    found: dict[str, Path] = {}  # by the path without links
    names: dict[Path, str] = {}
    without: list[PathLike] = []  # finished data sets that have no samples
    for path in paths:
        for name in _shards_at(path, without):
            shard = Path(os.path.abspath(path), name)
            real = os.path.join(os.path.realpath(path), name).rstrip("/")
            if real in found:
                raise ValueError(f"{shard} is named twice ({found[real]}): a source has each shard "
                                 "once; a weight makes it come more often")
            found[real] = shard
            names[shard] = name or shard.name
    if not found and without:
        raise ValueError(f"no samples in {', '.join(map(str, without))}: all units are finished and "
                         "have none (what was rejected stands in NAME.rejects.jsonl)")
    if not found:
        raise FileNotFoundError(f"no shards in {', '.join(map(str, paths)) or 'an empty list'}; "
                                f"a source is {ACCEPTED}")
    return names


def _shards_at(path: PathLike, without: list[PathLike]) -> list[str]:
    """Shards of a folder, from it on, in an index's order; [""]: it is one itself. Adds the
    folder of a finished data set without samples to `without`."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{path!r} is no path: a source is {ACCEPTED}. A weight is given as "
                        "Source('pairs', weight=2.0)")
    if not os.fspath(path):
        raise ValueError(f"'' is no path: a source is {ACCEPTED}")
    if os.path.isdir(path):
        found = DataSet(path)
        if found.has_no_samples():
            without.append(path)
        return _finished(found)
    if not os.path.exists(path):
        pattern = set("*?[{").intersection(os.fsdecode(path))
        raise FileNotFoundError(f"no such shard or folder: {path}" + (
            "; patterns are not expanded: give the folder, or a list such as glob.glob(...)"
            if pattern else ""))
    if Path(path).name == "index.lmi":
        raise ValueError(f"{path} is the index of a folder: give the folder {Path(path).parent}")
    if Path(path).suffix != ".lms":
        raise ValueError(f"{path} is no shard: a source is {ACCEPTED}")
    return [""]


def _finished(found: DataSet) -> list[str]:
    """The finished shards of a folder. Refuses one that lacks some, warns of others."""
    _refuse_lost(found)
    _warn_of_unfinished(found)
    return found.shards


def _refuse_lost(found: DataSet) -> None:
    if found.may_pass:
        raise ShardError(f"{first_few(found.unreadable, '; ')}. Try again, or mend its rights")
    if found.unreadable:
        raise ShardError(f"{first_few(found.unreadable, '; ')}. Restore it, or let latentmill "
                         "prepare --redo make its unit again")
    if found.missing:
        raise (FileNotFoundError if found.any_gone else ShardError)(
            f"{first_few(found.missing, '; ')}. Bring the shards back, or let latentmill "
            "prepare --redo make their units again")


def _warn_of_unfinished(found: DataSet) -> None:
    if left_out := found.unfinished + found.foreign:
        warn(f"{first_few(left_out, '; ')}: left out. Let latentmill prepare finish it, or name "
             "the files")


def _warn_of_incomplete(index: DatasetIndex) -> None:
    """What it lacks it does not say: the folder's manifests may still do so."""
    found = DataSet(index.folder or ".")
    lost = found.unreadable + found.missing
    warn(f"{index.file} is incomplete, made by `latentmill index --incomplete` of a set that "
         f"lacked something: shards may be missing{': ' * bool(lost)}"
         f"{first_few(lost, '; ')}")


def _fits_folder(index: DatasetIndex) -> bool:
    """False, with a warning, where it names shards that are not finished: its folder must be
    judged without it. Raises FileNotFoundError where shards are gone, warns where some were
    added. Lists the folder, and reads manifests only where it may have changed since."""
    folder = index.folder or "."
    again = f"run `latentmill index {folder}` again"
    indexed, files = index.names(), list(files_below(folder))
    if gone := set(indexed).difference(files):
        raise FileNotFoundError(f"shards that {index.file} names are missing: "
                                f"{first_few(sorted(gone))}; bring them back, or {again}")
    if not may_differ(folder, indexed, files, os.stat(index.file).st_mtime_ns):
        return True
    found = DataSet(folder)
    if not index.incomplete:  # else that is told
        _refuse_lost(found)
    if unfinished := sorted(set(indexed).difference(found.shards), key=in_order):
        warn(f"{index.file} is not used, for it names shards that are not finished "
             f"({len(unfinished)}): {first_few(unfinished)}; {again}")
        return False
    if lacks := sorted(set(found.shards).difference(indexed), key=in_order):
        warn(f"{index.file} lacks shards of its folder ({len(lacks)}), which are not "
             f"used: {first_few(lacks)}; {again}")
    _warn_of_unfinished(found)
    return True


def first_few(names: Sequence[str], between: str = ", ") -> str:
    """For a message."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return between.join(map(shown, names[:5])) + more
