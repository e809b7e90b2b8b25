# SPDX-License-Identifier: Apache-2.0
"""A shard reader made from shard/FORMAT.md alone: Shard(path).record(i) for i < Shard.count.

It has no XXH3 and leaves those checksums alone; everything else that can be checked is."""
import base64
import json
import pathlib
import struct

import numpy
import zstandard

NONE = 0xFFFFFFFF
TEXT, IMAGE, DATA = 0, 1, 2
PLANES = {4: 2, 5: 2, 6: 4}
COLUMNS = ("names caption_names types columns shapes record_name record_index key_length keys parts text_checksum "
           "tensor_checksum type alternative_name alternative_n_ids source shape checksum block_records block_frames "
           "frame_column frame_first_row frame_bytes frame_raw_bytes frame_checksum").split()
GEOMETRY = ("mirrored fit target_width target_height crop_left crop_top crop_width crop_height content_left "
            "content_top content_width content_height").split()


def unplane(raw, width):
    return numpy.frombuffer(raw, numpy.uint8).reshape(width, -1).T.tobytes()


def integers(raw, width):
    return numpy.frombuffer(unplane(raw, width), "<u%d" % width).tolist()


def table(raw):
    n, = struct.unpack_from("<I", raw)
    at, out = 4 + 4 * n, []
    for length in struct.unpack_from("<%dI" % n, raw, 4):
        out.append(raw[at:at + length])
        at += length
    assert at == len(raw)
    return out


def array(value):
    """An array of the header's JSON."""
    if isinstance(value, list):
        return numpy.array(value)
    data = base64.b64decode(value["fp32" if "fp32" in value else "u32"], validate=True)
    return numpy.frombuffer(data, "<f4" if "fp32" in value else "<u4").reshape(value["dims"])


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        self.at += struct.calcsize("<" + fmt)
        return struct.unpack_from("<" + fmt, self.data, self.at - struct.calcsize("<" + fmt))

    def string(self, length):
        text = self.data[self.at:self.at + length]
        assert self.data[self.at + length] == 0
        self.at += length + 1
        return text

    def entry(self):
        """(kind, a cursor over what the entry holds)"""
        kind, size = self.take("II")
        self.at += size - 8
        return kind, Cursor(self.data[self.at - size + 8:self.at])

    def rest(self):
        return self.data[self.at:].hex()


class Shard:
    def __init__(self, path):
        self.data = pathlib.Path(path).read_bytes()
        self.header_end = self._header()
        frames = self._seek_table()
        self._index(len(self.data) - self.seek_bytes - frames[-1][0])
        assert frames[0] == (self.header_end, 0)
        assert frames[1:-1] == list(zip(self.index["frame_bytes"], self.index["frame_raw_bytes"]))
        self.offsets = [sum(f[0] for f in frames[:i]) for i in range(1, len(frames) - 1)]
        self.rows = [(b, row) for b, n in enumerate(self.index["block_records"]) for row in range(n)]
        assert len(self.rows) == self.count

    def _header(self):
        magic, length = struct.unpack_from("<II", self.data)
        *head, n = struct.unpack_from("<8sIIQ", self.data, 8)
        assert (magic, *head, n) == (0x184D2A5B, b"LMSHARD\n", 1, 0, length - 32)
        self.header = json.loads(self.data[32:32 + n])
        return 8 + length

    def _seek_table(self):
        n, descriptor, magic = struct.unpack_from("<IBI", self.data, len(self.data) - 9)
        assert (descriptor, magic) == (0, 0x8F92EAB1)
        self.seek_bytes = 8 + 8 * n + 9
        at = len(self.data) - self.seek_bytes
        assert struct.unpack_from("<II", self.data, at) == (0x184D2A5E, 8 * n + 9)
        return [struct.unpack_from("<II", self.data, at + 8 + 8 * i) for i in range(n)]

    def _index(self, at):
        magic, length = struct.unpack_from("<II", self.data, at)
        assert magic == 0x184D2A5C and at + 8 + length + self.seek_bytes == len(self.data)
        name, version, k, self.count, self.n_blocks, n_frames, end = struct.unpack_from("<8sIIQIIQ", self.data, at + 8)
        assert (name, version, end) == (b"LMINDEX\n", 1, at)
        self.index = {}
        for i in range(k):
            ident, width, offset, packed, raw, _ = struct.unpack_from("<IIQQQQ", self.data, at + 48 + 40 * i)
            column = self.frame(at + 8 + offset, packed, raw)
            key = COLUMNS[ident - 1]
            self.index[key] = table(column) if ident <= 5 else column if ident == 9 else integers(column, width)
        assert len(self.index["frame_column"]) == n_frames == sum(self.index["block_frames"])
        assert len(self.index["block_records"]) == self.n_blocks

    def frame(self, offset, packed, raw):
        data = self.data[offset:offset + packed]
        parameters = zstandard.get_frame_parameters(data)
        assert parameters.content_size == raw and parameters.has_checksum
        return zstandard.ZstdDecompressor().decompress(data)

    def block(self, number):
        first = sum(self.index["block_frames"][:number])
        frames = range(first, first + self.index["block_frames"][number])
        raws = [self.frame(self.offsets[i], self.index["frame_bytes"][i], self.index["frame_raw_bytes"][i])
                for i in frames]
        text = Cursor(raws[0])
        magic, n, f, reserved, rows_bytes, n_ids = text.take("4sIIIQQ")
        assert (magic, reserved, f) == (b"LMTX", 0, len(frames) - 1)
        heads = [text.take("IIIIIIQ") for _ in range(f)]
        columns = {}  # (kind, encoder, dtype, slot) -> [(first row, values)]
        for (kind, encoder, dtype, slot, first_row, zero, size), raw, i in zip(heads, raws[1:], frames[1:]):
            assert zero == 0 and size == len(raw) and self.index["frame_first_row"][i] == first_row
            values = Cursor(unplane(raw, PLANES.get(dtype, 1)))
            columns.setdefault((kind, encoder, dtype, slot), []).append((first_row, values))
        assert list(columns) == sorted(columns, key=lambda c: (c[1], c[3], c[0], c[2]))
        rows = text.data[text.at:text.at + rows_bytes]
        ids = iter(integers(text.data[text.at + rows_bytes:], 4))
        at, records = 0, []
        for number_of in range(n):
            size, = struct.unpack_from("<I", rows, at + 16)
            now = {c: [v for first_row, v in parts if first_row <= number_of][-1] for c, parts in columns.items()}
            records.append(self.row(Cursor(rows[at:at + size]), ids, now))
            at += size
        assert at == rows_bytes and next(ids, None) is None
        assert all(v.at == len(v.data) for parts in columns.values() for _, v in parts)
        return records

    def row(self, c, ids, values):
        r = {}
        r["text_checksum"], r["tensor_checksum"], size, content, n_ids, n_renditions, n_tensors, zero = \
            c.take("QQIIIIII")
        assert size == len(c.data) and zero == 0
        r["index"], r["caption_drawn"], n_parts, n_alternatives, metadata, key, name, r["order"], zero = \
            c.take("QIIIIHHB3s")
        assert zero == bytes(3)
        r["key"], r["name"] = c.string(key).decode(), c.string(name).decode()
        r["parts"] = [self.part(*c.entry(), ids) for _ in range(n_parts)]
        r["metadata"] = c.string(metadata).decode()
        alternatives = [a for p in r["parts"] for a in p.get("alternatives", [])]
        assert c.at == 40 + content and len(alternatives) == n_alternatives
        assert sum(len(a["ids"] or ()) for a in alternatives) == n_ids
        r["renditions"] = [self.rendition(*c.entry()) for _ in range(n_renditions)]
        r["tensors"] = [self.tensor(*c.entry(), values) for _ in range(n_tensors)]
        assert c.at == size
        return r

    def part(self, kind, c, ids):
        flags, role, zero = c.take("IHH")
        assert zero == 0
        p = {"kind": kind, "flags": flags, "role": c.string(role).decode()}
        if kind == TEXT:
            p["alternatives"] = [self.alternative(*c.entry(), ids) for _ in range(c.take("I")[0])]
        elif kind == IMAGE:
            p["size"], p["sha256"] = list(c.take("II")), c.take("32s")[0].hex()
        elif kind != DATA:
            p["unknown"] = c.rest()
        return p

    def alternative(self, kind, c, ids):
        n_ids, name, zero = c.take("IHH")
        assert zero == 0
        a = {"kind": kind, "name": c.string(name).decode()}
        a["ids"] = None if n_ids == NONE else [next(ids) for _ in range(n_ids)]
        return {**a, "text": c.string(c.take("I")[0]).decode()} if kind == 0 else {**a, "unknown": c.rest()}

    def rendition(self, kind, c):
        r = {"kind": kind, "part": c.take("I")[0]}
        return {**r, **dict(zip(GEOMETRY, c.take("12I")))} if kind == 0 else {**r, "unknown": c.rest()}

    def tensor(self, kind, c, values):
        t = dict(zip(("kind", "part", "owner", "encoder", "slot", "dtype"), (kind, *c.take("IIIII"))))
        d, size, t["checksum"] = c.take("IQQ")
        t["dims"] = list(c.take("%dI" % d))
        t["owner"] = None if t["owner"] == NONE else t["owner"]
        t["data"] = values[kind, t["encoder"], t["dtype"], t["slot"]].take("%ds" % size)[0].hex()
        return t

    def record(self, i):
        block, row = self.rows[i]
        return self.block(block)[row]
