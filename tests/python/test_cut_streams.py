# SPDX-License-Identifier: Apache-2.0
"""Compressed inputs that are cut off or corrupt, beside the formats' own decoders: what stands
before the damage is read, but for the last piece of what libarchive decompresses."""

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


# Compression, decoder, and the most decompressed bytes before the damage that may be lost.
FORMATS = {
    "gz": (gzip_compress, lambda: zlib.decompressobj(31), 0),
    "xz": (lzma.compress, lzma.LZMADecompressor, 64 * KIB),
    "bz2": (lambda data: bz2.compress(data, 1), bz2.BZ2Decompressor, 64 * KIB),
    "zst": (zstandard.ZstdCompressor(write_checksum=True).compress, lambda: zstandard.ZstdDecompressor().decompressobj(), 128 * KIB),
}


def decoded(decoder, packed):
    """What can be had of it, given to the decoder in small pieces."""
    out = b""
    try:
        for at in range(0, len(packed), 16):
            out += decoder.decompress(packed[at:at + 16])
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
    compress, decoder, most_lost = FORMATS[extension]
    packed = compress(corpus)
    for kind in ("cut", "corrupt"):
        at = rng.randrange(len(packed) // 3, len(packed) * 9 // 10)
        path = folder / f"{kind}.jsonl.{extension}"
        path.write_bytes(packed[:at] if kind == "cut" else packed[:at] + bytes(64) + packed[at + 64:])
        n, offset = read_documents(path, folder)
        good = len(decoded(decoder(), packed[:at]))
        assert offset >= good - most_lost, (path.name, offset, good)
        assert n >= corpus[:offset if kind == "cut" else good - most_lost].count(b"\n"), (path.name, n, offset)
        assert kind == "corrupt" or (n, offset <= good) == (corpus[:offset].count(b"\n"), True), (path.name, n, offset)


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
