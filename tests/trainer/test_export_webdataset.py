# SPDX-License-Identifier: Apache-2.0
"""`latentmill export --format webdataset` in the hands of the real webdataset: the same samples as
in the shards, whatever their keys."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import urllib.parse

try:
    import numpy
    import webdataset
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "latentmill"
SCENES = sorted(pathlib.Path("tests/data").glob("scenes-*.tar"))
ODD_KEYS = ["plain", "dir.v1/0001", "a.b", "a.b.c/d.e", "x/", "/x", "a//b", "../up", "./here", ".", "..", "a./", "%41",
            "100%", "two words", "__meta__/x", "__meta__", "__a__", ".hidden", "kéy/日本", "l" * 300, "A", "a"]


def run(*command):
    done = subprocess.run([PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, (command, done.returncode, done.stderr.decode())
    return done.stdout.decode()


def check_sample(sample, dumped):
    """`sample`: fields without a dot in front, decoded."""
    assert sample["txt"] == dumped["caption"] and sample["tokens.npy"].tolist() == dumped["tokens"]
    latent = numpy.array(dumped["latent"]["values"]).reshape(dumped["latent"]["shape"])
    assert sample["latent.npy"].dtype == numpy.float16
    assert (sample["latent.npy"] == latent.astype(numpy.float16)).all()
    about = sample["json"]
    for field in ("name", "key", "order", "original_size", "crop", "metadata"):
        assert about[field] == dumped[field], field
    assert [c["text"] for c in about["captions"]] == [c["text"] for c in dumped["captions"]]
    assert about["captions"][about["caption"]]["tokens"] == dumped["tokens"]


def export_pairs(folder):
    """Gives the exported folder and what `dump` says of each (name, key)."""
    shards, out = folder / "shards", folder / "out"
    run("prepare", "--quiet", "--out", shards, *SCENES)
    run("export", "--quiet", "--format", "webdataset", "--out", out, shards)
    return out, {(s["name"], s["key"]): s
                 for s in map(json.loads, run("dump", "--json", "--latents", "full", shards).splitlines())}


def check_pairs(folder):
    out, dumped = export_pairs(folder)
    tars = sorted(str(path) for path in out.glob("*.tar"))
    assert len(tars) == 2
    seen = set()
    for sample in webdataset.WebDataset(tars, shardshuffle=False).decode():
        name = pathlib.Path(sample["__url__"]).stem
        check_sample(sample, dumped[name, sample["__key__"]])
        seen.add((name, sample["__key__"]))
    assert seen == set(dumped)
    index = json.loads((out / "wids-meta.json").read_text())
    assert [out / s["url"] for s in index["shardlist"]] == [pathlib.Path(t) for t in tars]
    assert sum(s["nsamples"] for s in index["shardlist"]) == len(dumped)


def check_keys(folder):
    """Each key is a group of its own, and percent-decoding gives it back."""
    corpus, out = folder / "odd.jsonl", folder / "odd-out"
    corpus.write_text("".join(json.dumps({"id": key, "text": f"Text of {key}"}) + "\n" for key in ODD_KEYS))
    run("prepare", "--quiet", "--out", folder / "odd", corpus)
    run("export", "--quiet", "--format", "webdataset", "--out", out, folder / "odd")
    samples = list(webdataset.WebDataset(str(out / "odd.tar"), shardshuffle=False).decode())
    assert [s["json"]["key"] for s in samples] == ODD_KEYS
    for sample in samples:
        assert urllib.parse.unquote(sample["__key__"]) == sample["json"]["key"]
        assert sample["txt"] == "Text of " + sample["json"]["key"] and len(sample["tokens.npy"]) > 0
        assert {field for field in sample if field[0] != "_"} == {"txt", "tokens.npy", "json"}
    assert [s["__key__"] for s in samples[:2]] == ODD_KEYS[:2]
    assert not any(part in ("", "..") for s in samples for part in s["__key__"].split("/"))


def main():
    print("webdataset", webdataset.__version__)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        check_pairs(folder)
        check_keys(folder)


if __name__ == "__main__":
    main()
