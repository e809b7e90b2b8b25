# SPDX-License-Identifier: Apache-2.0
"""From tar to dump: what `latentmill dump` says of a prepared data set is what the tar, the
tokenizer (PyPI's sentencepiece) and FORMAT.md's rule for sequences say."""

import hashlib
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

try:
    import numpy
    import sentencepiece
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "latentmill"
SHARED = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared"))
EMBEDDED = pathlib.Path("shard/default/tokenizer.model")
MISTRAL = SHARED / "data/spm/mistral-v1.model"
SCENES = sorted(pathlib.Path("tests/data").glob("scenes-*.tar"))
PHOTOS = SHARED / "data/pairs/flickr-000.tar"
FIELDS = ["name", "key", "kind", "order", "caption", "captions", "tokens", "segments", "parts",
          "latent", "original_size", "crop", "source", "metadata"]


def run(*command):
    done = subprocess.run([PROGRAM, *command], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, (command, done.returncode, done.stderr.decode())
    return done.stdout.decode()


def tar_members(path):
    """key -> {field: bytes}"""
    members = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.isfile() and "." in member.name:
                key, field = member.name.split(".", 1)
                members.setdefault(key, {})[field] = tar.extractfile(member).read()
    return members


def check_source(sample, fields):
    images = [fields[f] for f in fields if f not in ("txt", "caption", "cap", "json")]
    digests = [hashlib.sha256(image).hexdigest() for image in images]
    assert sample["source"]["sha256"] in digests, sample["key"]
    if "txt" in fields and sample["captions"][0]["name"] == "txt":
        assert sample["captions"][0]["text"] == fields["txt"].decode().removesuffix("\n")
    if "json" in fields:
        assert sample["metadata"] == json.loads(fields["json"]), sample["key"]


def check_tokens(sample, processor):
    for caption in sample["captions"]:
        assert caption["n_tokens"] == len(processor.encode(caption["text"])), caption
    assert sample["caption"] in [c["text"] for c in sample["captions"]]
    assert sample["tokens"] == processor.encode(sample["caption"]), sample["key"]
    text, image = sample["parts"]
    assert (text["kind"], text["flag"], image["kind"], image["flag"]) == ("text", "loss", "image", "loss")
    assert text["alternatives"] == sample["captions"]
    assert text["alternatives"][text["drawn"]]["text"] == sample["caption"]


def check_latent(latent):
    values = numpy.array(latent["values"], numpy.float32).astype(numpy.float64)
    assert values.size == math.prod(latent["shape"])
    assert (values == values.astype(numpy.float16)).all(), "nine digits give them back"
    for name in ("mean", "std", "min", "max"):
        expected = getattr(values, name)()
        assert math.isclose(latent[name], expected, rel_tol=6e-9, abs_tol=1e-12), (name, latent[name], expected)


def check_image(sample):
    """What is said twice is the same."""
    image = sample["parts"][1]
    assert image["sha256"] == sample["source"]["sha256"]
    assert image["original_size"] == sample["original_size"]
    assert image["renditions"][0]["crop"] == sample["crop"]
    tensor, = image["tensors"]
    assert (tensor["kind"], tensor["owner"], tensor["logvar"]) == ("latent", 0, False)
    for name in ("shape", "dtype", "mean", "std", "min", "max", "values"):
        assert tensor[name] == sample["latent"][name]
    assert sample["segments"] == [
        {"kind": "text", "n_tokens": len(sample["tokens"]), "dtype": None, "flags": ["loss"]},
        {"kind": "latent", "shape": tensor["shape"], "dtype": "fp16", "flags": ["loss"]}]


def check_json(out, tars, processor):
    samples = [json.loads(line)
               for line in run("dump", "--json", "--latents", "full", out).splitlines()]
    members = {tar.stem: tar_members(tar) for tar in tars}
    for sample in samples:
        assert list(sample) == FIELDS, list(sample)
        assert sample["kind"] == "pair"
        check_source(sample, members[sample["name"]][sample["key"]])
        check_tokens(sample, processor)
        check_latent(sample["latent"])
        check_image(sample)
    assert {s["order"] for s in samples} == {"caption_first", "image_first"}
    return {(s["name"], s["key"]): s for s in samples}


def positions(sample, patch):
    """FORMAT.md, section 8: where a trainer finds everything."""
    _, height, width = sample["latent"]["shape"]
    rows, cols = height // patch, width // patch
    caption = ["caption"] * len(sample["tokens"])
    image = ["BOI"] + ["patches"] * (rows * cols) + ["EOI"]
    first = sample["order"] == "caption_first"
    roles = ["BOS"] + (caption + image if first else image + caption) + ["EOS"]
    words, start = [f"{len(roles)} positions"], 0
    for end in range(1, len(roles) + 1):
        if end == len(roles) or roles[end] != roles[start]:
            where = str(start) if end == start + 1 else f"{start}-{end - 1}"
            grid = f" ({rows} x {cols})" if roles[start] == "patches" else ""
            words.append(f"{roles[start]} {where}{grid}")
            start = end
    return ", ".join(words)


def check_text(out, samples, processor):
    text = run("dump", "--latents", "none", out)
    seen = 0
    for block in re.split(r"\n\n", text):
        head = re.match(r"(\S+) (\S+), index (\d+)\n", block)
        if not head:
            continue
        seen += 1
        sample = samples[head[1], head[2]]
        assert sample["source"]["index"] == int(head[3])
        lines = dict(re.findall(r"^  (\w+) +(.*(?:\n {12}.*)*)$", block, re.M))
        assert lines["sequence"] == positions(sample, 2), (lines["sequence"], sample)
        pieces = [f"{i}:{processor.id_to_piece(i)}" for i in sample["tokens"]]
        assert re.split(r"\s+", lines["tokens"]) == pieces, lines["tokens"]
    assert seen == len(samples) > 0, (seen, len(samples))
    return seen


def check(tars, tokenizer, model):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
    with tempfile.TemporaryDirectory() as out:
        run("prepare", "--out", out, "--size", "32", "--limit", "40", "--tokenizer",
            tokenizer, *tars)
        samples = check_json(out, tars, processor)
        print(f"{tokenizer}: {check_text(out, samples, processor)} samples agree")


def main():
    check(SCENES, "builtin", EMBEDDED)
    if not SHARED.is_dir():
        print(f"{SHARED} is not there: only the sample set was tested")
        sys.exit(77)
    check([PHOTOS], "builtin", EMBEDDED)
    check([*SCENES, PHOTOS], str(MISTRAL), MISTRAL)


if __name__ == "__main__":
    main()
