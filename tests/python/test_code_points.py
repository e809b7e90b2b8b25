# SPDX-License-Identifier: Apache-2.0
"""What becomes of every code point, by normalizers, classes of regular expressions and pre-tokenizers, is what PyPI's
tokenizers makes of it, but for those that tokenizing.DIFFERENT lists (make check-tokenizers)."""
import pathlib
import random
import sys
import tempfile

try:
    import tokenizers  # noqa: F401
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import tokenizing
from tokenizer_files import DIGITS, NORMALIZERS, PUNCTUATION, assembled, byte_level, of_word_ends, replace, split
from tokenizers_referee import Referee
from tokenizing import dump_json, encode

findings = []

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
            findings.append(f"{name}: refused: {ours}")
            continue
        bad = [text for text, _, _ in tokenizing.differing(texts, ours, referee.ids(texts, "plain"))]
        singles = [(c, around(c)) for text in bad for c in sorted(set(text) - set("ab1- \u0345\u0323\u0301"))]
        points = {ord(c) for (c, text), a, b in zip(singles, encode(path, [text for _, text in singles]), referee.ids(
            [text for _, text in singles], "plain")) if a != b}
        if bad and not points:
            findings.append(f"{name}: texts of code points differ, though none does alone: {bad[0]!a}")
        new = points - known
        print(f"{name}: {len(points)} code points differ, {len(new)} of them not listed")
        if new:
            findings.append(f"{name}: code points that are not listed differ: " + " ".join(
                f"{a:04X}" if a == b else f"{a:04X}-{b:04X}" for a, b in as_ranges(new)))


def main():
    with tempfile.TemporaryDirectory() as temporary:
        check_code_points(pathlib.Path(temporary))
    for finding in findings:
        print("differs:", finding)
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main())
