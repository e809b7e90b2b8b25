# SPDX-License-Identifier: Apache-2.0
"""Every odd or broken image is a sample or a typed reject; what Pillow can read, we read alike.

Skipped without LATENTMILL_SHARED's data/odd.
"""
import collections
import os
import sys
import warnings

import decoding
from PIL import Image

# What Pillow reads, from damaged data, and we reject.
ONLY_PILLOW = {
    "missing_plte.png": "corrupt_image",
    "hopper_bad_exif.jpg": "corrupt_image",
}
# Pillow takes their orientation from XMP or from a text chunk; we take it from EXIF alone.
NO_EXIF = {"exif_imagemagick_orientation.png", "xmp_tags_orientation.png",
           "xmp_tags_orientation_exiftool.png"}
REJECTS = {"corrupt_image", "truncated_image", "unsupported_format", "too_many_pixels"}


def files_below(folder):
    return sorted(os.path.join(d, f) for d, _, files in os.walk(folder) for f in files)


def open_in_pillow(path):
    """The image, or None where Pillow cannot, or where only our own formula counts."""
    try:
        im = Image.open(path)
        if im.format not in ("JPEG", "PNG", "WEBP", "MPO") or im.width * im.height > 30e6:
            return None
        im.load()
    except Exception:  # Pillow raises what it likes on damaged files
        return None
    with open(path, "rb") as f:
        head = f.read(25)
    return None if head[1:4] == b"PNG" and head[24] == 16 else im


def compare(path, ours, seen):
    name = os.path.basename(path)
    im = open_in_pillow(path)
    if im is None:
        seen["not compared"] += 1
    elif ours.reason != "none":
        assert ONLY_PILLOW.get(name) == ours.reason, f"{path}: {ours.reason}"
        seen["only Pillow"] += 1
    elif name not in NO_EXIF:
        largest, _ = decoding.check_close(ours.rgb, decoding.resize(decoding.to_rgb(im)), path)
        seen[f"differ by at most {largest}"] += 1


def main():
    folder = os.path.join(decoding.SHARED, "data/odd")
    if not os.path.isdir(folder):
        print(f"{folder} is missing")
        return 77
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    paths = files_below(folder)
    seen = collections.Counter()
    for path, ours in zip(paths, decoding.decode_files(paths)):
        assert ours.reason == "none" or ours.reason in REJECTS, f"{path}: {ours.reason}"
        seen[ours.reason] += 1
        compare(path, ours, seen)
    for path, kept in zip(paths, decoding.decode_files(paths, icc="srgb", truncated="keep")):
        assert kept.reason == "none" or kept.reason in REJECTS, f"{path}: {kept.reason}"
        seen["--truncated keep: " + kept.reason] += 1
    for what, n in sorted(seen.items()):
        print(f"{n:6} {what}")
    assert seen["none"] > 1000 and seen["differ by at most 0"] > 900
    return 0


if __name__ == "__main__":
    sys.exit(main())
