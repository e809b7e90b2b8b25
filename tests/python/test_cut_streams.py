# SPDX-License-Identifier: Apache-2.0
"""Compressed inputs that are cut off or corrupt, beside the formats' own decoders: all that they
make of what stands before the damage is read. (tests/unit/test_unpack.c cuts at every byte.)"""

import bz2
import json
import lzma
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import zlib

try:
    import zstandard
except ImportError:
    print("the zstandard package is not installed")
    sys.exit(77)

BUILD = pathlib.Path(os.environ.get("BUILD", "build"))
KIB = 1024


def gzip_compress(data):
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


# Compression, and what decodes one stream.
FORMATS = {
    "gz": (gzip_compress, lambda: zlib.decompressobj(31)),
    "xz": (lzma.compress, lzma.LZMADecompressor),
    "bz2": (lambda data: bz2.compress(data, 1), bz2.BZ2Decompressor),
    "zst": (zstandard.ZstdCompressor(write_checksum=True).compress, lambda: zstandard.ZstdDecompressor().decompressobj()),
}


def decoded(decoder, packed):
    """What can be had of one stream after another, given to the decoder in small pieces."""
    out = b""
    at, now = 0, decoder()
    try:
        while at < len(packed):
            piece = packed[at:at + 16]
            out += now.decompress(piece)
            at += len(piece)
            if now.eof:
                at -= len(now.unused_data)
                now = decoder()
    except (zlib.error, lzma.LZMAError, OSError, zstandard.ZstdError):
        pass
    return out


def documents(rng):
    return [json.dumps({"text": " ".join(str(rng.randrange(10**6)) for _ in range(rng.randrange(400)))})
            for _ in range(500)]


def read_documents(path, folder):
    """(records, offset of the damage)"""
    out = folder / f"out-{path.name}"
    done = subprocess.run([BUILD / "latentmill", "prepare", "--quiet", "--tokenizer", "none", "--max-reject-rate", "1",
                           "--out", out, path], stderr=subprocess.PIPE, check=False)
    assert done.returncode == 42, (path, done.returncode, done.stderr.decode())
    manifest, = out.glob("*.manifest.json")
    entry, = json.loads(manifest.read_text())["result"]["inputs"]
    return entry["groups"], entry["damage"]["offset"]


def check(rng, folder, corpus, extension):
    compress, decoder = FORMATS[extension]
    third = len(corpus) // 3
    packed = b"".join(compress(corpus[at:at + third]) for at in range(0, len(corpus), third))
    for i in range(8):
        kind = ("cut", "corrupt")[i % 2]
        at = rng.randrange(1000, len(packed) - 100)
        path = folder / f"{kind}-{i}.jsonl.{extension}"
        path.write_bytes(packed[:at] if kind == "cut" else packed[:at] + bytes(64) + packed[at + 64:])
        n, offset = read_documents(path, folder)
        good = len(decoded(decoder, packed[:at]))
        assert offset >= good, (path.name, offset, good)
        assert n >= corpus[:offset if kind == "cut" else good].count(b"\n"), (path.name, n, offset)
        assert kind == "corrupt" or (n, offset) == (corpus[:offset].count(b"\n"), good), (path.name, n, offset)


def check_flips(rng, folder, corpus):
    """What one changed bit of gzip makes longer or shorter is found as well, in any of its streams."""
    for i in range(12):
        packed = bytearray(gzip_compress(corpus[:len(corpus) // 2]) + gzip_compress(corpus[len(corpus) // 2:]))
        at = rng.randrange(20, len(packed))
        packed[at] ^= 1 << rng.randrange(8)
        (folder / f"flip-{i}.jsonl.gz").write_bytes(packed)
        read_documents(folder / f"flip-{i}.jsonl.gz", folder)


def main():
    rng = random.Random(5)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        corpus = "".join(document + "\n" for document in documents(rng)).encode()
        for extension in FORMATS:
            check(rng, folder, corpus, extension)
        check_flips(rng, folder, corpus[:200_000])


if __name__ == "__main__":
    main()
