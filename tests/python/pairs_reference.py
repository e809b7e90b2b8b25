# SPDX-License-Identifier: Apache-2.0
"""What ingest/pair.h should make of an archive, said once more in Python: tarfile and
WebDataset's regular expressions do the reading. For whole archives only."""

import hashlib
import json
import re
import tarfile

KEY_AND_FIELD = re.compile(rb"^((?:.*/|)[^.]+)[.]([^/]*)$", re.DOTALL)
PRIVATE = re.compile(rb"__[^/]*__($|/)")
IMAGE_FIELDS = [b"jpg", b"jpeg", b"png", b"webp"]
MAGIC = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)
BLANK = " \t\n\v\f\r"
MAX_METADATA = 64 << 10


def members(file):
    """(name in bytes, body or None) of each member; None: no regular file."""
    with tarfile.open(fileobj=file, mode="r|*", encoding="utf-8",
                      errors="surrogateescape") as archive:
        for member in archive:
            name = member.name.encode("utf-8", "surrogateescape")
            yield name, archive.extractfile(member).read() if member.isreg() else None


def groups(file, totals):
    """(key, {field: body}) of each run of members with one key and different fields."""
    key, fields = None, None
    for name, body in members(file):
        match = KEY_AND_FIELD.match(name)
        if body is None or not match or PRIVATE.match(name):
            totals["skipped_members"] += 1
            continue
        field = match[2].lower()
        if match[1] != key or field in fields:
            if fields is not None:
                yield key, fields
            key, fields = match[1], {}
        fields[field] = body
    if fields is not None:
        yield key, fields


def key_is_good(key):
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return False
    return len(key) <= 1024 and not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)


def image_of(fields):
    for name in IMAGE_FIELDS:
        if name in fields:
            return fields[name]
    found = [body for name, body in fields.items()
             if name not in (b"txt", b"caption", b"cap", b"json")
             and MAGIC.match(body)]
    return found[0] if len(found) == 1 else None


def json_captions(root):
    if not isinstance(root, dict):
        return
    captions = root.get("captions")
    if isinstance(captions, list) and any(isinstance(c, str) for c in captions):
        for i, caption in enumerate(captions):
            if isinstance(caption, str):
                yield f"json.captions[{i}]", caption
        return
    for name in ("caption", "text"):
        if isinstance(root.get(name), str):
            yield "json." + name, root[name]
            return


def captions_of(fields, counts):
    """[[name, text], ...], counting what is left out."""
    candidates = []
    for name in ("txt", "caption", "cap"):
        if name.encode() in fields:
            body = fields[name.encode()]
            body = body[:-2] if body.endswith(b"\r\n") else body.removesuffix(b"\n")
            try:
                candidates.append((name, body.decode()))
            except UnicodeDecodeError:
                counts["not_utf8"] += 1
    if b"json" in fields:
        try:
            candidates.extend(json_captions(json.loads(fields[b"json"].decode())))
        except ValueError:
            counts["unparsed"] += 1
    kept = {}
    for name, text in candidates:
        if not text.strip(BLANK):
            counts["blank"] += 1
        elif text not in kept:
            kept[text] = name
    return [[name, text] for text, name in kept.items()]


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def judge(key, fields, seen, totals):
    """The object that list_pairs prints, but for key, index and detail."""
    result = {"reject": "none", "image": None, "captions": [], "metadata": None}
    counts = {"not_utf8": 0, "unparsed": 0, "blank": 0}
    duplicate = key in seen
    seen.add(key)
    if not key_is_good(key):
        return result | {"reject": "bad_key"}
    if duplicate:
        return result | {"reject": "duplicate_key"}
    image = image_of(fields)
    if image is None:
        return result | {"reject": "no_image"}
    captions = captions_of(fields, counts)
    if not captions:
        for count, reason in (("not_utf8", "caption_not_utf8"),
                              ("unparsed", "bad_metadata"), ("blank", "empty_caption")):
            if counts[count]:
                return result | {"reject": reason}
        return result | {"reject": "no_caption"}
    totals["dropped_captions"] += counts["not_utf8"]
    totals["unparsed_metadata"] += counts["unparsed"]
    metadata = fields.get(b"json") or None
    if metadata and len(metadata) > MAX_METADATA:
        totals["dropped_metadata"] += 1
        metadata = None
    return result | {"image": sha256(image), "captions": captions,
                     "metadata": sha256(metadata) if metadata else None}


def read(file):
    """(list of objects, totals), as list_pairs prints them, without details and with the
    exact key's bytes."""
    totals = {"groups": 0, "skipped_members": 0, "dropped_captions": 0,
              "dropped_metadata": 0, "unparsed_metadata": 0}
    seen = set()
    pairs = []
    for key, fields in groups(file, totals):
        pairs.append({"key": key, "index": len(pairs)} | judge(key, fields, seen, totals))
    totals["groups"] = len(pairs)
    return pairs, totals
