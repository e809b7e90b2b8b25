# SPDX-License-Identifier: Apache-2.0
"""Writes tests/fuzz/corpus/fuzz_shard, fuzz_dump and fuzz_dataset_index: small shards, the content
of text frames, and indexes of data sets.

usage: make_corpus_shards.py PROGRAMS FOLDER
PROGRAMS is the folder of write_shards. Needs zstd.
"""
import pathlib
import struct
import subprocess
import sys
import tempfile

PROGRAMS, FOLDER = map(pathlib.Path, sys.argv[1:])


def write(target, name, data):
    (FOLDER / target).mkdir(parents=True, exist_ok=True)
    (FOLDER / target / name).write_bytes(data)


def shard(folder, n, max_block_bytes, kinds):
    """The bytes of a shard of records of these kinds in turn."""
    subprocess.run([PROGRAMS / "write_shards", folder / "s", str(n), "99999999", str(max_block_bytes), kinds],
                   check=True, stdout=subprocess.DEVNULL)
    return (folder / "s-00000.lms").read_bytes()


def frames(data):
    """Each frame's bytes, by the seek table at the end."""
    n, = struct.unpack_from("<I", data, len(data) - 9)
    at = 0
    for i in range(n):
        length, = struct.unpack_from("<I", data, len(data) - 9 - 8 * (n - i))
        yield data[at:at + length]
        at += length


def text_frames(data):
    """The content of its text frames."""
    for frame in frames(data):
        if frame[:4] == b"\x28\xb5\x2f\xfd":
            content = subprocess.run(["zstd", "-dc"], input=frame, check=True, capture_output=True).stdout
            if content[:4] == b"LMTX":
                yield content


def split_column(content):
    """The only tensor frame of two rows as one of each."""
    magic, rows, n, reserved = struct.unpack_from("<4I", content)
    column = content[32:48]
    size, = struct.unpack_from("<Q", content, 56)
    assert (rows, n, size % 2) == (2, 1, 0)
    table = b"".join(column + struct.pack("<IIQ", row, 0, size // 2) for row in range(2))
    return struct.pack("<4I", magic, rows, 2, reserved) + content[16:32] + table + content[64:]


def main(folder):
    some = shard(folder, 6, 1 << 20, "134569")
    blocks = shard(folder, 6, 700, "023456")
    one = shard(folder, 1, 1 << 20, "0")
    later = shard(folder, 1, 1 << 20, "5")
    two = next(text_frames(shard(folder, 2, 1 << 20, "00")))
    header = next(frames(some))
    write("fuzz_shard", "six-records.lms", some)
    write("fuzz_shard", "small-blocks.lms", blocks)
    write("fuzz_shard", "one-record.lms", one)
    write("fuzz_shard", "header-only.lms", header)
    write("fuzz_shard", "cut-in-block.lms", some[:len(header) + 300])
    write("fuzz_shard", "cut-in-index.lms", some[:-200])
    for target in "fuzz_shard", "fuzz_dump":
        write(target, "text-frame", next(text_frames(some)))
        write(target, "text-frame-one", next(text_frames(one)))
        write(target, "text-frame-later", next(text_frames(later)))
        write(target, "text-frame-split", split_column(two))
    for i, content in enumerate(text_frames(blocks)):
        write("fuzz_dump", f"text-frame-{i}", content)

    (folder / "some.lms").write_bytes(some)
    for name, n in (("none", 0), ("one", 1), ("three", 3)):
        subprocess.run([PROGRAMS / "write_dataset_index", folder / "some.lms", str(n), folder / "index"], check=True)
        write("fuzz_dataset_index", name, (folder / "index").read_bytes())
    write("fuzz_dataset_index", "cut", (folder / "index").read_bytes()[:700])


with tempfile.TemporaryDirectory() as name:
    main(pathlib.Path(name))
