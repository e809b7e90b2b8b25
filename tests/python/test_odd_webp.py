# SPDX-License-Identifier: Apache-2.0
"""Odd WebPs: sizes and flags that do not fit, chunks where they do not belong."""
import struct
import sys

from oddities import EXIF_TAG, GREY, JUNK, PICTURE, SIZE, Odd, check, exif, save

EXIF, ALPHA, XMP, ICCP = 8, 16, 4, 32


def chunk(kind, data, pad=True):
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2 if pad else 0)


def riff(*chunks, more=0):
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) + more) + body


def vp8x(flags, width=SIZE[0]):
    sides = struct.pack("<I", width - 1)[:3] + struct.pack("<I", SIZE[1] - 1)[:3]
    return chunk(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


def containers(base):
    image, odd = base[12:], chunk(b"ABCD", b"xyz")
    yield "bytes behind", Odd("", base + JUNK, base)
    for name, more in (("longer than the file", 400), ("of odd size", 1)):
        yield f"RIFF {name}", Odd("", riff(image, more=more), base, "truncated_image", "no", kept="same")
    yield "RIFF too short", Odd("", riff(image, more=-40), base, "corrupt_image", "no")
    yield "cut", Odd("", base[:-900], base, "truncated_image", "no", kept="other")
    yield "unknown chunk behind", Odd("", riff(image, odd), base)
    yield "unknown chunk before", Odd("", riff(vp8x(0), odd, image), base)
    unpadded = chunk(b"ABCD", b"xyz", False)
    yield "last chunk not padded", Odd("", riff(vp8x(0), image, unpadded), base, pillow="no")
    yield "a second image", Odd("", riff(image, image), base)
    yield "VP8X of another size", Odd("", riff(vp8x(0, 61), image), base, "corrupt_image", "no")
    yield "flags for nothing", Odd("", riff(vp8x(EXIF | XMP | ICCP | ALPHA), image), base)


def metadata(base):
    image, turned, other = base[12:], chunk(b"EXIF", exif(6)), chunk(b"EXIF", exif(3))
    yield "EXIF", Odd("", riff(vp8x(EXIF), image, turned), base, orientation=6)
    yield "EXIF in front", Odd("", riff(vp8x(EXIF), turned, image), base, orientation=6)
    yield "EXIF twice", Odd("", riff(vp8x(EXIF), image, turned, other), base, orientation=6)
    for n in (1, 2):
        tagged = chunk(b"EXIF", n * EXIF_TAG + exif(6))
        yield f"EXIF, {n} tags", Odd("", riff(vp8x(EXIF), image, tagged), base, orientation=6)
    yield "EXIF without its flag", Odd("", riff(vp8x(0), image, turned), base)
    yield "EXIF without VP8X", Odd("", riff(image, turned), base)
    yield "EXIF behind the RIFF", Odd("", riff(vp8x(EXIF), image) + turned, base)


def odds():
    clear = PICTURE.copy()
    clear.putalpha(GREY)
    for kind, options in (("lossy", {"quality": 80}), ("lossless", {"lossless": True})):
        base = save(PICTURE, "WEBP", **options)
        for name, odd in (*containers(base), *metadata(base)):
            odd.name = f"{kind}, {name}"
            yield odd
    base = save(clear, "WEBP", quality=80)
    no_flag = base[:20] + bytes([base[20] & ~ALPHA]) + base[21:]
    yield Odd("alpha without its flag", no_flag, base, pillow="other")


if __name__ == "__main__":
    sys.exit(check(odds()))
