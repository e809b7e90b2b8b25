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
from unittest import mock

import package
from latentmill import DatasetIndex, ShardError
from latentmill.sources import data_set
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
    for name in ("e.lms", "e+00001.lms", "n/z.lms", "a+00007.lms", "._x.lms", "e.rejects.jsonl", "e+123456.lms"):
        (here / f"{name}.tmp.h.1.0123abcd").write_bytes(b"")
    for name in ("f.lms.tmp.h.1.0", ".lms.tmp.h.1.0123abcd", "f.lms.tmp.h.1.0123abcdx", "f.lms.tmp.0123abcd"):
        (here / name).write_bytes(b"")  # somebody else's


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
    (here / "a+00007.lms.tmp.h.1.0123abcd").write_bytes(b"")


def pipe_manifest(here):
    (here / "a.manifest.json").unlink()
    os.mkfifo(here / "a.manifest.json")


def dead_link(here):
    (here / "x.manifest.json").symlink_to("nowhere")
    (here / "x.lms").symlink_to("nowhere")


def odd_names(here):
    for name in (b"y\n\x1b\\b.lms", "y\u200e\u00e9\u2028\t.lms".encode(), b"y\xff\xc3.lms.tmp.h.1.0123abcd"):
        pathlib.Path(os.fsdecode(bytes(here) + b"/" + name)).write_bytes(b"x")


def folder_manifest(here):
    (here / "a.manifest.json").unlink()
    (here / "a.manifest.json").mkdir()


def folder_link(here):
    (here / "link").symlink_to("n")
    (here / "link.lms").symlink_to("n")


def folder_elsewhere(here):
    """As where the part of a data set is on another disk."""
    (here / "n").rename(here.parent / f"{here.name}.n")
    (here / "n").symlink_to(f"../{here.name}.n")
    (here / "n/up").symlink_to("..")
    (here / "o").symlink_to("n")


def passed_over(here):
    for name in (".ipynb_checkpoints", "m/.snapshot", "lost+found"):
        shutil.copytree(here / "n", here / name)


def all_rejected(here):
    for path in here.rglob("*.*"):
        if path.name[0] in "abcd" and path.name != "dataset.json":
            path.unlink()


def rejected_but_one(here):
    all_rejected(here)
    (here / "x.lms.tmp.h.1.0123abcd").write_bytes(b"")


def unreachable_manifest(here):
    """As one without rights, which root would read all the same."""
    (here / "a.manifest.json").unlink()
    (here / "a.manifest.json").symlink_to("x" * 300)


def unreachable_shard(here):
    (here / "n/c.lms").unlink()
    (here / "n/c.lms").symlink_to("x" * 300)


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


def tries(here):
    """Of an encoder that is not reproducible; one was killed before it put its manifest."""
    for name in ("a~00000000.lms", "a~00000000+00001.lms"):
        shutil.copy(here / "a.lms", here / name)
    (here / "a.lms").rename(here / "a~0123abcd.lms")
    manifest = json.loads((here / "a.manifest.json").read_text())
    manifest["result"]["shards"][0]["name"] = "a~0123abcd.lms"
    (here / "a.manifest.json").write_text(json.dumps(manifest))


def tries_alone(here):
    tries(here)
    (here / "b.lms").rename(here / "b~00000000.lms")
    shards_alone(here)


def try_unmanifested(here):
    tries(here)
    (here / "a~00000000+00001.lms").unlink()
    (here / "a.manifest.json").unlink()


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
BUT_A = ["b", "d", "n/c"]
# What is taken; how many things are named.
CASES = [(whole, ALL, 0), (gone, ["b", "d", "n/c"], 1), (resized, ["a", "b", "d"], 1), (foreign, ALL, 1),
         (unfinished, ALL, 4), (unmanifested, BUT_A, 1), (folder_manifest, BUT_A, 1), (odd_names, ALL, 3), (torn_manifest, BUT_A, 1), (other_json, BUT_A, 1), (sizeless, BUT_A, 1),
         (pipe_manifest, BUT_A, 2), (claimed, BUT_A, 3), (dead_link, ALL, 1), (folder_elsewhere, ALL, 0),
         (passed_over, ALL, 0), (all_rejected, [], 0), (rejected_but_one, [], 1), (folder_link, ALL, 0), (linked, ALL, 0), (shards_alone, ALL, 0), (empty_alone, ["d", "n/c"], 2), (killed_early, [], 4),
         (tries, ["a~0123abcd", "b", "d", "n/c"], 0), (tries_alone, ["b~00000000", "d", "n/c"], 3), (try_unmanifested, BUT_A, 2),
         (twins, ALL, 0), (export_inside, ALL, 0), (many, ["d"], 8), (empty, [], 0)]
# An index says nothing of sizes before a shard is opened. One that names what is gone is refused.
OLD_INDEX_REFUSED = (resized, empty_alone, tries, tries_alone, try_unmanifested)
# What cannot be read for now: dump shows the rest.
UNREACHABLE = [(unreachable_manifest, BUT_A), (unreachable_shard, ["a", "b", "d"])]


# ---- what manifests may say ----

def with_input(**members):
    def change(manifest):
        manifest["result"]["inputs"][0] |= members
    return change


def without(*path):
    def change(manifest):
        for name in path[:-1]:
            manifest = manifest[name]
        del manifest[path[-1]]
    return change


def with_shard(**members):
    def change(manifest):
        manifest["result"]["shards"][0] |= members
    return change


def member(text):
    """One more at the end, as it stands."""
    return lambda data: data.rstrip()[:-1] + b', "more": ' + text.encode() + b"}"


CHANGED = [with_input(bytes=-1), with_input(groups=-1), with_input(sha256=5), with_input(probe=None), with_input(bytes=1.0),
           with_input(bytes=True), with_input(status="odd"), with_input(status=5), without("run", "input", "path"),
           without("run", "input", "size"), without("run"), without("result", "shards"), without("result", "inputs", 0),
           with_shard(bytes=0), with_shard(bytes=True), with_shard(bytes="1"), with_shard(name="n/c.lms"),
           with_shard(name=".lms"), with_shard(name=5)]
RAW = [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.decode().encode("utf-16"),
       lambda data: data.decode().encode("utf-16-le"), lambda data: data + b"{}", lambda data: b"5", lambda data: b"[]",
       lambda data: b" ", member("NaN"), member("-Infinity"), member("1e999"), member("9223372036854775808"),
       member("-9223372036854775809"), member("1" * 5000), member('1, "more": 2'), member('{"x": 1, "x": 1}'), member('"\\u0000"'),
       member('["\\ud800"]'), member('"\\udc00\\ud800"'), member('{"\\u0000": 1}'), member("01"), member('"\t"')]
SOUND = [lambda data: b" \r\n\t" + data + b"\n", member("9223372036854775807"), member("-9223372036854775808"),
         member('"\\ud83d\\ude00\\u0001\x7f"'), member("1e-999"), member("-0"), lambda data: data.replace(b"{", b"{ ")]


def check_manifests(here):
    """Both refuse the same, with a reason in words."""
    path = here / "a.manifest.json"
    before = path.read_bytes()

    def by_members(change):
        manifest = json.loads(before)
        change(manifest)
        return json.dumps(manifest).encode()
    cases = [(f"changed {i}", by_members(change), False) for i, change in enumerate(CHANGED)] + \
        [(f"raw {i}", change(before), False) for i, change in enumerate(RAW)] + \
        [(f"sound {i}", change(before), True) for i, change in enumerate(SOUND)]
    for name, data, sound in cases:
        path.write_bytes(data)
        lines = told(run("dump", "--latents", "none", "--limit", "1", here).stderr)
        found = DataSet(here)
        assert without_detail(lines) == without_detail(found.problems()) == ([] if sound else [str(path)]), \
            (name, lines, found.problems())
        assert sound or len(found.unreadable[0].partition("no manifest: ")[2]) > 12, (name, found.unreadable)
    path.write_bytes(before)


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
    wanted = 42 if n_named else 0 if any(here.rglob("*.json")) or taken else 2
    only_unfinished = not found.unreadable + found.missing and any(here.rglob("dataset.json"))
    for command in (by_dump, by_index, by_export):
        status, names, lines = command(here)
        assert names == taken, (command, names)
        assert status == (0 if command is by_dump and only_unfinished else wanted), (command, status)
        assert without_detail(lines) == without_detail(found.problems()), (command, lines, found.problems())
    for command in (["dump"], ["export", "--format", "mds", "--redo", "--out", here.parent / f"{here.name}-mds"]):
        status = run(*command, "--incomplete", here).returncode
        assert status == (0 if taken else status), (command, status)
    check_catalogue(here, found)


def check_catalogue(here, found):
    """What is lost is refused, what is not finished left out with a warning."""
    lost = found.unreadable + found.missing
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            paths = [str(path.relative_to(here)) for path in find_shards(here)]
        except (FileNotFoundError, ShardError, ValueError) as error:
            assert isinstance(error, ValueError) == (not found.shards and not found.problems() and any(here.iterdir()))
            paths, said = [], str(error)
            assert lost or not found.shards, said
            assert not lost or lost[0] in said, said
        else:
            assert not lost and paths == found.shards
    left_out = found.unfinished + found.foreign
    assert lost or [str(one.message).split(": left out")[0] for one in caught] == \
        (["; ".join(left_out)] if left_out else [])


def taken_of(make):
    """Shards that a catalogue takes; None: it refuses."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            paths = make()
        except (FileNotFoundError, ShardError, ValueError):
            return None, []
    return paths, [str(one.message) for one in caught]


def check_old_index(here, index):
    """One that was made before the change gives the same answer, and says that it is not used."""
    shutil.copy2(index, here)
    paths, said = taken_of(lambda: [str(path) for path in find_shards(here)])

    def by_index():
        catalogue = Catalogue(here)
        if catalogue.index is None:
            return [str(path) for path in catalogue._paths]
        return [catalogue.index.path(i) for i in range(len(catalogue))]
    indexed, told = taken_of(by_index)
    (here / "index.lmi").unlink()
    assert indexed == paths, (indexed, paths)
    assert [line for line in told if "index.lmi is not used" not in line] == said, (told, said)


def check_unreachable(here, taken):
    found = DataSet(here)
    assert [shard.removesuffix(".lms") for shard in found.shards] == taken, found.shards
    for command, names in ((by_dump, taken), (by_index, []), (by_export, [])):
        assert command(here) == (1, names, found.unreadable), (command, command(here), found.unreadable)
    assert len(found.problems()) == 1, found.problems()
    check_catalogue(here, found)
    try:
        find_shards(here)
    except ShardError as error:
        assert "Try again" in str(error) and "remove" not in str(error), error


def check_at_work(here):
    """As when `prepare` published two units while the folder was listed."""
    listed = set(data_set.files_below(here, print)) - {"a.manifest.json", "n/c.lms", "b.lms", "b.manifest.json"}
    listed.add("b.lms.tmp.h.1.0123abcd")
    with mock.patch.object(data_set, "files_below", lambda *_: sorted(listed)):
        found = DataSet(here)
    assert (found.problems(), found.shards) == ([], [f"{name}.lms" for name in ALL]), (found.problems(), found.shards)


def check_redo(here):
    """As when `prepare --redo` took two manifests away after the folder was listed, and one after it was read."""
    listed = list(data_set.files_below(here, print))
    shards_of = DataSet._shards_of

    def then_redo(self, manifest):
        shards = shards_of(self, manifest)
        if manifest == "n/c.manifest.json":
            (here / manifest).rename(here / "n/c.manifest.json.tmp.h.1.0123abcd")
        return shards
    for name in ("a", "r"):
        (here / f"{name}.manifest.json").unlink()
    with mock.patch.object(data_set, "files_below", lambda *_: listed), \
            mock.patch.object(DataSet, "_shards_of", then_redo):
        os.truncate(here / "n/c.lms", 5)
        found = DataSet(here)
    assert found.shards == ["b.lms", "d.lms"] and not found.unreadable + found.missing, found.problems()
    assert [line.split(":")[0][len(str(here)) + 1:] for line in found.unfinished + found.foreign] == \
        ["a.manifest.json", "n/c.manifest.json", "r.manifest.json", "a.lms"], found.problems()


def check_index_of_nothing(here):
    """An index that tells of no shards is right where there are none."""
    assert run("index", here).returncode == 0
    for units in ("there are none", "there is one"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                Catalogue(here).first_header()
        except (ValueError, ShardError) as error:
            assert ("no samples in" in str(error)) == (units == "there are none"), error
            assert ("run `latentmill index" in str(error)) == (units == "there is one"), error
        else:
            raise AssertionError(units)
        for path in (here.parent / "set").glob("b.*"):
            shutil.copy(path, here)


def check_incomplete_index(here):
    """Its flag is told, and what it lacks as far as manifests name it; one that lacked nothing says nothing."""
    gone(here)
    resized(here)
    for options, wanted in (([], []), (["--incomplete"], ["a.lms is missing", "c.lms has 100 bytes"])):
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
        index = shutil.copytree(made, folder / "before") / "index.lmi"
        assert run("index", index.parent).returncode == 0
        for change, taken, n_named in CASES:
            here = folder / change.__name__
            shutil.copytree(made, here)
            change(here)
            try:
                check(here, taken, n_named)
                if change not in OLD_INDEX_REFUSED:
                    check_old_index(here, index)
            except AssertionError as error:
                raise AssertionError(f"{change.__name__}: {error}") from error
        for change, taken in UNREACHABLE:
            here = folder / change.__name__
            shutil.copytree(made, here)
            change(here)
            check_unreachable(here, taken)
            if change is not unreachable_shard:
                check_old_index(here, index)
        check_manifests(folder / "whole")
        check_at_work(folder / "whole")
        check_redo(folder / "twins")
        check_index_of_nothing(folder / "all_rejected")


if __name__ == "__main__":
    main()
