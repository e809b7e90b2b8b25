# SPDX-License-Identifier: Apache-2.0
"""The bytes of a view's file (shard/FORMAT.md, section 10): a line with its fingerprint, a line
of JSON, and arrays, all in one gzip stream. That section is the layout's home; tools/export reads
it in C, and test_export_view.check_nonsense compares what the two take."""
from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = dict[str, npt.NDArray[Any]]

# In the file's order, the widest first: each begins at a multiple of its width.
ARRAYS = {name: np.dtype(kind) for name, kind in (
    ("records", "<i8"), ("texts", "<i8"), ("count", "<i8"), ("weight", "<f8"), ("n_ids", "<u4"),
    ("name", "<u4"), ("ids", "<u4"), ("text_bytes", "<u4"), ("replaced", "u1"), ("text", "u1"))}
_MAGIC = b"latentmill view 3 "
_DIGITS = 32  # of the fingerprint
_HEAD = len(_MAGIC) + _DIGITS + 1


def digest(meta: dict[str, Any], arrays: Arrays) -> str:
    """The fingerprint: of all that follows it."""
    sha256 = hashlib.sha256()
    for part in _parts(meta, arrays):
        sha256.update(part)
    return sha256.hexdigest()[:_DIGITS]


def _parts(meta: dict[str, Any], arrays: Arrays) -> Iterator[bytes | memoryview]:
    described = {name: value for name, value in meta.items() if name != "fingerprint"}
    described["lengths"] = {name: len(arrays[name]) for name in ARRAYS}
    line = json.dumps(described, sort_keys=True).encode()
    yield line + b" " * (-(_HEAD + len(line) + 1) % 8) + b"\n"
    for name, dtype in ARRAYS.items():
        yield np.ascontiguousarray(arrays[name], dtype).data


def write(path: str | os.PathLike[str], meta: dict[str, Any], arrays: Arrays) -> None:
    """One that is there is replaced when all is written."""
    temporary = Path(f"{os.fspath(path)}.tmp.{os.getpid()}")
    try:
        with open(temporary, "wb") as file:
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                packed.write(_MAGIC + meta["fingerprint"].encode() + b"\n")
                for part in _parts(meta, arrays):
                    packed.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """meta, with its fingerprint, and read-only arrays. Any exception where the bytes are none
    of write()'s; that they make sense is for the caller to see."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError("it is not a regular file")
    with gzip.open(path) as file:
        head = file.read(_HEAD)
        if not head.startswith(_MAGIC) or head[-1:] != b"\n":
            raise ValueError("it does not begin as one, or is of another version")
        file.seek(0)
        content = file.read()  # whole, so that arrays are aligned in memory too
    fingerprint = head[len(_MAGIC):-1].decode()
    if hashlib.sha256(memoryview(content)[_HEAD:]).hexdigest()[:_DIGITS] != fingerprint:
        raise ValueError("its fingerprint is not that of its content")
    at = content.index(b"\n", _HEAD) + 1
    if at % 8:
        raise ValueError("its arrays are not aligned")
    meta = json.loads(content[_HEAD:at].decode(), object_pairs_hook=_members)
    lengths, arrays = meta.pop("lengths"), {}
    for name, dtype in ARRAYS.items():
        n = lengths[name]
        if type(n) is not int or not 0 <= n <= (len(content) - at) // dtype.itemsize:
            raise ValueError("it is shorter than it says")
        arrays[name] = np.frombuffer(content, dtype, n, at) if n else np.zeros(0, dtype)
        at += arrays[name].nbytes
    if at != len(content):
        raise ValueError("it is longer than it says")
    return {**meta, "fingerprint": fingerprint}, arrays


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of an object."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("its JSON has a member twice")
    return members
