# SPDX-License-Identifier: Apache-2.0
"""Pictures to files of all the kinds that the sample set has: (H, W, 3) in [0, 1] in,
bytes out."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

# What to do to an upright picture so that the EXIF orientation turns it upright again.
_UNDO = {
    1: None,
    2: Image.FLIP_LEFT_RIGHT,
    3: Image.ROTATE_180,
    4: Image.FLIP_TOP_BOTTOM,
    5: Image.TRANSPOSE,
    6: Image.ROTATE_90,
    7: Image.TRANSVERSE,
    8: Image.ROTATE_270,
}


def to_8(picture):
    return Image.fromarray((picture * 255 + 0.5).astype(np.uint8))


def _saved(image, form, **options):
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def jpeg(
    picture,
    chroma="4:2:0",
    progressive=False,
    orientation=0,
    mode="RGB",
    profile=None,
    quality=90,
):
    image = to_8(picture).convert(mode)
    options = dict(quality=quality, progressive=progressive, optimize=True)
    if mode == "RGB":
        options["subsampling"] = chroma
    if orientation:
        image = (
            image.transpose(_UNDO[orientation])
            if _UNDO[orientation] is not None
            else image
        )
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    if profile:
        options["icc_profile"] = profile
    return _saved(image, "JPEG", **options)


def webp(picture, cover=None, **options):
    return _saved(_with_cover(picture, cover), "WEBP", method=6, **options)


def _with_cover(picture, cover):
    image = to_8(picture)
    if cover is not None:
        image.putalpha(Image.fromarray((cover * 255 + 0.5).astype(np.uint8)))
    return image


def png_palette(picture, colours=128, transparent=False):
    image = to_8(picture).quantize(colours, dither=Image.Dither.FLOYDSTEINBERG)
    return _saved(
        image, "PNG", optimize=True, **({"transparency": 0} if transparent else {})
    )


def png(picture, cover=None, depth=8):
    """RGB or RGBA of 8 or 16 bits, which Pillow cannot write."""
    channels = picture if cover is None else np.dstack([picture, cover])
    samples = np.round(channels * (2**depth - 1)).astype(">u2" if depth == 16 else "u1")
    h, w, n = samples.shape
    raw = samples.tobytes()
    stride = len(raw) // h
    rows = np.frombuffer(raw, np.uint8).reshape(h, stride).astype(np.int16)
    step = stride // w
    left = np.pad(rows, ((0, 0), (step, 0)))[:, :stride]
    above = np.pad(rows, ((1, 0), (0, 0)))[:h]
    filtered = ((rows - (left + above) // 2) & 255).astype(
        np.uint8
    )  # PNG's filter 3, average
    data = np.concatenate([np.full((h, 1), 3, np.uint8), filtered], 1).tobytes()
    header = struct.pack(">IIBBBBB", w, h, depth, {3: 2, 4: 6}[n], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(data, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body))
        + name
        + body
        + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


# Primaries as XYZ under the D50 white of profiles; columns red, green, blue.
_SRGB = np.array(
    [[0.4360, 0.3851, 0.1431], [0.2225, 0.7169, 0.0606], [0.0139, 0.0971, 0.7141]]
)
_WIDE = np.array(
    [[0.5151, 0.2920, 0.1571], [0.2412, 0.6922, 0.0666], [-0.0011, 0.0419, 0.7841]]
)
_WIDE_GAMMA = 2.2


def to_wide(picture):
    """sRGB colours as numbers of the wide space that wide_profile() describes."""
    linear = np.where(
        picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4
    )
    wide = linear @ (np.linalg.inv(_WIDE) @ _SRGB).T
    return np.clip(wide, 0, 1) ** (1 / _WIDE_GAMMA)


def wide_profile():
    """An ICC profile (version 2, matrix and gamma) of a space wider than sRGB."""

    def xyz(values):
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *[round(v * 65536) for v in values])

    name = b"latentmill wide RGB\0"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(_WIDE_GAMMA * 256)) + b"\0\0"
    description = (
        b"desc\0\0\0\0"
        + struct.pack(">I", len(name))
        + name
        + bytes(78 + -(len(name) + 90) % 4)
    )
    tags = [
        (b"desc", description),
        (b"cprt", b"text\0\0\0\0Public domain\0\0\0"),
        (b"wtpt", xyz((0.9642, 1.0, 0.8249))),
    ]
    for i, letter in enumerate((b"r", b"g", b"b")):
        tags += [(letter + b"XYZ", xyz(_WIDE[:, i])), (letter + b"TRC", curve)]
    offset = 128 + 4 + 12 * len(tags)
    table, bodies = struct.pack(">I", len(tags)), b""
    for tag, body in tags:
        table += tag + struct.pack(">II", offset + len(bodies), len(body))
        bodies += body + bytes(-len(body) % 4)
    head = struct.pack(
        ">I4xI4s4s4s", offset + len(bodies), 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += struct.pack(">3i", 63190, 65536, 54061)
    return head + bytes(128 - len(head)) + table + bodies
