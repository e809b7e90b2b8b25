# SPDX-License-Identifier: Apache-2.0
"""Of a JPEG only what the crop needs is decoded, and nothing of that shows.

Pixels and verdicts equal those of decoding the whole image, byte for byte: all samplings that
encoders write and odd ones, baseline, progressive, arithmetic-coded, with restart markers, grey,
RGB, CMYK, YCCK, all orientations, sizes around the groups of blocks, complete, cut short and
damaged, and the same on every instruction set.
"""
import io
import sys

import decoding
import numpy as np
from PIL import Image

# Wide and tall, so that columns and rows are left out; at the edges of groups of blocks.
SIZES = [(301, 97), (97, 301), (333, 40), (31, 350), (160, 64), (640, 96)]
SAMPLINGS = ("1x1", "2x1", "1x2", "2x2", "4x1", "1x4", "4x2", "2x4", "3x1", "1x3", "3x2")
PROCESSES = ([], ["restart"], ["progressive"], ["arithmetic"], ["progressive", "restart"])
# The crop's edge comes to lie anywhere in a group of blocks, with few and with many taps.
TARGETS = [("bicubic", (64, 64)), ("area", (16, 16)), ("lanczos", (24, 40)), ("bilinear", (90, 30))]


def with_orientation(jpeg, orientation):
    """The JPEG with an EXIF segment behind its first marker."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = exif.tobytes()
    return jpeg[:2] + b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data + jpeg[2:]


def complete(rng):
    for i, (w, h) in enumerate(SIZES):
        for bands in (3, 1, 4):
            im = Image.fromarray(decoding.picture(rng, w, h, bands).squeeze(), {1: "L", 3: "RGB", 4: "CMYK"}[bands])
            for sampling in SAMPLINGS if bands == 3 else SAMPLINGS[:4]:
                for process in PROCESSES if sampling in SAMPLINGS[:5] else PROCESSES[:3:2]:
                    more = ["ycck"] if bands == 4 and i % 2 else []
                    yield decoding.encode_jpeg(im, sampling, *process, *more)
    for w, h in SIZES[:4]:
        im = Image.fromarray(decoding.picture(rng, w, h))
        for sampling in ("1x1", "2x2"):
            for orientation in range(2, 9):
                yield with_orientation(decoding.encode_jpeg(im, sampling), orientation)


def damaged(rng, images):
    """Cut short, without their end, or with a few bytes changed in the scans."""
    for jpeg in images[::5]:
        start = jpeg.index(b"\xff\xda") + 20
        for part in (0.05, 0.3, 0.6, 0.9, 0.99):
            yield jpeg[:start + int(part * (len(jpeg) - start))]
        yield jpeg[:-2]
        for _ in range(4):
            broken = bytearray(jpeg)
            for _ in range(2):
                broken[rng.integers(start, len(jpeg))] = rng.integers(256)
            yield bytes(broken)


def compare(images, what, targets=TARGETS, isa=None, scale=0, **options):
    samples = rejects = 0
    for name, size in targets:
        whole = decoding.decode(images, name, size, more=[str(scale), "whole"], **options)
        ours = decoding.decode(images, name, size, isa=isa, more=[str(scale)], **options)
        for i, (a, b) in enumerate(zip(whole, ours)):
            assert a.reason == b.reason, f"{what}, image {i}: {b.reason}, whole {a.reason}"
            if a.rgb is None:
                rejects += 1
                continue
            samples += 1
            assert np.array_equal(a.rgb, b.rgb), \
                f"{what}, image {i}, {name} to {size}: differs from the whole image's"
    print(f"{what}: {samples} samples, {rejects} rejects, as of the whole images")
    return samples, rejects


def check_scaled():
    """Decoded at a fraction of its size, the crop lies where it lies in the full image."""
    y, x = np.mgrid[0:701, 0:997]
    im = Image.fromarray(np.stack([128 + 90 * np.sin(x / (40 + 9 * c)) * np.cos(y / 51) for c in range(3)], 2)
                         .astype(np.uint8))
    jpeg = decoding.encode_jpeg(im, "2x2")
    images = [jpeg] + [with_orientation(jpeg, o) for o in range(2, 9)]
    for size, scale in (((64, 64), 1), ((64, 64), 3), ((48, 80), 1), ((300, 300), 2)):
        full = decoding.decode(images, "bicubic", size)
        ours = decoding.decode(images, "bicubic", size, more=[str(scale)])
        worst = max(np.abs(a.rgb.astype(int) - b.rgb).max() for a, b in zip(full, ours))
        same = all(np.array_equal(a.rgb, b.rgb) for a, b in zip(full, ours))
        print(f"scaled to {scale} times {size}: largest difference {worst}")
        assert worst <= 3 and same == (size == (300, 300))


def main():
    rng = np.random.default_rng(3)
    images = list(complete(rng))
    samples, rejects = compare(images, "complete")
    assert samples > 1000 and rejects == 0
    for isa in ("portable", "avx2"):
        compare(images[::5], isa, isa=isa)
    compare(images, "scaled", [("bicubic", (8, 8)), ("area", (16, 16)), ("lanczos", (5, 30))], scale=1)
    check_scaled()
    broken = list(damaged(rng, images))
    samples, rejects = compare(broken, "damaged", TARGETS[:2])
    assert samples > 100 and rejects > 500
    samples, rejects = compare(broken, "damaged, truncated ones kept", TARGETS[:2], truncated="keep")
    assert samples > 500 and rejects > 100
    return 0


if __name__ == "__main__":
    sys.exit(main())
