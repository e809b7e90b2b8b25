# SPDX-License-Identifier: Apache-2.0
"""prepare with the diffusers child and with the built-in engine, of one folder: the data sets differ in
nothing but the tensors' last bits and in what says where they come from."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from models import make
import numpy as np

import package
from latentmill import ShardReader

PROGRAM = os.path.abspath(f"{package.BUILD}/latentmill")
PROVENANCE = {"config", "encode", "not_promised", "numerics", "reproducible"}
LIMIT = 1e-4
ENVIRONMENT = {"LATENTMILL_PYTHON": sys.executable, "PYTHONPATH": os.path.abspath(f"{package.BUILD}/python")}


def prepare(out, *options):
    command = [PROGRAM, "prepare", "--out", str(out), "--size", "64", "--latent", "fp32", *options,
               "tests/data/scenes-000.tar", "tests/data/scenes-001.tar"]
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def page_command(model):
    """The page's command of prepare, with a model of these tests and less to do."""
    page = pathlib.Path("shard/python/README.md").read_text()
    command = next(line.strip() for line in page.splitlines() if "--encoder flux=" in line)
    words = command.replace("FLUX.1-dev", str(model)).replace("build/latentmill", PROGRAM)
    words = words.replace("pairs/*.tar", os.path.abspath("tests/data/scenes-001.tar"))
    env = {**os.environ, **ENVIRONMENT}
    subprocess.run(words + " --limit 2", shell=True, cwd=model.parent, env=env, check=True)
    shard, = (model.parent / "flux").glob("scenes-001~*.lms")
    header = ShardReader(shard).header
    assert header["encoders"][0]["name"] == "flux" and header["encoders"][0]["numerics"].split()[2] == "bfloat16"


def dump(folder):
    command = [PROGRAM, "dump", "--json", "--latents", "none", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def same_but_provenance(a, b):
    for mine, theirs in zip(a["encoders"], b["encoders"], strict=True):
        for key in mine.keys() | theirs.keys():
            assert (mine.get(key) == theirs.get(key)) is (key not in PROVENANCE), key
    assert b["encoders"][0]["numerics"].startswith("torch-") and b["encoders"][0]["reproducible"] is False
    for key in a.keys() - {"encoders", "config"}:
        assert a[key] == b[key], key


def result(folder, name):
    made = json.loads((folder / f"{name}.manifest.json").read_text())["result"]
    made.pop("config_sha256")
    for shard in made["shards"]:
        shard.pop("sha256")
        shard.pop("bytes")
        shard.pop("name")
    if made["rejects"]:
        made["rejects"].pop("name")
    return made


def compare(a, b):
    assert dump(a) == dump(b) and dump(a).count("\n") > 20
    largest = 0
    for name in ("scenes-000", "scenes-001"):
        one, two = result(a, name), result(b, name)
        assert one == two, (one, two)
        rejects = [next(folder.glob(f"{name}*.rejects.jsonl")) for folder in (a, b)]
        assert rejects[0].read_bytes() == rejects[1].read_bytes()
        readers = [ShardReader(next(folder.glob(f"{name}*.lms"))) for folder in (a, b)]
        same_but_provenance(*(reader.header for reader in readers))
        for mine, theirs in zip(*readers, strict=True):
            assert np.array_equal(mine.ids, theirs.ids) and mine.captions == theirs.captions
            pairs = list(zip(mine.parts[1].tensors, theirs.parts[1].tensors, strict=True))
            assert len(pairs) == 2
            for x, y in pairs:
                assert x.shape == y.shape and x.logvar == y.logvar
                largest = max(largest, np.abs(x.array - y.array).max())
    assert 0 < largest <= LIMIT, largest
    print(f"differ by at most {largest}")


with tempfile.TemporaryDirectory() as folder_name:
    top = pathlib.Path(folder_name)
    make("sd", top)
    prepare(top / "built-in", "--moments", "mean+logvar", "--vae", str(top / "sd"))
    prepare(top / "child", "--moments", "mean+logvar", "--encoder", f"vae=diffusers:{top}/sd", "--devices", "cpu")
    compare(top / "built-in", top / "child")
    page_command(top / "sd")
