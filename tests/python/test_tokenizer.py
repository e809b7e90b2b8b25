# SPDX-License-Identifier: Apache-2.0
"""Our token ids equal those of PyPI's sentencepiece: over the text in the shared data, for a real
32,000-piece model, a Unigram model and the embedded one, and over texts of all kinds for models
trained here; and the embedded one is what its training script makes."""

import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import sentencepiece
except ImportError:
    print("the sentencepiece package is not installed")
    sys.exit(77)

import package  # noqa: F401 - where latentmill is
import tokenizing
from tokenizing import encode, tell

import latentmill

SPM = tokenizing.DATA / "spm"
EMBEDDED = pathlib.Path("shard/default/tokenizer.model")

ODD_LINES = [
    b"",
    b" ",
    b"   two  spaces\tand a tab ",
    b"NUL \0 inside\0",
    b"\0",
    b"not UTF-8: \xff\xfe \xc3( \xed\xa0\x80 \xf5\x80\x80\x80 cut \xe2\x82",
    b"<s> </s> <unk> <0x41> \xe2\x96\x81 \xe2\x96\x81\xe2\x96\x81",
    "\u200b\ufeff\u0301e\u0301 \ud7ff\ue000\ufffd\U0010ffff 🦙👩‍👩‍👧 ٣١ Ⅷ ½".encode(),
    b"1234567890 3.14159 1e-10 0x7f v2.0",
    b"a" * 100000,
    b"ab 12 " * 20000,
    "吾輩は猫である。".encode() * 5000,
    bytes(range(1, 10)) + bytes(range(11, 256)),
]


def ours(model, lines):
    return encode(model, lines)


def compare(model, path, texts):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    found = encode(model, texts)
    for text, ids in zip(texts, found, strict=True):
        expected = processor.encode(text)
        assert ids == expected, tell(str(model), text, ids, expected)
    print(f"{model}: {len(texts)} texts, {sum(map(len, found))} ids equal")


def trained(folder, **more):
    """A model of the text of this tree."""
    prefix = os.path.join(folder, "m")
    lines = [line for path in ("README.md", "CONTRIBUTING.md", "shard/FORMAT.md") for line in open(path, encoding="utf-8")]
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=prefix, minloglevel=2,
                                             hard_vocab_limit=False, **more)
    return prefix + ".model"


TRAINED = {  # what decides whether merges cross words, and how texts are normalized
    "bpe": dict(model_type="bpe"),
    "bpe, bytes": dict(model_type="bpe", byte_fallback=True, split_digits=True),
    "bpe, words may be joined": dict(model_type="bpe", split_by_whitespace=False),
    "bpe, no prefix, spaces kept": dict(model_type="bpe", add_dummy_prefix=False, remove_extra_whitespaces=False),
    "bpe, identity": dict(model_type="bpe", normalization_rule_name="identity", byte_fallback=True, remove_extra_whitespaces=False),
    "bpe, nfkc_cf": dict(model_type="bpe", normalization_rule_name="nfkc_cf"),
    "bpe, space behind": dict(model_type="bpe", treat_whitespace_as_suffix=True),
    "bpe, spaces alone": dict(model_type="bpe", allow_whitespace_only_pieces=True, remove_extra_whitespaces=False),
    "bpe, user's pieces": dict(model_type="bpe", user_defined_symbols=["<user>", "the", "e ", "\u2581x"], control_symbols=["<ctl>"]),
    "unigram": dict(model_type="unigram"),
    "unigram, bytes": dict(model_type="unigram", byte_fallback=True),
}


def test_kinds():
    texts = tokenizing.corpus(["<user>", "<ctl>", "<s>", "</s>"]) + ODD_LINES
    for name, how in TRAINED.items():
        with tempfile.TemporaryDirectory() as folder:
            print(name, end=": ")
            path = trained(folder, vocab_size=700, **how)
            if how["model_type"] == "unigram":
                compare_unigram(path, texts, 0.1)  # many of them are rows of one character, and the model is of these pages
            else:
                compare(path, path, texts)


def compare_unigram(path, lines, most=0.01):
    """Versions of the library choose differently where the same pieces in another order have the same score, in
    rows of dots: such lines are counted."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    differing = 0
    for line, ids in zip(lines, ours(path, lines)):
        expected = processor.encode(line)
        if ids != expected:
            assert sorted(ids) == sorted(expected), f"{path}: {line[:80]!r}: {ids} {expected}"
            differing += 1
    assert differing < len(lines) * most, differing
    print(f"{path}: {len(lines)} lines equal but for {differing} of equal score")


def test_refusals():
    refused = [(SPM / "botchan.txt", "no SentencePiece model"),
               (pathlib.Path("/dev/null"), "empty")]
    for path, reason in refused:
        line = encode(path, [], check=False)
        assert isinstance(line, str) and line.startswith(f"{path}: ") and reason in line, line


def test_special():
    """Text that looks like a special token, as a header's `special` says: user_defined."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "m")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["some words to make pieces of"] * 50), model_prefix=prefix, model_type="bpe",
            vocab_size=60, hard_vocab_limit=False, minloglevel=2, user_defined_symbols=["<user>"], control_symbols=["<ctl>"])
        processor = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
        ids = {piece: processor.piece_to_id(piece) for piece in ("<s>", "</s>", "<ctl>", "<user>")}
        for piece, made in zip(ids, encode(prefix + ".model", list(ids))):
            assert (ids[piece] in made) == (piece == "<user>"), (piece, made)


def test_other_types():
    """Unigram is what a model is that names no type; WORD and CHAR are refused."""
    with tempfile.TemporaryDirectory() as folder:
        for kind in ({}, {"model_type": "unigram"}, {"model_type": "word"}, {"model_type": "char"}):
            prefix = os.path.join(folder, "m")
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(["some words to make pieces of, and more of them"] * 50), model_prefix=prefix,
                vocab_size=40, hard_vocab_limit=False, minloglevel=2, **kind)
            if kind.get("model_type") in ("word", "char"):
                refusal = f"a {kind['model_type'].upper()} model; only BPE and Unigram models are taken"
                assert refusal in encode(prefix + ".model", [], check=False)
            else:
                compare(prefix + ".model", prefix + ".model", ODD_LINES + [b"some more words"])
                assert latentmill.Tokenizer(prefix + ".model")._native.versions.startswith("SentencePiece 0.")
    assert latentmill.Tokenizer(EMBEDDED)._native.versions == ""  # its ids do not depend on the library's version


def test_training():
    with tempfile.TemporaryDirectory() as folder:
        made = [pathlib.Path(folder) / name for name in ("first", "second")]
        for out in made:
            subprocess.run([sys.executable, "shard/default/train_tokenizer.py", "--shared",
                            SPM.parents[1], "--out", out], check=True, capture_output=True)
        first, second = [out.read_bytes() for out in made]
    assert first == second, "two trainings give two models"
    if sentencepiece.__version__ == "0.2.3":  # that of the committed model
        assert first == EMBEDDED.read_bytes(), "train_tokenizer.py makes another model"


def main():
    compare("builtin", EMBEDDED, ODD_LINES + tokenizing.corpus())
    test_special()
    test_kinds()
    test_other_types()
    if not SPM.is_dir():
        print(f"{SPM} is not there: only the embedded model was tested")
        sys.exit(77)
    texts = sorted(SPM.glob("*.txt"))
    assert len(texts) >= 2, texts
    lines = [line for path in texts for line in path.read_bytes().split(b"\n")]
    mistral = SPM / "mistral-v1.model"
    compare("builtin", EMBEDDED, lines)
    texts = lines + ODD_LINES + tokenizing.corpus(["<s>", "</s>", "<unk>"])
    compare(mistral, mistral, texts + list(tokenizing.long_runs(10**6 if tokenizing.LONG else 10**4)))
    compare_unigram(SPM / "unigram-1000.model", texts if tokenizing.LONG else texts[::3])
    test_refusals()
    test_training()


if __name__ == "__main__":
    main()
