# SPDX-License-Identifier: Apache-2.0
"""Colours follow the design's formulas: 16 bit, CMYK, transparency, frames, ICC profiles.

Pillow cannot be asked about the first two, so the formulas, in numpy, are the referee; the
resize that follows is Pillow's.
"""
import io
import os
import struct
import sys
import tarfile
import zlib

import decoding
import numpy as np
from PIL import Image, ImageCms

RNG = np.random.default_rng(2)
SIZE = (61, 47)


def png(samples, depth, colour):
    """samples (h, w, channels) -> PNG of this bit depth and colour type."""
    h, w = samples.shape[:2]
    rows = samples.astype(">u2" if depth == 16 else "u1").reshape(h, -1)
    raw = b"".join(b"\0" + row.tobytes() for row in rows)
    return decoding.png_file(w, h, depth, colour, zlib.compress(raw))


def expect(name, data, wanted, levels=1, **options):
    """wanted: the oriented RGB image before the resize."""
    ours, = decoding.decode([data], **options)
    assert ours.reason == "none", f"{name}: {ours.reason}"
    largest, _ = decoding.check_close(ours.rgb, decoding.resize(wanted), name, levels)
    print(f"{name}: largest difference {largest}")
    return ours


def to_8_bit(v):
    return (v.astype(np.int64) * 255 + 32767) // 65535


def white(colour, alpha):
    return ((alpha * colour + (255 - alpha) * 255 + 127) // 255).astype(np.uint8)


def test_16_bit():
    rgba = RNG.integers(0, 65536, (SIZE[1], SIZE[0], 4))
    rgb = Image.fromarray(to_8_bit(rgba[..., :3]).astype(np.uint8))
    expect("16 bit RGB", png(rgba[..., :3], 16, 2), rgb)
    blended = white(to_8_bit(rgba[..., :3]), to_8_bit(rgba[..., 3:]))
    expect("16 bit RGBA", png(rgba, 16, 6), Image.fromarray(blended))
    grey = to_8_bit(rgba[..., :1]).astype(np.uint8).repeat(3, 2)
    expect("16 bit grey", png(rgba[..., :1], 16, 0), Image.fromarray(grey))
    blended = white(to_8_bit(rgba[..., :1]), to_8_bit(rgba[..., 3:])).repeat(3, 2)
    expect("16 bit grey with alpha", png(rgba[..., [0, 3]], 16, 4), Image.fromarray(blended))


def cmyk_jpegs():
    im = Image.frombytes("CMYK", SIZE, decoding.picture(RNG, *SIZE, 4).tobytes())
    out = io.BytesIO()
    im.save(out, "JPEG", quality=90)
    yield "CMYK", out.getvalue()
    yield "YCCK", decoding.encode_jpeg(im, "1x1", "ycck")
    yield "YCCK 4:2:0", decoding.encode_jpeg(im, "2x2", "ycck", "progressive")


def test_cmyk():
    for name, data in cmyk_jpegs():
        expect(name, data, decoding.from_cmyk(Image.open(io.BytesIO(data))))


def test_transparency():
    im = Image.fromarray(decoding.picture(RNG, *SIZE, 4))
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("WEBP", {"quality": 80})):
        out = io.BytesIO()
        im.save(out, kind, **options)
        expect(f"{kind} RGBA {options}", out.getvalue(),
               decoding.on_white(Image.open(io.BytesIO(out.getvalue()))))
    out = io.BytesIO()
    im.convert("LA").save(out, "PNG")
    expect("PNG LA", out.getvalue(), decoding.on_white(im.convert("LA")))
    palette = im.convert("RGB").quantize(60)
    out = io.BytesIO()
    palette.save(out, "PNG", transparency=bytes(range(0, 240, 4)))
    expect("palette with tRNS", out.getvalue(),
           decoding.on_white(Image.open(io.BytesIO(out.getvalue()))))


def test_first_frame():
    frames = [Image.fromarray(decoding.picture(RNG, *SIZE)) for _ in range(3)]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        out = io.BytesIO()
        frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=40, **options)
        expect(f"animated {kind}", out.getvalue(), frames[0])


def test_frame_on_canvas():
    """A first frame smaller than the animation's canvas: white around it."""
    part = Image.fromarray(decoding.picture(RNG, 21, 15))
    out = io.BytesIO()
    part.save(out, "WEBP", lossless=True)
    image = out.getvalue()[12:]

    def u24(v):
        return struct.pack("<I", v)[:3]

    def chunk(kind, data):
        return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)

    place = u24(8 // 2) + u24(6 // 2) + u24(part.width - 1) + u24(part.height - 1) + u24(40) + b"\0"
    body = (b"WEBP" + chunk(b"VP8X", bytes([2, 0, 0, 0]) + u24(SIZE[0] - 1) + u24(SIZE[1] - 1))
            + chunk(b"ANIM", bytes(6)) + chunk(b"ANMF", place + image))
    canvas = Image.new("RGB", SIZE, "white")
    canvas.paste(part, (8, 6))
    expect("frame on canvas", b"RIFF" + struct.pack("<I", len(body)) + body, canvas)


def icc(space, kind, tags):
    """A version 2 profile of these tags."""
    offset = 128 + 4 + 12 * len(tags)
    table = struct.pack(">I", len(tags))
    data = b""
    for name, value in tags:
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", offset + len(data), len(value))
        data += value
    head = (struct.pack(">I4sI", offset + len(data), b"lcms", 0x02100000) + kind + space
            + (b"Lab " if kind == b"prtr" else b"XYZ ") + bytes(12) + b"acsp" + bytes(28)
            + struct.pack(">III", 0xF6D6, 0x10000, 0xD32D))
    return head + bytes(128 - len(head)) + table + data


def xyz(*v):
    return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(x * 65536)) for x in v)


def gamma(g):
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(g * 256)) + bytes(2)


WIDE = icc(b"RGB ", b"mntr", [
    (b"wtpt", xyz(0.9642, 1, 0.8249)), (b"rXYZ", xyz(0.6097, 0.3111, 0.0195)),
    (b"gXYZ", xyz(0.2053, 0.6257, 0.0609)), (b"bXYZ", xyz(0.1492, 0.0632, 0.7446)),
    (b"rTRC", gamma(2.2)), (b"gTRC", gamma(2.2)), (b"bTRC", gamma(2.2))])
GREY = icc(b"GRAY", b"mntr", [(b"wtpt", xyz(0.9642, 1, 0.8249)), (b"kTRC", gamma(1.0))])


def cmyk_profile():
    corners = [(int(max(0, 255 - 60 * (c + m + y) - 120 * k)), 128 + 30 * (m - c), 128 + 30 * (y - c))
               for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    lut = (b"mft1" + bytes(4) + bytes([4, 3, 2, 0])
           + b"".join(struct.pack(">i", 65536 * (i % 4 == 0)) for i in range(9))
           + bytes(range(256)) * 4 + b"".join(bytes(c) for c in corners) + bytes(range(256)) * 3)
    return icc(b"CMYK", b"prtr", [(b"wtpt", xyz(0.9642, 1, 0.8249)), (b"A2B0", lut)])


def converted(im, profile, mode):
    return ImageCms.profileToProfile(im, io.BytesIO(profile), ImageCms.createProfile("sRGB"),
                                     renderingIntent=ImageCms.Intent.PERCEPTUAL, outputMode=mode)


def with_profile(pixels, kind, profile, mode=None):
    out = io.BytesIO()
    mode = mode or ("RGB" if pixels.ndim == 3 else "L")
    im = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    im.save(out, kind, icc_profile=profile, **({"lossless": True} if kind == "WEBP" else {}))
    return out.getvalue()


def test_rgb_profile():
    pixels = decoding.picture(RNG, *SIZE)
    for kind in ("JPEG", "PNG", "WEBP"):
        data = with_profile(pixels, kind, WIDE)
        small = Image.fromarray(decoding.resize(Image.open(io.BytesIO(data)).convert("RGB")))
        ours, = decoding.decode([data], icc="srgb")
        plain, = decoding.decode([data], icc="ignore")
        decoding.check_close(ours.rgb, np.asarray(converted(small, WIDE, "RGB")), kind)
        assert np.abs(ours.rgb.astype(int) - plain.rgb).max() > 8, "the profile had no effect"
        assert not ours.broken_profile
        print(f"{kind} with a wide-gamut profile: converted")


def test_grey_profile():
    grey = decoding.picture(RNG, *SIZE)[..., 0]
    for kind in ("JPEG", "PNG"):
        data = with_profile(grey, kind, GREY)
        ours, = decoding.decode([data], icc="srgb")
        plain, = decoding.decode([data], icc="ignore")
        small = Image.fromarray(np.ascontiguousarray(plain.rgb[..., 0]))
        decoding.check_close(ours.rgb, np.asarray(converted(small, GREY, "RGB")), kind)
        assert np.abs(ours.rgb.astype(int) - plain.rgb).max() > 8 and not ours.broken_profile
        print(f"{kind} with a grey profile: converted")


def test_cmyk_profile():
    profile = cmyk_profile()
    data = with_profile(decoding.picture(RNG, *SIZE, 4), "JPEG", profile, "CMYK")
    im = Image.open(io.BytesIO(data))
    ours = expect("CMYK with a profile", data, converted(im, profile, "RGB"), icc="srgb", levels=2)
    assert not ours.broken_profile
    expect("CMYK, profile ignored", data, decoding.from_cmyk(im), icc="ignore")


def test_srgb_profile_is_skipped():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = with_profile(decoding.picture(RNG, *SIZE), "PNG", profile)
    ours, = decoding.decode([data], icc="srgb")
    plain, = decoding.decode([data], icc="ignore")
    assert np.array_equal(ours.rgb, plain.rgb) and not ours.broken_profile
    print("sRGB profile: skipped")


def test_broken_profiles():
    rgb = decoding.picture(RNG, *SIZE)
    cases = {
        "garbage": with_profile(rgb, "JPEG", bytes(range(200))),
        "cut": with_profile(rgb, "WEBP", WIDE[:150]),
        "grey profile, RGB image": with_profile(rgb, "PNG", GREY),
        "RGB profile, grey image": with_profile(rgb[..., 0], "JPEG", WIDE),
        "CMYK profile, RGB image": with_profile(rgb, "JPEG", cmyk_profile()),
    }
    for name, data in cases.items():
        ours, = decoding.decode([data], icc="srgb")
        plain, = decoding.decode([data], icc="ignore")
        assert ours.reason == "none" and ours.broken_profile, f"{name}: not counted as broken"
        assert not plain.broken_profile and np.array_equal(ours.rgb, plain.rgb), name
        print(f"{name}: ignored and counted")


def test_many_profiles():
    """More profiles than the cache holds, twice over: each image keeps its own colours."""
    rgb = decoding.picture(RNG, *SIZE)
    images = [with_profile(rgb, "PNG", WIDE.replace(gamma(2.2), gamma(1 + i / 16))) for i in range(40)]
    alone = [decoding.decode([data], icc="srgb")[0].rgb for data in images]
    for i, ours in enumerate(decoding.decode(images + images[::-1], icc="srgb")):
        assert np.array_equal(ours.rgb, (alone + alone[::-1])[i]), f"profile {i}"
    assert not np.array_equal(alone[0], alone[39])
    print("40 profiles: as if alone")


def photos_with_profiles():
    pairs = os.path.join(decoding.SHARED, "data/pairs")
    for tar in sorted(os.listdir(pairs)) if os.path.isdir(pairs) else []:
        with tarfile.open(os.path.join(pairs, tar)) as tf:
            images = [tf.extractfile(m).read() for m in tf if m.name.endswith(".jpg")]
        yield from [data for data in images if b"ICC_PROFILE" in data[:20000]]


def test_no_processor_shows():
    """lcms2 calls libm, which picks its functions by processor: its bytes are the same still."""
    images = list(photos_with_profiles())
    images += [with_profile(decoding.picture(RNG, *SIZE), "PNG", WIDE),
               with_profile(decoding.picture(RNG, *SIZE, 4), "JPEG", cmyk_profile(), "CMYK")]
    with_fma = decoding.decode(images, icc="srgb")
    os.environ["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-FMA_Usable,-AVX2_Usable"
    without = decoding.decode(images, icc="srgb")
    del os.environ["GLIBC_TUNABLES"]
    for i, (a, b) in enumerate(zip(with_fma, without)):
        assert np.array_equal(a.rgb, b.rgb), f"image {i} differs without FMA"
    print(f"{len(images)} images with profiles: the same without FMA")


def test_small_and_truncated():
    im = Image.fromarray(decoding.picture(RNG, *SIZE))
    assert decoding.decode([png(np.asarray(im), 8, 2)], min_size=48)[0].reason == "too_small"
    assert decoding.decode([png(np.asarray(im), 8, 2)], min_size=47)[0].reason == "none"
    im = Image.fromarray(decoding.picture(RNG, 400, 300))
    for kind, options in (("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {}),
                          ("WEBP", {"lossless": True})):
        out = io.BytesIO()
        im.save(out, kind, **options)
        data = out.getvalue()[:len(out.getvalue()) * 2 // 3]
        rejected, kept = decoding.decode([data])[0], decoding.decode([data], truncated="keep")[0]
        assert rejected.reason == "truncated_image", f"{kind}: {rejected.reason}"
        assert kept.reason == "none", f"{kind} kept: {kept.reason}"
        top = decoding.resize(decoding.to_rgb(Image.open(io.BytesIO(out.getvalue()))))[:16]
        if "progressive" not in options:
            decoding.check_close(kept.rgb[:16], top, f"{kind}: rows before the cut")
        print(f"{kind} {options} cut: rejected, or kept on request")


def main():
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
    return 0


if __name__ == "__main__":
    sys.exit(main())
