# SPDX-License-Identifier: Apache-2.0
"""Texts that tokenizers may differ on, our ids of them, and the comparison with a referee."""
import io
import json
import os
import pathlib
import random
import struct
import subprocess
import sys
import tarfile
import unicodedata

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "tests/programs/tokenize_texts"
DATA = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared")) / "data"
LONG = os.environ.get("TOKENIZERS_LONG") == "1"  # make check-tokenizers

# Code points of which the linked tables (utf8proc 2.8: Unicode 15; PCRE2 10.42: Unicode 14) and those of tokenizers
# 0.23 (normal forms: Unicode 9 or so; the rest: 16 or 17) know different things, by what makes the difference, ranges
# with both ends. tools/README.md says so in words.
FORMS = (
    "07FD 0898-089F 08CA-08D3 09FE 0C3C 0D3B-0D3C 0EBA 1715 1ABF-1ACE 1DF6-1DFA A82C 10D24-10D27 10EAB-10EAC 10EFD-10EFF 10F46-10F50 "
    "10F82-10F85 11070 1133B 1145E 11839-1183A 1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97 11F41-11F42 16FF0-16FF1 "
    "1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF 11938")
WIDE = "32FF A7F2-A7F4 AB69 10781-10785 10787-107B0 107B2-107BA 1E030-1E06D 1F16C 1FBF0-1FBF9"
NEWER = (
    "0897 0CF3 0ECE 1B4E-1B4F 1B7F 1C89-1C8A 2427-2429 2FFC-2FFF 31E4-31E5 31EF A7CB-A7CD A7DA-A7DC 105C0-105F3 10D40-10D65 "
    "10D69-10D85 10D8E-10D8F 10EC2-10EC4 10EFC-10EFF 1123F-11241 11380-11389 1138B 1138E 11390-113B5 113B7-113C0 113C2 113C5 "
    "113C7-113CA 113CC-113D5 113D7-113D8 113E1-113E2 116D0-116E3 11B00-11B09 11BC0-11BE1 11BF0-11BF9 11F00-11F10 11F12-11F3A "
    "11F3E-11F5A 1342F 13440-13455 13460-143FA 16100-16139 16D40-16D79 18CFF 1B132 1B155 1CC00-1CCF9 1CD00-1CEB3 1D2C0-1D2D3 "
    "1DF25-1DF2A 1E030-1E06D 1E08F 1E4D0-1E4F9 1E5D0-1E5FA 1E5FF 1F6DC 1F774-1F776 1F77B-1F77F 1F7D9 1F8B2-1F8BB 1F8C0-1F8C1 "
    "1FA75-1FA77 1FA87-1FA89 1FA8F 1FAAD-1FAAF 1FABB-1FABF 1FAC6 1FACE-1FACF 1FADA-1FADC 1FADF 1FAE8-1FAE9 1FAF7-1FAF8 "
    "1FBCB-1FBEF 2B739 2EBF0-2EE5D 31350-323AF")
POINTS = (  # characters of punctuation that tokenizers' own, older list lacks, or has
    "061D 09FD 0A76 0C77 0C84 166D 1B7D-1B7E 2E43-2E4F 2E52-2E5D 10EAD 10F55-10F59 10F86-10F89 111C9 1144B-1144F "
    "1145A-1145B 1145D 11660-1166C 116B9 1183B 11944-11946 119E2 11A3F-11A46 11A9A-11A9C 11A9E-11AA2 11C41-11C45 "
    "11C70-11C71 11EF7-11EF8 11FFF 12FF1-12FF2 16E97-16E9A 16FE2 1E95E-1E95F")
ALPHABETIC = "0363-036F 0C04 0F82-0F83 1DD3-1DE6 11080-11081"  # marks that became so
DIFFERENT = {
    "NFC": FORMS, "NFD": FORMS, "NFKC": f"{FORMS} {WIDE}", "NFKD": f"{FORMS} {WIDE}",
    "Lowercase": "1C89 A7CB-A7CC A7CE A7D2 A7D4 A7DA A7DC 10D50-10D65 16EA0-16EB8",
    **dict.fromkeys(("letters", "numbers", "punctuation", "symbols", "marks", "upper", "lower", "words", "digits", "uppercase"), NEWER),
    **dict.fromkeys("Lt Lm Lo Nd Nl No Pc Pd Po Sm Sc So Han Hiragana Katakana Latin Greek Cyrillic".split(), NEWER),
    "Mn": f"{NEWER} 1171E", "Mc": f"{NEWER} 1171E", "Cf": f"{NEWER} 13439-1343F",
    "alphabetic": f"{NEWER} {ALPHABETIC}", "alnum": f"{NEWER} {ALPHABETIC}", "lowercase": f"{NEWER} 10FC A7F2-A7F4 AB69",
    "Digits": f"{NEWER} 11DE0-11DE9 16FF4-16FF6", "Punctuation": f"{NEWER} {POINTS}", "Whitespace": NEWER,
}


def known_points(name):
    """Those that are listed of a kind."""
    points = set()
    for word in DIFFERENT.get(name, "").split():
        first, _, last = word.partition("-")
        points.update(range(int(first, 16), int(last or first, 16) + 1))
    return points


# What the comparisons of texts leave to that of code points.
NEW = {point for name in DIFFERENT for point in known_points(name)}

# One text each of what has surprised tokenizers.
ODD = [
    "", " ", "  ", "\n", "\t", "\r\n", " \n ", "\n\n\n", "a", " a", "a ", "  a  ", "a\u00a0b", "a\u3000b", "a\u200bb", "a\u2028b\u2029c\x85d",
    "I'm you're he'S IT'LL we'd they've 'tis 's'S ſ'ſ", "it\u2019s don\u2019t", "''''s", "Hello, world!", "HELLO World mIxEd",
    "1 12 123 1234 12345 3.14159 1e-10 0x7f 1,234,567", "١٢٣ ٤ Ⅷ ½ ² ௧௨௩ 𝟘𝟙 〇一二三", "a1b22c333", "x=1;y=[2,3];z={'k':\"v\"}",
    "\u0130stanbul \u0131 I\u0307 ǅ ŉ ß ẞ ﬀ ΑΣ Σ ΣΑΣ ΟΔΟΣ. ΟΔΟΣ' ΑΣ\u0301 Σ\u00adα \u03a3", "é e\u0301 \u0301 e\u0301\u0301 \u1e9b\u0323 \u0344 Å \u212b ﬁ ﷺ \u0958",
    "\u1100\u1161\u11a8 각 \uac00\u11a8 한국어 \u3131", "q\u0307\u0323 q\u0323\u0307 \u0f73\u0f75 \u0345\u0301 a" + "\u0301" * 40 + "\u0323" * 40,
    "吾輩は猫である。名前はまだ無い。", "中文，测试！", "ไทยไม่มีวรรค", "हिन्दी में", "العربيّة", "עִברִית", "ᚠᛇᚻ", "𐍈𐌰", "\U000e0001\U000e0041",
    "🦙 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 👍🏽 ☺️ ☺ 1️⃣ \U0001f9d1\u200d\U0001f680", "\ud7ff\ue000\ufffd\uffff\ufffe\U00010000\U0010ffff\ufdd0",
    "\ufeffbom", "a\0b\0", "\x01\x02\x1b[0m\x7f\x80\x9f", "\u00ad\u034f\u061c\u180e\u2060\ufe0f", "<s>", "</s>", "<unk>", "<0x41>", "<0x0A>", "▁", "▁▁ ▁a a▁b", "Ġ Ċ ĠĠa",
    "def f(x):\n    return x + 1  # comment\n\n\nclass A:\n\tpass\n", "https://example.com/a?b=c&d=%20#e", "--- *** ___ === ...", "a-b_c.d", "\t\t  \t x", "a   b    c",
    "end with spaces   ", "end with newline\n", "end\r", "\r\r\n\n\r", "trailing tab\t", "\u3000\u3000", "a\u2003\u2003b", "\x1c\x1d\x1e\x1f\x0b\x0c",
    "##a a##", "</w> a</w>", "word</w>word", "$100 €50 +1 <=> ^ ` | ~ © ™ ¬", "“quoted” ‘single’ «g» …—–", "_under_ __init__", "¿Qué? ¡Sí!", "@user #tag",
]


def white_space():
    spaces = [chr(c) for c in range(0x110000) if chr(c).isspace()] + ["\u200b", "\u180e", "\ufeff", "\u2060"]
    yield "".join(spaces)
    yield "a".join(spaces)
    for one in spaces:
        yield f"a{one}b{one}{one}c {one} d{one}\n{one}"
        yield one * 3 + "x" + one * 2


def combining(seed=1):
    dice = random.Random(seed)
    marks = [chr(c) for c in range(0x300, 0x1f000) if unicodedata.combining(chr(c)) and c not in NEW]
    for _ in range(300 if LONG else 60):
        yield "".join(dice.choice("aeoqKΩа각ㄱ가\u1100\u1161") + "".join(dice.choices(marks, k=dice.randrange(5))) for _ in range(12))


def random_texts(n, seed, special=()):
    """Of pieces of the odd texts, words, ranges and special tokens, whole and cut."""
    dice = random.Random(seed)
    words = "the of and cat Photograph ein Straße 猫 です ла мир 12 2024 ' , . ! ( ) \n   \t".split(" ") + [" ", "  "]
    pieces = [text for text in ODD if text]
    for _ in range(n):
        made = []
        for _ in range(dice.randrange(1, 25)):
            kind = dice.randrange(10 if special else 7)
            if kind < 3:
                made.append(dice.choice(words) + dice.choice(["", " "]))
            elif kind < 5:
                piece = dice.choice(pieces)
                start = dice.randrange(len(piece))
                made.append(piece[start:start + dice.randrange(1, 8)])
            elif kind == 5:
                made.append("".join(chr(c) for c in dice.choices(dice.choice(
                    [range(0x20, 0x7f), range(0xa0, 0x250), range(0x370, 0x600), range(0x900, 0xe00), range(0x1e00, 0x2c00),
                     range(0x3000, 0x3200), range(0x4e00, 0x5000), range(0xf900, 0xfdd0), range(0x1f300, 0x1fa00)]), k=4)))
            elif kind == 6:
                made.append(dice.choice(["a", "1", " ", "é", "猫", "\n", "-"]) * dice.randrange(1, 40))
            else:
                token = dice.choice(special)
                made.append(dice.choice([token, " " + token + " ", token[:-1], token[1:], "x" + token, token + "x", token.upper(), token * 2]))
        yield "".join(c for c in "".join(made) if ord(c) not in NEW)


def random_bytes(n, seed):
    """Bytes made valid: what cannot be is U+FFFD."""
    dice = random.Random(seed)
    for _ in range(n):
        made = dice.randbytes(dice.randrange(1, 200)).decode("utf-8", "replace")
        yield "".join(c for c in made if ord(c) not in NEW)
        yield "".join(chr(c if not 0xd800 <= c < 0xe000 and c not in NEW else 0xfffd) for c in
                      (dice.randrange(0x110000) for _ in range(dice.randrange(1, 30))))


def long_runs(n):
    for one in ("a", " ", "1", "é", "猫", "\n", "-", "ab", "🦙", "a ", "\u0301"):
        yield one * n


def shared_texts():
    """Texts and captions of the shared data; none where it is not there."""
    for path in sorted((DATA / "spm").glob("*.txt")):
        text = path.read_text(encoding="utf-8")
        yield from text.split("\n")
        yield from (text[i:i + 10000] for i in range(0, len(text), 10000))
    for path in sorted((DATA / "pairs").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith((".txt", ".json", ".caption")):
                    yield tar.extractfile(member).read().decode("utf-8", "replace")


def is_one_of_many(point):
    """Within a range of which all are alike: ideographs, syllables, private and unassigned ones."""
    return (0x3500 <= point < 0x4d00 or 0x4e80 <= point < 0x9f00 or 0xac40 <= point < 0xd780 or 0xe080 <= point < 0xf880
            or 0x17100 <= point < 0x18600 or 0x20100 <= point < 0x2a600 or 0x2b900 <= point < 0x2cd00 or 0x2ce00 <= point < 0x2eb00
            or 0x30100 <= point < 0x31300 or 0x34000 <= point < 0xe0000 or 0xe1000 <= point < 0x10ff00)


def around(c):
    """A text that tells what becomes of a character, and how it is ordered among marks."""
    return f"a{c}b {c}1{c}{c} a\u0345{c}\u0323{c}\u0301{c}"


def between(c):
    """A text that tells how a character is cut off from a letter, a number and a sign."""
    return f"a{c}b -{c}- 1{c}1{c}{c} "


def code_points(around):
    """All that may be treated differently, some in a text; around(character): what tells of it."""
    for start in range(0, 0x110000, 32):
        some = [chr(c) for c in range(start, start + 32) if not 0xd800 <= c < 0xe000 and not is_one_of_many(c)]
        if some:
            yield "".join(map(around, some))


def corpus(special=(), n=None, seed=3):
    """The texts of a comparison; with TOKENIZERS_LONG more of each."""
    n = n or (1500 if LONG else 150)
    texts = list(ODD) + list(white_space()) + list(combining())
    texts += list(random_texts(n, seed, special)) + list(random_bytes(n // 5, seed + 1))
    return texts


def encode(path, texts, special="plain", pattern=None, pieces=None, check=True):
    """Our ids of each text, or the status (below 0) that it is refused with."""
    blob = io.BytesIO()
    for text in texts:
        data = text if isinstance(text, bytes) else text.encode()
        blob.write(struct.pack("<I", len(data)) + data)
    arguments = [PROGRAM, path, special, pattern or "", *(f"{piece}={i}" for piece, i in (pieces or {}).items())]
    done = subprocess.run(arguments, input=blob.getvalue(), capture_output=True)
    if done.returncode:
        assert done.returncode == 1 and done.stderr.count(b"\n") == 1, (arguments, done.returncode, done.stderr[-2000:])
        assert not check, done.stderr.decode()
        return done.stderr.decode().rstrip("\n")
    found, at = [], 0
    while at < len(done.stdout):
        n, = struct.unpack_from("<i", done.stdout, at)
        at += 4
        found.append(n if n < 0 else list(struct.unpack_from(f"<{n}I", done.stdout, at)))
        at += 4 * max(n, 0)
    assert len(found) == len(texts), f"{len(found)} of {len(texts)} texts"
    return found


def differing(texts, ours, expected):
    return [(text, a, b) for text, a, b in zip(texts, ours, expected, strict=True) if a != b]


def shortest(text, differ):
    """A small part of a text that still differs: pieces are left out, as long as that is so. differ(texts): of each, whether."""
    step = max(len(text) // 2, 1)
    for _ in range(40):
        parts = [part for part in (text[:at] + text[at + step:] for at in range(0, len(text), step)) if part][:200]
        found = next((part for part, is_bad in zip(parts, differ(parts)) if is_bad), None) if parts else None
        if found is not None:
            text = found
        elif step == 1:
            break
        step = max(min(step, len(text)) // (1 if found is not None else 2), 1)
    return text


def show(text):
    return ascii(text if len(text) < 120 else text[:120] + "...")


def tell(what, text, ours, expected):
    """A finding in one line."""
    return f"{what}: {show(text)}: ours {str(ours)[:150]}, expected {str(expected)[:150]}"


def dump_json(path, value):
    pathlib.Path(path).write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


def skip(why):
    print(why)
    sys.exit(77)
