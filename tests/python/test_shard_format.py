# SPDX-License-Identifier: Apache-2.0
"""A reader written from FORMAT.md alone finds what our writer was given."""
import json
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
import shard_format

N = 230
WRITE = os.path.join(os.environ.get("BUILD", "build"), "tests/programs/write_shards")


def layout(record):
    out = struct.pack("<I", len(record["segments"]))
    for s in record["segments"]:
        out += struct.pack("<II", s["kind"], s["flags"])
        if s["kind"] == shard_format.TEXT:
            out += struct.pack("<I", len(s["alternatives"]))
            continue
        encoder = shard_format.NONE if s["encoder"] is None else s["encoder"]
        out += struct.pack("<IIIQ", s["dtype"], encoder, len(s["dims"]), len(s["data"]) // 2)
        out += struct.pack("<%dI" % len(s["dims"]), *s["dims"])
    return out


def rebuilt_index(shard, blocks):
    """The index's columns that speak of records, made from the blocks."""
    x = {name: [] for name in shard_format.COLUMNS if name[:5] != "frame" and name != "columns"}
    keys = b""

    def number(name, value):
        if value not in x[name]:
            x[name].append(value)
        return x[name].index(value)

    for b, records in enumerate(blocks):
        for row, r in enumerate(records):
            x["record_name"].append(number("names", r["name"].encode()))
            x["record_index"].append(r["index"])
            x["key_length"].append(len(r["key"].encode()))
            keys += r["key"].encode()
            x["record_block"].append(b)
            x["record_row"].append(row)
            x["record_layout"].append(number("layouts", layout(r)))
            x["text_checksum"].append(r["text_checksum"])
            x["tensor_checksum"].append(r["tensor_checksum"])
            for a in [a for s in r["segments"] for a in s.get("alternatives", [])]:
                x["alternative_name"].append(number("caption_names", a["name"].encode()))
                x["alternative_n_ids"].append(shard_format.NONE if a["ids"] is None else len(a["ids"]))
    x["keys"] = keys
    return x


def main():
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "s")
        lines = subprocess.run([WRITE, prefix, str(N), "300000", "16384"], check=True, stdout=subprocess.PIPE).stdout
        want = [json.loads(line) for line in lines.splitlines()]
        assert len(want) == N
        got = []
        files = sorted(os.listdir(folder))
        assert len(files) > 2, files
        for part, name in enumerate(files):
            shard = shard_format.Shard(os.path.join(folder, name))
            assert shard.header["part"] == part and shard.header["seed"] == 7
            assert shard.header["encoders"][1]["scale"] == [1.5305, 1 / 3]
            blocks = [shard.block(b) for b in range(shard.n_blocks)]
            for column, values in rebuilt_index(shard, blocks).items():
                assert values == shard.index[column], column
            assert shard.record(shard.count - 1) == blocks[-1][-1]
            got += sum(blocks, [])
        for g, w in zip(got, want):
            assert {**g, "text_checksum": 0, "tensor_checksum": 0} == {**w, "text_checksum": 0, "tensor_checksum": 0}, \
                w["key"]
        assert len(got) == N
        assert len({g["text_checksum"] for g in got}) == N


main()
