# SPDX-License-Identifier: Apache-2.0
"""What is in a folder of shards, and what it lacks: judged and said as by the program, whose
rule stands in tools/store/data_set.h. No shard is opened."""
from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PathLike = str | os.PathLike[str]
MANIFEST = ".manifest.json"
STATES = ("complete", "damaged", "rejected")


class DataSet:
    """Paths are from the folder on, with those below it, by NAME and part. What is wrong is a
    sentence each."""

    def __init__(self, folder: PathLike):
        self.folder = Path(folder)
        self.shards: list[str] = []      # finished: manifests name them, with their size
        self.unreadable: list[str] = []  # manifests and folders
        self.gone: list[str] = []        # shards that manifests name
        self.resized: list[str] = []     # these have another size than their manifest says
        self.unfinished: list[str] = []  # temporaries of units without a manifest, empty manifests
        self.foreign: list[str] = []     # shards that no manifest names
        self._look(list(self._files()))

    def problems(self) -> list[str]:
        return self.unreadable + self.gone + self.resized + self.unfinished + self.foreign

    def _files(self) -> Iterator[str]:
        return files_below(self.folder, lambda error: self.unreadable.append(
            f"{error.filename}: {os.strerror(error.errno or errno.EIO)}"))

    def _look(self, files: list[str]) -> None:
        manifests = [file for file in files if _ends_in(file, MANIFEST)]
        manifests.sort(key=lambda path: os.fsencode(path)[:-len(MANIFEST)])
        claimed = {path for path in manifests if _size(self.folder / path) == 0}
        there = {file: size for file in files if _ends_in(file, ".lms")
                 and (size := _size(self.folder / file)) is not None}
        finished, named = set(), set()
        for manifest in (path for path in manifests if path not in claimed):
            for shard, size in self._named(manifest).items():
                named.add(shard)
                if shard not in there:
                    self.gone.append(f"{self.folder / shard} is missing; "
                                     f"{self.folder / manifest} names it")
                elif there[shard] != size:
                    self.resized.append(f"{self.folder / shard} has not the {size} bytes that "
                                        f"{self.folder / manifest} says, but {there[shard]}")
                else:
                    finished.add(shard)
        if not manifests and not any(os.path.basename(file) == "dataset.json" for file in files):
            finished = {shard for shard in there if there[shard] > 0}  # somebody has put shards alone there
        self.foreign = [f"{self.folder / shard}: no manifest names it, its unit is unfinished"
                        for shard in sorted(set(there) - named - finished, key=in_order)]
        self.shards = sorted(finished, key=in_order)
        done = set(manifests) - claimed
        self.unfinished = [f"{self.folder / file}: its unit is unfinished"
                           for file in sorted(files, key=os.fsencode)
                           if file in claimed or _is_unfinished(file, done)]

    def _named(self, manifest: str) -> dict[str, int]:
        """Shards and their sizes."""
        path = self.folder / manifest
        try:
            if stat.S_ISDIR(path.stat().st_mode):
                raise ValueError("it is a folder")
            return {os.path.join(os.path.dirname(manifest), name): size
                    for name, size in _shards_of(json.loads(path.read_bytes()))}
        except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
            self.unreadable.append(f"{path} is damaged or no manifest: {error}")
        except OSError as error:
            self.unreadable.append(f"{path}: {os.strerror(error.errno or errno.EIO)}")
        return {}


def files_below(folder: PathLike, onerror: Callable[[OSError], object]) -> Iterator[str]:
    """Paths from the folder on, which must be readable itself. Those that macOS puts beside
    others, "._" and their name (AppleDouble), are none."""
    def judge(error: OSError) -> None:
        if error.filename == os.fspath(folder):
            raise error
        onerror(error)
    for root, folders, files in os.walk(folder, onerror=judge):
        below = os.path.relpath(root, folder)
        prefix = "" if below == "." else below + os.sep
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        yield from (prefix + file for file in files + links if not file.startswith("._"))


def shards_below(folder: PathLike) -> list[str]:
    """Finished or not, by their names alone."""
    return sorted((file for file in files_below(folder, _raise) if _ends_in(file, ".lms")),
                  key=in_order)


def in_order(shard: str) -> bytes:
    """By NAME and part, as in an index."""
    return os.fsencode(shard)[:-len(".lms")]


def _raise(error: OSError) -> None:
    raise error


def _ends_in(path: str, suffix: str) -> bool:
    name = os.path.basename(path)
    return name.endswith(suffix) and name != suffix


def _size(path: Path) -> int | None:
    """None: it is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return None if stat.S_ISDIR(status.st_mode) else status.st_size


def _is_unfinished(file: str, done: set[str]) -> bool:
    """What a killed run left of a unit that was finished later means nothing."""
    folder, name = os.path.split(file)
    unit, mark, _ = name.partition(".lms.tmp.")
    if not mark or _ends_in(file, ".lms") or _ends_in(file, MANIFEST):
        return False
    unit = re.sub(r"(?<=.)\+[0-9]{5,9}\Z", "", unit, flags=re.DOTALL)
    return os.path.join(folder, unit + MANIFEST) not in done


def _shards_of(manifest: Any) -> Iterator[tuple[str, int]]:
    """ValueError, KeyError, IndexError or TypeError where it is none."""
    result, path = manifest["result"], manifest["run"]["input"]["path"]
    if result["inputs"][0]["status"] not in STATES or not isinstance(path, str) or \
            not isinstance(result["shards"], list):
        raise ValueError("its members are not those of a manifest")
    for shard in result["shards"]:
        name, size = shard["name"], shard["bytes"]
        if "/" in name or not _ends_in(name, ".lms") or type(size) is not int or size <= 0:
            raise ValueError("its members are not those of a manifest")
        yield name, size
