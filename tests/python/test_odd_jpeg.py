# SPDX-License-Identifier: Apache-2.0
"""Odd JPEGs: each warning of libjpeg that can be provoked, and what no warning tells."""
import struct
import sys

import decoding
from oddities import GREY, JUNK, PICTURE, SIZE, Odd, check, put, save

EOI = b"\xff\xd9"
BASE = save(PICTURE, "JPEG", quality=88)
PROGRESSIVE = save(PICTURE, "JPEG", quality=88, progressive=True)
SCANS = decoding.encode_jpeg(PICTURE, "1x1", "scans")
RESTARTS = decoding.encode_jpeg(PICTURE, "2x2", "restart")
ARITHMETIC = decoding.encode_jpeg(PICTURE, "2x2", "arithmetic")


def segment(marker, data, length=None):
    length = len(data) + 2 if length is None else length
    return b"\xff" + bytes([marker]) + struct.pack(">H", length) + data


def after_soi(data, jpg=BASE):
    return jpg[:2] + data + jpg[2:]


def before_eoi(data, jpg=BASE):
    return jpg[:-2] + data + EOI


def segments(jpg):
    """What is between SOI and EOI; a scan's data are with its SOS."""
    at = 2
    while jpg[at + 1] != 0xD9:
        end = at + 2 + struct.unpack(">H", jpg[at + 2:at + 4])[0]
        while jpg[at + 1] == 0xDA and (jpg[end] != 0xFF or jpg[end + 1] in (0, *range(0xD0, 0xD8))):
            end += 1
        yield jpg[at:end]
        at = end


def scans(jpg):
    """All before the first scan's tables, and the scans with theirs."""
    head, found, tables = jpg[:2], [], b""
    for part in segments(jpg):
        tables += part
        if part[1] == 0xDA:
            found.append(tables)
        elif part[1] != 0xC4 and not found:
            head += tables
        else:
            continue
        tables = b""
    return head, found


def restarted(stray):
    """RESTARTS with bytes before each of its markers."""
    out = RESTARTS
    for marker in range(0xD0, 0xD8):
        out = out.replace(bytes((0xFF, marker)), stray + bytes((0xFF, marker)))
    return out


def stray_bytes():
    head, parts = scans(PROGRESSIVE)
    rst = RESTARTS.index(b"\xff\xd0")
    yield Odd("stray bytes before EOI", before_eoi(JUNK), BASE)
    yield Odd("stray bytes before EOI, progressive", before_eoi(JUNK, PROGRESSIVE), PROGRESSIVE)
    yield Odd("stray bytes before EOI, scans", before_eoi(JUNK, SCANS), SCANS)
    yield Odd("stray bytes before SOS", head + parts[0] + JUNK + b"".join(parts[1:]) + EOI, PROGRESSIVE)
    yield Odd("stray bytes before RST", RESTARTS[:rst] + JUNK + RESTARTS[rst:], RESTARTS)
    yield Odd("few stray bytes before each RST", restarted(bytes((1, 2, 3, 4))), RESTARTS)
    yield Odd("stray bytes before each RST", restarted(bytes((1, 2, 3, 4, 5))), RESTARTS, "corrupt_image")
    yield Odd("many stray bytes before EOI", before_eoi(JUNK + JUNK, PROGRESSIVE), PROGRESSIVE, "corrupt_image")
    yield Odd("many stray bytes before SOS", head + parts[0] + JUNK + JUNK + b"".join(parts[1:]) + EOI, PROGRESSIVE,
              "corrupt_image")
    yield Odd("stray bytes before a table", after_soi(segment(0xFE, b"x") + JUNK), BASE)
    yield Odd("fill bytes before markers", before_eoi(b"\xff" * 7, after_soi(b"\xff" * 5)), BASE)
    yield Odd("bytes behind EOI", BASE + JUNK, BASE)
    yield Odd("bytes behind EOI, progressive", PROGRESSIVE + JUNK, PROGRESSIVE)
    yield Odd("an image behind EOI", BASE + PROGRESSIVE, BASE)
    more = {"save_all": True, "append_images": [GREY.convert("RGB")], "quality": 88}
    yield Odd("MPF and its second image", save(PICTURE, "MPO", **more), BASE)
    yield Odd("bytes before SOI", JUNK + BASE, BASE, "unsupported_format", "no")
    yield Odd("two SOI", BASE[:2] + BASE, BASE, "corrupt_image", "no")


def ends():
    """Without EOI an image is whole if all scans are, which Pillow does not look at."""
    head, parts = scans(PROGRESSIVE)
    scans_head, planes = scans(SCANS)
    two_planes = scans_head + b"".join(planes[:2])
    yield Odd("no EOI", BASE[:-2], BASE, pillow="no")
    yield Odd("half of EOI, progressive", PROGRESSIVE[:-1], PROGRESSIVE, pillow="no")
    yield Odd("no EOI, progressive", PROGRESSIVE[:-2], PROGRESSIVE, pillow="no")
    yield Odd("no EOI, scans", SCANS[:-2], SCANS, pillow="no")
    cut = {"ours": "truncated_image", "pillow": "no", "kept": "other"}
    yield Odd("cut", BASE[:len(BASE) // 2], BASE, **cut)
    yield Odd("cut, progressive", PROGRESSIVE[:len(PROGRESSIVE) // 2], PROGRESSIVE, **cut)
    yield Odd("cut, arithmetic", ARITHMETIC[:len(ARITHMETIC) // 2], ARITHMETIC, **cut)
    yield Odd("cut before the last scan", head + b"".join(parts[:-1]), PROGRESSIVE, **cut)
    yield Odd("cut before a component", two_planes, SCANS, **cut)
    yield Odd("no component", two_planes + EOI, SCANS, "corrupt_image", "other")
    yield Odd("no DC", head + b"".join(parts[1:5]) + EOI, PROGRESSIVE, "corrupt_image", "other")
    yield Odd("EOI comes early", BASE[:len(BASE) // 2] + EOI, BASE, "corrupt_image", "other")


def last_bytes():
    """Each of the last bytes counts."""
    for name, jpg in (("", BASE), (", progressive", PROGRESSIVE), (", scans", SCANS)):
        for n in range(3, 9):
            yield Odd(f"{n} bytes less{name}", jpg[:-n], jpg, "truncated_image", "no", kept="same")


def warnings():
    head, parts = scans(PROGRESSIVE)
    jfif = segment(0xE0, b"JFIF\0\x09\x01\0\0\1\0\1\0\0")
    sos, arithmetic_sos = BASE.rindex(b"\xff\xda"), ARITHMETIC.rindex(b"\xff\xda")
    rst0, rst1 = RESTARTS.index(b"\xff\xd0"), RESTARTS.index(b"\xff\xd1")
    yield Odd("NOT_SEQUENTIAL", put(BASE, sos + 11, bytes(3)), BASE)
    yield Odd("NOT_SEQUENTIAL, arithmetic", put(ARITHMETIC, arithmetic_sos + 11, bytes(3)), ARITHMETIC)
    yield Odd("JFIF_MAJOR", put(BASE, BASE.index(b"JFIF\0") + 5, b"\x09"), BASE)
    yield Odd("JFIF_MAJOR between scans", head + parts[0] + jfif + b"".join(parts[1:]) + EOI, PROGRESSIVE)
    yield Odd("ADOBE_XFORM", after_soi(segment(0xEE, b"Adobe\0d\0\0\0\0\x07")), BASE)
    yield Odd("BOGUS_ICC", after_soi(segment(0xE2, b"ICC_PROFILE\0\x05\x02xx")), BASE)
    yield Odd("BOGUS_PROGRESSION, AC before DC", head + parts[1] + parts[0] + b"".join(parts[2:]) + EOI,
              PROGRESSIVE)
    yield Odd("BOGUS_PROGRESSION, a refinement too few", head + b"".join(parts[:4] + parts[5:]) + EOI,
              PROGRESSIVE, "corrupt_image", "other")
    yield Odd("BOGUS_PROGRESSION, a scan twice", head + parts[0] + b"".join(parts) + EOI, PROGRESSIVE,
              "corrupt_image", "same")
    for name, data in (("no RST", RESTARTS[:rst1] + RESTARTS[rst1 + 2:]),
                       ("another RST", put(RESTARTS, rst1, b"\xff\xd3")),
                       ("rows are lost", RESTARTS[:rst0] + RESTARTS[rst1:])):
        yield Odd(f"MUST_RESYNC, {name}", data, RESTARTS, "corrupt_image", "other")
    yield Odd("HUFF_BAD_CODE", put(BASE, sos + 300, b"\xff\0" * 9), BASE, "corrupt_image", "other")
    yield Odd("ARITH_BAD_CODE", put(ARITHMETIC, arithmetic_sos + 1000, b"\xaa" * 99), ARITHMETIC,
              "corrupt_image", "other")


def markers():
    for n in (0, 1):
        for marker in (0xE0, 0xE1, 0xE5, 0xEE, 0xFE):
            yield Odd(f"marker {marker:X} of length {n}", after_soi(segment(marker, b"", n)), BASE)
    yield Odd("DQT of length 0", after_soi(segment(0xDB, b"", 0)), BASE, "corrupt_image", "no")
    yield Odd("APP5 longer than the file", after_soi(segment(0xE5, b"", 65000)), BASE,
              "truncated_image", "no")
    yield Odd("RST in the header", after_soi(b"\xff\xd3"), BASE)
    yield Odd("a marker that nobody knows", after_soi(segment(0x42, b"xx")), BASE, "corrupt_image", "no")
    dnl = segment(0xDC, struct.pack(">H", SIZE[1]))
    no_height = put(BASE, BASE.index(b"\xff\xc0") + 5, bytes(2))
    yield Odd("DNL", before_eoi(dnl), BASE)
    yield Odd("height by DNL alone", before_eoi(dnl, no_height), BASE, "corrupt_image", "no")
    dqt = BASE.index(b"\xff\xdb")
    yield Odd("no DQT", BASE[:dqt] + BASE[dqt + 69:], BASE, "corrupt_image", "no")


def main():
    return check([*stray_bytes(), *ends(), *last_bytes(), *warnings(), *markers()])


if __name__ == "__main__":
    sys.exit(main())
