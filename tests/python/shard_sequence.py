# SPDX-License-Identifier: Apache-2.0
"""Draws, plans and sequences made from shard/FORMAT.md alone (sections 7 and 8), of records as
shard_format gives them."""
import collections
import math

import xxhash
from shard_format import DATA, IMAGE, TEXT, array

LATENT, CODES, FEATURES, PIXELS, IDS = 1, 2, 3, 4, 5
PARTS = {"text": TEXT, "image": IMAGE, "data": DATA}
FLAGS = {"loss": 1, "context": 2}
PREDICTS, PREDICTED = 1, 2
DEFAULT = {"ends": "sequence", "rules": [{"part": "text", "see": [{}]}, {"part": "image", "see": [{}]},
                                         {"part": "data", "see": []}]}

Span = collections.namedtuple("Span", "offset length part kind tensor rows columns loss visible advance")


class Refused(Exception):
    """The record has no sequence."""


def u_of(purpose, record, epoch, seed):
    name, key = record["name"].encode(), record["key"].encode()
    return xxhash.xxh3_64_intdigest(b"\0".join([purpose.encode(), name, key, b"%d" % epoch]), seed)


def draws(record, epoch, seed, caption_first):
    """(caption first, a number a part: of a text its alternative, of an image 1 for mirrored)"""
    numbers, texts, images = [], 0, 0
    for part in record["parts"]:
        drawn = 0
        if part["kind"] == TEXT:
            u = u_of(f"caption@{texts}" if texts else "caption", record, epoch, seed)
            drawn, texts = u * len(part["alternatives"]) >> 64, texts + 1
        elif part["kind"] == IMAGE:
            drawn, images = int(u_of(f"mirror@{images}", record, epoch, seed) < 1 << 63), images + 1
        numbers.append(drawn)
    first = caption_first >= 1 or u_of("order", record, epoch, seed) < caption_first * 2**64
    return first, numbers


def stored_draws(record, seed):
    numbers = draws(record, 0, seed, 1)[1]
    kinds = [part["kind"] for part in record["parts"]]
    if TEXT in kinds:
        numbers[kinds.index(TEXT)] = record["caption_drawn"]
    return record["order"] == 0, numbers


def pair_of(record):
    """The positions of its text and its image, of a pair; else None."""
    kinds = [part["kind"] for part in record["parts"] if part["kind"] != DATA]
    if sorted(kinds) != [TEXT, IMAGE]:
        return None
    return [[part["kind"] for part in record["parts"]].index(kind) for kind in (TEXT, IMAGE)]


def rule_of(plan, record, i):
    parts = record["parts"]
    part = parts[i]
    for rule in plan["rules"]:
        if PARTS.get(rule["part"], rule["part"]) == part["kind"] and \
                rule.get("role") in (None, part["role"]) and \
                FLAGS.get(rule.get("flag")) in (None, part["flags"]) and \
                not (rule.get("last") and any(p["kind"] == part["kind"] for p in parts[i + 1:])):
            return rule
    raise Refused(f"no rule for part {i}, of kind {part['kind']}")


class Builder:
    def __init__(self, record, header, plan, drawn, window):
        self.record, self.header, self.plan, self.drawn, self.window = record, header, plan, drawn, window
        self.tokens, self.roles, self.spans, self.n_framed = [], [], [], 0
        self.ids = header["tokenizer"]
        self.default = next((i for i, e in enumerate(header["encoders"])
                             if e["kind"] in ("latent", "codes") and e["of"] == "image"), None)

    def put(self, token, role):
        self.tokens.append(token)
        self.roles.append(role)

    def marker(self, name, role):
        if self.ids[name] is not None:
            self.put(self.ids[name], role)

    def choose(self, i, see):
        part, drawn = self.record["parts"][i], self.drawn[i]
        encoder = self.default
        if see.get("encoder") is not None:
            encoder = next((n for n, e in enumerate(self.header["encoders"]) if e["name"] == see["encoder"]), None)
        found = [t for t in self.record["tensors"] if (t["part"], t["encoder"]) == (i, encoder) and
                 t["slot"] & 1 == 0 and t["slot"] >> 8 == see.get("output", 0)]
        if part["kind"] == TEXT:
            found = [t for t in found if t["owner"] == drawn]
        if part["kind"] == IMAGE:  # the drawn one, where it has both
            found.sort(key=lambda t: (t["slot"] >> 1 & 1) != drawn)
        return found[0] if found else None

    def grid(self, tensor, see):
        dims, k = tensor["dims"], see.get("window") or self.window
        if tensor["kind"] in (LATENT, PIXELS):
            height, width = dims[1:] if tensor["kind"] == LATENT else dims[:2]
            if height % k or width % k:
                raise Refused(f"a patch window of {k} does not divide")
            return height // k, width // k
        if tensor["kind"] == CODES and len(dims) == 2:
            return dims
        if tensor["kind"] in (CODES, IDS):
            return 1, dims[0]
        if tensor["kind"] == FEATURES:
            return 1, math.prod(dims[:-1])
        raise Refused(f"kind {tensor['kind']} has no positions")

    def positions(self, tensor, see, rows, columns, role):
        if tensor["kind"] not in (CODES, IDS):
            for _ in range(rows * columns):
                self.put(0, 0)
            return
        data, width = bytes.fromhex(tensor["data"]), 2 if tensor["dtype"] == 1 else 4
        values = [int.from_bytes(data[at:at + width], "little") for at in range(0, len(data), width)]
        encoder = self.header["encoders"][tensor["encoder"]]
        if tensor["kind"] == CODES:
            table = None if encoder["id_map"] is None else array(encoder["id_map"]).tolist()
            values = [table[v] if table is not None else v + encoder["id_offset"] for v in values]
        for row in range(rows):
            for value in values[row * columns:(row + 1) * columns]:
                self.put(value, role)
            if see.get("row_end") is not None and tensor["kind"] == CODES and len(tensor["dims"]) == 2:
                self.put(see["row_end"], role)

    def see_tensor(self, i, see):
        tensor = self.choose(i, see)
        if tensor is None:
            return
        part = self.record["parts"][i]
        loss = see.get("loss", True) and part["flags"] == 1
        codes = tensor["kind"] == CODES
        framed = part["kind"] == IMAGE and see.get("markers", True)
        rows, columns = self.grid(tensor, see)
        if framed:
            self.n_framed += 1
            self.put(self.ids["boi"], PREDICTED * loss | PREDICTS * codes)
        begin = len(self.tokens)
        self.positions(tensor, see, rows, columns, PREDICTS | PREDICTED * loss)
        self.spans.append(Span(begin, len(self.tokens) - begin, i, tensor["kind"],
                               self.record["tensors"].index(tensor), rows, columns, loss, see.get("visible", True),
                               see.get("advance", True)))
        if framed:
            self.put(self.ids["eoi"], PREDICTS | PREDICTED * (codes and loss))

    def see_text(self, i, see):
        part = self.record["parts"][i]
        ids = part["alternatives"][self.drawn[i]]["ids"]
        if ids is None:
            raise Refused(f"part {i}, a text, has no token ids")
        loss = see.get("loss", True) and part["flags"] == 1
        own_ends = self.plan.get("ends") == "text"
        if own_ends:
            self.marker("bos", PREDICTS)
        begin = len(self.tokens)
        for one in ids:
            self.put(one, PREDICTS | PREDICTED * loss)
        self.spans.append(Span(begin, len(ids), i, 0, self.drawn[i], 1, len(ids), loss, see.get("visible", True),
                               see.get("advance", True)))
        if own_ends:
            self.marker("eos", PREDICTED * loss)

    def build(self, caption_first):
        order = list(range(len(self.record["parts"])))
        pair = pair_of(self.record)
        if pair:
            order[min(pair)], order[max(pair)] = pair if caption_first else pair[::-1]
        whole = self.plan.get("ends") != "text"
        if whole:
            self.marker("bos", PREDICTS)
        for i in order:
            for see in rule_of(self.plan, self.record, i)["see"]:
                if self.record["parts"][i]["kind"] == TEXT and see.get("encoder") is None:
                    self.see_text(i, see)
                else:
                    self.see_tensor(i, see)
        if whole:
            self.marker("eos", PREDICTED)
        return self


def sequence(record, header, plan, caption_first, drawn, window):
    """(tokens, loss, spans); Refused."""
    b = Builder(record, header, plan, drawn, window).build(caption_first)
    can = [role & PREDICTS and following & PREDICTED for role, following in zip(b.roles, b.roles[1:])]
    return b.tokens, [bool(one) for one in can] + [False] * (len(b.tokens) > 0), b.spans


def measure(record, header, plan, window):
    """(how what is seen is arranged, texts, images with markers, positions besides markers and texts), before
    draws; Refused."""
    texts = [{**part, "alternatives": [{"ids": []}]} if part["kind"] == TEXT else part for part in record["parts"]]
    b = Builder({**record, "parts": texts}, header, plan, [0] * len(texts), window).build(True)
    own = [span.kind == 0 for span in b.spans]
    positions = sum(span.length for span in b.spans if span.kind)
    arrangement = {(1, 0): "text", (1, 1): "pair" if pair_of(record) else "other"}.get((sum(own), b.n_framed), "other")
    return arrangement, sum(own), b.n_framed, positions
