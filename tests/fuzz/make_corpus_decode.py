# SPDX-License-Identifier: Apache-2.0
"""Writes tests/fuzz/corpus/fuzz_decode: small images of every kind the decoders meet.

usage: make_corpus_decode.py PROGRAMS FOLDER
PROGRAMS is the folder of encode_jpeg. Needs Pillow.
"""
import io
import os
import struct
import subprocess
import sys
import zlib

from PIL import Image, ImageCms

PROGRAMS, FOLDER = sys.argv[1:]
SIZE = (19, 13)


def picture(mode="RGB"):
    bands = []
    for i in range(len(mode.replace("P", "L"))):
        band = Image.new("L", SIZE)
        band.putdata([(x * 13 + y * 7 + i * 60 + (x * y) % 5 * 9) % 256
                      for y in range(SIZE[1]) for x in range(SIZE[0])])
        bands.append(band)
    return bands[0] if len(bands) == 1 else Image.merge(mode, bands)


def save(name, kind, mode="RGB", **options):
    out = io.BytesIO()
    picture(mode).save(out, kind, **options)
    write(name, out.getvalue())
    return out.getvalue()


def write(name, data):
    with open(os.path.join(FOLDER, name), "wb") as f:
        f.write(data)


def encode_jpeg(name, mode, sampling, *options):
    run = subprocess.run([os.path.join(PROGRAMS, "encode_jpeg"), str(SIZE[0]), str(SIZE[1]),
                          str(len(mode)), sampling, *options],
                         input=picture(mode).tobytes(), stdout=subprocess.PIPE, check=True)
    write(name, run.stdout)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(name, depth, colour, extra=b"", interlaced=0, palette=None):
    w, h = 8, 8
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    passes = [(w, h)]
    if interlaced:
        passes = [(1, 1), (1, 1), (2, 1), (2, 2), (4, 2), (4, 4), (8, 4)]
    rows = b"".join(bytes([y % 5]) + bytes((y * 31 + x * 7) % 251 for x in range((pw * bits + 7) // 8))
                    for pw, ph in passes for y in range(ph))
    if palette is None:
        palette = chunk(b"PLTE", bytes(range(48)) * 16) if colour == 3 and depth == 8 else \
            chunk(b"PLTE", bytes(range(3 << depth))) if colour == 3 else b""
    write(name, b"\x89PNG\r\n\x1a\n"
          + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced))
          + palette + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    baseline = save("jpeg_exif_icc", "JPEG", exif=exif, icc_profile=profile)
    write("jpeg_truncated", baseline[:-40])
    save("jpeg_grey", "JPEG", "L")
    progressive = save("jpeg_progressive", "JPEG", progressive=True)
    write("jpeg_stray_bytes", progressive[:-2] + b"\0\1\2\xff\xd9")
    write("jpeg_no_end", progressive[:-2])
    save("jpeg_cmyk", "JPEG", "CMYK")
    encode_jpeg("jpeg_440", "RGB", "1x2")
    encode_jpeg("jpeg_arithmetic", "RGB", "2x2", "arithmetic", "progressive")
    encode_jpeg("jpeg_ycck_restart", "CMYK", "1x1", "ycck", "restart")
    trns = {0: chunk(b"tRNS", bytes([0, 7])), 2: chunk(b"tRNS", bytes(6)),
            3: chunk(b"tRNS", bytes([0, 128]))}
    for depth, colour in ((1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2), (1, 3), (4, 3),
                          (8, 3), (8, 4), (16, 4), (8, 6), (16, 6)):
        png(f"png_{depth}_{colour}", depth, colour, interlaced=depth >= 8)
        if colour in trns and depth > 1:
            png(f"png_{depth}_{colour}_trns", depth, colour, trns[colour])
    png("png_long_palette", 4, 3, chunk(b"tRNS", bytes(range(200))), palette=chunk(b"PLTE", bytes(768)))
    png("png_late_palette", 4, 3, chunk(b"PLTE", bytes(48)), palette=trns[3])
    save("png_exif_icc", "PNG", exif=exif, icc_profile=profile)
    lossy = save("webp_lossy", "WEBP", exif=exif, icc_profile=profile)
    write("webp_truncated", lossy[:-30])
    save("webp_lossless", "WEBP", lossless=True)
    save("webp_alpha", "WEBP", "RGBA")
    save("webp_lossless_alpha", "WEBP", "RGBA", lossless=True)
    frames = [picture("RGBA").crop((0, 0, 19, 13)), picture("RGBA").rotate(90)]
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=40)
    write("webp_animated", out.getvalue())


main()
