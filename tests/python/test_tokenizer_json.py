# SPDX-License-Identifier: Apache-2.0
"""Ids by tokenizer.json equal those of PyPI's tokenizers: over Qwen2.5's and CLIP's files, and over files in every
combination of components, trained here; in all modes of special tokens; on texts of all kinds. With TOKENIZERS_LONG
(make check-tokenizers) on more of them, and on every code point."""
import json
import os
import pathlib
import random
import sys
import tempfile

try:
    import tokenizers
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import tokenizing
from tokenizer_files import (DIGITS, LOWER, NORMALIZERS, PRE_BYTE, PUNCTUATION, SPECIAL, TYPICAL, assembled, byte_level, combinations, flags_of, replace, sequence,
                             split, typical)
from tokenizing import DATA, LONG, corpus, dump_json, encode, shortest, tell

REJECTED = -1  # any status below 0
findings = []


class Referee:
    """PyPI's tokenizers over one file."""

    def __init__(self, path):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        decoder = self.tokenizer.get_added_tokens_decoder()
        self.special = {i for i, token in decoder.items() if token.special}

    def ids(self, texts, special):
        self.tokenizer.encode_special_tokens = special == "plain"
        found = [one.ids for one in self.tokenizer.encode_batch(list(texts), add_special_tokens=False)]
        if special == "reject":
            return [REJECTED if self.special.intersection(ids) else ids for ids in found]
        return found


def compare(what, path, texts, special="plain", referee=None, keep_all=False):
    """The number of texts that differ; the first, made short, goes to the findings."""
    referee = referee or Referee(path)
    ours = encode(path, texts, special, check=False)
    if isinstance(ours, str):
        findings.append(f"{what}: refused: {ours}")
        return len(texts)
    if special == "reject":
        ours = [max(one, REJECTED) if isinstance(one, int) else one for one in ours]
        ours = [REJECTED if isinstance(one, int) else one for one in ours]
    bad = tokenizing.differing(texts, ours, referee.ids(texts, special))
    if bad and not keep_all:
        def differ(text):
            one = encode(path, [text], special)[0]
            return (REJECTED if isinstance(one, int) else one) != referee.ids([text], special)[0]
        text = shortest(bad[0][0], differ) if len(bad[0][0]) < 20000 else bad[0][0]
        findings.append(f"{len(bad)} of {len(texts)} texts, " + tell(f"{special}, {what}", text, encode(path, [text], special)[0],
                                                                      referee.ids([text], special)[0]))
    return len(bad)


def special_of(path):
    return [one["content"] for one in json.loads(pathlib.Path(path).read_text())["added_tokens"]] or SPECIAL


def check_real(folder):
    """Qwen2.5's and CLIP's own files."""
    for name in ("qwen2.5", "clip"):
        path = DATA / "tokenizers" / name / "tokenizer.json"
        if not path.is_file():
            print(f"{path} is not there")
            continue
        referee = Referee(path)
        for mode in ("plain", "parse", "reject"):
            compare(name, path, corpus(special_of(path)), mode, referee)
        texts = list(tokenizing.shared_texts())
        compare(name, path, texts if LONG else texts[::7], "plain", referee)
        compare(name, path, list(tokenizing.long_runs(10**6 if LONG else 10**4)), "plain", referee)


def check_typical(folder):
    for name in TYPICAL:
        path = dump_json(folder / f"{name}.json", typical(name))
        referee = Referee(path)
        texts = corpus(special_of(path))
        for mode in ("plain", "parse", "reject"):
            compare(name, path, texts, mode, referee)
        if LONG:
            compare(name, path, list(tokenizing.shared_texts()), "plain", referee)
        if LONG and name in ("gpt2", "llama2", "deepseek-v3"):
            compare(name, path, list(tokenizing.long_runs(10**5 if name == "llama2" else 10**6)), "plain", referee)


def check_combinations(folder):
    dice = random.Random(11)
    path = folder / "some.json"
    n = 0
    every = list(combinations(everything=LONG))
    for name, file in dice.sample(every, min(len(every), 1200 if LONG else 40)):
        dump_json(path, file)
        texts = corpus(special_of(path), 60 if LONG else 40, dice.randrange(1000))
        try:
            referee = Referee(path)
        except Exception as error:
            raise AssertionError(f"the referee refuses {name}: {error}") from error
        compare(name, path, texts, dice.choice(("plain", "parse", "reject")), referee)
        n += 1
    print(f"{n} combinations")


def check_hypothesis(folder):
    """Texts that hypothesis finds."""
    texts = []

    @settings(max_examples=2000 if LONG else 200, database=None, deadline=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SPECIAL + tokenizing.ODD)), max_size=6).map("".join))
    def collect(text):
        texts.append(text)

    collect()
    for name in TYPICAL:
        compare(f"{name}, hypothesis", dump_json(folder / "h.json", typical(name)), texts, "parse")


# Code points of which the linked tables and those of tokenizers 0.23 know different things, as versions of Unicode
# differ: what makes the difference, and the code points, ranges with both ends. Listed in tools/README.md, too.
DIFFERENT = {}


def kinds_of_points():
    base = "gpt2"
    dice = random.Random(1)
    plain = {"ignore_merges": False, "fuse_unk": False}
    for normalizer in [*NORMALIZERS[1:6], {"type": "Strip", "strip_left": True, "strip_right": True}, replace(r"\s+", " ", "Regex")]:
        yield normalizer["type"], assembled(base, normalizer, byte_level(True), plain, dice, 0)
    for name, pattern in (("letters", r"\p{L}+"), ("numbers", r"\p{N}+"), ("spaces", r"\s+"), ("punctuation", r"\p{P}+"), ("symbols", r"\p{S}+"),
                          ("marks", r"\p{M}+"), ("upper", r"\p{Lu}+"), ("lower", r"\p{Ll}+"), ("words", r"\w+"), ("digits", r"\d+"),
                          ("no case", r"(?i:s|k|ss|å)+")):
        yield name, assembled(base, None, sequence(split(pattern), byte_level(False)), plain, dice, 0)
    for one in (DIGITS[0], PUNCTUATION[1], {"type": "Whitespace"}, {"type": "WhitespaceSplit"}):
        yield one["type"], assembled(base, None, sequence(one, byte_level(False)), plain, dice, 0)


def points_that_differ(path, referee, texts):
    ours = encode(path, texts)
    some = [text[1] for text, _, _ in tokenizing.differing(texts, ours, referee.ids(texts, "plain"))]
    return some


def as_ranges(points):
    ranges = []
    for point in sorted(points):
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return [tuple(one) for one in ranges]


def check_code_points(folder):
    """Every code point that may differ: alone, between others, doubled."""
    for name, file in kinds_of_points():
        path = dump_json(folder / "points.json", file)
        referee = Referee(path)
        known = {point for first, last in DIFFERENT.get(name, ()) for point in range(first, last + 1)}
        texts = list(tokenizing.code_points())
        ours = encode(path, texts, check=False)
        if isinstance(ours, str):
            findings.append(f"{name}: refused: {ours}")
            continue
        bad = [text for text, _, _ in tokenizing.differing(texts, ours, referee.ids(texts, "plain"))]
        singles = ["a%sb %s1%s%s " % (c, c, c, c) for text in bad for c in sorted({c for c in text if c not in "ab1 "})]
        points = {ord(text[1]) for text, _, _ in tokenizing.differing(singles, encode(path, singles), referee.ids(singles, "plain"))} if singles else set()
        if bad and not points:
            findings.append(f"{name}: texts of code points differ, though none does alone: {bad[0]!a}")
        new = points - known
        print(f"{name}: {len(points)} code points differ, {len(new)} of them not listed")
        if new:
            findings.append(f"{name}: code points that are not listed differ: " + " ".join(
                f"{a:04X}" if a == b else f"{a:04X}-{b:04X}" for a, b in as_ranges(new)))


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        check_real(folder)
        check_typical(folder)
        check_combinations(folder)
        check_hypothesis(folder)
        if LONG:
            check_code_points(folder)
    for finding in findings:
        print("differs:", finding)
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main())
