# SPDX-License-Identifier: Apache-2.0
"""The code of the package's page on merging, removing, new captions and text-only batches does what the page says
of it. Other pages are run by test_pages.py, the training loop by tests/trainer/test_readme.py."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import warnings

import dataset_shards
import numpy as np
import test_export
from test_export import dump, export, mds_samples
import test_tokenizer  # noqa: F401  (skips where sentencepiece is not installed)

import latentmill
from latentmill import Dataset, ShardReader, Source

PAGE = pathlib.Path("shard/python/README.md").read_text()
SMALL = {"batch_size": 2, "pack": 700, "patch": 4, "last": "pad"}


def code_below(title):
    """The indented blocks of a paragraph and those that follow it, up to the next title in bold."""
    begin = PAGE.index(f"**{title}**")
    text = re.split(r"\n\n(?=\*\*)", PAGE[begin:])[0]
    blocks = re.findall(r"\n\n((?:    .*(?:\n|$))+)", text + "\n")
    return ["\n".join(line[4:] for line in block.splitlines()) for block in blocks]


def execute(code, **names):
    names = {**vars(latentmill), "Dataset": Dataset, **names}
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        exec(code, names)  # pylint: disable=exec-used
    return names


def keys(source):
    return sorted(identity for identity, _ in dataset_shards.documents(Dataset(source, **SMALL)))


def check_merging(code):
    assert len(code) == 1
    execute(code[0])
    both = keys(["pairs/", "more/"])
    assert len(both) == 60
    pathlib.Path("above").mkdir()
    for folder in ("pairs", "more"):
        shutil.copytree(folder, f"above/{folder}")
    assert keys("above") == both
    export("above-mds", "above")
    assert sorted((s["name"], s["key"]) for s in mds_samples(pathlib.Path("above-mds"))) == both
    dataset_shards.index("above")
    assert keys("above") == both
    assert pathlib.Path("pairs/dataset.json").read_bytes() == pathlib.Path("more/dataset.json").read_bytes()
    shutil.copytree("pairs", "moved")
    for path in pathlib.Path("more").glob("more.*"):
        shutil.copy(path, "moved")
    assert keys("moved") == both
    shutil.copytree("pairs", "above/again")
    (pathlib.Path("above") / "index.lmi").unlink()
    assert "both called scenes-000" in export("again-mds", "above", status=2)


def check_removing(code, tar):
    gone = {"000000001", "000010002"}
    pathlib.Path("takedown.txt").write_text("\n".join(gone))
    assert len(code) == 1
    execute(code[0])
    left = keys(Source("pairs/", view="kept.lmv"))
    assert left == [identity for identity in keys("pairs") if identity[1] not in gone]
    export("kept-mds", "--view", "kept.lmv", "pairs")
    assert sorted((s["name"], s["key"]) for s in mds_samples(pathlib.Path("kept-mds"))) == left
    shutil.copytree("pairs", "redone")
    names = [name for name in subprocess.run(["tar", "tf", tar], capture_output=True, check=True, text=True)
             .stdout.split() if name.split(".")[0] not in gone]
    smaller = pathlib.Path("tars") / tar.name
    smaller.parent.mkdir()
    subprocess.run(["tar", "xf", tar], cwd=smaller.parent, check=True)
    subprocess.run(["tar", "cf", smaller.name, *names], cwd=smaller.parent, check=True)
    dataset_shards.prepare("redone", "--redo", smaller)
    assert "000000001" not in ShardReader("redone/scenes-000.lms").keys
    try:
        Dataset(Source("redone", view="kept.lmv"), **SMALL)
    except ValueError as error:
        assert "was made of other shards" in str(error)
    else:
        raise AssertionError("a view of shards that are gone was taken")


def check_captions(code):
    python, shell = code
    execute(python)
    subprocess.run(shell, shell=True, check=True, stderr=subprocess.PIPE)
    new = {(s["name"], s["key"]): s for s in mds_samples(pathlib.Path("new-mds"))}
    for d in dump("pairs"):
        sample = new.pop((d["name"], d["key"]))
        assert sample["weight"] == 1.0
        if d["key"] == "000000000":
            assert [c["text"] for c in sample["captions"]] == ["A white house.", "A house and a tree."]
        elif d["key"] == "000010000":
            assert sample["text"] == "Of this NAME's record alone."
        else:
            assert sample["text"] == d["caption"] and sample["tokens"].tolist() == d["tokens"]
    assert not new


class Errors(np.ndarray):
    """As much of a tensor as the page needs."""
    def numel(self):
        return self.size


def check_text_only(code):
    texts = dataset_shards.make_texts(pathlib.Path("texts"), n=40)
    data = Dataset({"pairs": Source("pairs/", 0.05), "text": texts}, **{**SMALL, "batch_size": 1})
    empty = [batch for batch in data if not len(batch["spans"])]
    assert empty and len(empty) < 40
    for batch in empty:
        assert batch["spans"].shape == (0, 6) and batch["patches"].shape == (0, data.patch_values)
        assert execute(code[0], errors=batch["patches"].view(Errors))["image_loss"] == 0


def check_views_bullet():
    build = re.search(r"`(build_view\(\"pairs/\",\s+\"wide\.lmv\".*?)`, then", PAGE, re.S)[1]
    execute(" ".join(build.split()))
    wide = {(d["name"], d["key"]) for d in dump("pairs") if d["metadata"]["width"] >= 480}  # the images' own
    assert 0 < len(wide) < 40 and set(keys(Source("pairs/", view="wide.lmv"))) == wide


def main():
    build = pathlib.Path(dataset_shards.BUILD)
    test_export.PROGRAM = build / "latentmill"
    tars = [pathlib.Path(path).resolve() for path in dataset_shards.SAMPLE_SET]
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        dataset_shards.make_pairs(folder / "pairs")
        dataset_shards.prepare(folder / "more", "--name", "more", dataset_shards.SAMPLE_SET[0])
        os.chdir(folder)
        pathlib.Path("build").symlink_to(build)
        check_merging(code_below("Merging folders."))
        check_removing(code_below("Removing samples."), tars[0])
        check_captions(code_below("Changing captions."))
        check_text_only(code_below("Text-only batches."))
        check_views_bullet()


if __name__ == "__main__":
    main()
