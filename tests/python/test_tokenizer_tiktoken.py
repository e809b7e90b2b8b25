# SPDX-License-Identifier: Apache-2.0
"""Ids by .tiktoken files equal those of PyPI's tiktoken, for each known pattern and for others, in all modes of
special tokens."""
import base64
import json
import pathlib
import sys
import tempfile

try:
    import tiktoken
    import tokenizers  # noqa: F401 - trains the ranks
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import tokenizing
from tokenizer_files import CL100K, CL100K_OWN, GPT2, O200K, QWEN2, bases
from tokenizing import DATA, LONG, corpus, encode, shortest, tell

# By the names that --pattern knows, what tiktoken itself, or its users, give it.
PATTERNS = {"gpt2": GPT2, "cl100k": CL100K, "o200k": O200K, "qwen2": QWEN2, "llama3": CL100K}
OTHERS = (r"\p{L}+|\p{N}|[^\p{L}\p{N}]+", r"\w+|\W", r"[\s\S]", r"\S+\s*|\s+", r"\b\w+|.|\n")
# What Oniguruma, of tokenizer.json, reads differently, or not at all.
FANCY = (
    r"^a", r"b$", r"^ab$", r"(?m:^a|b$)", r"(?m)^a|b$", r"\Aab", r"b\z", r"\p{N}{1,2}+", r"a{1,2}+b|a", r"a{2}?", r"a{,2}b", r"(?:a|ab){1,2}+c|b",
    r"\w+", r"\W+", r"[\w-]+", r"[^\w]+", r"\b\w+", r"\Ba", r"[[:alpha:]]+", r"[[:alnum:]_]+", r"[[:^alpha:]]+", r"[[:space:]]+", r"[[:punct:]]+",
    r"[[:word:]]+", r"[[:upper:][:digit:]]+", r"(?i:[[:lower:]])+", r"\pL+", r"\PL+", r"[\pL\pM]+", r"(?s:.)+", r"(?s)a.b", r".+", r"(?i:\u00e9)+", r"(?i:\u03c3)+",
    r"(?i:ss)", r"(?i:s)+", r"(?i:k)\s*(?i:k)", r"(?i)[^\u00e9a]+", r"(?i:[[^a]b])+", r"(?i:[^[^a]])+", r"(?i:[a-z&&[^b]])+", r"\x{e9}|\xe9\u{31}", r"[\xe0-\xff]+",
    r"\u{61}b", r"\h+", r"[a-z&&[^b]]+", r"(?<=a)b", r"(?:\s*a*)*b", r"(?>a|ab)c|b", r"\s+(?!\S)", r"[^ab]+")
REFUSED = (  # what may not mean the same
    r"b\Z", r"\Ra", r"\X", r"\Ka", r"\Ga", r"\N", r"[a-b--b]+", r"[a--b]", r"[!--b]", r"[ab~~b]", r"\<a", r"a\>", r"a**", r"a{2}{3}", r"a*?+", r"(?x: a)", r"(?U:a+)",
    r"a(?i)b", r"\p{^L}", r"[[:nonesuch:]]", r"(?i:[[:^alpha:]])", r"(?i:\w)", r"(?<n>a)", r"(a)\1", "(?i:\\\u00e9)")
CUT = ["ab", "a b", "ab\nab", "ab\n", "\u00e9\u732b", "ABab", "a\u200db", "\u200cb", "\u06621", "a_b", "\u017fs", "\u212a k", "a\r\nb", "x\u0301y", "a-b", "ab ab", "\n\n",
       "a\u00e91", "\u00c9\u00e9", "\u00a0 a", "a\u2028b", "[a]", "a]b", "\x85a", "\u0391\u03a3\u03c2", "\u0130i", "\u00dfSS", "a\u00b2b\u00bd", "12345678", "  \n  \n", "a  \n b",
       "aabc", "abcaab", "\u24d0a", "aBAb"]
SETS = (r"\w", r"[^\w]", r"\d", r"\s", r"\p{Lu}", r"[[:^punct:]]", r"(?i:[a-z])", r"(?i:[^k\u017f])", r"(?i:[\x{80}-\x{24f}\u03c3\u01c5])", r"(?i:\u1e9e)", r"\h", r"\p{Greek}")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user", "<s>")
UNMATCHED = -10  # SHARD_EUNMATCHED
findings = []


def byte_values():
    """GPT-2's letters for bytes -> the bytes."""
    shown = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    hidden = [b for b in range(256) if b not in shown]
    return {chr(c): b for c, b in [*((b, b) for b in shown), *((0x100 + i, b) for i, b in enumerate(hidden))]}


def ranks_of(file):
    letters = byte_values()
    pieces = {tuple(file["model"]["vocab"].items())} and file["model"]["vocab"]
    return {bytes(letters[c] for c in piece): i for piece, i in pieces.items()}


def write(path, ranks):
    path.write_bytes(b"".join(base64.b64encode(piece) + b" %d\n" % rank for piece, rank in sorted(ranks.items(), key=lambda one: one[1])))
    return path


def expected(encoding, texts, special):
    if special == "plain":
        return [encoding.encode_ordinary(text) for text in texts]
    found = []
    for text in texts:
        try:
            found.append(encoding.encode(text, allowed_special="all" if special == "parse" else set(),
                                         disallowed_special=() if special == "parse" else "all"))
        except ValueError:
            found.append(-1)
    return found


def compare(what, path, ranks, pattern, texts, given):
    """given: the pattern as our program is given it."""
    pieces = {piece: len(ranks) + i for i, piece in enumerate(SPECIAL)}
    encoding = tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens=pieces)
    for special in ("plain", "parse", "reject"):
        def ours(some):
            found = encode(path, some, special, given, pieces, check=False)
            return found if isinstance(found, str) else [-1 if isinstance(one, int) else one for one in found]
        made = ours(texts)
        if isinstance(made, str):
            findings.append(f"{what}: refused: {made}")
            return
        bad = tokenizing.differing(texts, made, expected(encoding, texts, special))
        if bad:
            text = shortest(bad[0][0], lambda some: [a != b for a, b in zip(ours(some), expected(encoding, some, special))])
            findings.append(f"{len(bad)} of {len(texts)}, " + tell(f"{special}, {what}", text, ours([text])[0], expected(encoding, [text], special)[0]))


def telling(texts):
    """Ranks of all parts of texts, so that a word has one id, which tells where it is cut."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    for n in range(2, max(len(text.encode()) for text in texts) + 1):
        for text in map(str.encode, texts):
            for at in range(len(text) - n + 1):
                ranks.setdefault(text[at:at + n], len(ranks))
    return ranks


def check_fancy(folder):
    """Expressions are read as tiktoken reads them."""
    ranks = telling(CUT)
    path = write(folder / "telling.tiktoken", ranks)
    own = CL100K_OWN.replace("{1,3}+", "{1,2}+"), CL100K_OWN + "+", CL100K_OWN
    for pattern in [*(f"{pattern}|(?s:.)" for pattern in FANCY), *own]:
        encoding = tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        made = encode(path, CUT, "plain", pattern, check=False)
        if isinstance(made, str):
            findings.append(f"{pattern}: refused: {made}")
            continue
        for text, ours, theirs in tokenizing.differing(CUT, made, map(encoding.encode_ordinary, CUT)):
            findings.append(tell(pattern, text, ours, theirs))
    for pattern in REFUSED:
        made = encode(path, ["a"], "plain", f"{pattern}|(?s:.)", check=False)
        if not isinstance(made, str) or " at byte " not in made:
            findings.append(f"{pattern}: is not refused by its place: {made}")


def check_sets(folder):
    """A set has the characters that it has for tiktoken."""
    ranks = {bytes([byte]): byte for byte in range(256)}
    path = write(folder / "bytes.tiktoken", ranks)
    points = [chr(c) for c in range(0x110000) if not 0xd800 <= c < 0xe000 and c not in tokenizing.NEW
              and (c < 0x3000 or (LONG or c % 8 == 3) and not tokenizing.is_one_of_many(c))]
    for pattern in SETS:
        encoding = tiktoken.Encoding("test", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        made = [one != UNMATCHED for one in encode(path, points, "plain", pattern)]
        bad = tokenizing.differing(points, made, [bool(encoding.encode_ordinary(point)) for point in points])
        if bad:
            findings.append(f"{pattern}: {len(bad)} characters, as U+{ord(bad[0][0]):04X}: in it {bad[0][1]}")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        small = ranks_of(bases()["gpt2"][0])
        path = write(folder / "small.tiktoken", small)
        texts = corpus(SPECIAL)
        for name, pattern in PATTERNS.items():
            compare(name, path, small, pattern, texts, name)
            compare(f"{name}, as a regex", path, small, pattern, texts, pattern)
        for pattern in OTHERS:
            compare(pattern, path, small, pattern, texts, pattern)
        check_fancy(folder)
        check_sets(folder)
        real = DATA / "tokenizers/qwen2.5/tokenizer.json"
        if real.is_file():
            ranks = ranks_of(json.loads(real.read_text()))
            shared = list(tokenizing.shared_texts())
            compare("qwen2.5 as tiktoken", write(folder / "qwen.tiktoken", ranks), ranks, QWEN2, shared if LONG else shared[::9], "qwen2")
    for finding in findings:
        print("differs:", finding)
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main())
