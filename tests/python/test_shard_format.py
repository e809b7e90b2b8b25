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


def type_of(record, at):
    part = record["parts"][at]
    tensors = [t for t in record["tensors"] if t["part"] == at]
    first = [r["part"] for r in record["renditions"]].index(at) if part["kind"] == shard_format.IMAGE and tensors else 0
    role = part["role"].encode()
    out = struct.pack("<5I", part["kind"], part["flags"], len(part.get("alternatives", [])), len(role), len(tensors))
    for t in tensors:
        owner = shard_format.NONE if t["owner"] is None else t["owner"] - first
        role += struct.pack("<5I", t["kind"], t["encoder"], t["slot"], t["dtype"], owner)
    return out + role


def rebuilt_index(blocks):
    """The index's columns that speak of records, made from the blocks."""
    x = {name: [] for name in shard_format.COLUMNS if name[:5] != "frame" and name not in ("columns", "block_frames")}
    keys = b""

    def number(name, value):
        if value not in x[name]:
            x[name].append(value)
        return x[name].index(value)

    for records in blocks:
        x["block_records"].append(len(records))
        for r in records:
            x["record_name"].append(number("names", r["name"].encode()))
            x["record_index"].append(r["index"])
            x["key_length"].append(len(r["key"].encode()))
            keys += r["key"].encode()
            x["parts"].append(len(r["parts"]))
            x["text_checksum"].append(r["text_checksum"])
            x["tensor_checksum"].append(r["tensor_checksum"])
            for i, part in enumerate(r["parts"]):
                x["type"].append(number("types", type_of(r, i)))
                for a in part.get("alternatives", []):
                    x["alternative_name"].append(number("caption_names", a["name"].encode()))
                    x["alternative_n_ids"].append(shard_format.NONE if a["ids"] is None else len(a["ids"]))
                if part["kind"] == shard_format.IMAGE:
                    x["source"].append(int.from_bytes(bytes.fromhex(part["sha256"])[:8], "little"))
                for t in [t for t in r["tensors"] if t["part"] == i]:
                    x["shape"].append(number("shapes", struct.pack("<%dI" % len(t["dims"]), *t["dims"])))
                    x["checksum"].append(t["checksum"])
    x["keys"] = keys
    return x


def as_read(want):
    """What the writer was given, as shard_format gives a record."""
    def part(w):
        p = {name: w[name] for name in ("kind", "flags", "role")}
        if w["kind"] == shard_format.TEXT:
            p["alternatives"] = [{name: a[name] for name in ("kind", "name", "ids", "unknown" if a["kind"] else "text")}
                                 for a in w["alternatives"]]
        elif w["kind"] == shard_format.IMAGE:
            p["size"], p["sha256"] = w["source"], w["sha256"]
        elif w["kind"] != shard_format.DATA:
            p["unknown"] = w["unknown"]
        return p

    def rendition(w):
        r = {"kind": w["kind"], "part": w["part"]}
        if w["kind"]:
            return {**r, "unknown": w["unknown"]}
        return {**r, **dict(zip(shard_format.GEOMETRY, (int(w["mirrored"]), w["fit"], *w["target"], *w["crop"],
                                                        *w["content"])))}

    return {**want, "parts": [part(w) for w in want["parts"]], "renditions": [rendition(w) for w in want["renditions"]]}


def without_checksums(record):
    r = {name: value for name, value in record.items() if not name.endswith("checksum")}
    return {**r, "tensors": [{name: value for name, value in t.items() if name != "checksum"} for t in r["tensors"]]}


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
            assert shard.header["encoders"][1]["scale"] == [1.5305, 1 / 3, 2, 0.25]
            scale = shard_format.array(shard.header["encoders"][2]["scale"])
            assert scale.tolist() == [[[4 * c + 1, 4 * c + 2], [4 * c + 3, (4 * c + 4) % 16]] for c in range(4)]
            blocks = [shard.block(b) for b in range(shard.n_blocks)]
            for column, values in rebuilt_index(blocks).items():
                assert values == shard.index[column], column
            assert shard.record(shard.count - 1) == blocks[-1][-1]
            got += sum(blocks, [])
        for g, w in zip(got, want):
            assert without_checksums(g) == as_read(w), w["key"]
        assert len(got) == N
        assert len({g["text_checksum"] for g in got}) == N


main()
