# SPDX-License-Identifier: Apache-2.0
"""A shard reader made from shard/FORMAT.md alone: Shard(path).record(i) for i < Shard.count.

It has no XXH3 and leaves those checksums alone; everything else that can be checked is."""
import json
import pathlib
import struct

import numpy
import zstandard

NONE = 0xFFFFFFFF
TEXT = 0
PLANES = {4: 2, 5: 2, 6: 4}
COLUMNS = ("names caption_names layouts columns record_name record_index key_length keys record_block record_row "
           "record_layout alternative_name alternative_n_ids text_checksum tensor_checksum frame_block frame_column "
           "frame_offset frame_bytes frame_raw_bytes frame_checksum").split()


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


class Shard:
    def __init__(self, path):
        self.data = pathlib.Path(path).read_bytes()
        self.header_end = self._header()
        frames = self._seek_table()
        self._index(len(self.data) - self.seek_bytes - frames[-1][0])
        assert frames[0] == (self.header_end, 0)
        assert frames[1:-1] == list(zip(self.index["frame_bytes"], self.index["frame_raw_bytes"]))
        assert self.index["frame_offset"] == [sum(f[0] for f in frames[:i]) for i in range(1, len(frames) - 1)]

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
            self.index[key] = table(column) if ident <= 4 else column if ident == 8 else integers(column, width)
        assert len(self.index["frame_block"]) == n_frames and len(self.index["record_block"]) == self.count

    def frame(self, offset, packed, raw):
        data = self.data[offset:offset + packed]
        parameters = zstandard.get_frame_parameters(data)
        assert parameters.content_size == raw and parameters.has_checksum
        return zstandard.ZstdDecompressor().decompress(data)

    def block(self, number):
        frames = [i for i, b in enumerate(self.index["frame_block"]) if b == number]
        raws = [self.frame(self.index["frame_offset"][i], self.index["frame_bytes"][i],
                           self.index["frame_raw_bytes"][i]) for i in frames]
        text = Cursor(raws[0])
        magic, n, c, reserved, rows_bytes, n_ids = text.take("4sIIIQQ")
        assert (magic, reserved, c) == (b"LMTX", 0, len(frames) - 1)
        columns = [text.take("IIIIQ") for _ in range(c)]
        values = {}
        for (kind, encoder, dtype, zero, size), raw in zip(columns, raws[1:]):
            assert zero == 0 and size == len(raw)
            values[kind, encoder, dtype] = Cursor(unplane(raw, PLANES.get(dtype, 1)))
        rows = text.data[text.at:text.at + rows_bytes]
        ids = iter(integers(text.data[text.at + rows_bytes:], 4))
        at, records = 0, []
        for _ in range(n):
            size, = struct.unpack_from("<I", rows, at + 16)
            records.append(self.row(Cursor(rows[at:at + size]), ids, values))
            at += size
        assert at == rows_bytes and next(ids, None) is None and all(v.at == len(v.data) for v in values.values())
        return records

    def row(self, c, ids, values):
        r = {}
        r["text_checksum"], r["tensor_checksum"], size, _, r["index"], r["caption_drawn"], n_images, n_segments, _, \
            metadata, key, name, r["order"], zero = c.take("QQIIQIIIIIHHB7s")
        assert size == len(c.data) and zero == bytes(7)
        r["key"], r["name"] = c.string(key).decode(), c.string(name).decode()
        r["images"] = [{"original": list(c.take("2I")), "crop": list(c.take("4I")), "target": list(c.take("2I")),
                        "sha256": c.take("32s")[0].hex()} for _ in range(n_images)]
        r["segments"] = [self.segment(c, ids, values) for _ in range(n_segments)]
        r["metadata"] = c.string(metadata).decode()
        assert c.at == size
        return r

    def segment(self, c, ids, values):
        s = dict(zip(("kind", "flags"), c.take("II")))
        if s["kind"] == TEXT:
            s["alternatives"], s["dims"] = [], []
            for _ in range(c.take("I")[0]):
                n_ids, text, name, zero = c.take("IIHH")
                assert zero == 0
                a = {"name": c.string(name).decode(), "text": c.string(text).decode()}
                a["ids"] = None if n_ids == NONE else [next(ids) for _ in range(n_ids)]
                s["alternatives"].append(a)
            return s
        s["dtype"], image, encoder, n_dims, size = c.take("IIIIQ")
        s["dims"] = list(c.take("%dI" % n_dims))
        s["data"] = values[s["kind"], encoder, s["dtype"]].take("%ds" % size)[0].hex()
        s["image"], s["encoder"] = (None if p == NONE else p for p in (image, encoder))
        return s

    def record(self, i):
        return self.block(self.index["record_block"][i])[self.index["record_row"][i]]
