# SPDX-License-Identifier: Apache-2.0
"""What `latentmill export` writes, read by parsers made from the formats' descriptions alone: MDS
shards and their index.json, tars and their three indexes. And what it does when it is run again,
when shards do not go together, and when one of them is damaged."""

import errno
import hashlib
import io
import json
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse

try:
    import numpy
    import zstandard
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "latentmill"
SCENES = sorted(pathlib.Path("tests/data").glob("scenes-*.tar"))
ODD_KEYS = ["plain", "dir.v1/0001", "a.b", "a.b.c/d.e", "x/", "/x", "a//b", "../up", "./here", ".", "..", "a./", "%41", "100%",
            "two words", "__meta__/x", "__meta__", ".hidden", "kéy/日本", "l" * 300]


def run(*command, status=0):
    """Gives stderr."""
    done = subprocess.run([PROGRAM, *map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    assert done.returncode == status, (command, done.returncode, done.stderr.decode())
    return done.stderr.decode()


def export(out, *arguments, status=0, form="mds"):
    return run("export", "--quiet", "--format", form, "--out", out, *arguments, status=status)


def dump(*paths):
    done = subprocess.run([PROGRAM, "dump", "--json", "--latents", "full", *paths], stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_tree(folder, want):
    have = tree(folder)
    assert have == want, [name for name in have.keys() | want.keys() if have.get(name) != want.get(name)]


def files_and_index(folder):
    """All but manifests, which name the paths of their shards."""
    return {name: data for name, data in tree(folder).items() if not name.endswith(".export.json")}


# ---- MDS, from WORLD's description of the bytes ----

def mds_array(dtype, data):
    power, dims, at = data[0] & 3, data[0] >> 2, 1
    shape = numpy.frombuffer(data[at:at + (dims << power)], f"<u{1 << power}")
    return numpy.frombuffer(data[at + (dims << power):], dtype).reshape(shape)


def mds_value(encoding, data):
    kind, *rest = encoding.split(":")
    if kind == "ndarray":
        if len(rest) == 2:
            return numpy.frombuffer(data, rest[0]).reshape([int(n) for n in rest[1].split(",")])
        return mds_array(rest[0], data)
    return {"str": bytes.decode, "bytes": bytes, "json": json.loads,
            "int": lambda b: int.from_bytes(b, "little", signed=True),
            "float64": lambda b: struct.unpack("<d", b)[0]}[kind](data)


def mds_samples(folder):
    """The samples of a folder; everything that its index says is checked."""
    text = (folder / "index.json").read_text()
    index = json.loads(text)
    assert text == json.dumps(index, sort_keys=True) and set(index) == {"shards", "version"} and index["version"] == 2
    for entry in index["shards"]:
        raw, packed = entry["raw_data"], entry["zip_data"]
        data = (folder / (packed or raw)["basename"]).read_bytes()
        if packed:
            assert packed["basename"] == raw["basename"] + ".zstd" and entry["compression"] == "zstd:1"
            assert packed["bytes"] == len(data) and packed["hashes"]["sha1"] == hashlib.sha1(data).hexdigest()
            assert zstandard.frame_content_size(data) == raw["bytes"]
            data = zstandard.ZstdDecompressor().decompress(data)
        assert raw["bytes"] == len(data) and raw["hashes"]["sha1"] == hashlib.sha1(data).hexdigest()
        n = entry["samples"]
        assert n > 0 and struct.unpack_from("<I", data)[0] == n
        offsets = struct.unpack_from(f"<{n + 1}I", data, 4)
        config = json.loads(data[8 + 4 * n:offsets[0]])
        assert data[8 + 4 * n:offsets[0]].decode("ascii") == json.dumps(config, sort_keys=True)
        assert config == {k: v for k, v in entry.items() if k not in ("raw_data", "zip_data", "samples")}
        assert sorted(entry["column_names"]) == entry["column_names"] and offsets[n] == len(data)
        assert n == 1 or len(data) <= entry["size_limit"]
        for begin, end in zip(offsets, offsets[1:]):
            yield mds_sample(entry, data[begin:end])


def mds_sample(entry, data):
    sizes, at, sample = [], 0, {}
    for size in entry["column_sizes"]:
        if size is None:
            size, = struct.unpack_from("<I", data, at)
            at += 4
        sizes.append(size)
    for name, encoding, size in zip(entry["column_names"], entry["column_encodings"], sizes):
        sample[name] = mds_value(encoding, data[at:at + size])
        at += size
    assert at == len(data)
    return sample


# ---- WebDataset ----

def wds_samples(folder, unit):
    """Groups of the tar by WebDataset's rule; everything that the indexes say is checked."""
    raw = (folder / f"{unit}.tar").read_bytes()
    groups = []
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        for member in tar:
            assert member.isreg() and (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
            assert not member.uname and not member.gname
            folder_part, _, base = member.name.rpartition("/")
            key, _, field = base.partition(".")
            key = f"{folder_part}/{key}" if folder_part else key
            if not groups or groups[-1][0] != key:
                groups.append((key, {}, member.offset, []))
            data = raw[member.offset_data:member.offset_data + member.size]
            groups[-1][1][field] = data
            name = member.name.replace(" ", "%20")
            groups[-1][3].append(f"{field} {member.offset_data} {member.size} {name}")
            end = member.offset_data + (member.size + 511) // 512 * 512
    energon = (folder / f"{unit}.tar.idx").read_bytes()
    assert struct.unpack(f"<{len(groups) + 1}Q", energon) == (*(g[2] for g in groups), end)
    dali = f"v1.2 {len(groups)}\n" + "".join(" ".join(g[3]) + "\n" for g in groups)
    assert (folder / f"{unit}.idx").read_text() == dali
    assert raw[end:] == bytes(1024)
    wids = json.loads((folder / "wids-meta.json").read_text())
    assert wids["wids_version"] == 1
    assert {"url": f"{unit}.tar", "nsamples": len(groups), "filesize": len(raw)} in wids["shardlist"]
    return [(key, fields) for key, fields, _, _ in groups]


# ---- values ----

def latent_of(dumped, field=None):
    values = dumped["latent"] if field is None else dumped["latent"][field]
    return numpy.array(values["values"]).reshape(dumped["latent"]["shape"])


def scaled(latent, folder):
    encoder = json.loads((folder / "export.json").read_text())["latent"]["encoder"]
    scale, shift = (numpy.array(encoder[name], numpy.float32).reshape(-1, 1, 1) for name in ("scale", "shift"))
    return (latent.astype(numpy.float32) - shift) * scale


def check_mds_pair(sample, dumped, latent):
    assert sample["text"] == dumped["caption"] and sample["tokens"].tolist() == dumped["tokens"]
    assert sample["order"] == ("caption_first", "image_first").index(dumped["order"])
    assert [c["name"] for c in sample["captions"]] == [c["name"] for c in dumped["captions"]]
    assert [c["text"] for c in sample["captions"]] == [c["text"] for c in dumped["captions"]]
    assert [len(c["tokens"]) for c in sample["captions"]] == [c["n_tokens"] for c in dumped["captions"]]
    assert dumped["tokens"] in [c["tokens"] for c in sample["captions"]]
    assert sample["original_size"].tolist() == dumped["original_size"] and sample["crop"].tolist() == dumped["crop"]
    assert sample["image_sha256"] == dumped["source"]["sha256"] and sample["index"] == dumped["source"]["index"]
    assert json.loads(sample["metadata"]) == dumped["metadata"]
    assert (sample["latent"] == latent.astype(sample["latent"].dtype)).all()


def check_mds(shards, folder):
    dumped = dump(shards)
    for name, arguments in {"plain": [], "zstd": ["--compression", "zstd"], "small": ["--size-limit", "100K"],
                            "scaled": ["--scaled"]}.items():
        out = folder / f"mds-{name}"
        export(out, *arguments, shards)
        samples = list(mds_samples(out))
        assert [(s["name"], s["key"]) for s in samples] == [(d["name"], d["key"]) for d in dumped]
        for s, d in zip(samples, dumped):
            latent = latent_of(d).astype(numpy.float16).astype(float)
            assert s["latent"].dtype == numpy.float16
            check_mds_pair(s, d, scaled(latent, out) if name == "scaled" else latent)
    assert len(list((folder / "mds-small").glob("*.mds"))) > 4
    raw = json.loads((folder / "mds-plain" / "index.json").read_text())["shards"][0]["raw_data"]["bytes"]
    exact = raw - 2  # the limit stands in the file: two digits less than that of 64 MiB
    assert len(str(exact)) == 6
    for limit, n in ((exact, 1), (exact - 1, 2)):
        export(folder / f"mds-{limit}", "--size-limit", limit, shards / "scenes-000.lms")
        assert len(list((folder / f"mds-{limit}").glob("*.mds"))) == n, "MDSWriter's limit is inclusive"
    about = json.loads((out / "export.json").read_text())
    assert set(about["columns"]["pairs"]) == set(samples[0]) and about["options"]["scaled"] is True
    assert about["tokenizer"]["boi"] == 4096 and about["latent"]["dtype"] == "float16"


def own_vae(folder, **config):
    """The embedded VAE under another configuration."""
    folder.mkdir()
    weights = pathlib.Path("vae_encode/default/diffusion_pytorch_model.safetensors")
    shutil.copy(weights, folder)
    known = json.loads(weights.with_name("config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**known, **config}))
    return folder


def check_scales(folder):
    """A scale and a shift for each channel; what is too large for fp16 then is lost."""
    mean, std = [i / 8 - 0.3 for i in range(8)], [0.5 + i / 8 for i in range(8)]
    channels = own_vae(folder / "vae", latents_mean=mean, latents_std=std)
    run("prepare", "--quiet", "--out", folder / "channels", "--vae", channels, "--limit", 2, SCENES[0])
    out = folder / "channels-mds"
    export(out, "--scaled", folder / "channels")
    for s, d in zip(mds_samples(out), dump(folder / "channels"), strict=True):
        latent = latent_of(d).astype(numpy.float16).astype(float)
        want = (latent - numpy.array(mean).reshape(8, 1, 1)) * (0.76072 / numpy.array(std).reshape(8, 1, 1))
        assert numpy.abs(s["latent"] - want).max() < 0.01
        assert (s["latent"] == scaled(latent, out).astype(numpy.float16)).all()
    huge = own_vae(folder / "huge", latents_mean=[0] * 8, latents_std=[1e-8] * 8)
    run("prepare", "--quiet", "--out", folder / "large", "--vae", huge, "--limit", 2, SCENES[0])
    assert "not finite when scaled" in export(folder / "large-mds", "--scaled", folder / "large", status=42)


def write_kinds(folder, kinds, max_bytes=1 << 30):
    """Shards of write_shards, which are no unit's."""
    folder.mkdir()
    subprocess.run([PROGRAM.parent / "tests/programs/write_shards", folder / "s", "20", str(max_bytes), "8192", kinds],
                   check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.glob("*.lms"))


def check_kinds(folder):
    """Parts of one unit; samples unlike their shard's first; latents by another encoder alone."""
    parts = write_kinds(folder / "parts", "0", 9_000)
    assert len(parts) > 1
    export(folder / "parts-mds", *parts)
    assert [s["key"] for s in mds_samples(folder / "parts-mds")] == [d["key"] for d in dump(*parts)]
    assert (folder / "parts-mds" / "unit+00001.export.json").exists()
    text = export(folder / "mixed-mds", *write_kinds(folder / "mixed", "02"), status=42)
    assert text.count("it has no latent, unlike the shard's first sample: lost: 10 samples, from ") == 1, text
    assert len(list(mds_samples(folder / "mixed-mds"))) == 10
    other = write_kinds(folder / "other", "1")
    export(folder / "other-mds", *other)
    assert [s["key"] for s in mds_samples(folder / "other-mds")] == [d["key"] for d in dump(*other)]


def check_webdataset(shards, folder):
    out = folder / "wds"
    export(out, shards, form="webdataset")
    dumped = dump(shards)
    found = [(unit, key, f) for unit in ("scenes-000", "scenes-001") for key, f in wds_samples(out, unit)]
    assert [(unit, key) for unit, key, _ in found] == [(d["name"], d["key"]) for d in dumped]
    for (_, _, fields), d in zip(found, dumped):
        assert list(fields) == ["latent.npy", "tokens.npy", "txt", "json"]
        assert all((10 + int.from_bytes(fields[name][8:10], "little")) % 64 == 0 for name in list(fields)[:2])
        latent = numpy.load(io.BytesIO(fields["latent.npy"]))
        assert latent.dtype == numpy.float16 and (latent == latent_of(d).astype(numpy.float16)).all()
        tokens = numpy.load(io.BytesIO(fields["tokens.npy"]))
        assert tokens.dtype == numpy.int32 and tokens.tolist() == d["tokens"]
        assert fields["txt"].decode() == d["caption"]
        about = json.loads(fields["json"])
        for field in ("name", "key", "order", "original_size", "crop", "metadata"):
            assert about[field] == d[field], field
        assert about["captions"][about["caption"]]["text"] == d["caption"]


def check_other_columns(folder):
    """bf16 as fp32, log-variances, no ids; documents beside pairs, under any key."""
    shards, out = folder / "bf16", folder / "bf16-out"
    run("prepare", "--quiet", "--out", shards, "--latent", "bf16", "--moments", "mean+logvar", "--tokenizer", "none",
        "--limit", 6, SCENES[0])
    assert "log-variances" in export(out, "--scaled", shards, status=2) and not out.exists()
    export(out, shards)
    for s, d in zip(mds_samples(out), dump(shards), strict=True):
        assert "tokens" not in s and s["latent"].dtype == s["logvar"].dtype == numpy.float32
        assert (s["latent"] == latent_of(d).astype(numpy.float32)).all()
        assert (s["logvar"] == latent_of(d, "logvar").astype(numpy.float32)).all()
    export(folder / "bf16-wds", shards, form="webdataset")
    for (_, fields), d in zip(wds_samples(folder / "bf16-wds", "scenes-000"), dump(shards), strict=True):
        assert list(fields) == ["latent.npy", "logvar.npy", "txt", "json"]
        latent = numpy.load(io.BytesIO(fields["logvar.npy"]))
        assert latent.dtype == numpy.float32 and (latent == latent_of(d, "logvar").astype(numpy.float32)).all()


def check_documents(shards, folder):
    corpus, texts = folder / "odd.jsonl", folder / "texts"
    corpus.write_text("".join(json.dumps({"id": key, "text": f"Text of {key}"}) + "\n" for key in ODD_KEYS))
    run("prepare", "--quiet", "--out", texts, corpus)
    long = folder / "long.jsonl"  # tokens whose number takes one, two and three bytes
    long.write_text("".join(json.dumps({"id": str(n), "text": " tree" * n}) + "\n" for n in (200, 300, 70_000)))
    run("prepare", "--quiet", "--out", folder / "long", long)
    export(folder / "long-mds", folder / "long")
    for s, d in zip(mds_samples(folder / "long-mds"), dump(folder / "long"), strict=True):
        assert s["tokens"].tolist() == d["tokens"] and len(d["tokens"]) >= int(s["key"])
    out = folder / "texts-mds"
    export(out, texts)
    export(out, shards)  # the same folder takes pairs too, and the index has both
    samples = list(mds_samples(out))
    assert [s["key"] for s in samples if "latent" not in s] == ODD_KEYS
    assert [s["text"] for s in samples if "latent" not in s] == [f"Text of {key}" for key in ODD_KEYS]
    assert sum("latent" in s for s in samples) == len(dump(shards))
    assert set(json.loads((out / "export.json").read_text())["columns"]) == {"pairs", "documents"}
    both = folder / "both-mds"
    export(both, shards, texts)
    assert files_and_index(both) == files_and_index(out)
    out = folder / "texts-wds"
    export(out, texts, form="webdataset")
    found = wds_samples(out, "odd")
    assert [urllib.parse.unquote(key) for key, _ in found] == ODD_KEYS
    assert [json.loads(fields["json"])["key"] for _, fields in found] == ODD_KEYS
    assert found[0][0] == ODD_KEYS[0] and found[1][0] == ODD_KEYS[1]
    assert all(part not in ("", "..") for key, _ in found for part in key.split("/"))


def check_metadata_that_python_refuses(folder):
    """It is a string then, so that whoever reads the tar gets every sample."""
    metadata = [f"[{'9' * 4300}]", f"[{'9' * 4301}]", "[" * 199 + "]" * 199, "[" * 200 + "]" * 200]
    corpus, texts = folder / "extreme.jsonl", folder / "extreme"
    corpus.write_text("".join('{"id":"%d","text":"t","m":%s}\n' % one for one in enumerate(metadata)))
    run("prepare", "--quiet", "--out", texts, corpus)
    out = folder / "extreme-wds"
    export(out, texts, form="webdataset")
    found = [json.loads(fields["json"])["metadata"] for _, fields in wds_samples(out, "extreme")]
    assert [type(one) for one in found] == [dict, str, dict, str]
    assert all(text in one for text, one in zip(metadata[1::2], found[1::2]))


# ---- again ----

def check_again(shards, folder):
    """The same bytes whatever the workers; only what is missing is done; nothing half done stays."""
    for form, arguments in (("mds", ["--compression", "zstd", "--size-limit", "100K"]), ("webdataset", [])):
        one, out = folder / f"one-{form}", folder / f"again-{form}"
        export(one, *arguments, "--workers", 1, shards, form=form)
        export(out, *arguments, "--workers", 3, shards, form=form)
        want = tree(one)
        check_tree(out, want)
        kept = next(out.glob("scenes-000.*[!n]")).stat()
        for path in out.glob("scenes-001.*"):
            path.unlink()
        left = next(iter(sorted(name for name in want if name.startswith("scenes-001.")))) + ".tmp.host.1.0123abcd"
        (out / left).write_text("half of it")
        (out / "index.json").unlink(missing_ok=True)
        export(out, *arguments, shards, form=form)
        export(out, *arguments, shards, form=form)
        check_tree(out, want)
        assert next(out.glob("scenes-000.*[!n]")).stat() == kept
        text = export(out, *arguments, "--scaled", shards, form=form, status=2)
        assert "another configuration" in text and "options.scaled: false there, true here" in text
        if form == "mds":
            text = export(out, *arguments[:2], "--size-limit", "90K", shards, status=2)
            assert "options.size_limit: 102400 there, 92160 here" in text
        check_tree(out, want)
        (out / next(name for name in want if ".tar" in name or ".mds" in name)).write_text("not what it was")
        export(out, *arguments, "--redo", shards, form=form)
        check_tree(out, want)
    assert "options.format" in export(folder / "again-mds", shards, form="webdataset", status=2)


def check_nested(shards, folder):
    """An export into a folder below another's stays apart from it."""
    out = folder / "outer"
    export(out, shards)
    want = tree(out)
    export(out / "wds", shards, form="webdataset")
    inner = tree(out / "wds")
    export(out, shards)
    check_tree(out, {**want, **{f"wds/{name}": data for name, data in inner.items()}})


def check_killed(folder):
    """A kill at any time leaves nothing that the next run trusts wrongly."""
    names = [f"part-{i}" for i in range(3)]
    for name in names:
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": f"{name} {i}"}) + "\n" for i in range(3000)))
    texts, want = folder / "killed-texts", folder / "killed-want"
    run("prepare", "--quiet", "--out", texts, *(folder / f"{name}.jsonl" for name in names))
    export(want, "--size-limit", "64K", texts)
    cut = []
    for wait in (0, 0.002, 0.005, 0.01, 0.03):
        out = folder / f"killed-{wait}"
        with subprocess.Popen([PROGRAM, "export", "--format", "mds", "--size-limit", "64K", "--out", out, texts],
                              stderr=subprocess.DEVNULL) as process:
            while process.poll() is None and not list(out.glob("*.tmp.*")):
                pass
            time.sleep(wait)
            process.send_signal(signal.SIGKILL)
        done = len(list(out.glob("*.export.json")))
        cut.append(process.returncode == -signal.SIGKILL and done < len(names) and list(out.glob("*.tmp.*")) != [])
        has_index = (out / "index.json").exists()  # it comes last; a kill may meet the exit
        assert done == len(names) if has_index else process.returncode != 0
        export(out, "--size-limit", "64K", texts)
        export(out, "--size-limit", "64K", texts)
        check_tree(out, tree(want))
    assert any(cut), "no kill met a unit in hand"


# ---- what does not go together, and damage ----

def check_refused(shards, folder):
    other = folder / "other"
    run("prepare", "--quiet", "--out", other, "--latent", "fp32", "--limit", 2, "--name", "other", SCENES[0])
    text = export(folder / "refused", shards, other, status=2)
    assert "different latents" in text and 'dtype: "float16" in ' in text and not (folder / "refused").exists()
    none = folder / "none"
    run("prepare", "--quiet", "--out", none, "--tokenizer", "none", "--limit", 2, "--name", "none", SCENES[0])
    assert "different tokenizers" in export(folder / "refused", shards, none, status=2)
    # Pixels that were made in another way have another encode hash, but the latents' model is one.
    pixels = folder / "pixels"
    run("prepare", "--quiet", "--out", pixels, "--icc", "ignore", "--limit", 2, "--name", "pixels", SCENES[0])
    encode = lambda: json.loads((folder / "together/export.json").read_text())["latent"]["encoder"]["encode"]
    export(folder / "together", shards)
    header = json.loads(subprocess.check_output([PROGRAM, "dump", "--header", shards / "scenes-000.lms"]))
    assert encode() == header["encoders"][0]["encode"] and len(encode()) == 64
    export(folder / "together", pixels)
    assert encode() is None, "of several"
    export(folder / "at-once", shards, pixels)
    assert (folder / "at-once/export.json").read_bytes() == (folder / "together/export.json").read_bytes()
    export(folder / "together", shards)
    assert "both called scenes-000" in export(folder / "refused", shards / "scenes-000.lms", shards, status=2)
    assert "there.lms" in export(folder / "refused", folder / "not-there.lms", status=2)
    assert "plain tars" in export(folder / "refused", "--compression", "zstd", shards, form="webdataset", status=2)
    assert "--format" in run("export", "--out", folder / "refused", shards, status=2)
    (folder / "empty").mkdir()
    assert "no shards below it" in export(folder / "refused", folder / "empty", status=2)
    before = tree(shards)
    for out in (shards, f"{shards}/."):
        for source in (shards, shards / "scenes-001.lms"):
            assert "a folder of shards" in export(out, source, status=2)
    check_tree(shards, before)
    nested = folder / "nested"
    run("prepare", "--quiet", "--out", nested, "--limit", 2, "--name", "sub/x", SCENES[0])
    before = tree(nested)
    assert "a folder of shards" in export(nested / "sub", nested, status=2)
    (nested / "sub/x.lms").rename(folder / "x.lms")
    assert "a folder of shards" in export(nested / "sub", folder / "x.lms", status=2), "a manifest is enough"
    (folder / "x.lms").rename(nested / "sub/x.lms")
    check_tree(nested, before)
    out = folder / "changed"
    export(out, shards)
    run("prepare", "--quiet", "--out", folder / "shorter", "--limit", 3, SCENES[0])
    want = tree(out)
    assert "redo it with --redo" in export(out, folder / "shorter", status=2)
    check_tree(out, want)
    export(out, folder / "shorter", "--redo")
    assert len(list(mds_samples(out))) == 3 + 20
    assert not (folder / "refused").exists()


def check_changed(folder):
    """A shard of the same size with other content is another shard."""
    corpus, shards, out = folder / "changed.jsonl", folder / "changing", folder / "changing-out"
    for i, animal in enumerate(("cat", "dog")):
        corpus.write_text(json.dumps({"text": f"the {animal} is black"}) + "\n")
        run("prepare", "--quiet", "--redo", "--tokenizer", "none", "--out", shards, corpus)
        if i == 0:
            export(out, shards)
            size = (shards / "changed.lms").stat().st_size
    assert (shards / "changed.lms").stat().st_size == size
    want = tree(out)
    assert "from another shard" in export(out, shards, status=2)
    check_tree(out, want)
    export(out, shards, "--redo")
    assert [s["text"] for s in mds_samples(out)] == ["the dog is black"]


def check_same_files(folder):
    """The Energon index of x and the DALI index of x.tar would be one file."""
    both, out = {}, folder / "same-files"
    for name in ("x", "x+a", "x.tar"):
        both[name] = folder / f"called-{name}"
        run("prepare", "--quiet", "--out", both[name], "--name", name, "--limit", 2, SCENES[0])
    text = export(out, *both.values(), form="webdataset", status=2)
    assert "x.tar.idx" in text and not out.exists()
    for first, second in (("x", "x.tar"), ("x.tar", "x")):
        out = folder / f"first-{first}"
        export(out, both[first], both["x+a"], form="webdataset")
        want = tree(out)
        assert "x.tar.idx" in export(out, both[second], form="webdataset", status=2)
        assert "x.tar.idx" in export(out, both[second], "--redo", form="webdataset", status=2)
        check_tree(out, want)
    export(folder / "same-mds", *both.values())


def check_disk_full(shards, folder):
    """A unit that could not be written is no part of what the last line counts."""
    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    few, out = folder / "few", folder / "full-out"
    run("prepare", "--quiet", "--out", few, "--name", "few", "--limit", 3, SCENES[0])
    command = [PROGRAM, "export", "--format", "mds", "--out", out, few, shards / "scenes-000.lms"]
    done = subprocess.run(command, preexec_fn=small_files, stderr=subprocess.PIPE, check=False)
    text = done.stderr.decode()
    assert done.returncode == 1 and os.strerror(errno.EFBIG) in text, text
    assert text.splitlines()[-1].startswith("3 samples of 1 shard in ") and text.endswith(", 1 shard failed\n"), text
    assert not (out / "index.json").exists()
    export(out, few, shards / "scenes-000.lms")
    assert len(list(mds_samples(out))) == 3 + 20


def check_no_threads(shards, folder):
    """A thread that cannot start is explained by what pthread_create() says; export reports nothing then."""
    def no_stack():
        resource.setrlimit(resource.RLIMIT_STACK, (1 << 60, resource.getrlimit(resource.RLIMIT_STACK)[1]))

    for arguments in (["export", "--format", "mds", "--out", folder / "threadless", shards],
                      ["prepare", "--out", folder / "threadless-shards", SCENES[0]]):
        done = subprocess.run([PROGRAM, *arguments], preexec_fn=no_stack, stderr=subprocess.PIPE, check=False)
        text = done.stderr.decode()
        assert done.returncode == 1 and f"could not start: {os.strerror(errno.EAGAIN)}\n" in text, text
        assert arguments[0] == "prepare" or "samples" not in text, text


def check_incomplete(shards, folder):
    """What a folder lacks is said, and the rest exported: as `index` says it, with the same status."""
    part, out = folder / "part", folder / "part-out"
    shutil.copytree(shards, part)
    (part / "scenes-000.manifest.json").unlink()
    (part / "later.lms.tmp.host.1.0123abcd").write_bytes(b"begun")
    text = export(out, part, status=42)
    assert f"warning: {part}/scenes-000.lms: no manifest names it, its unit is unfinished\n" in text, text
    assert f"warning: {part}/later.lms.tmp.host.1.0123abcd: its unit is unfinished\n" in text, text
    assert text.splitlines() == run("index", part, status=42).splitlines()[:-1]
    assert {s["name"] for s in mds_samples(out)} == {"scenes-001"}
    assert "2 missing or unfinished" in run("export", "--format", "mds", "--out", out, part, status=42)
    (part / "scenes-001.lms").unlink()
    text = export(folder / "part-none", part, status=42)
    assert "scenes-001.lms is missing" in text and not (folder / "part-none").exists()
    shutil.rmtree(part)
    shutil.copytree(shards, part)
    export(out, part)
    assert {s["name"] for s in mds_samples(out)} == {"scenes-000", "scenes-001"}


def check_not_read(shards, folder):
    """A shard that cannot be read for now ends in status 1, as of `dump`; the others go on, and the same command does it."""
    if os.environ.get("SANITIZE"):  # LD_PRELOAD does not go with it
        return
    out, bad = folder / "not-read", shards / "scenes-000.lms"
    faulty = {**os.environ, "LD_PRELOAD": str(PROGRAM.resolve().parent / "tests/programs/interpose.so"),
              "FAULT": f"open {bad} {errno.EACCES}"}
    for arguments, n in ((["dump", shards], 0), (["export", "--format", "mds", "--out", out, shards], 1),
                         (["export", "--format", "mds", "--out", folder / "none-read", bad], 0)):
        done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, env=faulty, check=False)
        assert done.returncode == 1 and f"error: {bad}: Permission denied" in done.stderr, done
        assert done.stderr.count("1 shard failed") == n, done.stderr
    assert (out / "scenes-001.export.json").exists() and not (folder / "none-read").exists()
    export(out, shards)
    assert {s["name"] for s in mds_samples(out)} == {"scenes-000", "scenes-001"}


def check_damage(shards, folder):
    """One damaged block costs its samples, which are one line, one damaged file its own; both are named."""
    bad, out = folder / "bad", folder / "bad-out"
    shutil.copytree(shards, bad)
    data = bytearray((bad / "scenes-000.lms").read_bytes())
    data[len(data) // 2] ^= 0x55  # in the latents
    (bad / "scenes-000.lms").write_bytes(data)
    (bad / "torn.lms").write_bytes(data[:1000])
    text = export(folder / "torn-out", bad / "torn.lms", shards / "scenes-001.lms", status=42)
    assert "torn.lms" in text and len(list(mds_samples(folder / "torn-out"))) == 20
    assert "torn.lms" in export(folder / "nothing", bad / "torn.lms", status=42) and not (folder / "nothing").exists()
    text = export(out, bad, status=42)
    dumped = dump(shards)
    result = json.loads((out / "scenes-000.export.json").read_text())["result"]
    lost = [x["key"] for x in result["lost"]]
    assert len(lost) > 1
    first, last = (f"scenes-000 {x['key']}, index {x['index']}" for x in (result["lost"][0], result["lost"][-1]))
    said = [line for line in text.splitlines() if "lost: " in line]
    assert len(said) == 1 and said[0].startswith(f"error: {bad}/scenes-000.lms: ") and said[0].endswith(
        f": lost: {len(lost)} samples, from {first} to {last} (scenes-000.export.json names all)"), text
    samples = list(mds_samples(out))
    assert len(samples) + len(lost) == len(dumped)
    assert [(s["name"], s["key"]) for s in samples] == [
        (d["name"], d["key"]) for d in dumped if d["name"] == "scenes-001" or d["key"] not in lost]
    assert result["samples"] + len(lost) == 20
    assert all(str(folder) not in x["why"] and "block" in x["why"] for x in result["lost"])
    before = tree(out)
    for folder_now in (bad, shards):  # repaired, it has the fingerprint that it had
        text = export(out, folder_now, status=42)
        assert "an earlier run lost" in text and "if the shard was repaired since, --redo exports it again\n" in text
    export(out, shards, "--redo")
    assert len(list(mds_samples(out))) == len(dumped) and tree(out) != before


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        shards = folder / "shards"
        run("prepare", "--quiet", "--out", shards, *SCENES)
        check_mds(shards, folder)
        check_webdataset(shards, folder)
        check_scales(folder)
        check_kinds(folder)
        check_other_columns(folder)
        check_documents(shards, folder)
        check_metadata_that_python_refuses(folder)
        check_again(shards, folder)
        check_nested(shards, folder)
        check_killed(folder)
        check_refused(shards, folder)
        check_changed(folder)
        check_same_files(folder)
        check_disk_full(shards, folder)
        check_no_threads(shards, folder)
        check_incomplete(shards, folder)
        check_not_read(shards, folder)
        check_damage(shards, folder)


if __name__ == "__main__":
    main()
