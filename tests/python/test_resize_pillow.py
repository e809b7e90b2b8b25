# SPDX-License-Identifier: Apache-2.0
"""Decoding, cropping and resizing equal Pillow's within one level.

Over real photos (where LATENTMILL_SHARED has them) and over odd-sized JPEGs made here: all
chroma subsamplings, baseline, progressive and arithmetic-coded, all eight orientations, every
filter, squares and other aspects.
"""
import io
import os
import sys
import tarfile

import decoding
import numpy as np
from PIL import Image

SIZES = [(301, 211), (97, 333), (64, 65), (33, 17), (257, 256), (7, 500), (1, 1)]


def compare(images, name, size, what):
    worst = off = 0
    for i, (data, ours) in enumerate(zip(images, decoding.decode(images, name, size))):
        assert ours.reason == "none", f"{what} image {i}: {ours.reason}"
        im = decoding.to_rgb(Image.open(io.BytesIO(data)))
        box = decoding.centred_box(*im.size, size)
        assert (ours.size, ours.box) == (im.size, box), f"{what} image {i}: {ours.size}, {ours.box}"
        assert ours.upscaled == (box[2] - box[0] < size[0] or box[3] - box[1] < size[1])
        largest, n = decoding.check_close(ours.rgb, decoding.resize(im, name, size),
                                          f"{what} image {i}")
        worst, off = max(worst, largest), off + n
    print(f"{what}: {len(images)} images, {name} to {size[0]} x {size[1]}: largest difference "
          f"{worst}, {off} of {len(images) * size[0] * size[1] * 3} values differ")


def make_jpeg(pixels, orientation=1, **options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=88, exif=exif, **options)
    return out.getvalue()


def generated(rng):
    for w, h in SIZES:
        pixels = decoding.picture(rng, w, h)
        for sampling in ("1x1", "2x1", "2x2", "1x2"):
            for options in ([], ["progressive"], ["restart"], ["arithmetic"]):
                yield decoding.encode_jpeg(Image.fromarray(pixels), sampling, *options)
        for orientation in range(9):
            yield make_jpeg(pixels, orientation, subsampling=2, progressive=orientation % 2 == 1)
        yield make_jpeg(pixels[..., 0])


def at_the_change_of_passes(rng):
    """To 64 x 64 the vertical pass comes first from a height of 105 on: it shows, by 19 levels."""
    for h in (103, 104, 105):
        out = io.BytesIO()
        Image.fromarray(rng.choice([0, 255], (h, 84, 3)).astype(np.uint8)).save(out, "PNG")
        yield out.getvalue()


def main():
    made = list(generated(np.random.default_rng(1)))
    for name in decoding.FILTERS:
        compare(made, name, (64, 64), "generated")
    compare(made, "bicubic", (300, 300), "generated")
    compare(made, "lanczos", (96, 64), "generated")
    compare(made, "bicubic", (64, 96), "generated")
    compare(list(at_the_change_of_passes(np.random.default_rng(2))), "bicubic", (64, 64), "noise")
    pairs = os.path.join(decoding.SHARED, "data/pairs")
    if not os.path.isdir(pairs):
        print(f"no photos, {pairs} is missing (generated images were compared)")
        return 77
    for tar in sorted(os.listdir(pairs)):
        with tarfile.open(os.path.join(pairs, tar)) as tf:
            images = [tf.extractfile(m).read() for m in tf if m.name.endswith(".jpg")]
        compare(images, "bicubic", (256, 256), tar)
        for name in ("lanczos", "bilinear", "area"):
            compare(images[:20], name, (256, 256), tar)
    return 0


if __name__ == "__main__":
    sys.exit(main())
