# SPDX-License-Identifier: Apache-2.0
"""Decoding, cropping and resizing equal Pillow's within one level.

Over real photos (where LATENTMILL_SHARED has them) and over odd-sized JPEGs made here: all
chroma subsamplings, baseline and progressive, all eight orientations, every filter.
"""
import io
import os
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy as np
    import PIL
    from PIL import Image, ImageOps
except ImportError as e:
    print(f"skipped: {e}")
    sys.exit(77)

PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "tests/programs/decode_files")
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


def centred_box(w, h, size):
    W, H = size
    if w * H >= h * W:
        cw, ch = max(1, h * W // H), h
    else:
        cw, ch = w, max(1, w * H // W)
    left, top = (w - cw) // 2, (h - ch) // 2
    return left, top, left + cw, top + ch


def pillow(data, name, size):
    im = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    box = centred_box(*im.size, size)
    if PILLOW_CHOOSES_ORDER:
        return im.size, box, np.asarray(im.resize(size, FILTERS[name], box=box))
    less_wide, less_high = im.width - size[0], im.height - size[1]
    if less_high > 0 and less_high > 2 * less_wide:
        half = im.resize((im.width, size[1]), FILTERS[name], box=(0, box[1], im.width, box[3]))
        out = half.resize(size, FILTERS[name], box=(box[0], 0, box[2], size[1]))
    else:
        out = im.resize(size, FILTERS[name], box=box)
    return im.size, box, np.asarray(out)


def ours(paths, name, size):
    run = subprocess.run([PROGRAM, name, str(size[0]), str(size[1]), "ignore", "reject", "0"],
                         input="".join(p + "\n" for p in paths).encode(),
                         stdout=subprocess.PIPE, check=True)
    out = io.BytesIO(run.stdout)
    for path in paths:
        fields = out.readline().decode().split()
        assert fields[0] == "none", f"{path}: {fields[0]}"
        w, h, left, top, cw, ch = map(int, fields[1:7])
        rgb = np.frombuffer(out.read(size[0] * size[1] * 3), np.uint8)
        yield (w, h), (left, top, left + cw, top + ch), rgb.reshape(size[1], size[0], 3)
    assert out.read() == b""


def compare(images, name, size, what):
    """images: list of encoded bytes. Fails unless every value is within one level."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, data in enumerate(images):
            paths.append(os.path.join(folder, str(i)))
            with open(paths[-1], "wb") as f:
                f.write(data)
        worst = off = total = 0
        for i, (geometry, box, rgb) in enumerate(ours(paths, name, size)):
            want_geometry, want_box, want = pillow(images[i], name, size)
            assert (geometry, box) == (want_geometry, want_box), (what, i, geometry, box)
            difference = np.abs(rgb.astype(int) - want)
            assert difference.max() <= 1, f"{what} image {i}: off by {difference.max()}"
            worst = max(worst, difference.max())
            off += np.count_nonzero(difference)
            total += difference.size
    print(f"{what}: {len(images)} images, {name} to {size[0]} x {size[1]}: largest "
          f"difference {worst}, {off} of {total} values differ")


def photos(tar):
    with tarfile.open(tar) as tf:
        return [tf.extractfile(m).read() for m in tf if m.name.endswith(".jpg")]


def make_jpeg(rng, w, h, orientation=1, grey=False, **options):
    y, x = np.mgrid[0:h, 0:w]
    smooth = np.stack([128 + 100 * np.sin(x / 17 + c) * np.cos(y / (11 + c)) for c in range(3)], 2)
    noisy = np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)
    im = Image.fromarray(noisy)
    if grey:
        im = im.convert("L")
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    im.save(out, "JPEG", quality=88, exif=exif, **options)
    return out.getvalue()


def generated(rng):
    sizes = [(301, 211), (97, 333), (64, 65), (33, 17), (257, 256), (7, 500)]
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        for progressive in (False, True):
            for w, h in sizes:
                yield make_jpeg(rng, w, h, subsampling=subsampling, progressive=progressive)
    for orientation in range(1, 9):
        for w, h in sizes:
            yield make_jpeg(rng, w, h, orientation, subsampling="4:2:0")
    for w, h in sizes:
        yield make_jpeg(rng, w, h, grey=True)


def main():
    rng = np.random.default_rng(1)
    made = list(generated(rng))
    for name in FILTERS:
        compare(made, name, (64, 64), "generated")
    compare(made, "bicubic", (300, 300), "generated")
    compare(made, "lanczos", (96, 64), "generated")
    compare(made, "bicubic", (64, 96), "generated")
    pairs = os.path.join(SHARED, "data/pairs")
    if not os.path.isdir(pairs):
        print(f"skipped: no photos, {pairs} is missing (generated images were compared)")
        return 77
    for tar in sorted(os.listdir(pairs)):
        images = photos(os.path.join(pairs, tar))
        compare(images, "bicubic", (256, 256), tar)
        for name in ("lanczos", "bilinear", "area"):
            compare(images[:20], name, (256, 256), tar)
    return 0


if __name__ == "__main__":
    sys.exit(main())
