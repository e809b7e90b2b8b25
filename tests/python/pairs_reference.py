# SPDX-License-Identifier: Apache-2.0
"""What ingest/archive/reader_tar.c should make of an archive, said once more in Python: tarfile and
WebDataset's regular expressions do the reading. For whole archives only."""

import hashlib
import json
import re
import tarfile

KEY_AND_FIELD = re.compile(rb"^((?:.*/|)[^.]+)[.]([^/]*)$", re.DOTALL)
PRIVATE = re.compile(rb"__[^/]*__($|/)")
MACOS = re.compile(rb"(.*/)?(\._[^/]*|\.DS_Store)\Z|(.*/)?__MACOSX/", re.DOTALL)
IMAGE_FIELDS = [b"jpg", b"jpeg", b"png", b"webp"]
TEXT_FIELDS = [b"txt", b"caption", b"cap"]
KNOWN_FIELDS = IMAGE_FIELDS + TEXT_FIELDS + [b"json"]
LINK, DEVICE, APART = object(), object(), object()  # in place of a body
NO_FILE = {LINK: "linked_member", DEVICE: "unsupported_format", APART: "linked_member"}
MAGIC = re.compile(rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|RIFF....WEBP", re.DOTALL)
BLANK = ("\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) +
         "\u2028\u2029\u202f\u205f\u3000")
MAX_METADATA = 64 << 10


def members(file):
    """(name in bytes, body) of each member. Not bytes: LINK, DEVICE, or why it is no file."""
    with tarfile.open(fileobj=file, mode="r|*", encoding="utf-8",
                      errors="surrogateescape") as archive:
        for member in archive:
            name = member.name.encode("utf-8", "surrogateescape")
            if member.isreg():
                yield name, archive.extractfile(member).read()
            elif member.issym() or member.islnk():
                yield name, LINK
            else:
                yield name, "folder" if member.isdir() else DEVICE


def skip_of(name, body, match):
    """Why the member is in no group, or None."""
    if isinstance(body, str):
        return body
    if body is DEVICE and (MACOS.match(name) or PRIVATE.match(name) or not match):
        return "special"
    if MACOS.match(name):
        return "macos"
    if PRIVATE.match(name):
        return "private"
    if not match:
        return "link" if body is LINK else "no_key"
    if isinstance(body, bytes) or match[2].lower() in KNOWN_FIELDS:
        return None
    return "link" if body is LINK else "special"


def groups(file, totals):
    """(key, {field: body}) of each run of members with one key and different fields; None as a
    field: there is a link or device that may be the image."""
    key, fields = None, None
    begun = set()
    strays = set()  # keys of links and devices that were skipped outside of their groups
    last = None, None  # key and body of the last of them
    for name, body in members(file):
        match = KEY_AND_FIELD.match(name)
        skip = skip_of(name, body, match)
        noted = skip in ("link", "special") and match and body in (LINK, DEVICE) and not (
            MACOS.match(name) or PRIVATE.match(name))
        if noted and match[1] in begun and match[1] != key:
            skip = None
        if skip:
            totals["skipped_members"] += 1
            totals["skipped"][skip] = totals["skipped"].get(skip, 0) + 1
            if noted and match[1] == key:
                fields.setdefault(None, body)
            elif noted:
                strays.add(match[1])
                last = match[1], body
            continue
        field = match[2].lower()
        if match[1] != key or field in fields:
            if fields is not None:
                yield key, fields
            key, fields = match[1], {}
            if key in strays:
                fields[None] = last[1] if last[0] == key else APART
            begun.add(key)
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
             if name is not None and name not in KNOWN_FIELDS and MAGIC.match(body)]
    if len(found) < 2 and None in fields:
        return fields[None]
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
    for name in TEXT_FIELDS:
        body = fields.get(name)
        if body in (LINK, DEVICE):
            counts["no_file"] += 1
        elif body is not None:
            try:
                text = body.rstrip(b"\r\n").decode()
            except UnicodeDecodeError:
                counts["not_utf8"] += 1
                continue
            if "\0" in text:
                counts["has_nul"] += 1
            else:
                candidates.append((name.decode(), text))
    if b"json" in fields and isinstance(fields[b"json"], bytes):
        try:
            candidates.extend(json_captions(json.loads(fields[b"json"].decode().lstrip("\ufeff"))))
        except ValueError:
            counts["unparsed"] += 1
    kept = {}
    for name, text in candidates:
        text = text.lstrip("\ufeff")
        if not text.strip(BLANK + "\0"):
            counts["blank"] += 1
        elif text not in kept:
            kept[text] = name
    return [[name, text] for text, name in kept.items()]


def sha256(body):
    return hashlib.sha256(body).hexdigest()


def judge(key, fields, seen, totals):
    """The object that list_pairs prints, but for key, index and detail."""
    result = {"reject": "none", "image": None, "captions": [], "metadata": None}
    counts = {"no_file": 0, "not_utf8": 0, "has_nul": 0, "unparsed": 0, "blank": 0}
    duplicate = key in seen
    seen.add(key)
    if not key_is_good(key):
        return result | {"reject": "bad_key"}
    if duplicate:
        return result | {"reject": "duplicate_key"}
    image = image_of(fields)
    if image is None:
        return result | {"reject": "no_image"}
    if image in NO_FILE:
        return result | {"reject": NO_FILE[image]}
    captions = captions_of(fields, counts)
    if not captions:
        texts = [fields[name] for name in TEXT_FIELDS if fields.get(name) in NO_FILE]
        reasons = {"no_file": NO_FILE[texts[0]] if texts else None,
                   "not_utf8": "caption_not_utf8",
                   "has_nul": "caption_has_nul", "no_file_json": NO_FILE.get(fields.get(b"json")),
                   "unparsed": "bad_metadata", "blank": "empty_caption"}
        counts["no_file_json"] = fields.get(b"json") in NO_FILE
        for count, reason in reasons.items():
            if counts[count]:
                return result | {"reject": reason}
        return result | {"reject": "no_caption"}
    totals["dropped_captions"] += counts["no_file"] + counts["not_utf8"] + counts["has_nul"]
    totals["unparsed_metadata"] += counts["unparsed"]
    metadata = fields.get(b"json") or None
    if metadata in NO_FILE or metadata and len(metadata) > MAX_METADATA:
        totals["dropped_metadata"] += 1
        metadata = None
    return result | {"image": sha256(image), "captions": captions,
                     "metadata": sha256(metadata) if metadata else None}


def read(file):
    """(list of objects, totals), as list_pairs prints them, without details and with the
    exact key's bytes."""
    totals = {"groups": 0, "skipped_members": 0, "skipped": {}, "dropped_captions": 0,
              "dropped_metadata": 0, "unparsed_metadata": 0}
    seen = set()
    pairs = []
    for key, fields in groups(file, totals):
        pairs.append({"key": key, "index": len(pairs)} | judge(key, fields, seen, totals))
    totals["groups"] = len(pairs)
    return pairs, totals
