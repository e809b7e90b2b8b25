# SPDX-License-Identifier: Apache-2.0
"""SentencePiece BPE models trained here in many ways, and some made odd by hand: their ids equal
those of PyPI's sentencepiece and of the linked library; and each is encoded word by word
just where the proof of shard/tokenizer/spm/spm_vocabulary.c covers it."""

import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

try:
    import sentencepiece
except ImportError:
    print("the sentencepiece package is not installed")
    sys.exit(77)

import tokenizing

PROGRAMS = pathlib.Path(os.environ.get("BUILD", "build")) / "tests/programs"
LINES = ["The quick brown fox jumps over the lazy dog, and the other dogs jump over the fox.",
         "A photograph of 12 red bicycles (1987) leaning against the old stone wall.",
         "There is nothing either good or bad, but thinking makes it so; there was nothing else.",
         "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。", "naïve café déjà vu --- a-b--c----d",
         "Ｆｕｌｌｗｉｄｔｈ and half, aaaa aaaaaaa aaaaaaaaaaaaa", "indent    by    four        by eight"] * 20
SPACE = "\u2581"
WORDS, LIBRARY = "words", "library"

# What trains a model: whether its words may be encoded one by one.
TRAINED = {
    "default": (WORDS, {}),
    "nmt_nfkc_cf": (WORDS, {"normalization_rule_name": "nmt_nfkc_cf"}),
    "nfkc": (WORDS, {"normalization_rule_name": "nfkc"}),
    "identity": (WORDS, {"normalization_rule_name": "identity"}),
    "extra_kept": (WORDS, {"remove_extra_whitespaces": False}),
    "no_prefix": (WORDS, {"add_dummy_prefix": False}),
    "llama": (WORDS, {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "byte_fallback": True,
                      "split_digits": True, "allow_whitespace_only_pieces": True}),
    "bare": (WORDS, {"normalization_rule_name": "identity", "remove_extra_whitespaces": False, "add_dummy_prefix": False}),
    "spaces": (WORDS, {"normalization_rule_name": "identity", "remove_extra_whitespaces": False,
                       "allow_whitespace_only_pieces": True, "vocab_size": 400}),
    "suffix": (WORDS, {"treat_whitespace_as_suffix": True}),
    "suffix_kept": (WORDS, {"treat_whitespace_as_suffix": True, "remove_extra_whitespaces": False, "byte_fallback": True}),
    "suffix_spaces": (WORDS, {"treat_whitespace_as_suffix": True, "remove_extra_whitespaces": False,
                              "allow_whitespace_only_pieces": True, "normalization_rule_name": "identity"}),
    "not_split": (LIBRARY, {"split_by_whitespace": False}),
    "one_script": (WORDS, {"split_by_unicode_script": False, "split_by_number": False}),
    "symbols": (WORDS, {"user_defined_symbols": ["<user>", "<u", "the", "th", "a", SPACE + SPACE, SPACE + "o", "\ufffd",
                                                 "\uff26", "é"]}),
    "symbols_identity": (WORDS, {"user_defined_symbols": ["<user>", "the", SPACE * 3], "byte_fallback": True,
                                 "normalization_rule_name": "identity", "remove_extra_whitespaces": False}),
    "symbol_across": (LIBRARY, {"user_defined_symbols": ["x" + SPACE + "y"]}),
    "symbol_long": (LIBRARY, {"user_defined_symbols": ["<" + "x" * 70 + ">"]}),
    "symbol_space": (LIBRARY, {"user_defined_symbols": ["a b"]}),
    "rules": (WORDS, {"normalization_rule_tsv": "61 62\t63\n74 68 65 20\t78 20\n2D 2D\t20 2D 20\n7A\t\n"}),
    "control": (WORDS, {"control_symbols": ["<ctl>", "ther"]}),
    "control_character": (LIBRARY, {"control_symbols": ["q"]}),
}

# Where versions of the library differ: an old one fails of a text with such a control piece, a new one
# refuses some of them, and takes 0 for more than -0. Ours are the linked one's.
VERSIONS = ("control_character", "control_like_piece", "control_like_symbol", "scores_zeros", "score_nan")


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def split(model):
    """(the messages of the pieces, all that stands behind them)"""
    pieces, at = [], 0
    while model[at] == 0x0A:
        length, shift, at = 0, 0, at + 1
        while True:
            byte, at = model[at], at + 1
            length, shift = length | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        pieces.append(model[at:at + length])
        at += length
    return pieces, model[at:]


def join(pieces, rest):
    return b"".join(b"\x0a" + varint(len(p)) + p for p in pieces) + rest


def with_scores(pieces, scores):
    return [p + b"\x15" + struct.pack("<f", s) for p, s in zip(pieces, scores)]


def edited(model):
    """name -> (how it is encoded, model): of a field that stands twice, the last one counts"""
    pieces, rest = split(model)
    n, rng = len(pieces), random.Random(1)
    shuffled = [-float(i) for i in range(n)]
    rng.shuffle(shuffled)
    normal = [i for i, p in enumerate(pieces) if b"\x18" not in p[-2:-1]]
    texts = {p[2:2 + p[1]].decode(): i for i, p in enumerate(pieces)}

    def change(i, fields):
        return join(pieces[:i] + [pieces[i] + fields] + pieces[i + 1:], rest)

    lacking = list(pieces)
    for character in "eoz.":  # parts of pieces, but none themselves
        lacking[texts[character]] += b"\x0a\x05" + b"+" + f"{ord(character):04}".encode()
    like = pieces[:2] + [pieces[2] + b"\x0a\x02th"] + pieces[3:]
    like[texts["th"]] += b"\x18\x04"
    long = b"\x0a" + varint(300) + b"y" * 300
    return {
        "scores_equal": (WORDS, join(with_scores(pieces, [0.0] * n), rest)),
        "scores_zeros": (WORDS, join(with_scores(pieces, [rng.choice((0.0, -0.0, -1.0)) for i in range(n)]), rest)),
        "scores_shuffled": (WORDS, join(with_scores(pieces, shuffled), rest)),
        "scores_infinite": (WORDS, join(with_scores(pieces, [rng.choice((float("-inf"), float("inf"), -1.0))
                                                             for i in range(n)]), rest)),
        "score_nan": (LIBRARY, change(normal[-1], b"\x15" + struct.pack("<f", float("nan")))),
        "space_lacking": (WORDS, change(texts[SPACE], b"\x0a\x02+_")),
        "control_like_piece": (LIBRARY, change(2, b"\x0a\x02th")),
        "control_like_symbol": (LIBRARY, join(like, rest)),
        "characters_lacking": (WORDS, join(lacking, rest)),
        "unused": (LIBRARY, change(texts["th"], b"\x18\x05")),
        "no_such_type": (WORDS, change(texts["th"], b"\x18\x09")),
        "across": (LIBRARY, change(normal[-1], b"\x0a\x05x" + SPACE.encode() + b"y")),
        "no_utf8": (WORDS, change(normal[-1], b"\x0a\x02\xe3\x81")),
        "long": (LIBRARY, change(normal[-1], long)),
        "not_escaped": (LIBRARY, model + b"\x1a\x02\x28\x00"),
        "unknown_character": (LIBRARY, change(0, b"\x0a\x01%")),
    }


def texts_for(model):
    rng = random.Random(2)
    bits = [" ", "  ", "   ", "\t", "\r", SPACE, SPACE * 2, "\u3000", "\u00a0", "\u200b", "\ufeff", "\u0301", "e\u0301", "\uff21",
            "\ufdfa", "か\u3099", "½", "🦙", "\ufffd", "\U0010ffff", "<s>", "</s>", "<unk>", "<0x41>", "<user>", "<u", "q", "x y",
            "the", "a", "a b", "\0", "-", "--", "aaa", "zz"]
    pieces = [p[2:2 + p[1]] for p in split(model)[0]]
    texts = [line.encode() for line in LINES[:7]] + [s.encode() for s in bits]
    texts += [b"\xff", b"a\xe2\x96", b"\xe2\x96\x81\xe2", b"\xed\xa0\x80 \xc0\x80 \xf4\x90\x80\x80", b"\xe3\x81 \xe2\x96\x81",
              bytes(i for i in range(256) if i != 10)]
    texts += [s.encode() * 20000 for s in ("a", " ", "-", SPACE, "a ", "é", "\0", "<u")]
    for i in range(1000):
        parts = []
        for k in range(rng.randrange(1, 12)):
            choice = rng.randrange(4)
            if choice == 0:
                parts.append(rng.choice(bits).encode())
            elif choice == 1:
                parts.append(rng.choice(pieces))
            elif choice == 2:
                parts.append(rng.choice((b" ", SPACE.encode(), bytes([rng.randrange(256)]))))
            else:
                code = rng.randrange(rng.choice((0x80, 0x800, 0x3100, 0x110000)))
                parts.append(chr(code).encode("utf-8", "surrogatepass"))
        texts.append((b"".join(parts) + parts[0] * rng.randrange(3)).replace(b"\n", b""))
    return texts


def compare_with_pypi(name, path, texts):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    found = tokenizing.encode(path, texts)
    assert len(found) == len(texts), name
    for text, ids in zip(texts, found):
        theirs = processor.encode(text)
        assert ids == theirs, f"{name}: {text[:80]!r}: {ids[:40]} {theirs[:40]}"


def compare_with_library(name, path, texts, expected):
    twin = subprocess.run([PROGRAMS / "spm_twin", path], capture_output=True, check=False,
                          input=b"".join(struct.pack("<I", len(t)) + t for t in texts))
    assert twin.returncode == 0, f"{name}: {twin.stderr.decode()}"
    how = twin.stdout.decode().split()
    assert how[0] == expected, f"{name}: {how}, not {expected}"
    assert expected == LIBRARY or int(how[1]) == len(texts), how


def check(name, path, expected):
    texts = texts_for(path.read_bytes())
    if name not in VERSIONS:
        compare_with_pypi(name, path, texts)
    compare_with_library(name, path, texts + [t.replace(b" ", b"\n", 1) for t in texts[:100]], expected)


def train(prefix, options):
    defaults = {"model_type": "bpe", "vocab_size": 260 + 256 * options.get("byte_fallback", False),
                "hard_vocab_limit": False, "minloglevel": 2, "num_threads": 1}
    if "normalization_rule_tsv" in options:
        rules = prefix.with_suffix(".tsv")
        rules.write_text(options["normalization_rule_tsv"])
        options = options | {"normalization_rule_tsv": str(rules)}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(LINES), model_prefix=str(prefix), **(defaults | options))
    return prefix.with_suffix(".model")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, (expected, options) in TRAINED.items():
            check(name, train(pathlib.Path(folder) / name, options), expected)
        for base in ("default", "llama"):
            model = (pathlib.Path(folder) / f"{base}.model").read_bytes()
            for name, (expected, changed) in edited(model).items():
                path = pathlib.Path(folder) / f"{base}.{name}.model"
                path.write_bytes(changed)
                check(name, path, expected)
    print(f"{len(TRAINED)} trained models and two edited in many ways: ids equal")


if __name__ == "__main__":
    main()
