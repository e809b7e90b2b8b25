# SPDX-License-Identifier: Apache-2.0
"""latentmill.DatasetIndex: what it says of real shards, and many of them quickly."""

import json
import math
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import tracemalloc
from unittest import mock

from package import BUILD, PRELOADED

try:
    import numpy as np
except ImportError:
    print("no numpy")
    sys.exit(77)

import latentmill  # noqa: E402
from latentmill import DatasetIndex, ShardReader  # noqa: E402

MANY = 5_000


def raises(kind, function, *args, **named):
    try:
        function(*args, **named)
    except kind as error:
        return error
    raise AssertionError(f"{function} did not raise {kind}")


def write_shards(prefix, n, max_bytes):
    program = f"{BUILD}/tests/programs/write_shards"
    subprocess.run(
        [program, prefix, str(n), str(max_bytes), "20000"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def make_set(folder):
    """Several shards, some in a folder below; without manifests they are all finished."""
    os.mkdir(f"{folder}/b")
    write_shards(f"{folder}/a", 50, 1 << 17)
    write_shards(f"{folder}/b/c", 20, 1 << 17)
    subprocess.run(
        [f"{BUILD}/latentmill", "index", folder],
        check=True,
        capture_output=True,
    )


def names_below(folder):
    names = []
    for root, _, files in os.walk(folder):
        names += [os.path.relpath(f"{root}/{f}", folder) for f in files if f.endswith(".lms")]
    return sorted(names, key=lambda name: name.removesuffix(".lms").encode())


def grid(dims, kind):
    return {"latent": dims[-2:], "codes": dims, "pixels": dims[:2], "features": dims[:-1]}.get(kind, [0])


def expected(reader):
    """(tokens, parts, images) and, by column, (tensors, cells, ids), from the shard's index."""
    c = reader.columns()
    tokens = images = 0
    columns = {}
    for j, kind in enumerate(c.types[k] for k in c.type):
        images += kind.kind == "image"
        if kind.kind == "text":
            n_ids = c.alternative_n_ids[slice(*c.alternative_start[j : j + 2])].astype(int)
            n_ids[n_ids == latentmill.NO_IDS] = 0
            tokens += (int(n_ids.sum()) + len(n_ids) // 2) // len(n_ids)
        for (column, _), k in zip(kind.tensors, c.shape[slice(*c.tensor_start[j : j + 2])], strict=True):
            dims = c.shapes[k, 1 : 1 + c.shapes[k, 0]].tolist()
            cells = math.prod(grid(dims, column.kind))
            ids = math.prod(dims) if column.kind in ("codes", "ids") else 0
            columns[column] = tuple(map(sum, zip(columns.get(column, (0, 0, 0)), (1, cells, ids))))
    return (tokens, len(c.type), images), columns


def test_contents(folder):
    index = DatasetIndex(folder)
    names = names_below(folder)
    assert len(index) == len(names) > 4 and not index.incomplete
    assert [index.name(i) for i in range(len(index))] == names
    assert len(index.configurations) == 1 and not index.configuration.any()
    for i, name in enumerate(names):
        reader = ShardReader(f"{folder}/{name}")
        assert index.path(i) == reader.path
        assert index.records[i] == len(reader)
        assert index.blocks[i] == reader.shard.n_blocks
        assert index.n_bytes[i] == os.path.getsize(reader.path)
        assert index.fingerprints[i].tobytes().hex() == reader.fingerprint
        sums, columns = expected(reader)
        assert (index.tokens[i], index.parts[i], index.images[i]) == sums
        header = {k: v for k, v in reader.header.items() if k not in ("name", "part")}
        assert index.configurations[0] == header
        pairs = slice(*index.column_start[i : i + 2])
        held = [array[pairs].tolist() for array in (index.tensors, index.cells, index.ids)]
        assert dict(zip([index.columns[k] for k in index.column[pairs]], zip(*held))) == columns
        assert len(index.open(i)) == len(reader)
    opened = index.open(0, "text", "skip")
    assert opened._skip and not opened._tensors
    assert index.problems() == []
    assert pickle.loads(pickle.dumps(index)).fingerprint == index.fingerprint
    assert DatasetIndex(f"{folder}/index.lmi").fingerprint == index.fingerprint


def test_changed(folder):
    index = DatasetIndex(folder)
    other = names_below(folder)[0]
    shutil.copyfile(index.path(1), f"{folder}/{other}")
    assert index.name(0) == other
    error = raises(latentmill.ShardError, index.open, 0)
    assert other in str(error) and "which is older: run `latentmill index" in str(error)
    os.unlink(index.path(2))
    assert index.name(2) in str(raises(FileNotFoundError, index.open, 2))
    problems = index.problems()
    assert any(index.name(2) in line and "No such file" in line for line in problems)
    os.truncate(index.path(3), 100)
    assert any(line == f"{index.path(3)} has 100 bytes, not {index.n_bytes[3]}"
               for line in index.problems())
    same_size = DatasetIndex(folder)
    same_size.n_bytes = index.n_bytes[[1, *range(1, len(index))]]
    raises(latentmill.ShardError, same_size.open, 0)
    if index.n_bytes[0] != index.n_bytes[1]:
        assert any(other in line for line in problems) and len(problems) == 2


def test_refusals(folder):
    error = raises(FileNotFoundError, DatasetIndex, f"{folder}/b")
    assert "latentmill index" in str(error)
    with open(f"{folder}/other.lmi", "wb") as file:
        file.write(b"x" * 1000)
    raises(latentmill.ShardError, DatasetIndex, f"{folder}/other.lmi")


class Forged:
    """An index whose checksums are right and whose values are not."""

    def __init__(self, index, **values):
        self._index, self._values = index, values

    def __getattr__(self, name):
        return getattr(self._index, name)

    def column(self, name):
        return self._values.get(name) or self._index.column(name)

    def table(self, name):
        if name not in self._values:
            return self._index.table(name)
        entries = self._values[name]
        starts = np.cumsum([0, *map(len, entries)]).astype("<u8")
        return starts, b"".join(entries)


def test_forged(folder):
    """An error that names the file, and says what to do."""
    header = json.dumps(DatasetIndex(folder).configurations[0])
    for name, values in (
            ("configurations", {"configurations": [b"\xff"]}), ("configurations", {"configurations": [b"{"]}),
            ("configurations", {"configurations": [b"[]"]}), ("configurations", {"configurations": [b"{}"]}),
            ("configurations", {"configurations": [header.replace('"encoders"', '"coders"').encode()]}),
            ("configuration", {"configurations": []}), ("column", {"column": b"\1\0\0\0"}),
            ("column", {"column": b"\xff" * 4 * len(DatasetIndex(folder).column)})):
        index = DatasetIndex(folder)
        index._index = Forged(index._index, **values)
        error = raises(latentmill.ShardError, getattr, index, name)
        assert index.file in str(error) and f"run `latentmill index {folder}` again" in str(error), error
    n = len(DatasetIndex(folder))
    for records in (0, 7, 2**31):
        index = DatasetIndex(folder)
        index._index = Forged(index._index, records=np.full(n, records, "<u4").tobytes())
        error = raises(latentmill.ShardError, index.open, 1)
        assert f"{index.file} is damaged: it tells of {records} records in {index.path(1)}" in str(error), error
        assert f"run `latentmill index {folder}` again" in str(error), error
    with mock.patch.object(DatasetIndex, "configurations", []):
        error = raises(latentmill.ShardError, latentmill.Dataset, folder, batch_size=1)
        assert f"{folder}/index.lmi tells of no shards" in str(error), error


def test_many(folder):
    """Opened, and all arrays read: little time, little memory, no shard is opened."""
    write_shards(f"{folder}/one", 1, 1 << 20)
    subprocess.run(
        [
            f"{BUILD}/tests/programs/write_dataset_index",
            f"{folder}/one-00000.lms",
            str(MANY),
            f"{folder}/index.lmi",
        ],
        check=True,
    )
    os.unlink(f"{folder}/one-00000.lms")
    tracemalloc.start()
    start = time.process_time()
    index = DatasetIndex(folder)
    arrays = [index.records, index.blocks, index.n_bytes, index.fingerprints, index.tokens]
    arrays += [index.cells, index.images, index.configuration, index.parts]
    assert index.path(MANY - 1) == f"{folder}/part-004/pairs-004999.lms"
    assert len(index.fingerprint) == 32
    took = time.process_time() - start
    held = sum(a.nbytes for a in arrays) + tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(index) == MANY and index.records.sum() == MANY
    assert took < 0.5 or PRELOADED, took
    assert held < 100 * MANY, held


def main():
    with tempfile.TemporaryDirectory() as folder:
        make_set(folder)
        test_contents(folder)
        test_refusals(folder)
        test_forged(folder)
        test_changed(folder)
    with tempfile.TemporaryDirectory() as folder:
        test_many(folder)


if __name__ == "__main__":
    main()
