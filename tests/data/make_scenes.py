#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Make the sample set of tests/data, or captions alone.

usage: make_scenes.py [--out DIR]
       make_scenes.py --captions N

Writes scenes-000.tar and scenes-001.tar to DIR (default: this script's folder): rendered
scenes in all kinds of image files and, among them, samples that must be rejected, as
WebDataset tars laid out like img2dataset's. Needs numpy and pillow; the same versions of
them give the same bytes.

--captions N writes N captions of random scenes to stdout, one a line, the same on every
machine; it needs nothing but Python.
"""

import argparse
import hashlib
import io
import json
import os
import sys
import tarfile

import scene

# Width, height, field, seed and place of each scene, and how encode.py makes its file: a
# function's name, then what it is given besides the picture.
GOOD = (
    (480, 320, "jpg", 9, "meadow", "jpeg"),
    (320, 480, "jpg", 3, "desert", "jpeg"),
    (384, 384, "jpg", 43, "lake", "jpeg"),
    (640, 256, "jpg", 32, "snow", "jpeg"),
    (640, 427, "jpg", 4, "square", "jpeg"),
    (480, 320, "jpg", 2, "studio", "jpeg", {"progressive": True}),
    (300, 450, "jpg", 45, "meadow", "jpeg", {"progressive": True}),
    (600, 300, "jpeg", 64, "lake", "jpeg", {"progressive": True, "chroma": "4:4:4"}),
    (480, 320, "jpg", 6, "table", "jpeg", {"chroma": "4:4:4"}),
    (333, 499, "jpg", 164, "snow", "jpeg", {"chroma": "4:4:4"}),
    (401, 301, "jpg", 1, "desert", "jpeg", {"chroma": "4:2:2"}),
    (450, 300, "jpg", 10, "square", "jpeg", {"orientation": 6}),
    (300, 450, "jpg", 192, "meadow", "jpeg", {"orientation": 8}),
    (450, 300, "jpg", 49, "lake", "jpeg", {"orientation": 3}),
    (400, 300, "jpg", 22, "snow", "jpeg", {"orientation": 5, "progressive": True}),
    (480, 320, "jpg", 26, "meadow", "jpeg", {"mode": "L"}),
    (320, 400, "jpg", 7, "studio", "jpeg", {"mode": "L", "progressive": True}),
    (360, 300, "jpg", 8, "table", "jpeg", {"mode": "CMYK"}),
    (480, 320, "jpg", 16, "desert", "jpeg", {"profile": "wide"}),
    (320, 480, "jpg", 85, "square", "jpeg", {"profile": "wide", "progressive": True}),
    (300, 225, "png", 11, "table", "png"),
    (230, 300, "png", 12, "studio", "png"),
    (210, 140, "png", 70, "lake", "png", {"depth": 16}),
    (130, 180, "png", 15, "table", "png", {"depth": 16, "cover": True}),
    (360, 240, "png", 31, "meadow", "png_palette"),
    (240, 360, "png", 57, "snow", "png_palette", {"colours": 32}),
    (320, 240, "png", 5, "cutout", "png", {"cover": True}),
    (300, 300, "png", 17, "cutout", "png", {"cover": True}),
    (480, 320, "webp", 129, "meadow", "webp", {"quality": 88}),
    (320, 480, "webp", 29, "square", "webp", {"quality": 88}),
    (640, 240, "webp", 24, "desert", "webp", {"quality": 88}),
    (427, 640, "webp", 38, "lake", "webp", {"quality": 88}),
    (300, 200, "webp", 18, "studio", "webp", {"lossless": True}),
    (256, 256, "webp", 20, "table", "webp", {"lossless": True}),
    (400, 300, "webp", 19, "cutout", "webp", {"quality": 85, "cover": True}),
    (240, 320, "webp", 21, "cutout", "webp", {"lossless": True, "cover": True}),
    (500, 333, "jpg", 199, "desert", "jpeg"),
    (333, 500, "jpg", 174, "snow", "jpeg"),
    (640, 320, "jpg", 69, "meadow", "jpeg", {"chroma": "4:4:4"}),
    # A wrong extension: the content counts.
    (400, 267, "jpg", 30, "lake", "webp", {"quality": 88}),
)


class Sample:
    """A group of tar members: fields and their bytes, in order."""

    def __init__(self, key):
        self.key, self.members = key, {}


def write_captions(n):
    for i in range(n):
        drawn = scene.scene_draw(1000 + i)
        width, height = 64 * (4 + i % 13), 64 * (4 + i % 11)
        print(scene.captions(drawn, 1, width, height, grey=i % 16 == 15)[0])


def make_good(key, row):
    import encode
    import render

    width, height, field, seed, place, encoder = row[:6]
    options = dict(row[6]) if len(row) > 6 else {}
    drawn = scene.scene_draw(seed, place)
    lossless = field == "png" or options.get("lossless")
    picture, cover = render.render(drawn, width, height, grain=0.0 if lossless else 0.012)
    if options.get("cover"):
        options["cover"] = cover
    elif place == "cutout":
        picture = picture * cover[..., None] + 1 - cover[..., None]
    if options.get("profile"):
        picture, options["profile"] = encode.to_wide(picture), encode.wide_profile()
    image = getattr(encode, encoder)(picture, **options)
    words = scene.captions(
        drawn, 3 + seed % 3, width, height, grey=options.get("mode") == "L"
    )
    sample = Sample(key)
    sample.members[field] = image
    sample.members["txt"] = words[0].encode()
    sample.members["json"] = describe(
        key, image, width, height, caption=words[0], captions=words
    )
    return sample


def describe(key, image, width, height, **captions):
    """img2dataset's JSON for one sample."""
    facts = dict(
        captions,
        key=key,
        status="success",
        error_message=None,
        width=width,
        height=height,
        original_width=width,
        original_height=height,
        sha256=hashlib.sha256(image).hexdigest(),
        license="Apache-2.0",
    )
    return json.dumps(facts, ensure_ascii=False, indent=4).encode()


def make_bad(good):
    """Samples that must be rejected, made of good ones, each with its place."""

    def broken(row, key, drop=(), **members):
        sample = Sample(key)
        for field, body in {**good[row].members, **members}.items():
            if field not in drop:
                sample.members[field] = body
        return sample

    def image(row):
        return next(iter(good[row].members.values()))

    png = bytearray(image(20))
    png[len(png) // 2] ^= 0x55
    gif = b"GIF89a" + bytes((1, 0, 1, 0, 128, 0, 0, 255, 255, 255, 0, 0, 0))
    gif += b"," + bytes((0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 68, 1, 0)) + b";"
    bare = describe("000000904", image(3), 640, 256)
    return [
        (4, broken(0, "000000900", jpg=image(0)[: len(image(0)) * 2 // 3])),
        (8, broken(20, "000000901", png=bytes(png))),
        (11, broken(1, "000000902", drop=("txt", "json"))),
        (14, broken(2, "000000903", drop=("json",), txt=b" \n")),
        (17, broken(3, "000000904", drop=("txt",), json=bare)),
        (20, broken(4, "000000905", drop=("jpg",))),
        (
            23,
            broken(
                5,
                "000000906",
                drop=("json",),
                txt="Ein gr\u00fcner Kegel".encode("latin-1"),
            ),
        ),
        (26, broken(6, "000000907", jpg=gif)),
        (29, broken(7, "000000908", drop=("txt",), json=b'{"caption": "cut off')),
        (32, broken(28, "000000909", webp=image(28)[:1000])),
        (36, broken(22, good[22].key)),
    ]


def write_tar(path, samples):
    """The same samples give the same bytes: no times, no owners."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            for field, body in sample.members.items():
                member = tarfile.TarInfo("%s.%s" % (sample.key, field))
                member.size, member.mode = len(body), 0o644
                tar.addfile(member, io.BytesIO(body))


def write_scenes(out):
    good = []
    for i, row in enumerate(GOOD):
        good.append(make_good("%05d%04d" % (i // 20, i % 20), row))
        size = sum(map(len, good[-1].members.values()))
        print(
            "%s %7d bytes  %s" % (good[-1].key, size, good[-1].members["txt"].decode()),
            file=sys.stderr,
        )
    order = list(good)
    for place, sample in sorted(make_bad(good), key=lambda b: -b[0]):
        order.insert(place, sample)
    half = order.index(good[20])
    for i, part in enumerate((order[:half], order[half:])):
        write_tar(os.path.join(out, "scenes-%03d.tar" % i), part)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--out", metavar="DIR", default=os.path.dirname(os.path.abspath(__file__))
    )
    parser.add_argument(
        "--captions", type=int, metavar="N", help="write N captions to stdout instead"
    )
    args = parser.parse_args()
    if args.captions is not None:
        write_captions(args.captions)
    else:
        write_scenes(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
