# SPDX-License-Identifier: Apache-2.0
"""Decoding holds no more than the table of ingest/image/image_header.h says, and fits the budget.

Images of 170 megapixels are each a sample or too_many_pixels, as the table says. The memory
is the process's largest resident size less that of decoding a tiny image.
"""
import io
import os
import struct
import sys
import tempfile
import zlib

import decoding
from PIL import Image

PROGRAM = os.path.join(decoding.PROGRAMS, "decode_files")
MIB = 1 << 20
BUDGET = 384 * MIB


def png(w, h, depth, colour, interlaced=False):
    """Zeros, without holding them: 1 byte of filter and a row of zeros, again and again."""
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(w, h)]
    if interlaced:
        passes = [((w - x + dx - 1) // dx, (h - y + dy - 1) // dy) for x, y, dx, dy in
                  ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                   (1, 0, 2, 2), (0, 1, 1, 2))]
    z = zlib.compressobj(1)
    data = b"".join(z.compress(bytes(1 + (pw * bits + 7) // 8)) for pw, ph in passes
                    for _ in range(ph) if pw)
    palette = decoding.png_chunk(b"PLTE", bytes(3)) if colour == 3 else b""
    return decoding.png_file(w, h, depth, colour, data + z.flush(), palette, interlaced)


def jpeg(w, h, sampling, progressive):
    """Grey everywhere: each block's difference is one bit, 0; in a progressive image the
    first scan is all there is."""
    def segment(marker, data):
        return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data

    n = len(sampling)
    components = b"".join(bytes([i + 1, s, 0]) for i, s in enumerate(sampling))
    most_h, most_v = max(s >> 4 for s in sampling), max(s & 15 for s in sampling)
    groups = -(-w // (8 * most_h)) * -(-h // (8 * most_v))
    if n == 1:
        groups = -(-w // 8) * -(-h // 8)
    blocks = groups * (sum((s >> 4) * (s & 15) for s in sampling) if n > 1 else 1)
    one_code = bytes([1] + [0] * 15 + [0])
    bits = blocks * (1 if progressive else 2)
    data = bytes(bits // 8) + (bytes([0xFF >> bits % 8]) if bits % 8 else b"")
    return (b"\xff\xd8" + segment(0xDB, bytes([0] + [1] * 64))
            + segment(0xC2 if progressive else 0xC0, struct.pack(">BHHB", 8, h, w, n) + components)
            + segment(0xC4, b"\x00" + one_code) + segment(0xC4, b"\x10" + one_code)
            + segment(0xDA, bytes([n]) + b"".join(bytes([i + 1, 0]) for i in range(n))
                      + (bytes([0, 0, 0]) if progressive else bytes([0, 63, 0])))
            + data + b"\xff\xd9")


def webp_lossless(w, h):
    """One colour: five prefix codes of one symbol, so that no pixel takes a bit."""
    bits = n = 0
    for value, width in [(0x2F, 8), (w - 1, 14), (h - 1, 14), (0, 1), (0, 3),  # header
                         (0, 1), (0, 1), (0, 1)] + [(1, 1), (0, 1), (0, 1), (0, 1)] * 5:
        bits |= value << n
        n += width
    data = bits.to_bytes(-(-n // 8) + 1, "little")
    data += bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(data) + 12) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


def pillow(kind, size, mode="RGB", **options):
    im = Image.effect_noise(size, 60).convert("L")
    other = Image.radial_gradient("L").resize(size)
    im = Image.merge(mode, ([im, other, im, other])[:len(mode)])
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


def cases():
    """Name, bytes, what becomes of it."""
    side = 13040
    yield "png 170 Mpx", png(side, side, 8, 2), "none"
    yield "png 170 Mpx palette", png(side, side, 1, 3), "none"
    yield "png 170 Mpx interlaced", png(side, side, 1, 0, True), "too_many_pixels"
    yield "jpeg 170 Mpx", jpeg(side, side, [0x22, 0x11, 0x11], False), "none"
    yield "jpeg 170 Mpx progressive grey", jpeg(side, side, [0x11], True), "none"
    yield "jpeg 170 Mpx progressive 4:2:0", jpeg(side, side, [0x22, 0x11, 0x11], True), "too_many_pixels"
    yield "webp 16383 x 10000", webp_lossless(16383, 10000), "too_many_pixels"
    yield "webp 16383 x 3000", webp_lossless(16383, 3000), "none"
    yield "jpeg 65500 wide", jpeg(65500, 100, [0x11] * 3, False), "none"
    yield "jpeg 65500 high", jpeg(100, 65500, [0x22, 0x11, 0x11], False), "none"
    yield "png 65535 wide 16 bit", png(65535, 9, 16, 6), "none"
    yield "png 3000 x 2000 interlaced", png(3000, 2000, 8, 2, True), "none"
    yield "png 3000 x 2000 interlaced alpha", png(3000, 2000, 8, 6, True), "none"
    yield "png 3000 x 2000 interlaced 16 bit", png(3000, 2000, 16, 0, True), "none"
    size = (2400, 1800)
    yield "jpeg 4:4:4 progressive", pillow("JPEG", size, subsampling=0, progressive=True), "none"
    yield "jpeg 4:2:0 progressive", pillow("JPEG", size, subsampling=2, progressive=True), "none"
    yield "jpeg cmyk progressive", pillow("JPEG", size, "CMYK", progressive=True), "none"
    yield "webp lossy", pillow("WEBP", size, method=0), "none"
    yield "webp lossy with alpha", pillow("WEBP", size, "RGBA", method=0), "none"
    yield "webp lossless", pillow("WEBP", size, lossless=True, method=0, quality=0), "none"
    yield "webp lossless with alpha", pillow("WEBP", size, "RGBA", lossless=True, method=0, quality=0), "none"


def decode(path):
    return decoding.decode_files([path], size=(256, 256), icc="srgb")[0]


def main():
    with open(PROGRAM, "rb") as f:
        if b"__asan_init" in f.read():
            print("sanitizers need memory of their own")
            return 77
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "image")
        with open(path, "wb") as f:
            f.write(png(8, 8, 8, 2))
        least = decode(path).peak
        for name, data, expected in cases():
            with open(path, "wb") as f:
                f.write(data)
            ours = decode(path)
            held = max(0, ours.peak - least - len(data))
            good = (ours.reason == expected and (ours.need <= BUDGET) == (expected == "none")
                    and ours.peak < 1024 * MIB and (expected != "none" or held <= ours.need))
            print(f"{'ok' if good else 'FAILED'}: {name}: {ours.reason}, need "
                  f"{ours.need / MIB:.1f} MiB, held {held / MIB:.1f} MiB")
            failed |= not good
    return failed


if __name__ == "__main__":
    sys.exit(main())
