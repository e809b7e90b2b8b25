# SPDX-License-Identifier: Apache-2.0
"""Our token ids equal those of PyPI's sentencepiece, line by line, over the text in the
shared data, for a real 32,000-piece model, a Unigram one and the embedded one; and the embedded
one is what its training script makes."""

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

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "tests/programs/tokenize_lines"
SPM = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared")) / "data/spm"
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
    done = subprocess.run([PROGRAM, model], input=b"".join(b + b"\n" for b in lines),
                          stdout=subprocess.PIPE, check=True)
    return [[int(x) for x in line.split()] for line in done.stdout.split(b"\n")[:-1]]


def compare(model, path, lines):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    found = ours(model, lines)
    assert len(found) == len(lines), f"{model}: {len(found)} of {len(lines)} lines"
    for number, (line, ids) in enumerate(zip(lines, found), 1):
        expected = processor.encode(line)
        assert ids == expected, f"{model}: line {number} {line[:80]!r}: {ids} {expected}"
    print(f"{model}: {len(lines)} lines, {sum(map(len, found))} ids equal")


def compare_unigram(path, lines):
    """Versions of the library choose differently where the same pieces in another order have the same score, in
    rows of dots: such lines are counted."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    differing = 0
    for line, ids in zip(lines, ours(path, lines)):
        expected = processor.encode(line)
        if ids != expected:
            assert sorted(ids) == sorted(expected), f"{path}: {line[:80]!r}: {ids} {expected}"
            differing += 1
    assert differing < len(lines) / 500, differing
    print(f"{path}: {len(lines)} lines equal but for {differing} of equal score")


def test_refusals():
    refused = [(SPM / "botchan.txt", "no SentencePiece model"),
               (pathlib.Path("/dev/null"), "empty")]
    for path, reason in refused:
        done = subprocess.run([PROGRAM, path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True)
        assert done.returncode == 1, (path, done)
        assert done.stderr.count("\n") == 1, done.stderr
        assert f"{path}: " in done.stderr and reason in done.stderr, done.stderr


def test_special():
    """Text that looks like a special token, as a header's `special` says: user_defined."""
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "m")
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["some words to make pieces of"] * 50), model_prefix=prefix, model_type="bpe",
            vocab_size=60, hard_vocab_limit=False, user_defined_symbols=["<user>"], control_symbols=["<ctl>"])
        processor = sentencepiece.SentencePieceProcessor(model_file=prefix + ".model")
        ids = {piece: processor.piece_to_id(piece) for piece in ("<s>", "</s>", "<ctl>", "<user>")}
        for piece, made in zip(ids, ours(prefix + ".model", [piece.encode() for piece in ids])):
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
                done = subprocess.run([PROGRAM, prefix + ".model"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
                refusal = f"a {kind['model_type'].upper()} model; only BPE and Unigram models are taken"
                assert done.returncode == 1 and refusal in done.stderr, done
            else:
                compare(prefix + ".model", prefix + ".model", ODD_LINES + [b"some more words"])


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
    compare("builtin", EMBEDDED, ODD_LINES)
    test_special()
    test_other_types()
    if not SPM.is_dir():
        print(f"{SPM} is not there: only the embedded model was tested")
        sys.exit(77)
    texts = sorted(SPM.glob("*.txt"))
    assert len(texts) >= 2, texts
    lines = [line for path in texts for line in path.read_bytes().split(b"\n")]
    mistral = SPM / "mistral-v1.model"
    compare("builtin", EMBEDDED, lines)
    compare(mistral, mistral, lines + ODD_LINES)
    compare_unigram(SPM / "unigram-1000.model", lines + ODD_LINES)
    test_refusals()
    test_training()


if __name__ == "__main__":
    main()
