# SPDX-License-Identifier: Apache-2.0
"""`latentmill export --format mds` in the hands of the real StreamingDataset: the same values as
in the shards, shuffled, resumed in the middle on the same state, hashes validated; and the same
bytes as its own MDSWriter makes from the same samples."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

try:
    import numpy
    import torch
    import streaming
    import zstandard
    from streaming import MDSWriter, StreamingDataset
    from streaming.base.format.mds.encodings import mds_decode
    from streaming.base.util import clean_stale_shared_memory
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "latentmill"
SCENES = sorted(pathlib.Path("tests/data").glob("scenes-*.tar"))
SIZE_LIMIT = 100_000


def run(*command):
    done = subprocess.run([PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 0, (command, done.returncode, done.stderr.decode())
    return done.stdout.decode()


def dumped(folder):
    """(name, key) -> what dump says"""
    lines = run("dump", "--json", "--latents", "full", folder).splitlines()
    return {(s["name"], s["key"]): s for s in map(json.loads, lines)}


def dataset(out, cache, **options):
    clean_stale_shared_memory()
    return StreamingDataset(remote=str(out), local=str(cache), batch_size=4, **options)


def check_values(samples, want):
    assert len(samples) == len(want)
    for s in samples:
        d = want.pop((s["name"], s["key"]))
        assert s["text"] == d["caption"] and s["index"] == d["source"]["index"]
        assert s["order"] == (0 if d["order"] == "caption_first" else 1)
        assert s["tokens"].dtype == numpy.int32 and s["tokens"].tolist() == d["tokens"]
        assert [c["text"] for c in s["captions"]] == [c["text"] for c in d["captions"]]
        assert s["original_size"].tolist() == d["original_size"] and s["crop"].tolist() == d["crop"]
        assert s["image_sha256"] == d["source"]["sha256"]
        latent = numpy.array(d["latent"]["values"]).reshape(d["latent"]["shape"])
        assert s["latent"].shape == (8, 32, 32) and s["latent"].dtype == numpy.float16
        assert (s["latent"] == latent.astype(numpy.float16)).all()  # dump prints nine digits
        assert json.loads(s["metadata"]) == d["metadata"]
    assert not want


def check_shuffle_and_resume(out, cache, n):
    options = dict(shuffle=True, shuffle_seed=17, num_canonical_nodes=1)
    first = dataset(out, cache, **options)
    order = [(s["name"], s["key"]) for s in first]
    assert len(order) == n and len(set(order)) == n and order != sorted(order)
    part = dataset(out, cache, **options)
    seen = 12
    iterator = iter(part)
    for _ in range(seen):
        next(iterator)
    state = part.state_dict(seen, from_beginning=True)
    again = dataset(out, cache, **options)
    again.load_state_dict(state)
    assert [(s["name"], s["key"]) for s in again] == order[seen:]


def check_loader(out, cache):
    loader = torch.utils.data.DataLoader(dataset(out, cache, shuffle=True), batch_size=4, collate_fn=lambda batch: (
        torch.stack([torch.from_numpy(s["latent"].copy()) for s in batch]), [s["tokens"] for s in batch]))
    assert sum(latents.shape[0] for latents, _ in loader) == 40


class RawWriter(MDSWriter):
    """Takes samples that are encoded already."""

    def encode_sample(self, sample):
        return sample


def raw_samples(path):
    data = path.read_bytes()
    if path.suffix == ".zstd":
        data = zstandard.ZstdDecompressor().decompress(data)
    n = int.from_bytes(data[:4], "little")
    offsets = numpy.frombuffer(data[4:8 + 4 * n], numpy.uint32)
    return [data[a:b] for a, b in zip(offsets, offsets[1:])], data


def check_own_writer(out, folder):
    """MDSWriter, given the bytes of our samples, makes our files and our index."""
    index = json.loads((out / "index.json").read_text())
    units = {}
    for s in index["shards"]:
        units.setdefault(s["raw_data"]["basename"][:-len(".00000.mds")], []).append(s)
    for unit, ours in units.items():
        assert len(ours) == 4  # of 100,000 bytes at most
        columns = dict(zip(ours[0]["column_names"], ours[0]["column_encodings"]))
        theirs = folder / unit
        with RawWriter(out=str(theirs), columns=columns, compression=ours[0]["compression"], hashes=ours[0]["hashes"],
                       size_limit=ours[0]["size_limit"]) as writer:
            for s in ours:
                file = s["zip_data"] or s["raw_data"]
                for sample in raw_samples(out / file["basename"])[0]:
                    writer.write(sample)
        want = json.loads((theirs / "index.json").read_text())["shards"]
        assert len(want) == len(ours)
        for a, b in zip(ours, want):
            assert set(a) == set(b)
            raw_a = raw_samples(out / (a["zip_data"] or a["raw_data"])["basename"])[1]
            raw_b = raw_samples(theirs / (b["zip_data"] or b["raw_data"])["basename"])[1]
            assert raw_a == raw_b
            for entry in (a, b):
                entry["raw_data"] = {**entry["raw_data"], "basename": None}
                entry["zip_data"] = None  # another zstd may pack otherwise
            assert a == b
    text = (out / "index.json").read_text()
    assert text == json.dumps(json.loads(text), sort_keys=True)


def check(folder, shards, compression):
    out = folder / compression
    run("export", "--quiet", "--format", "mds", "--compression", compression, "--size-limit", str(SIZE_LIMIT),
        "--out", out, shards)
    for algorithm in ("sha1", "xxh64"):
        samples = list(dataset(out, folder / f"cache-{compression}-{algorithm}", validate_hash=algorithm))
        check_values(samples, dumped(shards))
    check_shuffle_and_resume(out, folder / f"cache-{compression}", len(samples))
    check_loader(out, folder / f"cache-{compression}")
    check_own_writer(out, folder / f"theirs-{compression}")
    # A byte of difference is found.
    name = next(iter(sorted(out.glob("*.mds*"))))
    data = bytearray(name.read_bytes())
    data[-1] ^= 1
    name.write_bytes(data)
    bad = dataset(out, folder / f"cache-bad-{compression}", validate_hash="xxh64")
    try:
        bad[0]
    except ValueError as error:
        assert "Checksum failure" in str(error)
        return
    assert False, "a wrong hash was not noticed"


def check_bf16_and_texts(folder):
    """Pairs of bf16 with their log-variance, and documents without latents, in one data set."""
    shards, out = folder / "bf16", folder / "bf16-out"
    corpus = folder / "corpus.jsonl"
    corpus.write_text('{"id": "a.b", "text": "Once upon a time."}\n{"id": "b", "text": "The end."}\n')
    run("prepare", "--quiet", "--out", shards, "--latent", "bf16", "--moments", "mean+logvar", "--limit", "6", SCENES[0])
    run("prepare", "--quiet", "--out", folder / "texts", corpus)
    run("export", "--quiet", "--format", "mds", "--out", out, shards, folder / "texts")
    want = dumped(shards)
    texts = 0
    for s in dataset(out, folder / "cache-bf16"):
        if "latent" not in s:
            texts += 1
            assert s["text"] in ("Once upon a time.", "The end.") and len(s["tokens"]) > 2
            continue
        d = want.pop((s["name"], s["key"]))
        latent = numpy.array(d["latent"]["values"]).reshape(d["latent"]["shape"])
        logvar = numpy.array(d["latent"]["logvar"]["values"]).reshape(d["latent"]["shape"])
        assert s["latent"].dtype == numpy.float32 and (s["latent"] == latent.astype(numpy.float32)).all()
        assert (s["logvar"] == logvar.astype(numpy.float32)).all()
    assert texts == 2 and not want


def main():
    print("mosaicml-streaming", streaming.__version__)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shards = folder / "shards"
        run("prepare", "--quiet", "--out", shards, *SCENES)
        for compression in ("none", "zstd"):
            check(folder, shards, compression)
        check_bf16_and_texts(folder)
    assert mds_decode("json", b"[]") == []


if __name__ == "__main__":
    main()
