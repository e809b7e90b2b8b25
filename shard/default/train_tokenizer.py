#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains shard/default/tokenizer.model, the BPE model inside the program.

    python3 shard/default/train_tokenizer.py [--shared ../shared] [--out FILE]

From: botchan.txt (English) and wagahaiwa_nekodearu.txt (Japanese), both in the public
domain, and captions written by tests/data/make_scenes.py. Settings: Llama 2's (BPE, byte
fallback, identity normalization, digits split, white space kept), but 4,096 pieces, and
of the characters only as many as leave most pieces to merges: the Japanese text alone has
more than 3,000 different ones, and what is left out falls back to bytes. All of ASCII is
in.

One thread, nothing random, no path in the model: the same input and the same version of
the sentencepiece package (0.2.3 made this one) give the same bytes.
"""

import argparse
import io
import pathlib
import subprocess
import sys

import sentencepiece

ROOT = pathlib.Path(__file__).resolve().parents[2]
# The English text is a quarter of the Japanese one: it is taken four times.
TEXTS = (("botchan.txt", 4), ("wagahaiwa_nekodearu.txt", 1))
N_CAPTIONS = 20000
COVERAGE = 0.98


def sentences(shared):
    for name, times in TEXTS:
        text = (shared / "data" / "spm" / name).read_text(encoding="utf-8")
        yield from [line for line in text.splitlines() if line.strip()] * times
    scenes = ROOT / "tests" / "data" / "make_scenes.py"
    captions = subprocess.run(
        [sys.executable, str(scenes), "--captions", str(N_CAPTIONS)],
        check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
    yield from captions.splitlines()


def train(shared):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sentences(shared),
        model_writer=model,
        model_type="bpe",
        vocab_size=4096,
        byte_fallback=True,
        normalization_rule_name="identity",
        split_digits=True,
        remove_extra_whitespaces=False,
        allow_whitespace_only_pieces=True,
        character_coverage=COVERAGE,
        required_chars="".join(map(chr, range(ord("!"), ord("~") + 1))),
        max_sentence_length=1 << 16,
        shuffle_input_sentence=False,
        num_threads=1,
        minloglevel=1,
    )
    return model.getvalue()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT / ".." / "shared")
    parser.add_argument("--out", type=pathlib.Path,
                        default=ROOT / "shard" / "default" / "tokenizer.model")
    args = parser.parse_args()
    args.out.write_bytes(train(args.shared))


if __name__ == "__main__":
    main()
