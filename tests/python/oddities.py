# SPDX-License-Identifier: Apache-2.0
"""Files with one odd thing in them: what we make of each, and what Pillow does.

A file is good where its pixels are as its encoder wrote them, and rejected where any were
made up. `like` is the same file without the oddity, `orientation` what EXIF is to say.
What a decoder makes of a file is one of:

    same        the pixels of `like`, oriented
    other       other pixels
    no          (Pillow) an exception
    a reason    (we) a reject
"""
import io
import struct
import warnings

import decoding
import numpy as np
from PIL import Image

SIZE, TARGET = (90, 62), (48, 48)
RNG = np.random.default_rng(7)
PICTURE = Image.fromarray(decoding.picture(RNG, *SIZE))
GREY = PICTURE.convert("L")
JUNK = bytes(range(1, 250))
EXIF_TAG = b"Exif\0\0"
TURNS = dict(zip(range(2, 9), (getattr(Image.Transpose, name) for name in (
    "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE",
    "ROTATE_90"))))


class Odd:
    def __init__(self, name, data, like, ours="same", pillow="same", *, kept=None, orientation=1):
        self.name, self.data, self.like = name, data, like
        self.ours, self.pillow, self.orientation = ours, pillow, orientation
        self.kept = kept or ours  # we, with --truncated keep


def save(im, kind, **options):
    out = io.BytesIO()
    im.save(out, kind, **options)
    return out.getvalue()


def put(data, at, new):
    """Overwrites."""
    return data[:at] + new + data[at + len(new):]


def exif(orientation, order="II", kind=3, count=1, offset=8):
    """A TIFF stream of one entry."""
    e = "<" if order == "II" else ">"
    value = {1: "B3x", 2: "B3x", 3: "H2x", 7: "B3x"}.get(kind, "I")
    return (order.encode() + struct.pack(e + "HIH", 42, offset, 1)
            + struct.pack(e + "HHI" + value, 0x0112, kind, count, orientation) + bytes(4))


def load(data):
    im = Image.open(io.BytesIO(data))
    im.load()
    return decoding.to_rgb(im)


def ask_pillow(odd, wanted):
    try:
        im = load(odd.data)
    except Exception:  # Pillow raises what it likes on damaged files
        return "no"
    return "same" if im.size == wanted.size and im.tobytes() == wanted.tobytes() else "other"


def judge(ours, wanted):
    if ours.reason != "none":
        return ours.reason
    difference = np.abs(ours.rgb.astype(int) - decoding.resize(wanted, size=TARGET)).max()
    return "same" if ours.size == wanted.size and difference <= 1 else "other"


def check(odds):
    """Prints what is not as it should be; returns a test's status."""
    warnings.simplefilter("ignore")
    odds = list(odds)
    failed = 0
    data = [odd.data for odd in odds]
    for odd, ours, kept in zip(odds, decoding.decode(data, size=TARGET),
                               decoding.decode(data, size=TARGET, truncated="keep")):
        wanted = load(odd.like)
        if odd.orientation != 1:
            wanted = wanted.transpose(TURNS[odd.orientation])
        for who, seen, right in (("we", judge(ours, wanted), odd.ours),
                                 ("we, keeping", judge(kept, wanted), odd.kept),
                                 ("Pillow", ask_pillow(odd, wanted), odd.pillow)):
            if seen != right:
                failed += 1
                print(f"{odd.name}: {who}: {seen}, not {right}")
    print(f"{len(odds)} odd files, {failed} failures")
    return 1 if failed else 0
