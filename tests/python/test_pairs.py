# SPDX-License-Identifier: Apache-2.0
"""list_pairs says of generated archives what Python's tarfile and WebDataset's rules say:
ustar, pax and GNU, plain and compressed, read in pieces of any size, in any locale. And an
archive cut anywhere gives a prefix of it, and damage."""

import bz2
import gzip
import io
import json
import lzma
import os
import pathlib
import random
import subprocess
import tarfile
import tempfile

import pairs_reference

try:
    import zstandard
    ZSTD = [zstandard.ZstdCompressor().compress]
except ImportError:
    ZSTD = []

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "tests/programs/list_pairs"
COMPRESS = [bytes, gzip.compress, bz2.compress, lambda b: lzma.compress(b, preset=0)] + ZSTD
FORMATS = [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]
FIELDS = ["jpg", "JPG", "jpeg", "png", "webp", "txt", "Txt", "caption", "cap", "json", "json",
          "seg.png", "any", "cls", ""]
KEYS = ["{}", "a/{}", "dir.v1/{}", "./{}", "é{}", "e\u0301{}", "한국어/{}", "x" * 90 + "/{}",
        "long/" + "y" * 95 + "{}"]
ODD_NAMES = ["README", ".hidden", "a/.hidden", "a.b/.x", "__meta__", "__m__/{}.jpg",
             "a/__m__/{}.txt", "._{}.jpg", "a/._{}.txt", "a/.DS_Store", "__MACOSX/a/{}.jpg", "\udce9{}.jpg", "a\n{}.txt", "{}\u0085.jpg", "z" * 1100 + ".jpg"]
TEXTS = ["a cat\n", "a cat", " a dog \n\n", "\n", "", " \t\r\n", "Ein Bär\r\n", "한국어", "a\0b",
         "\ufeffa cat\r\n\r\n", "\ufeff\ufeff", "\ufeff", "\u3000\u00a0\n", "\u200b", "a\0"]
IMAGES = [b"\xff\xd8\xff\xe0" + b"j" * 700, b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBPVP8 ", b"",
          b"no image"]


def some_text(rng):
    if rng.random() < 0.1:
        return rng.choice([b"\xe9t\xe9", b"\xed\xa0\x80", b"\xc0\xaf", b"cut \xe2\x82"])
    return rng.choice(TEXTS).encode()


def some_json(rng):
    value = {"width": rng.choice([1, 10 ** 30, float("nan"), float("-inf")]),
             "url": "http://x/NaN", "status": None}
    for name in ("captions", "caption", "text"):
        if rng.random() < 0.4:
            value[name] = rng.choice([rng.choice(TEXTS), None, 7])
    if rng.random() < 0.4:
        value["captions"] = rng.choices(TEXTS + [None, 1.5], k=rng.randrange(5))
    if rng.random() < 0.05:
        value["pad"] = "x" * 70000
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode()
    text = rng.choice(["\ufeff", *[""] * 9]).encode() + text
    if rng.random() < 0.1:
        text = text[:-1]
    if rng.random() < 0.1:
        text = rng.choice([b"", b"null", b"[]", b"\"x\"", b"{\"a\":\"\xff\"}"])
    return text


def some_body(rng, field):
    if field.lower() == "json":
        return some_json(rng)
    if field.lower() in ("txt", "caption", "cap"):
        return some_text(rng)
    return rng.choice(IMAGES[:1] if rng.random() < 0.6 else IMAGES)


def add(archive, name, body, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.size = len(body)
    try:
        archive.addfile(member, io.BytesIO(body))
    except ValueError:  # too long a name for ustar
        pass


def some_archive(rng):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=rng.choice(FORMATS), encoding="utf-8",
                      errors="surrogateescape") as archive:
        for n in range(rng.randrange(12)):
            key = rng.choice(KEYS).format(n if rng.random() < 0.9 else 0)
            for field in rng.choices(FIELDS, k=rng.randrange(1, 6)):
                add(archive, f"{key}.{field}", some_body(rng, field))
                if rng.random() < 0.1:
                    add(archive, rng.choice(ODD_NAMES).format(n), some_body(rng, "txt"))
                if rng.random() < 0.05:
                    add(archive, f"{key}.{rng.choice(FIELDS)}", b"",
                        rng.choice([tarfile.DIRTYPE, tarfile.FIFOTYPE]))
                if rng.random() < 0.05:
                    add(archive, f"{key}.{rng.choice(FIELDS)}", b"",
                        rng.choice([tarfile.SYMTYPE, tarfile.LNKTYPE]))
    return out.getvalue()


def list_pairs(path, chunk, locale):
    done = subprocess.run([PROGRAM, path, str(chunk)], stdout=subprocess.PIPE, check=True,
                          env=os.environ | {"LC_ALL": locale})
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return lines[:-1], lines[-1]


def check_whole(rng, archive, path):
    path.write_bytes(rng.choice(COMPRESS)(archive))
    pairs, totals = list_pairs(path, rng.choice([1 << 20, 4096, 777]),
                               rng.choice(["C", "C.UTF-8"]))
    expected, expected_totals = pairs_reference.read(io.BytesIO(archive))
    assert len(pairs) == len(expected), (len(pairs), len(expected))
    for ours, theirs in zip(pairs, expected):
        ours.pop("detail")
        if theirs["reject"] == "bad_key":
            assert "\\" in ours["key"] or ours["key"].endswith("...")
        else:
            assert ours["key"].encode() == theirs["key"]
        theirs["key"] = ours["key"]
        assert ours == theirs, (ours, theirs)
    assert totals["damaged"] == (not archive.rstrip(b"\0")), totals
    assert totals.items() >= expected_totals.items(), (totals, expected_totals)
    return pairs


def check_cut(rng, archive, path, whole):
    end = len(archive.rstrip(b"\0"))
    cut = rng.randrange(end)
    if rng.random() < 0.5:
        cut -= cut % 512
    path.write_bytes(archive[:cut])
    pairs, totals = list_pairs(path, 4096, "C")
    for pair in pairs:
        pair.pop("detail")
    assert pairs == whole[:len(pairs)], cut
    assert totals["damaged"] and totals["damage_offset"] in (0, cut), (cut, totals)


def main():
    rng = random.Random(1)
    reasons = {}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "archive"
        for _ in range(250):
            archive = some_archive(rng)
            whole = check_whole(rng, archive, path)
            if archive.rstrip(b"\0"):
                check_cut(rng, archive, path, whole)
            for pair in whole:
                reasons[pair["reject"]] = reasons.get(pair["reject"], 0) + 1
    print(reasons)
    assert len(reasons) == 11 and min(reasons.values()) >= 10, reasons


main()
