# SPDX-License-Identifier: Apache-2.0
"""Documents of JSON Lines, through the whole program, against Python's json and PyPI's
sentencepiece: the same lines are taken, with the same keys, texts, ids and metadata. And a
line that is far longer than the memory allowed is a reject."""

import json
import math
import os
import pathlib
import random
import resource
import subprocess
import sys
import tempfile

try:
    import sentencepiece
except ImportError:
    print("the sentencepiece package is not installed")
    sys.exit(77)

from pairs_reference import BLANK

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "latentmill"
SHARED = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared"))
MODELS = [pathlib.Path("shard/default/tokenizer.model"), SHARED / "data/spm/mistral-v1.model"]
WORDS = ["balloon", "Häuser", "吾輩は猫である", "🦙👩‍👩‍👧", "\\", '"text":', "}{][,:", "\0", "\n\n",
         "\t", "e\u0301", "\u200b", "  ", "3.14", "<s>", "ſ", "\u2028", "\ufeff", "/", "\x7f", "NaN"]


def random_value(rng, depth=0):
    kind = rng.randrange(9 if depth < 3 else 7)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, -7, 2**53 + 1, 2**64, -(2**70)])
    if kind == 2:
        return rng.choice([0.1, 1e-300, -2.5e17, math.nan, math.inf, -math.inf])
    if kind < 7:
        return " ".join(rng.choices(WORDS, k=rng.randrange(6)))
    if kind == 7:
        return [random_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(["text", "id", "a", "é\\", ""]): random_value(rng, depth + 1)
            for _ in range(rng.randrange(4))}


def random_line(rng):
    members = [(rng.choice(["a", "url", "é\"", "meta", "", "text "]), random_value(rng))
               for _ in range(rng.randrange(4))]
    if rng.random() < 0.9:
        members.append(("text", random_value(rng) if rng.random() < 0.1 else
                        " ".join(rng.choices(WORDS, k=rng.randrange(1, 60)))))
    if rng.random() < 0.6:
        members.append(("id", random_value(rng) if rng.random() < 0.3 else rng.randrange(10**6)))
    rng.shuffle(members)
    line = json.dumps(dict(members), ensure_ascii=rng.random() < 0.5,
                      separators=rng.choice([(",", ":"), (", ", ": "), (" , ", " :\t")]))
    line = line.encode()
    if rng.random() < 0.1:
        at = rng.randrange(len(line))
        line = line[:at] + bytes([rng.randrange(256)]) + line[at + rng.randrange(2):]
    if rng.random() < 0.05:
        line = line.replace(b'"text"', b'"te\\u0078t"')
    return line.replace(b"\n", b" ") + rng.choice([b"", b"", b"\r", b" "])


def key_of(document, number):
    """None: a bad key."""
    key = document.get("id")
    if key is None or isinstance(key, float) and not math.isfinite(key):
        return str(number)
    if isinstance(key, bool) or not isinstance(key, (int, str)):
        return None
    key = str(key)
    control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in key)
    return None if not key or control or len(key.encode()) > 1024 else key


def expected_records(lines):
    """(key, text, metadata or None) of every line that Python's json takes."""
    seen = set()
    for number, line in enumerate(lines, 1):
        try:
            document = json.loads(line.decode())
            json.dumps(document, ensure_ascii=False).encode()
        except ValueError:
            continue
        key = key_of(document, number) if isinstance(document, dict) else None
        if key is None:
            continue
        text = document.pop("text", None)
        text = text.lstrip("\ufeff") if isinstance(text, str) else text
        new = key not in seen
        seen.add(key)
        if new and isinstance(text, str) and text.strip(BLANK + "\0"):
            yield key, text, document or None


def without_nan(value):
    """What dump prints: null where Python has NaN or Infinity."""
    return json.loads(json.dumps(value), parse_constant=lambda _: None)


def prepare(folder, path, model, *options):
    subprocess.run([PROGRAM, "prepare", "--quiet", "--out", folder, "--max-reject-rate", "1",
                    "--tokenizer", model, *options, path],
                   check=True, stderr=subprocess.DEVNULL)
    dump = subprocess.run([PROGRAM, "dump", "--json", folder], check=True,
                          stdout=subprocess.PIPE)
    return [json.loads(line) for line in dump.stdout.splitlines()]


def test_records(model):
    rng = random.Random(5)
    lines = [random_line(rng) for _ in range(4000)]
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "random.jsonl")
        with open(path, "wb") as f:
            f.writelines(line + b"\n" for line in lines)
        found = prepare(os.path.join(folder, "out"), path, model)
    expected = list(expected_records(lines))
    assert len(expected) > 2000, len(expected)
    for record, (key, text, metadata) in zip(found, expected):
        assert record["key"] == key, (record, key)
        assert record["caption"] == text, (record, text)
        assert record["tokens"] == processor.encode(text), record
        assert record["metadata"] == without_nan(metadata), (record, metadata)
        assert record["kind"] == "text" and len(record["parts"]) == 1, record
        assert record["order"] is None and record["latent"] is None, record
    assert len(found) == len(expected), (len(found), len(expected))
    print(f"{model}: {len(found)} documents of {len(lines)} lines equal")


def test_endless_line():
    """A line of 600 MB is not held; what follows it is read."""
    command = "pipe:head -c 600000000 /dev/zero | tr '\\0' x; echo; echo '{\"text\":\"after\"}'"
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run([PROGRAM, "prepare", "--quiet", "--out", folder, "--name", "long",
                              "--input-format", "jsonl", command], capture_output=True)
        assert run.returncode == 0, run.stderr
        rejects = [json.loads(line) for line in open(os.path.join(folder, "long.rejects.jsonl"))]
        manifest = json.load(open(os.path.join(folder, "long.manifest.json")))
    assert [r["reason"] for r in rejects] == ["too_long"], rejects
    assert rejects[0]["detail"].startswith("line 1 at byte 0: more than 4194304 bytes")
    assert manifest["result"]["inputs"][0]["samples"] == 1, manifest
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    assert peak < 500 << 20, f"{peak} bytes"
    print(f"a line of 600 MB: at most {peak >> 20} MiB in memory")


def main():
    for model in MODELS:
        if model.exists():
            test_records(model)
    test_endless_line()


if __name__ == "__main__":
    main()
