# SPDX-License-Identifier: Apache-2.0
"""Encoders in processes of their own, and each way in which they fail.

Images are of one grey each, and the scripted encoder's latents say which: so a sample that
is lost, doubled or given another's tensors is seen.
"""
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib

import decoding

PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "latentmill")
SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripted_encoder.py")
PAGE = "vae_encode/child/ENCODER.md"
N = 24
GREYS = range(10, 10 + N)


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_pairs(path, greys=GREYS, side=16):
    with tarfile.open(path, "w") as tar:
        for grey in greys:
            row = b"\0" + bytes([grey]) * (3 * side)
            add(tar, f"{grey:03d}.png",
                decoding.png_file(side, side, 8, 2, zlib.compress(row * side)))
            add(tar, f"{grey:03d}.txt", b"words")


class Run:
    """One run of prepare in a folder of its own."""

    def __init__(self, folder, script="", options=(), path=None, status=0, name="run",
                 latent="fp32"):
        self.out = os.path.join(folder, "out-" + name)
        self.state = os.path.join(folder, "state-" + name)
        os.makedirs(self.state, exist_ok=True)
        command = f"{sys.executable} '{SCRIPT}' i={{i}} 'STATE={self.state}' {script}"
        if latent:
            options = ["--latent", latent, *options]
        self.argv = [PROGRAM, "prepare", "--out", self.out, "--size", "16", "--tokenizer",
                     "none", "--workers", "2", "--max-reject-rate", "1",
                     "--encoder", "it=cmd:" + command, *options,
                     path or os.path.join(folder, "pairs.tar")]
        if status is None:
            return
        done = subprocess.run(self.argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                              text=True, timeout=60)
        self.words = done.stderr
        assert done.returncode == status, (script, done.returncode, self.words)

    def says(self, pattern):
        assert re.search(pattern, self.words, re.MULTILINE), (pattern, self.words)

    def lines(self, name):
        with open(os.path.join(self.state, name), encoding="utf-8") as f:
            return f.read().splitlines()

    def rejects(self):
        path = os.path.join(self.out, "pairs.rejects.jsonl")
        if not os.path.exists(path):
            return {}
        with open(path, encoding="utf-8") as f:
            return {int(r["key"]): r for r in map(json.loads, f)}

    def check(self, rejected=(), greys=GREYS):
        """Every other sample is there, once, in order, with its own latent."""
        dump = subprocess.run([PROGRAM, "dump", "--json", "--latents", "full",
                               os.path.join(self.out, "pairs.lms")],
                              stdout=subprocess.PIPE, check=True)
        made = []
        for line in dump.stdout.splitlines():
            record = json.loads(line)
            made.append(int(record["key"]))
            values = set(flat(record["latent"]["values"]))
            assert values == {float(record["key"])}, (record["key"], values)
        assert made == [g for g in greys if g not in rejected], made
        assert sorted(self.rejects()) == sorted(rejected), self.rejects()


def flat(values):
    for v in values:
        if isinstance(v, list):
            yield from flat(v)
        else:
            yield v


def test_plain(folder):
    run = Run(folder, options=["--encoder-processes", "2"], name="plain")
    run.check()
    run.says(r"^encoder it 0: first line$")
    run.says(r"^encoder it 1: second line$")
    run.says(r"^ +it .* busy +2 processes, .* images/s in batches of [0-9.]+, waited [0-9.]+ s "
             r"for images; images waited [0-9.]+ s for it$")
    sizes = [int(line.split()[1]) for line in run.lines("requests")]
    assert sum(sizes) == N and max(sizes) <= 4, sizes
    one = Run(folder, "batch=1", name="one")
    many = Run(folder, "batch=100 wait_ms=1", name="many")
    for other in (one, many):
        other.check()
        check_same(run.out, other.out)


def test_memory(folder):
    """Pixels that a child finds in memory: the same bytes, and the same whatever happens to it."""
    piped = Run(folder, name="piped")
    assert {line.split()[2] for line in piped.lines("requests")} == {"0"}
    for name, script, words in (("plain", "", None), ("die", "die", "exit status 3"),
                                ("hang", "hang", "has not answered for 1 s"),
                                ("guilty", "abort_at=17", "signal 6")):
        run = Run(folder, "mapped " + script, ["--encoder-timeout", "1"], name="mapped-" + name)
        run.check([17] if name == "guilty" else [])
        if words:
            run.says(words)
        kinds = [line.split()[2] for line in run.lines("requests")]
        assert "1" in kinds and ("0" in kinds) == bool(words), kinds  # the grey image has no place there
        assert not os.path.exists(os.path.join(run.state, "spoiled"))
        if name != "guilty":
            check_same(piped.out, run.out)


def check_same(a, b):
    for file in ("pairs.lms", "dataset.json"):
        with open(os.path.join(a, file), "rb") as one, open(os.path.join(b, file), "rb") as other:
            assert one.read() == other.read(), file


def test_waits(folder):
    """Which of two held the images up: the other one did not."""
    run = Run(folder, "slow=0.1 batch=2 wait_ms=1", ["--encoder", f"fast=cmd:{sys.executable} "
              f"'{SCRIPT}' STATE={folder}"], name="waits")
    waits = dict(re.findall(r"^ +(it|fast) .*; images waited ([0-9.]+) s for it$", run.words,
                            re.MULTILINE))
    assert float(waits["it"]) > 0.5 and float(waits["fast"]) < 0.2, run.words


def test_company(folder):
    """Images wait for a full batch, but the last ones do not wait when no more can come."""
    start = time.monotonic()
    run = Run(folder, "batch=7 wait_ms=30000", name="company")
    assert time.monotonic() - start < 15
    run.check()
    assert sorted(int(line.split()[1]) for line in run.lines("requests")) == [3, 7, 7, 7]


def test_ahead(folder):
    """The second request is sent before the first is answered."""
    run = Run(folder, "ahead batch=4 wait_ms=30000", ["--encoder-timeout", "10"], name="ahead")
    run.check()
    assert len(run.lines("requests")) == 6 and len(run.lines("starts")) == 1


FAULTS = {
    "die": r"it has ended with exit status 3, at batch [0-9]+: 4 images of 16 x 16, the first "
           r"pairs/[0-9]{3}; starting it again \(1 of 5\)$",
    "hang": r"it has not answered for 1 s \(--encoder-timeout\), at batch ",
    "print": r"its output is none of the protocol's \(a print\(\) to standard output\?\), at ",
    "close": r"it has closed its standard output, at batch ",
    "count": r"its answer is of another number of images than the batch, at batch ",
    "shape": r"a tensor of its answer has another shape than its hello says, at batch ",
    "dtype": r"a tensor of its answer is neither fp32 nor as stored, at batch ",
    "id": r"it has answered another batch than the first that was sent, at batch ",
}


def test_once(folder):
    for fault, words in FAULTS.items():
        run = Run(folder, fault, ["--encoder-timeout", "1" if fault == "hang" else "20"],
                  name=fault)
        run.says("^encoder it 0: " + words)
        run.check()
        assert len(run.lines("starts")) == 2, fault


def test_left_behind(folder):
    """What it has started holds its output, and does not hide that it has died."""
    run = Run(folder, "leave", ["--encoder-timeout", "50"], name="leave")
    run.says("^encoder it 0: " + FAULTS["die"])
    run.check()
    wait_until(lambda: not lives(int(run.lines("left")[0])))


def test_stalled(folder):
    """Nobody reads what prepare says for longer than the timeout: not the child's fault."""
    run = Run(folder, "chat", ["--encoder-timeout", "1"], status=None, name="stalled")
    with subprocess.Popen(run.argv, stderr=subprocess.PIPE, text=True) as program:
        wait_until(lambda: os.path.exists(os.path.join(run.state, "once-chat")))
        time.sleep(2)
        words = program.communicate(timeout=30)[1]
    assert program.returncode == 0 and words.count("yyy\n") == 400, words
    run.check()
    assert len(run.lines("starts")) == 1, words


def test_words(folder):
    run = Run(folder, "odd_words", name="words")
    run.says(r"^encoder it 0: 10 %\nencoder it 0: 20 %\n"
             r"encoder it 0: nul \\x00 and\\u001b\[2J\n(?!encoder it 0: *\n)")


def test_early(folder):
    """It answers a batch while that is still being written: more than a pipe holds."""
    large = ["--size", "512"]
    run = Run(folder, "early batch=8 wait_ms=60000", large, name="early")
    run.says(r"^encoder it 0: it answers a batch that it has not read, at batch 1: ")
    run.check()


def test_guilty(folder):
    """It dies of one image, or of two: those alone are rejected."""
    run = Run(folder, "die_at=17", name="guilty")
    run.check([17])
    assert run.rejects()[17]["reason"] == "encoder_failed", run.rejects()
    assert run.rejects()[17]["detail"] == "it: it has ended with exit status 3"
    run.says("^encoder it 0: about to die$")
    with open(os.path.join(run.out, "pairs.manifest.json"), encoding="utf-8") as f:
        assert json.load(f)["result"]["inputs"][0]["rejects"] == {"encoder_failed": 1}
    Run(folder, "abort_at=10 die_at=33 batch=16", name="two").check([10, 33])
    Run(folder, "die_at=11 die_too_at=12 batch=16", ["--encoder-processes", "2"],
        name="neighbours").check([11, 12])
    run = Run(folder, "cannot_at=20 batch=16", name="cannot")
    run.check([20])
    assert run.rejects()[20]["detail"] == "it: I do not like it", run.rejects()
    assert len(run.lines("starts")) == 1


def test_cannot(folder):
    """What it says it cannot encode is not asked for again, but for the proof that it can encode
    anything: nothing was answered before, or a batch is to blame."""
    run = Run(folder, "cannot_at=20 batch=1 wait_ms=60000", name="cannot-one")
    run.check([20])
    assert len(run.lines("requests")) == N, run.lines("requests")
    # one worker: its first image comes first
    run = Run(folder, "cannot_at=10 batch=1", ["--workers", "1"], name="cannot-first")
    run.check([10])
    assert N < len(run.lines("requests")) <= N + 2, run.lines("requests")
    path = os.path.join(folder, "seven", "pairs.tar")
    os.makedirs(os.path.dirname(path))
    write_pairs(path, range(10, 17))
    run = Run(folder, "cannot_but=128 batch=7 wait_ms=60000", name="cannot-but", path=path)
    assert sorted(run.rejects()) == list(range(10, 17)), run.rejects()
    # whole, grey, its halves and theirs
    assert len(run.lines("requests")) == 14, run.lines("requests")
    Run(folder, "cannot_always batch=1", name="cannot-any", status=1).says(
        r"^error: encoder it 0 is broken: it cannot even encode a grey image ")


def test_many_guilty(folder):
    """Of a batch of 64 eight kill it, neighbours among them: it is never out of restarts."""
    path, guilty = os.path.join(folder, "guilty64", "pairs.tar"), [10, 11, 12, 13, 40, 41, 72, 73]
    os.makedirs(os.path.dirname(path))
    write_pairs(path, range(10, 210))
    run = Run(folder, f"die_of={','.join(map(str, guilty))} batch=64 wait_ms=60000", name="guilty64",
              path=path)
    assert "64" in {line.split()[1] for line in run.lines("requests")}
    run.check(guilty, range(10, 210))


def test_innocent(folder):
    """Ended from outside where it has one image, and where it has the grey one: it is kept."""
    for batch, times in (1, 2), (4, 4):
        run = Run(folder, f"times_at_17={times} times_at_128=2 batch={batch} wait_ms=60000",
                  name=f"innocent{batch}")
        run.check()
        assert len(run.lines("starts")) == times + 3, batch
        run.says(r", at a grey image of 16 x 16; starting it again \(3 of 5\)$")


def test_sick(folder):
    """Processes that only the grey image does not kill: no sample is rejected for them."""
    path = os.path.join(folder, "sick", "pairs.tar")
    os.makedirs(os.path.dirname(path))
    write_pairs(path, range(10, 18))
    for sick, n, guilty in ("1", 2, 15), ("0,1", 3, 0):
        # one that kills all of them still is
        run = Run(folder, f"sick={sick} slow=0.02 die_at={guilty} batch=2",
                  ["--encoder-processes", str(n), "--encoder-restarts", "100"],
                  name="sick" + sick, path=path)
        run.check([guilty] if guilty else [], range(10, 18))
        assert len(run.lines("starts")) > n, run.words
    run = Run(folder, "sick=0", name="sick-alone", status=1)
    run.says(r"^error: encoder it 0 is taken to be broken: it has failed at 6 images alone without "
             r"another answered between \(--encoder-restarts\); the last, pairs/[0-9]{3}: it has "
             r"ended with exit status 3$")
    assert not os.path.exists(os.path.join(run.out, "pairs.rejects.jsonl"))
    assert len(run.lines("starts")) < 20, run.lines("starts")


def test_not_finite(folder):
    run = Run(folder, "nan_at=12", name="nan")
    run.check([12])
    assert run.rejects()[12]["reason"] == "not_finite", run.rejects()
    assert run.rejects()[12]["detail"] == "4 of 4 latent values are not finite in fp32"


def test_device_memory(folder):
    run = Run(folder, "memory_for=3 batch=16", name="memory")
    run.check()
    run.says(r"^encoder it 0: no memory on its device \(CUDA out of memory\), at batch 1: 16 "
             r"images .*; from now on 8 at once$")
    sizes = [int(line.split()[1]) for line in run.lines("requests")]
    assert 2 in sizes and all(n <= 2 for n in sizes[-6:]), sizes
    # a batch of before, longer than those of now, is sent again in halves
    run = Run(folder, "ahead_once memory_first die batch=12 wait_ms=30000", ["--size", "512"],
              name="longer")
    run.check()
    run.says(r"from now on 6 at once$")
    sizes = sorted(int(line.split()[1]) for line in run.lines("requests"))
    assert sizes == [1, 6, 6, 6, 6, 12, 12], sizes
    assert len(run.lines("starts")) == 2, run.words
    run = Run(folder, "memory_for=0", name="no-memory", status=1)
    run.says(r"^error: encoder it 0: a single image is too large for its device \(CUDA out of "
             r"memory\), at batch [0-9]+: 1 image of 16 x 16, pairs/")


def test_multiple(folder):
    """Sides are multiples of more than a latent's cell: its grid is what it says."""
    Run(folder, "multiple=16", ["--size", "48", "--patch", "2"], name="multiple").check()
    Run(folder, "multiple=16", ["--size", "48", "--patch", "4"], name="patch", status=2).says(
        r"^error: --patch 4: does not divide the latent grid of 6 x 6 that is made by it$")
    Run(folder, "multiple=16", ["--size", "40"], name="side", status=2).says(
        r"^error: --size 40: must be a multiple of 16 for the encoder it$")


def test_scale(folder):
    """It says its own."""
    Run(folder, options=["--scale", "it=0.5"], name="scale", status=2).says(
        r"^error: --scale it=...: it works in processes of its own, which say their scale "
        r"themselves$")
    Run(folder, options=["--scale", "0.5"], name="scale", status=2).says(
        r"^error: --scale: no encoder of this run makes latents in this process$")


def test_broken(folder):
    """No sample is rejected for a child that cannot encode anything."""
    run = Run(folder, "die_always", name="always", status=1)
    run.says(r"^error: encoder it 0: it has ended with exit status 3, at .*; it was started "
             r"again 5 times without an answer between \(--encoder-restarts\)$")
    assert not os.path.exists(os.path.join(run.out, "pairs.rejects.jsonl"))
    assert len(run.lines("starts")) == 6
    run.says(r"^error: .*, at a grey image of 16 x 16; ")
    run = Run(folder, "cannot_always", name="grey", status=1)
    run.says(r"^error: encoder it 0 is broken: it cannot even encode a grey image \(I do not like "
             r"it\)$")
    assert not os.path.exists(os.path.join(run.out, "pairs.rejects.jsonl"))
    run = Run(folder, "die other_hello", name="other", status=1)
    run.says(r'^error: encoder it 0: after its restart its hello has another "numerics" than '
             r"before; it had failed at batch [0-9]+: 4 images of 16 x 16, the first pairs/[0-9]{3}$")


def test_refused(folder):
    """What the user must act on, before any work: exit status 2."""
    run = Run(folder, "refuse", name="refused", status=2)
    run.says(r"^error: encoder it 0: config.json has no scaling_factor: write it there$")
    assert not os.path.exists(run.out)
    Run(folder, "protocol=2", name="protocol", status=2).says(
        r"^error: encoder it 0: it speaks version 2 of the protocol, and this latentmill version 1 "
        r"\(ENCODER.md\)$")
    Run(folder, "array", name="array", status=2).says(
        r"^error: encoder it 0: its first frame is no hello \(ENCODER.md\): its JSON is not an "
        r"object$")
    for name, words in {"encoder": r'no object "encoder"', "tensors": r'no array "tensors" with',
                        "protocol": r'no number "protocol"$'}.items():
        Run(folder, f"without={name}", name="without", status=2).says(
            r"^error: encoder it 0: its hello has " + words)
    for change, words in {
            '"encoder": {"f": 0}': r'the "f" of its hello is 0$',
            '"encoder": {"weights_sha256": "xyz"}':
                r'the "weights_sha256" of its hello is not 64 hex digits \(a-f\)$',
            '"encoder": {"kind": "features", "outputs": ["p"]}':
                r'the "encoder" of its hello has no "features" that is an array or null$',
            '"encoder": {"family": ""}': r'the "family" of its hello is empty$',
            '"encoder": {"numerics": ""}': r'the "numerics" of its hello is empty$',
            '"encoder": {"f": 4}': r'a latent of its hello has "dims" of 2 x 2 cells, but its "f" .* 4 x 4 ',
            '"encoder": {"scale": [0.0]}': r'the "scale" of its hello has a 0$',
            '"tensors": {"dims": [[1, 4, 2]]}': r'a latent of its hello has "dims" of 4 x 2 cells, ',
            '"tensors": {"dims": [[1, 16777217, 2]]}': r'a tensor of its hello has "dims" that are not 1 to 16777216$',
            '"tensors": {"dims": [[1, 0, 2]]}': r'a tensor of its hello has "dims" that are not 1 to 16777216$',
            '"encoder": {"kind": "codes", "codebook": 0}': r'the "codebook" of its hello is 0$',
            '"encoder": {"kind": "codes", "codebook": 3, "id_map": [7, 5, 7]}':
                r'the "id_map" of its hello gives two codes the id 7$',
            '"encoder": {"kind": "codes", "codebook": 3}, "tensors": {"dims": [[16384, 4097]]}':
                r'the "tensors" of its hello have more than 134217728 bytes an image',
            '"encoder": {"kind": "features", "outputs": ["p"], "features": [{"what": "pooled", '
            '"dims": [4], "mean": null, "std": null}]}, "tensors": {"dims": [[3]]}':
                r'the "features" of its hello have other "dims" of output 0 than its "tensors"$',
            '"twice": true': r'the "tensors" of its hello are not in the order of their outputs, '}.items():
        run = Run(folder, "'change={" + change + "}'", name="change", status=2, latent=None)
        run.says("^error: encoder it 0: " + words)
        assert not os.path.exists(run.out)
    Run(folder, "bad_hello", name="bad-hello", status=2).says(
        r'^error: encoder it 0: the "encoder" of its hello has no integer "channels" in ')
    Run(folder, options=["--vae", "builtin", "--encoder-processes", "vae=2"], name="none",
        status=2).says(r"^error: --encoder-processes: the encoder vae \(vae\) has no processes of its own$")
    Run(folder, "silent", ["--encoder-timeout", "1"], name="silent", status=2).says(
        r"^error: encoder it 0: it has said no hello for 1 s \(--encoder-timeout\)$")
    for command, words in {
            "/nonexistent/program": r"cannot start: /nonexistent/program: No such file or dir",
            "true": r"it has ended with exit status 0$",
            "echo hello": r"exit status 0; its standard output is for frames: print to standard error$",
            "echo hello, world, and more": r"its output is none of the protocol's",
            "sh -c 'kill -9 $$'": r"it was ended by signal 9$",
            "sh 'c": r"a quote is not closed$"}.items():
        run = Run(folder, options=["--encoder", "bad=cmd:" + command], name="command", status=2)
        run.says(r"^error: .*bad.*" + words)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        return [int(child) for child in f.read().split()]


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(what, seconds=20):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def start_slow(folder, name):
    run = Run(folder, "slow=0.3 batch=1", ["--encoder-processes", "2", "--grace", "0"],
              status=None, name=name)
    program = subprocess.Popen(run.argv, stderr=subprocess.PIPE, text=True)
    requests = os.path.join(run.state, "requests")
    wait_until(lambda: os.path.exists(requests) and len(run.lines("requests")) >= 2)
    return run, program, [int(pid) for pid in run.lines("starts")]


def test_ends(folder):
    """Children end with the program, however it ends, and have nothing of it."""
    run, program, children = start_slow(folder, "term")
    assert sorted(children) == sorted(children_of(program.pid))
    for child in children:
        links = {fd: os.readlink(f"/proc/{child}/fd/{fd}")
                 for fd in os.listdir(f"/proc/{child}/fd")}
        # 4 is its own copy of its standard output
        assert sorted(links) == ["0", "1", "2", "3", "4"], links
        assert links.pop("3").startswith("/memfd:latentmill pixels"), links
        assert all(link.startswith("pipe:") for link in links.values()), links
        assert os.getpgid(child) == child
    program.send_signal(signal.SIGTERM)
    words = program.communicate(timeout=30)[1]
    assert program.returncode == 75, (program.returncode, words)
    assert not any(map(lives, children))
    assert not os.path.exists(os.path.join(run.out, "pairs.manifest.json"))

    run, program, children = start_slow(folder, "kill")
    program.kill()
    program.communicate()
    wait_until(lambda: not any(map(lives, children)))

    again = Run(folder, "slow=0.3 batch=1", ["--encoder-processes", "2", "--grace", "0"],
                status=None, name="kill")
    again.argv = [arg.replace("slow=0.3 batch=1", "") for arg in again.argv]
    assert subprocess.run(again.argv, stderr=subprocess.DEVNULL, check=False).returncode == 0
    again.check()


def test_page(folder):
    """The program on the page is an encoder, in at most 60 lines."""
    with open(PAGE, encoding="utf-8") as f:
        program = re.search(r"^```python\n(.*?)^```", f.read(), re.DOTALL | re.MULTILINE)[1]
    assert len(program.splitlines()) <= 60
    path, out = os.path.join(folder, "tiny.py"), os.path.join(folder, "out-page")
    with open(path, "w", encoding="utf-8") as f:
        f.write(program)
    argv = [PROGRAM, "prepare", "--quiet", "--out", out, "--latent", "fp32", "--tokenizer", "none",
            "--encoder", f"tiny=cmd:{sys.executable} {path}",
            os.path.join(folder, "pairs.tar")]
    assert subprocess.run(argv + ["--size", "16"], check=False).returncode == 0
    dump = subprocess.run([PROGRAM, "dump", "--json", "--latents", "full",
                           os.path.join(out, "pairs.lms")], stdout=subprocess.PIPE, check=True)
    for line in dump.stdout.splitlines():
        record = json.loads(line)
        latent = record["latent"]
        assert latent["shape"] == [3, 2, 2], latent
        want = int(record["key"]) / 127.5 - 1
        assert all(abs(v - want) < 1e-6 for v in flat(latent["values"])), latent
    refused = subprocess.run(argv + ["--size", "20", "--redo"], stderr=subprocess.PIPE, text=True)
    assert refused.returncode == 2
    assert "error: encoder tiny 0: sizes must be multiples of 8\n" in refused.stderr


def test_page_hellos(folder):
    """Those on the page are taken; what it answers then is another thing."""
    with open(PAGE, encoding="utf-8") as f:
        lines = re.search(r"^```json\n(.*?)^```", f.read(), re.DOTALL | re.MULTILINE)[1]
    decoder, kinds = json.JSONDecoder(), []
    while lines.strip():
        hello, end = decoder.raw_decode(lines)
        lines = lines[end:].lstrip()
        kinds.append(hello["encoder"]["kind"])
        path = os.path.join(folder, f"hello-{kinds[-1]}.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(hello, f)
        run = Run(folder, f"hello={path}", ["--size", "256", "--encoder-restarts", "0"],
                  name=kinds[-1] + "-page", latent=None, status=1)
        run.says(r"^error: encoder it 0: its (answer|codes) .*, at batch 1: ")
    assert kinds == ["codes", "features"], kinds


def tensors_in(run):
    dump = subprocess.run([PROGRAM, "dump", "--json", "--latents", "full", run.out],
                          stdout=subprocess.PIPE, check=True)
    for line in dump.stdout.splitlines():
        record = json.loads(line)
        yield int(record["key"]), tensors_of(record)


def header_of(run):
    dump = subprocess.run([PROGRAM, "dump", "--header", run.out],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(dump.stdout)


def test_kinds(folder):
    """Codes and features, in other types than the stored ones, and a code too large."""
    run = Run(folder, "kind=codes", name="codes", latent=None)
    encoder, = header_of(run)["encoders"]
    assert encoder["kind"] == "codes" and encoder["codebook"] == 40, encoder
    assert "not_promised" not in encoder, encoder
    greys = []
    for grey, (tensor,) in tensors_in(run):
        greys.append(grey)
        assert tensor["shape"] == [2, 2] and set(flat(tensor["values"])) == {grey}, tensor
    assert greys == list(GREYS)[:30], greys
    path = os.path.join(folder, "more", "pairs.tar")
    os.makedirs(os.path.dirname(path))
    write_pairs(path, range(38, 42))
    run = Run(folder, "kind=codes", name="beyond", path=path, latent=None)
    assert {k: r["reason"] for k, r in run.rejects().items()} == \
        {40: "bad_code", 41: "bad_code"}, run.rejects()

    run = Run(folder, "kind=features", name="features", latent="fp16")
    encoder, = header_of(run)["encoders"]
    assert encoder["outputs"] == ["all", "pooled"], encoder
    assert encoder["not_promised"] == ["same_bytes", "batch_invariance"], encoder
    for grey, tensors in tensors_in(run):
        assert [t["shape"] for t in tensors] == [[2, 3], [3]], tensors
        assert all(set(flat(t["values"])) == {float(grey)} for t in tensors), tensors
    with open(os.path.join(run.out, "dataset.json"), encoding="utf-8") as f:
        said = json.load(f)["encode"]["encoders"]["it"]["hello"]
    assert said["features"][1]["what"] == "pooled" and said["reproducible"] is False, said
    other = Run(folder, "kind=codes", name="features", latent=None, status=2)
    other.says(r"^error: .*features")


def test_ids_of_pieces(folder):
    """Codes with ids of the tokenizer's pieces: it is said, once, and where there are any."""
    words = (r"^warning: encoder it: {} of the ids of its 40 codes are pieces of the tokenizer too, "
             r"the first {}, \".+\": right only where these pieces stand for images \(--id-offset\)$")
    tokenizer = ["--tokenizer", "builtin"]
    run = Run(folder, "kind=codes", [*tokenizer, "--id-offset", "100"], name="ids", latent=None)
    run.says(words.format(40, 100))
    assert run.words.count("warning: encoder") == 1, run.words
    ids = json.dumps([*range(340, 302, -1), 5000, 5001])
    run = Run(folder, "kind=codes 'change={\"encoder\": {\"id_map\": %s}}'" % ids, tokenizer,
              name="ids-map", latent=None)
    run.says(words.format(38, 340))
    run = Run(folder, "kind=codes", tokenizer, name="ids-behind", latent=None)
    assert "warning: encoder" not in run.words, run.words


def test_on_cpu(folder):
    """Where there is no GPU that is said once, if somebody would have taken one."""
    said = "no GPU is to be seen: encoders in processes of their own work on the CPU (--devices)\n"
    more = ["--encoder", f"more=cmd:{sys.executable} '{SCRIPT}' STATE={folder} on={{device}}"]
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    for i, (script, options, n) in enumerate((("on={device}", more, 1), ("", [], 0),
                                              ("on={device}", ["--devices", "auto"], 1),
                                              ("on={device}", ["--devices", "cpu"], 0))):
        run = Run(folder, script, options, name=f"cpu{i}")
        assert run.words.count(said) == n, run.words
    del os.environ["CUDA_VISIBLE_DEVICES"]


def test_start(folder):
    """All processes of all encoders get ready at once, and each answers for itself."""
    start = time.monotonic()
    more = f"more=cmd:{sys.executable} '{SCRIPT}' STATE={folder} load=0.8"
    run = Run(folder, "load=0.8", ["--encoder-processes", "3", "--encoder", more], name="start")
    assert time.monotonic() - start < 2.6, time.monotonic() - start
    run.check()
    run = Run(folder, "load=0.2", ["--encoder", more + " refuse"], name="start-second", status=2)
    run.says("^error: encoder more 0: config.json has no scaling_factor")


def test_memory_of_batches(folder):
    """A child that asks for much gets less, and is told of once."""
    run = Run(folder, "batch=4096 wait_ms=1", ["--size", "it=512"], name="much")
    run.says(r"^encoder it: batches of 267 images, not 4096, which would take more than 1024 MiB "
             r"for each process$")
    run.check()


def test_dry(folder):
    """Where all samples wait for one that waits for company, it goes alone."""
    path = os.path.join(folder, "dry", "pairs.tar")
    os.makedirs(os.path.dirname(path))
    write_pairs(path, GREYS)
    with tarfile.open(path, "a") as tar:
        for i in range(2000):
            add(tar, f"bad{i}.png", b"no picture")
            add(tar, f"bad{i}.txt", b"words")
            if i % 500 == 250:
                row = b"\0" + bytes([200]) * (3 * 16)
                add(tar, f"good{i}.png", decoding.png_file(16, 16, 8, 2, zlib.compress(row * 16)))
                add(tar, f"good{i}.txt", b"words")
    start = time.monotonic()
    Run(folder, "batch=3 wait_ms=5000", ["--encoder-processes", "2"], name="dry", path=path)
    assert time.monotonic() - start < 4, time.monotonic() - start


def test_log(folder):
    log = os.path.join(folder, "log.jsonl")
    Run(folder, "die", ["--log", log], name="log").check()
    with open(log, encoding="utf-8") as f:
        events = [event for event in map(json.loads, f) if event["event"] == "encoder"]
    assert all(e["encoder"] == "it" and e["process"] == 0 for e in events), events
    assert "about to die" in [e["line"] for e in events], events
    assert [e["line"] for e in events][:2] == ["first line", "second line"], events
    # of one that is refused, where lines are many
    early = os.path.join(folder, "early.jsonl")
    run = Run(folder, "flood", ["--log", early], name="flood", status=2)
    run.says(r"^error: encoder it 0: it has ended with exit status 4$")
    with open(early, encoding="utf-8") as f:
        lines = [json.loads(line)["line"] for line in f]
    assert lines == [line[14:] for line in run.words.splitlines()
                     if line.startswith("encoder it 0: ")]
    assert lines[:2] == ["loading 0", "loading 1"] and lines[-1] == "no weights", lines[-9:]
    assert 500 < len(lines) < 3000 and re.fullmatch(
        r"\([0-9]+ lines more are left out, the last is:\)", lines[-2]), lines[-9:]


def test_two(folder):
    """Beside the built-in one, and two of them: each has its own latents."""
    run = Run(folder, options=["--vae", "builtin", "--encoder",
                               f"more=cmd:{sys.executable} '{SCRIPT}' STATE={folder} die"],
              name="both")
    dump = subprocess.run([PROGRAM, "dump", "--json", "--latents", "stats", run.out],
                          stdout=subprocess.PIPE, check=True)
    records = [json.loads(line) for line in dump.stdout.splitlines()]
    assert [int(r["key"]) for r in records] == list(GREYS)
    for record in records:
        made = {t["encoder"]: t for t in tensors_of(record)}
        assert set(made) == {"it", "vae", "more"}, made
        for label in ("it", "more"):
            assert made[label]["min"] == made[label]["max"] == \
                float(record["key"]), made


def tensors_of(record):
    return [t for part in record["parts"] for t in part.get("tensors", [])]


def main():
    tests = [test for name, test in sorted(globals().items()) if name.startswith("test_")]
    with tempfile.TemporaryDirectory() as folder:
        write_pairs(os.path.join(folder, "pairs.tar"))
        for test in tests:
            if len(sys.argv) < 2 or test.__name__ in sys.argv[1:]:
                start = time.monotonic()
                test(folder)
                print(f"ok - {test.__name__} {time.monotonic() - start:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
