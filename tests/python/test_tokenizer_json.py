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
from tokenizer_files import (DIGITS, LOWER, NORMALIZERS, PRE_BYTE, PUNCTUATION, SPECIAL, TYPICAL, assembled, byte_level, combinations, flags_of, of_word_ends, replace, split,
                             typical)
from tokenizing import DATA, LONG, corpus, dump_json, encode, shortest, tell

REJECTED = -1  # any status below 0
findings = []


class Referee:
    """PyPI's tokenizers over one file."""

    def __init__(self, path):
        self.tokenizer = tokenizers.Tokenizer.from_file(str(path))
        decoder = self.tokenizer.get_added_tokens_decoder()
        self.special = {i: token.content for i, token in decoder.items() if token.special}
        model = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))["model"]
        self.unknown = model.get("unk_token")
        # Of a word that is a special token whole, the referee makes it though it is to be text.
        self.never = [content for content in self.special.values() if model.get("ignore_merges") and content in model["vocab"]]

    def ids(self, texts, special):
        self.tokenizer.encode_special_tokens = special == "plain"
        found = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        if special == "reject":
            return [REJECTED if self._spells(text, one) else one.ids for text, one in zip(texts, found)]
        return [one.ids for one in found]

    def _spells(self, text, encoding):
        """Whether a special token was found in a text; unknown characters become one, too."""
        return any(i in self.special and (self.special[i] != self.unknown or self.unknown.lower() in text[start:end].lower())
                   for i, (start, end) in zip(encoding.ids, encoding.offsets))


def tell_finding(text):
    findings.append(text)
    print("differs:", text, flush=True)


def ids_of(path, texts, special):
    ours = encode(path, texts, special, check=False)
    return ours if isinstance(ours, str) else [REJECTED if isinstance(one, int) else one for one in ours]


def compare(what, path, texts, special="plain", referee=None):
    """The first text of those that differ goes to the findings, made short."""
    referee = referee or Referee(path)
    if special != "parse":
        texts = [text for text in texts if not any(never in text for never in referee.never)]
    ours = ids_of(path, texts, special)
    if isinstance(ours, str):
        tell_finding(f"{what}: refused: {ours}")
        return
    bad = tokenizing.differing(texts, ours, referee.ids(texts, special))
    if not bad:
        return

    def differ(some):
        return [a != b for a, b in zip(ids_of(path, some, special), referee.ids(some, special))]

    text = min((text for text, _, _ in bad), key=len)
    text = shortest(text, differ) if len(text) < 20000 else text
    tell_finding(f"{len(bad)} of {len(texts)} texts, " + tell(
        f"{special}, {what}", text, ids_of(path, [text], special)[0], referee.ids([text], special)[0]))


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
    print(f"{n} combinations", flush=True)


def check_hypothesis(folder):
    """Texts that hypothesis finds."""
    texts = []

    @settings(max_examples=2000 if LONG else 200, database=None, deadline=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SPECIAL + tokenizing.ODD)), max_size=6).map("".join))
    def collect(text):
        texts.append("".join(c for c in text if ord(c) not in tokenizing.NEW))

    collect()
    for name in TYPICAL:
        compare(f"{name}, hypothesis", dump_json(folder / "h.json", typical(name)), texts, "parse")


# Classes of characters that regular expressions name, each as a pattern: its own, or one that holds it.
CLASSES = {
    "letters": r"\p{L}", "numbers": r"\p{N}", "spaces": r"\s", "punctuation": r"\p{P}", "symbols": r"\p{S}", "marks": r"\p{M}", "upper": r"\p{Lu}",
    "lower": r"\p{Ll}", "words": r"\w", "digits": r"\d", "no case": r"(?i:k|s|x)", "alphabetic": "[[:alpha:]]", "alnum": "[[:alnum:]]",
    "uppercase": "[[:upper:]]", "lowercase": r"\p{Lower}",
    **{name: f"\\p{{{name}}}" for name in ("Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Z Cc Cf Co "
                                            "Han Hiragana Katakana Latin Greek Cyrillic").split()},
}


def kinds_of_points():
    """(name, what tells of a character, file): normalizers by pieces of bytes, cuts by pieces of ends of words."""
    dice = random.Random(1)
    plain = {"ignore_merges": False, "fuse_unk": False}
    for normalizer in [*NORMALIZERS[1:6], {"type": "Strip", "strip_left": True, "strip_right": True}, replace(r"\s+", " ", "Regex")]:
        yield normalizer["type"], tokenizing.around, assembled("across", normalizer, byte_level(True), plain, dice, 0)
    for name, pattern in CLASSES.items():
        yield name, tokenizing.between, of_word_ends(split(pattern))
    for one in (DIGITS[1], PUNCTUATION[1], {"type": "Whitespace"}, {"type": "WhitespaceSplit"}):
        yield one["type"], tokenizing.between, of_word_ends(one)


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
    for name, around, file in kinds_of_points():
        path = dump_json(folder / "points.json", file)
        referee = Referee(path)
        known = tokenizing.known_points(name)
        texts = list(tokenizing.code_points(around))
        ours = encode(path, texts, check=False)
        if isinstance(ours, str):
            tell_finding(f"{name}: refused: {ours}")
            continue
        bad = [text for text, _, _ in tokenizing.differing(texts, ours, referee.ids(texts, "plain"))]
        singles = [(c, around(c)) for text in bad for c in sorted(set(text) - set("ab1- \u0345\u0323\u0301"))]
        points = {ord(c) for (c, text), a, b in zip(singles, encode(path, [text for _, text in singles]), referee.ids(
            [text for _, text in singles], "plain")) if a != b}
        if bad and not points:
            tell_finding(f"{name}: texts of code points differ, though none does alone: {bad[0]!a}")
        new = points - known
        print(f"{name}: {len(points)} code points differ, {len(new)} of them not listed")
        if new:
            tell_finding(f"{name}: code points that are not listed differ: " + " ".join(
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
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main())
