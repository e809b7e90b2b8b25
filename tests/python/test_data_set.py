# SPDX-License-Identifier: Apache-2.0
"""`dump`, `index`, `export` and the package give one answer for a folder: the same shards are
taken, the same things named as missing or unfinished, in the same words."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings

import package
from latentmill import DatasetIndex, ShardError
from latentmill.sources.catalogue import Catalogue, find_shards
from latentmill.sources.data_set import DataSet

PROGRAM = pathlib.Path(package.BUILD).resolve() / "latentmill"


def run(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, check=False)


def make_set(folder):
    """Units a, b and n/c are complete; d is damaged at its end; of r too much was rejected."""
    lines = [json.dumps({"id": str(i), "text": "tree house"}) + "\n" for i in range(4)]
    texts = {name: "".join(lines) for name in "abc"} | {"d": "".join(lines) + '{"id', "r": "{}\n" * 200}
    inputs = []
    for name, text in texts.items():
        inputs.append(folder / f"{name}.jsonl")
        inputs[-1].write_text(text)
    done = run("prepare", "--quiet", "--out", folder / "set", *inputs)
    assert done.returncode == 42, done.stderr
    (folder / "set/n").mkdir()
    for path in (folder / "set").glob("c.*"):
        path.rename(folder / "set/n" / path.name)
    return folder / "set"


# ---- what is done to it ----

def whole(here):
    pass


def gone(here):
    (here / "a.lms").unlink()


def resized(here):
    os.truncate(here / "n/c.lms", 100)


def foreign(here):
    shutil.copy(here / "a.lms", here / "n/more+00001.lms")


def unfinished(here):
    for name in ("e.lms.tmp.h.1.0", "e+00001.lms.tmp.h.1.0", "n/z.lms.tmp.h.1.0", "a+00007.lms.tmp.h.1.0", "._x.lms.tmp.h.1"):
        (here / name).write_bytes(b"")


def unmanifested(here):
    (here / "a.manifest.json").unlink()


def torn_manifest(here):
    os.truncate(here / "a.manifest.json", 100)


def other_json(here):
    (here / "a.manifest.json").write_text('{"result": {"shards": [5]}}')


def sizeless(here):
    path = here / "a.manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["result"]["shards"][0]["bytes"]
    path.write_text(json.dumps(manifest))


def claimed(here):
    """A manifest without bytes: who publishes it has only claimed its name."""
    os.truncate(here / "a.manifest.json", 0)
    (here / "a+00007.lms.tmp.h.1.0").write_bytes(b"")


def pipe_manifest(here):
    (here / "a.manifest.json").unlink()
    os.mkfifo(here / "a.manifest.json")


def dead_link(here):
    (here / "x.manifest.json").symlink_to("nowhere")
    (here / "x.lms").symlink_to("nowhere")


def folder_link(here):
    (here / "link").symlink_to("n")
    (here / "link.lms").symlink_to("n")


def linked(here):
    (here / "a.lms").rename(here.parent / f"{here.name}.target")
    (here / "a.lms").symlink_to(f"../{here.name}.target")


def shards_alone(here):
    for path in [*here.rglob("*.json"), *here.rglob("*.jsonl")]:
        path.unlink()


def empty_alone(here):
    shards_alone(here)
    os.truncate(here / "a.lms", 0)
    (here / "b.lms").unlink()
    os.mkfifo(here / "b.lms")


def killed_early(here):
    for path in here.rglob("*.manifest.json"):
        path.unlink()


def twins(here):
    for path in list(here.rglob("*.*")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\26\7")


def export_inside(here):
    assert run("export", "--quiet", "--format", "mds", "--out", here / "n/mds", here / "a.lms").returncode == 0


def many(here):
    for change in (foreign, gone, resized, unfinished, twins):
        change(here)
    os.truncate(here / "b.manifest.json", 100)


def empty(here):
    shutil.rmtree(here)
    here.mkdir()


ALL = ["a", "b", "d", "n/c"]
# What is taken; how many things are named.
CASES = [(whole, ALL, 0), (gone, ["b", "d", "n/c"], 1), (resized, ["a", "b", "d"], 1), (foreign, ALL, 1),
         (unfinished, ALL, 3), (unmanifested, ["b", "d", "n/c"], 1), (torn_manifest, ["b", "d", "n/c"], 2),
         (other_json, ["b", "d", "n/c"], 2), (sizeless, ["b", "d", "n/c"], 2), (pipe_manifest, ["b", "d", "n/c"], 2),
         (claimed, ["b", "d", "n/c"], 3), (dead_link, ALL, 1), (folder_link, ALL, 0), (linked, ALL, 0), (shards_alone, ALL, 0), (empty_alone, ["d", "n/c"], 2), (killed_early, [], 4),
         (twins, ALL, 0), (export_inside, ALL, 0), (many, ["d"], 8), (empty, [], 0)]


# ---- what each says of it ----

def told(stderr):
    return [line.removeprefix("warning: ") for line in stderr.splitlines() if line.startswith("warning: ")]


def without_detail(lines):
    """JSON's two parsers have words of their own."""
    return [line.partition(" is damaged or no manifest")[0] for line in lines]


def by_dump(here):
    done = run("dump", "--latents", "none", "--limit", "9999", here)
    heads = [line.split(".lms: ")[0] for line in done.stdout.splitlines() if line.startswith(f"{here}/")]
    return done.returncode, [os.path.relpath(head, here) for head in heads], told(done.stderr)


def by_index(here):
    status = run("index", here).returncode
    done = run("index", "--incomplete", here)
    index = here / "index.lmi"
    names = []
    if index.exists():
        opened = DatasetIndex(here)
        assert opened.incomplete == (status != 0)
        names = [opened.name(i).removesuffix(".lms") for i in range(len(opened))]
        index.unlink()
    return status, names, told(done.stderr)


def by_export(here):
    """Its manifests have the NAMEs alone, and where the shards were."""
    out = here.parent / f"{here.name}-mds"
    done = run("export", "--format", "mds", "--out", out, here)
    paths = [json.loads(path.read_text())["run"]["path"].removesuffix(".lms") for path in out.rglob("*.export.json")]
    return done.returncode, sorted(os.path.relpath(path, here) for path in paths), told(done.stderr)


def check(here, taken, n_named):
    found = DataSet(here)
    assert [shard.removesuffix(".lms") for shard in found.shards] == taken, found.shards
    assert len(found.problems()) == n_named, found.problems()
    wanted = 42 if n_named else 2 if not taken else 0
    for command in (by_dump, by_index, by_export):
        status, names, lines = command(here)
        assert (status, names) == (wanted, taken), (command, status, names)
        assert without_detail(lines) == without_detail(found.problems()), (command, lines, found.problems())
    for command in (["dump"], ["export", "--format", "mds", "--redo", "--out", here.parent / f"{here.name}-mds"]):
        status = run(*command, "--incomplete", here).returncode
        assert status == (0 if taken else status), (command, status)
    check_catalogue(here, found)


def check_catalogue(here, found):
    """What is lost is refused, what is not finished left out with a warning."""
    lost = found.unreadable + found.gone + found.resized
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            paths = [str(path.relative_to(here)) for path in find_shards(here)]
        except (FileNotFoundError, ShardError) as error:
            paths, said = [], str(error)
            assert lost or not found.shards, said
            assert not lost or lost[0] in said, said
        else:
            assert not lost and paths == found.shards
    left_out = found.unfinished + found.foreign
    assert lost or [str(one.message).split(": left out")[0] for one in caught] == \
        (["; ".join(left_out)] if left_out else [])


def check_incomplete_index(here):
    """Its flag is told, and what it lacks as far as manifests name it; one that lacked nothing says nothing."""
    gone(here)
    resized(here)
    for options, wanted in (([], []), (["--incomplete"], ["a.lms is missing", "c.lms has not the"])):
        run("index", *options, here)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                assert Catalogue(here).index is not None
            except (FileNotFoundError, ShardError) as error:
                assert not wanted and "a.lms is missing" in str(error), error
        said = " ".join(str(one.message) for one in caught)
        assert bool(wanted) == (f"{here}/index.lmi is incomplete" in said), said
        assert all(what in said for what in wanted), said
    for path in (here / "a.manifest.json", here / "n/c.manifest.json", here / "n/c.lms"):
        path.unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(Catalogue(here)) == 2
    assert len(caught) == 1 and str(caught[0].message).endswith("shards may be missing"), caught


def main():
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder).resolve()
        made = make_set(folder)
        check_incomplete_index(shutil.copytree(made, folder / "indexed"))
        for change, taken, n_named in CASES:
            here = folder / change.__name__
            shutil.copytree(made, here)
            change(here)
            try:
                check(here, taken, n_named)
            except AssertionError as error:
                raise AssertionError(f"{change.__name__}: {error}") from error


if __name__ == "__main__":
    main()
