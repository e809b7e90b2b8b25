# SPDX-License-Identifier: Apache-2.0
"""Odd PNGs: what libspng takes for an error or passes over, chunk by chunk."""
import struct
import sys
import zlib

import decoding
import numpy as np
from oddities import GREY, JUNK, PICTURE, RNG, SIZE, Odd, check, put
from PIL import ImageCms

chunk = decoding.png_chunk
SIGNATURE, IEND = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
INDEXES = np.add.outer(np.arange(SIZE[1]), np.arange(SIZE[0])).astype(np.uint8) // 9 % 4
COLOURS = RNG.integers(0, 256, 1000, dtype=np.uint8).tobytes()


def packed(rows, level=6):
    return zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(rows)), level)


RGB, INDEXED = packed(PICTURE), packed(INDEXES[:, 0::2] * 16 + INDEXES[:, 1::2])


def bad_crc(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def png(data, before=b"", after=b"", end=IEND, colour=2, depth=8, interlaced=0):
    """`data` is a stream for an IDAT, or the IDATs themselves."""
    head = struct.pack(">IIBBBBB", *SIZE, depth, colour, 0, 0, interlaced)
    idat = data if data[4:8] == b"IDAT" else chunk(b"IDAT", data)
    return SIGNATURE + chunk(b"IHDR", head) + before + idat + after + end


def indexed(before, after=b""):
    return png(INDEXED, before, after, colour=3, depth=4)


def plte(n):
    return chunk(b"PLTE", COLOURS[:n])


BASE = png(RGB)
PLTE, TRNS = plte(48), chunk(b"tRNS", bytes([0, 90, 180]))
NO_PROFILE = zlib.compress(b"no profile" * 9)
OPAQUE, CLEAR = indexed(PLTE), indexed(PLTE + TRNS)


def ancillary():
    for kind, data in ((b"tEXt", b"a\0b"), (b"gAMA", b"\0\0\xb1\x8f"), (b"iCCP", b"x\0\0" + NO_PROFILE),
                       (b"zTXt", b"x\0\0" + NO_PROFILE), (b"eXIf", b"II*\0\x08\0\0\0\0\0")):
        name = kind.decode()
        one = chunk(kind, data)
        yield Odd(f"{name}, bad CRC", png(RGB, bad_crc(one)), BASE, pillow="no")
        yield Odd(f"{name} behind the pixels", png(RGB, after=one), BASE)
        yield Odd(f"{name} twice", png(RGB, one + one), BASE)
        yield Odd(f"{name} cut short", png(RGB, chunk(kind, data[:12])), BASE)
        yield Odd(f"{name} too long", png(RGB, chunk(kind, data + JUNK)), BASE)
    yield Odd("gAMA of one byte", png(RGB, chunk(b"gAMA", b"\0")), BASE, pillow="no")
    yield Odd("gAMA of 0", png(RGB, chunk(b"gAMA", bytes(4))), BASE)
    yield Odd("sBIT of 0", png(RGB, chunk(b"sBIT", bytes(3))), BASE)
    yield Odd("iCCP without a name", png(RGB, chunk(b"iCCP", b"\0\0" + NO_PROFILE)), BASE)
    large = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(8 << 20)))
    yield Odd("zTXt of 8 MB", png(RGB, large), BASE, pillow="no")
    empty = b"".join(chunk(k, b"") for k in (b"bKGD", b"tIME", b"hIST", b"sBIT", b"cHRM", b"tEXt"))
    yield Odd("empty chunks", png(RGB, empty), BASE, pillow="no")
    yield Odd("a chunk longer than the file", png(RGB, b"\0\1\0\0tEXt"), BASE, "truncated_image", "no", kept="other")


def palettes():
    for n in (51, 600, 768):
        yield Odd(f"PLTE of {n} bytes for 4 bits", indexed(plte(n)), OPAQUE)
    yield Odd("PLTE of 900 bytes for 4 bits", indexed(plte(900)), OPAQUE, pillow="no")
    yield Odd("PLTE of 900 bytes for 8 bits", png(packed(INDEXES), plte(900), colour=3),
              png(packed(INDEXES), plte(768), colour=3), pillow="no")
    yield Odd("PLTE of 12 bytes for 4 bits", indexed(plte(12)), OPAQUE)
    yield Odd("PLTE of 14 bytes", indexed(plte(14)), OPAQUE)
    yield Odd("too long, bad CRC", indexed(bad_crc(plte(768))), OPAQUE, "corrupt_image", "no")
    yield Odd("PLTE of 2 bytes", indexed(plte(2)), OPAQUE, "corrupt_image", "other")
    yield Odd("no PLTE", indexed(b""), OPAQUE, "corrupt_image", "other")
    yield Odd("PLTE behind the pixels", indexed(b"", PLTE), OPAQUE, "corrupt_image", "other")
    yield Odd("the last of two PLTE", indexed(chunk(b"PLTE", COLOURS[200:248]) + PLTE), OPAQUE)
    # Black for what is not in it, as everyone has it.
    black = indexed(chunk(b"PLTE", COLOURS[:9] + bytes(3)))
    yield Odd("PLTE of 9 bytes for 4 indexes", indexed(plte(9)), black)
    yield Odd("beside RGB, 10 bytes", png(RGB, plte(10)), BASE)
    yield Odd("beside RGB, 900 bytes", png(RGB, plte(900)), BASE)
    yield Odd("beside RGB, bad CRC", png(RGB, bad_crc(PLTE)), BASE, pillow="no")
    yield Odd("beside grey", png(packed(GREY), PLTE, colour=0), png(packed(GREY), colour=0))


def transparency():
    long = chunk(b"tRNS", bytes([0, 90, 180]) + b"\xff" * 253)
    grey, key = packed(GREY), struct.pack(">H", GREY.getpixel((40, 20)))
    clear = png(grey, chunk(b"tRNS", key), colour=0)
    yield Odd("tRNS longer than PLTE", indexed(PLTE + long), CLEAR)
    yield Odd("tRNS and PLTE too long", indexed(plte(768) + long), CLEAR)
    yield Odd("tRNS before PLTE", indexed(TRNS + PLTE), CLEAR)
    yield Odd("tRNS twice", indexed(PLTE + TRNS + TRNS), CLEAR)
    yield Odd("tRNS, empty", indexed(PLTE + chunk(b"tRNS", b"")), OPAQUE)
    yield Odd("tRNS behind the pixels", indexed(PLTE, TRNS), OPAQUE, pillow="other")
    yield Odd("tRNS, bad CRC", indexed(PLTE + bad_crc(TRNS)), CLEAR, "corrupt_image", "no")
    yield Odd("tRNS too long, grey", png(grey, chunk(b"tRNS", key + JUNK), colour=0), clear)
    yield Odd("tRNS too short, grey", png(grey, chunk(b"tRNS", b"\0"), colour=0), clear,
              "corrupt_image", "no")
    yield Odd("tRNS too short, RGB", png(RGB, chunk(b"tRNS", b"\0\0"), colour=2), BASE, "corrupt_image", "no")
    rgba = packed(PICTURE.convert("RGBA"))
    yield Odd("tRNS beside RGBA", png(rgba, bad_crc(TRNS), colour=6), BASE, pillow="no")


def ends():
    half = len(RGB) // 2
    first, last = chunk(b"IDAT", RGB[:half]), chunk(b"IDAT", RGB[half:])
    yield Odd("no IEND", png(RGB, end=b""), BASE)
    yield Odd("no CRC, no IEND", png(RGB, end=b"")[:-4], BASE)
    yield Odd("half of the stream's checksum", png(RGB, end=b"")[:-6], BASE)
    yield Odd("bytes behind IEND", BASE + JUNK, BASE)
    yield Odd("IEND with data", png(RGB, end=chunk(b"IEND", b"xx")), BASE)
    yield Odd("IEND, bad CRC", png(RGB, end=bad_crc(IEND)), BASE)
    yield Odd("bytes behind the stream", png(RGB + JUNK), BASE)
    yield Odd("IDAT behind the stream", png(RGB, after=chunk(b"IDAT", JUNK)), BASE)
    yield Odd("too many rows", png(packed(np.tile(PICTURE, (2, 1, 1)))), BASE)
    yield Odd("IDAT longer than the file", put(BASE, 33, b"\x7f\xff\xff\xff"), BASE)
    yield Odd("IDAT, first empty", png(chunk(b"IDAT", b"") + first + last), BASE)
    yield Odd("IDAT, a byte each", png(b"".join(chunk(b"IDAT", bytes([b])) for b in RGB)), BASE)
    text = chunk(b"tEXt", b"a\0b")
    yield Odd("tEXt between IDAT", png(first + text + last), BASE, pillow="no")
    yield Odd("the last IDAT, bad CRC", png(first + bad_crc(last)), BASE)
    yield Odd("the first IDAT, bad CRC", png(bad_crc(first) + last), BASE, "corrupt_image", "same")
    yield Odd("no checksum of the stream", png(RGB[:-4]), BASE)
    yield Odd("wrong checksum of the stream", png(bad_crc(RGB)), BASE, "corrupt_image", "no")
    stored = packed(PICTURE, 0)
    wrong = stored[:5000] + bytes([stored[5000] ^ 16]) + stored[5001:]
    yield Odd("a wrong pixel", png(wrong), BASE, "corrupt_image", "no")
    yield Odd("cut", BASE[:len(BASE) // 2], BASE, "truncated_image", "no", kept="other")
    yield Odd("the stream is cut", png(RGB[:half]), BASE, "corrupt_image", "no")
    yield Odd("too few rows", png(packed(PICTURE.crop((0, 0, 90, 40)))), BASE, "corrupt_image", "other")
    yield Odd("IHDR, bad CRC", SIGNATURE + bad_crc(BASE[8:33]) + BASE[33:], BASE, "corrupt_image", "no")
    yield Odd("a critical chunk that nobody knows", png(RGB, chunk(b"ABCD", b"x")), BASE,
              "corrupt_image", "same")
    yield Odd("no IDAT", SIGNATURE + BASE[8:33] + IEND, BASE, "corrupt_image", "no")


def interlaced():
    raw = np.asarray(PICTURE)
    passes = ((0, 8, 0, 8), (0, 8, 4, 8), (4, 8, 0, 4), (0, 4, 2, 4), (2, 4, 0, 2), (0, 2, 1, 2),
              (1, 2, 0, 1))
    rows = b"".join(b"\0" + row.tobytes() for y, dy, x, dx in passes for row in raw[y::dy, x::dx])
    woven = zlib.compress(rows)
    whole = png(woven, interlaced=1)
    yield Odd("interlaced", whole, BASE)
    yield Odd("interlaced, no IEND", png(woven, end=b"", interlaced=1)[:-6], BASE)
    yield Odd("interlaced, bytes behind the stream", png(woven + JUNK, interlaced=1), BASE)
    yield Odd("interlaced, cut", whole[:len(whole) // 2], BASE, "truncated_image", "no", kept="other")
    yield Odd("interlaced, the stream is cut", png(woven[:9000], interlaced=1), BASE, "corrupt_image", "no")


def check_misplaced_profile():
    """An iCCP behind PLTE is used, as by Pillow; behind the pixels it is as good as broken."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    iccp = chunk(b"iCCP", b"x\0\0" + zlib.compress(srgb))
    seen = decoding.decode([indexed(iccp + PLTE), indexed(PLTE + iccp), indexed(PLTE, iccp)], icc="srgb")
    assert [s.reason for s in seen] == 3 * ["none"]
    assert [s.broken_profile for s in seen] == [False, False, True]


def main():
    check_misplaced_profile()
    return check([*ancillary(), *palettes(), *transparency(), *ends(), *interlaced()])


if __name__ == "__main__":
    sys.exit(main())
