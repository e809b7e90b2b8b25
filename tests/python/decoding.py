# SPDX-License-Identifier: Apache-2.0
"""What the image tests share: our decoder, Pillow's answer, and their comparison."""
import io
import os
import struct
import subprocess
import sys
import tempfile
import zlib

try:
    import numpy as np
    import PIL
    from PIL import Image, ImageOps
except ImportError as e:
    print(e)
    sys.exit(77)

PROGRAMS = os.path.join(os.environ.get("BUILD", "build"), "tests/programs")
SHARED = os.environ.get("LATENTMILL_SHARED", "../shared")
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "area": Image.Resampling.BOX,
}
# Since version 13 Pillow begins with the vertical pass where the height shrinks by more than
# twice what the width does, as we do; an older one is told to.
PILLOW_CHOOSES_ORDER = int(PIL.__version__.split(".")[0]) >= 13


class Decoded:
    """One line of decode_files, and the pixels (height, width, 3) or None."""

    def __init__(self, fields, rgb):
        self.reason = fields[0]
        numbers = [int(f) for f in fields[1:]]
        self.size = tuple(numbers[0:2])
        left, top, width, height = numbers[2:6]
        self.box = (left, top, left + width, top + height)
        self.upscaled, self.broken_profile = bool(numbers[6]), bool(numbers[7])
        self.need, self.peak = numbers[8:10]
        self.rgb = rgb


def decode_files(paths, name="bicubic", size=(64, 64), icc="ignore", truncated="reject", min_size=0,
                 more=(), isa=None):
    run = subprocess.run([os.path.join(PROGRAMS, "decode_files"), name, str(size[0]), str(size[1]),
                          icc, truncated, str(min_size), *more],
                         input="".join(p + "\n" for p in paths).encode(), stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=True,
                         env={**os.environ, **({"LATENTMILL_ISA": isa} if isa else {})})
    out = io.BytesIO(run.stdout)
    decoded = []
    for _ in paths:
        fields = out.readline().decode().split()
        rgb = None
        if fields[0] == "none":
            rgb = np.frombuffer(out.read(size[0] * size[1] * 3), np.uint8)
            rgb = rgb.reshape(size[1], size[0], 3)
        decoded.append(Decoded(fields, rgb))
    assert out.read() == b""
    return decoded


def decode(images, *args, **options):
    """The same for encoded images in memory."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, str(i)) for i in range(len(images))]
        for path, data in zip(paths, images):
            with open(path, "wb") as f:
                f.write(data)
        return decode_files(paths, *args, **options)


def centred_box(w, h, size):
    W, H = size
    if w * H >= h * W:
        cw, ch = max(1, h * W // H), h
    else:
        cw, ch = w, max(1, w * H // W)
    left, top = (w - cw) // 2, (h - ch) // 2
    return left, top, left + cw, top + ch


def resize(im, name="bicubic", size=(64, 64)):
    """An oriented RGB image -> what decode_files should give."""
    box = centred_box(*im.size, size)
    less_wide, less_high = im.width - size[0], im.height - size[1]
    if not PILLOW_CHOOSES_ORDER and less_high > 0 and less_high > 2 * less_wide:
        half = im.resize((im.width, size[1]), FILTERS[name], box=(0, box[1], im.width, box[3]))
        return np.asarray(half.resize(size, FILTERS[name], box=(box[0], 0, box[2], size[1])))
    return np.asarray(im.resize(size, FILTERS[name], box=box))


def on_white(im):
    """Any image with transparency -> RGB, by the formula of the design."""
    rgba = np.asarray(im.convert("RGBA")).astype(int)
    alpha = rgba[..., 3:]
    return Image.fromarray(((alpha * rgba[..., :3] + (255 - alpha) * 255 + 127) // 255).astype(np.uint8))


def from_cmyk(im):
    """Pillow's ink amounts -> RGB, by the formula of the design."""
    paper = 255 - np.asarray(im).astype(int)
    return Image.fromarray(((paper[..., :3] * paper[..., 3:] + 127) // 255).astype(np.uint8))


def to_rgb(im):
    im = ImageOps.exif_transpose(im)
    if im.mode == "CMYK":
        return from_cmyk(im)
    if "A" in im.mode or "transparency" in im.info:
        return on_white(im)
    return im.convert("RGB")


def check_close(rgb, wanted, what, levels=1):
    """Returns the largest difference and how many values differ."""
    difference = np.abs(rgb.astype(int) - wanted)
    assert difference.max() <= levels, f"{what}: off by {difference.max()}"
    return difference.max(), np.count_nonzero(difference)


def encode_jpeg(im, sampling, *options):
    """A JPEG as Pillow cannot make it: see tests/programs/encode_jpeg.c."""
    return subprocess.run([os.path.join(PROGRAMS, "encode_jpeg"), str(im.width), str(im.height),
                           str(len(im.getbands())), sampling, *options], input=im.tobytes(),
                          stdout=subprocess.PIPE, check=True).stdout


def picture(rng, w, h, bands=3):
    """Smooth and noisy at once, no two channels alike: (h, w, bands) bytes."""
    y, x = np.mgrid[0:h, 0:w]
    smooth = np.stack([128 + 100 * np.sin(x / 17 + c) * np.cos(y / (11 + c)) for c in range(bands)], 2)
    return np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)

def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_file(w, h, depth, colour, compressed, extra=b"", interlaced=False):
    """A PNG around its compressed rows; `extra` chunks stand before them."""
    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + extra
            + png_chunk(b"IDAT", compressed) + png_chunk(b"IEND", b""))
