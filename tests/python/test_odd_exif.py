# SPDX-License-Identifier: Apache-2.0
"""Odd EXIF blocks: the orientation that they give, in a JPEG and in a PNG."""
import struct
import sys

import decoding
from oddities import EXIF_TAG, PICTURE, Odd, check, exif, save

BASE, PNG = save(PICTURE, "JPEG", quality=88), save(PICTURE, "PNG")


def app(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


def jpeg(name, *blocks, orientation=6, pillow="same", at=2):
    inserted = b"".join(app(0xE1, block) for block in blocks)
    return Odd(name, BASE[:at] + inserted + BASE[at:], BASE, pillow=pillow, orientation=orientation)


def values():
    for order in ("II", "MM"):
        for value in (*range(10), 255, 256 * 6):
            right = value if 1 <= value <= 8 else 1
            yield jpeg(f"{order}, {value}", EXIF_TAG + exif(value, order), orientation=right)
        # Pillow knows more numbers than SHORT and LONG, and bytes, which turn nothing.
        for kind, right, pillow in ((1, 1, "same"), (2, 1, "same"), (4, 6, "same"), (7, 1, "same"),
                                    (9, 1, "other"), (13, 1, "other"), (99, 1, "same")):
            block = EXIF_TAG + exif(6, order, kind)
            yield jpeg(f"{order}, type {kind}", block, orientation=right, pillow=pillow)
        for kind, count, right in ((3, 0, 1), (3, 2, 6), (3, 3, 1), (4, 0, 1), (4, 2, 1)):
            block = EXIF_TAG + exif(6, order, kind, count)
            yield jpeg(f"{order}, type {kind}, {count} of them", block, orientation=right)


def blocks():
    turned, other = EXIF_TAG + exif(6), EXIF_TAG + exif(3)
    none = turned.replace(b"\x12\x01", b"\x13\x01")
    yield jpeg("two tags", EXIF_TAG + turned)
    yield jpeg("four tags", 3 * EXIF_TAG + turned, pillow="other")
    yield jpeg("MM*0", EXIF_TAG + b"MM*\0" + exif(6, "MM")[4:])
    yield jpeg("II0*", EXIF_TAG + b"II\0*" + exif(6)[4:])
    yield jpeg("no header", EXIF_TAG + exif(6)[8:], orientation=1)
    yield jpeg("another tag", b"EXIF\0\0" + exif(6), orientation=1)
    for offset in (0, 5000, 2**32 - 1):
        yield jpeg(f"IFD at {offset}", EXIF_TAG + exif(6, offset=offset), orientation=1)
    yield jpeg("cut in the entry", turned[:24], orientation=1)
    yield jpeg("no next IFD", turned[:-4])
    yield jpeg("more entries than there are", put_count(turned, 9000))
    yield jpeg("the entry twice", put_count(turned[:-4], 2) + other[16:])
    yield jpeg("two blocks", turned, other)
    yield jpeg("two blocks, the first without it", none, other, orientation=1)
    yield jpeg("two blocks, the first empty", EXIF_TAG, turned)
    yield jpeg("two blocks, the first damaged", EXIF_TAG + b"damaged, damaged", turned, orientation=1)
    yield jpeg("behind XMP", b"http://ns.adobe.com/xap/1.0/\0<x/>", turned)
    yield jpeg("behind JFIF", turned, at=20)
    yield jpeg("before SOS", turned, at=BASE.rindex(b"\xff\xda"))
    yield jpeg("behind the scan", turned, at=len(BASE) - 2, orientation=1)


def put_count(block, n):
    return block[:14] + struct.pack("<H", n) + block[16:]


def png():
    end = PNG.rindex(b"IDAT") - 4
    for at, place in ((33, "before"), (len(PNG) - 12, "behind")):
        for n in range(3):
            block = decoding.png_chunk(b"eXIf", n * EXIF_TAG + exif(6))
            yield Odd(f"PNG, {place} the pixels, {n} tags", PNG[:at] + block + PNG[at:], PNG,
                      pillow="no" if n == 2 else "same", orientation=6)
    two = decoding.png_chunk(b"eXIf", exif(3)) + decoding.png_chunk(b"eXIf", exif(6))
    yield Odd("PNG, two blocks", PNG[:end] + two + PNG[end:], PNG, orientation=6)
    damaged = decoding.png_chunk(b"eXIf", exif(6))[:-1] + b"x"
    yield Odd("PNG, bad CRC", PNG[:end] + damaged + PNG[end:], PNG, pillow="no")


if __name__ == "__main__":
    sys.exit(check([*values(), *blocks(), *png()]))
