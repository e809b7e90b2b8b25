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
from tokenizer_files import CL100K, GPT2, O200K, QWEN2, bases
from tokenizing import DATA, LONG, corpus, encode, shortest, tell

# By the names that --pattern knows, what tiktoken itself, or its users, give it.
PATTERNS = {"gpt2": GPT2, "cl100k": CL100K, "o200k": O200K, "qwen2": QWEN2, "llama3": CL100K}
OTHERS = (r"\p{L}+|\p{N}|[^\p{L}\p{N}]+", r"\w+|\W", r"[\s\S]", r"\S+\s*|\s+", r"\b\w+|.|\n")
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_start|>user", "<s>")
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
