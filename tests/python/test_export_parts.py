# SPDX-License-Identifier: Apache-2.0
"""`latentmill export` of records with several images, encoders, mirror images, texts and data, against
the reader that was made from FORMAT.md alone: the names of the columns, and every value in both formats."""
import io
import json
import pathlib
import re
import subprocess
import tempfile

from test_export import PROGRAM, check_tree, export, mds_samples, run, tree, wds_samples  # skips without numpy
import numpy
import shard_format

DTYPES = {1: "<u2", 3: "<i4", 4: "<f2", 6: "<f4"}
EDIT = "Iv:source T Iv:target"
RICH = "T:user D:unused IVwMcFp:target Dd De"


def write(folder, name, *arguments):
    path = folder / f"{name}.lms"
    subprocess.run([PROGRAM.parent / "tests/programs/write_parts", path, name, *arguments], check=True)
    return path


# ---- what must come out, from the shard ----

def values_of(tensor, encoder, scaled):
    data = bytes.fromhex(tensor["data"])
    if tensor["dtype"] == 7:
        return data
    if tensor["dtype"] == 5:
        array = (numpy.frombuffer(data, "<u2").astype("<u4") << 16).view("<f4")
    else:
        array = numpy.frombuffer(data, DTYPES[tensor["dtype"]])
    array = array.reshape(tensor["dims"])
    if scaled and encoder["kind"] == "latent":
        scale, shift = (shard_format.array(encoder[name]).astype(numpy.float32) for name in ("scale", "shift"))
        if scale.size > 1:
            p = scale.shape[1] if scale.ndim == 3 else 1
            c, h, w = array.shape
            scale, shift = (numpy.tile(a.reshape(c, p, p), (1, h // p, w // p)) for a in (scale, shift))
        array = ((array.astype(numpy.float32) - shift) * scale).astype(array.dtype)
    return array


def tensors_of(shard, record, scaled):
    """Numbered names and values, and the crop boxes."""
    images = [i for i, p in enumerate(record["parts"]) if p["kind"] == shard_format.IMAGE]
    for t in record["tensors"]:
        encoder, output = shard.header["encoders"][t["encoder"]], t["slot"] >> 8
        name = f"{images.index(t['part'])}" if t["part"] in images else "data"
        name += "." + encoder["name"]
        plain = ["patches", "1"][output] if encoder["outputs"] else None  # the second has a name with a blank
        mirrored, logvar = ".mirrored" if t["slot"] & 2 else "", ".logvar" if t["slot"] & 1 else ""
        full = name + (f".{plain}" if plain else "") + mirrored + logvar
        yield full, values_of(t, encoder, scaled and not logvar)
        if t["owner"] is not None:
            r = record["renditions"][t["owner"]]
            yield f"{name}{mirrored}.crop", [r[f"crop_{side}"] for side in ("left", "top", "width", "height")]


def wanted(shard, record, scaled=False):
    """All columns but the texts' and the sample's own, under numbered names."""
    columns = dict(tensors_of(shard, record, scaled))
    images = [p for p in record["parts"] if p["kind"] == shard_format.IMAGE]
    for i, image in enumerate(images):
        columns[f"{i}.original_size"], columns[f"{i}.image_sha256"] = image["size"], image["sha256"]
    if len(images) > 1 or sum(p["kind"] == shard_format.TEXT for p in record["parts"]) != 1:
        columns["parts"] = [("text", "image", "data")[p["kind"]] + (f":{p['role']}" if p["role"] else "")
                            for p in record["parts"]]
        columns["loss"] = [p["flags"] == 1 for p in record["parts"]]
    return columns


def same(have, want):
    if isinstance(want, numpy.ndarray):
        return have.dtype == want.dtype and have.shape == want.shape and have.tobytes() == want.tobytes()
    return (have.tolist() if isinstance(have, numpy.ndarray) else have) == want


def check_text(sample, record, number=""):
    text = [p for p in record["parts"] if p["kind"] == shard_format.TEXT][int(number.strip(".") or 0)]["alternatives"]
    assert [(c["name"], c["text"], c["tokens"]) for c in sample[number + "captions"]] == [
        (a["name"], a["text"], a["ids"]) for a in text]
    assert (sample[number + "text"], sample[number + "tokens"].tolist()) in [(a["text"], a["ids"]) for a in text]


def wds_as_columns(fields):
    """A sample of a tar under the names of the other format."""
    sample = json.loads(fields["json"])
    for field, data in fields.items():
        if field.endswith(".npy"):
            sample[field[:-4]] = numpy.load(io.BytesIO(data))
        elif field.endswith(".jpg"):
            sample[field[:-4]] = data
        elif field.endswith("txt"):
            sample[field[:-3] + "text"] = data.decode()
    drawn = {name + "s": value for name, value in sample.items() if name.split(".")[-1] == "caption"}
    for captions, place in drawn.items():
        del sample[captions[:-1]]
        assert sample[captions][place]["text"] == sample[captions[:-8] + "text"]
    return sample


def both(folder, path, *arguments):
    """The samples by either format, which agree on their columns."""
    name = path.stem + "".join(arguments)
    export(folder / f"{name}-mds", *arguments, path)
    export(folder / f"{name}-wds", *arguments, path, form="webdataset")
    mds = list(mds_samples(folder / f"{name}-mds"))
    wds = [wds_as_columns(fields) for _, fields in wds_samples(folder / f"{name}-wds", path.stem)]
    assert [set(s) for s in mds] == [set(s) for s in wds]
    columns = json.loads((folder / f"{name}-mds/export.json").read_text())["columns"]
    assert [set(of_kind) for of_kind in columns.values()] == [set(mds[0])]
    fields = json.loads((folder / f"{name}-wds/export.json").read_text())["columns"]
    assert [set(of_kind) for of_kind in fields.values()] == [set(wds_samples(folder / f"{name}-wds", path.stem)[0][1])]
    return mds, wds


def check(folder, path, *arguments, rename=lambda name: name):
    """Every sample of a shard. Gives those of MDS."""
    shard = shard_format.Shard(path)
    mds, wds = both(folder, path, *arguments)
    assert len(mds) == len(wds) == shard.count
    for i, samples in enumerate(zip(mds, wds)):
        record = shard.record(i)
        want = wanted(shard, record, "--scaled" in arguments)
        for sample in samples:
            assert sample["key"] == record["key"] and sample["index"] == i
            for name, value in want.items():
                assert same(sample[rename(name)], value), (path.name, i, name)
    return mds


# ---- what there is to export ----

def check_edits(folder):
    path = write(folder, "edits", *[EDIT] * 5)
    samples = check(folder, path)
    assert sorted(samples[0]) == ["0.image_sha256", "0.original_size", "0.vae", "0.vae.crop", "1.image_sha256",
                                  "1.original_size", "1.vae", "1.vae.crop", "captions", "index", "key", "loss",
                                  "metadata", "name", "parts", "text", "tokens"]
    assert samples[0]["parts"] == ["image:source", "text", "image:target"]
    for i, sample in enumerate(samples):
        check_text(sample, shard_format.Shard(path).record(i))
    check(folder, path, "--scaled")


def check_many_encoders(folder):
    """Latents of two geometries, a log-variance, mirror images, codes, features of two outputs, a file, data."""
    path = write(folder, "rich", RICH, RICH, RICH)
    samples = check(folder, path)
    assert {"0.vae", "0.vae.mirrored", "0.wide", "0.moments.mirrored.logvar", "0.vq.512", "0.dino.patches",
            "0.dino.1.mirrored", "0.jpeg", "0.jpeg.crop", "0.vae.mirrored.crop", "data.depth", "data.boxes",
            "order", "text"} < set(samples[0])
    assert samples[0]["0.wide"].shape == (2, 16, 16) and samples[0]["0.wide"].dtype == numpy.float32
    assert samples[0]["0.vq.512"].dtype == numpy.uint16 and samples[0]["0.jpeg"].startswith(b"\xff\xd8\xff")
    assert not any(name.startswith("0.wide.mirrored") or name == "crop" for name in samples[0])
    assert "log-variances" in export(folder / "rich-scaled", "--scaled", path, status=2)
    check(folder, write(folder, "windows", "T IVw Dd", "IVw T Dd"), "--scaled")
    about = json.loads((folder / "rich-mds/export.json").read_text())
    assert about["latent"] is None and about["encoders"]["wide"]["encoder"]["scale"]["dims"] == [2, 2, 2]
    assert about["encoders"]["moments"]["logvar"] is True and about["encoders"]["vq.512"]["dtype"] == "uint16"


def today(kind):
    """The names where there is one image and one tensor of this kind."""
    names = {"0.original_size": "original_size", "0.image_sha256": "image_sha256"}

    def rename(name):
        if name.endswith(".crop"):
            return "crop"
        return names.get(name) or ("logvar" if name.endswith(".logvar") else kind if name[0] == "0" else name)
    return rename


def check_single(folder):
    """One image and one encoder: no numbers, whatever the kind; data beside it."""
    for letter, kind in (("v", "latent"), ("m", "latent"), ("c", "codes"), ("p", "pixels")):
        samples = check(folder, write(folder, f"single-{letter}", f"T I{letter} Dd", f"I{letter} Dd T"),
                        rename=today(kind))
        assert {kind, "crop", "order", "original_size", "image_sha256", "data.depth"} < set(samples[0])
    check(folder, write(folder, "words", "T De", "T De"), rename=str)
    for i, letters in enumerate(("V", "f", "vw")):
        assert "crop" not in check(folder, write(folder, f"several-{i}", f"T I{letters}"))[0]


def check_texts(folder):
    path = write(folder, "talk", "T:user Iv T:assistant", "T:user T:assistant Iv")
    samples = check(folder, path, rename=today("latent"))
    assert samples[0]["parts"] == ["text:user", "image", "text:assistant"]
    assert not {"text", "tokens", "order"} & set(samples[0]) and "0.vae" not in samples[0] and "latent" in samples[0]
    for i, sample in enumerate(samples):
        for number in ("0.", "1."):
            check_text(sample, shard_format.Shard(path).record(i), number)
    assert "tokens" not in check(folder, write(folder, "no-ids", "Tn Iv Iv"))[0]


def check_many_images(folder):
    samples = check(folder, write(folder, "many", "T" + " Iv" * 3000))
    assert len(samples[0]) == 4 * 3000 + 9 and "2999.vae" in samples[0]


# ---- what is unlike, and what does not go together ----

def check_unlike(folder):
    """Samples that have not what their shard's first one has are named and left out."""
    path = write(folder, "unlike", "Iv T Iv", "Iv T Iv Iv", "Iv T I", "Iv T Ivw", "IV T Iv", "Iv T Ih", "Iv Tn Iv", "Iv T Iv L",
                 "T", "Iv Iv", "Iv T T Iv", "T Iv Iv", "T Iv", "Iv T Ic")
    reasons = {1: "number of images", 2: "other tensors", 3: "other tensors", 4: "other tensors", 5: "another type",
               6: "no ids", 7: "a part of a later version", 8: "number of images", 9: "it has no text",
               10: "number of texts", 12: "number of images", 13: "other tensors"}
    out = folder / "unlike-mds"
    text = export(out, path, status=42)
    lost = {entry["index"]: entry["why"] for entry in json.loads((out / "unlike.export.json").read_text())["result"]["lost"]}
    assert set(lost) == set(reasons) and all(part in lost[i] for i, part in reasons.items()), lost
    told = re.findall(r": lost: (?:(\d+) samples, from )?unlike dir/", text)
    assert sum(int(n or 1) for n in told) == len(reasons), text
    assert [s["index"] for s in mds_samples(out)] == [0, 11]
    assert "its images have no tensors" in export(folder / "bare", write(folder, "bare", "I T I", "Iv T Iv"), status=42)


def check_agreement(folder):
    """Encoders of one name are one encoder, in one run and in the next."""
    edits, rich = folder / "edits.lms", folder / "rich.lms"
    pairs, windows = folder / "single-v.lms", folder / "windows.lms"
    out = folder / "together"
    export(out, pairs, edits)
    export(out, rich)
    at_once = folder / "at-once"
    export(at_once, edits, pairs, rich)
    assert tree(out).pop("index.json") == tree(at_once).pop("index.json")
    assert (out / "export.json").read_bytes() == (at_once / "export.json").read_bytes()
    about = json.loads((out / "export.json").read_text())
    assert set(about["columns"]) == {"pairs", "others"} and {"latent", "0.wide"} < set(about["columns"]["pairs"])
    assert about["latent"] == about["encoders"]["vae"]
    want = tree(out)
    other = write(folder, "other", "Ih T Ih")
    text = export(folder / "refused", edits, other, status=2)
    assert "have different encoders" in text and 'dtype: "float16" in ' in text and not (folder / "refused").exists()
    text = export(folder / "refused", pairs, other, status=2)
    assert "have different latents" in text and not (folder / "refused").exists()
    assert "encoders.vae.dtype" in export(out, other, status=2)
    export(folder / "pairs-first", pairs)
    assert 'dtype: "float16" in latent, "float32" in encoders' in export(folder / "pairs-first", other, status=2)
    assert "another configuration" in export(out, "--scaled", windows, status=2)
    check_tree(out, want)


def check_same_names(folder):
    """Two columns of one name are refused before any work."""
    for name, record, arguments in (("crop", "Iv T Iv", ["+original_size"]), ("texts", "Iv T T Iw", ["+text"]),
                                    ("data", "T Dd Dd", [])):
        text = export(folder / "twice", write(folder, f"twice-{name}", *arguments, record), status=2)
        assert "two columns would be called " in text and not (folder / "twice").exists()


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for part in (check_edits, check_many_encoders, check_single, check_texts, check_many_images, check_unlike,
                     check_agreement, check_same_names):
            part(folder)


if __name__ == "__main__":
    main()
