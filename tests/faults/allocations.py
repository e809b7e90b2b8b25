#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole program with one failed allocation, at each distinct call stack in turn.

usage: BUILD=DIR tests/faults/allocations.py [--every N] [--stack NUMBER] [CASE...]

Each case is a command over small inputs. It is run undisturbed while fail_allocation.so lists
the call stacks of its allocations; then once for each stack that no case before it had, with
the first allocation of that stack failing. Such a run must

- end with 0, and then with the undisturbed run's output and files, byte for byte (but for
  what a manifest says of the run); or with 1 and a message about memory: never with another
  status, by a signal (but see MAY_CRASH), or not at all;
- leave no final name that is not the undisturbed run's;
- leave a folder in which the same command, undisturbed, ends with 0 and those same files.

--every N tries every N-th stack only; --stack NUMBER that one. Needs no package."""

import argparse
import bz2
import concurrent.futures
import gzip
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import threading
import zlib
from io import BytesIO
from pathlib import Path

BUILD = Path(os.environ.get("BUILD", "build")).resolve()
PROGRAM = BUILD / "latentmill"
LIBRARY = BUILD / "tests" / "fail_allocation.so"
SCENES = "tests/data/scenes-00%d.tar"
TIMEOUT = 60

# In these a failure ends the process wherever it is (tools/main.c), so that only the
# way there counts.
WHOLE = "libjansson:libsentencepiece:libprotobuf"

# A failure below these functions of libraries may also end by a signal, for which there is no
# help: they use what they could not allocate. What is under final names is right even so.
MAY_CRASH = {
    "libcrypto": ["CRYPTO_THREAD_run_once"],  # the library's own start
    "libwebp": ["WebPDecode"],
}

# What a message must say. A thread's start has a word of its own for a lack of memory.
MEMORY = "memory|allocat|Resource temporarily unavailable|thread could not start"

# Libraries with very many stacks, all of their start: one in so many is tried.
SPARSE = {"libcrypto": 4}


# ---- inputs ----


def png(pixel, side=70, extra=b""):
    """An RGB picture of one colour; `extra` are chunks before its data."""
    raw = (b"\0" + bytes(pixel) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + \
        chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + \
        struct.pack(">I", zlib.crc32(name + body))


def scene_members(tar, wanted):
    """Members of the sample set: JPEG, PNG and WebP, profiles, EXIF, and what is rejected."""
    with tarfile.open(SCENES % tar) as scenes:
        for member in scenes:
            if member.name.split(".")[0] in wanted:
                yield member.name, scenes.extractfile(member).read()


def profile_of(jpeg):
    """An ICC profile that stands in one segment."""
    at = jpeg.index(b"ICC_PROFILE\0")
    length, = struct.unpack(">H", jpeg[at - 2:at])
    return jpeg[at + 14:at - 2 + length]


def write_pairs(path):
    members = [*scene_members(0, PAIRS[0]), *scene_members(1, PAIRS[1])]
    profile = profile_of(dict(members)["000000018.jpg"])
    members += [
        ("profile.png", png((90, 80, 70),
                            extra=chunk(b"iCCP", b"wide\0\0" + zlib.compress(profile)))),
        ("profile.txt", b"a PNG with a profile"),
        ("many.png", png((10, 20, 30))),
        ("many.json", b'{"captions": ["one", "two", "one", " "], "deep": [[{"a": NaN}]]}'),
        ("long.png", png((40, 50, 60))),
        ("long.json", b'{"caption": "a number", "n": ' + b"9" * 400 + b"}"),
        ("kept.png", png((70, 80, 90))),
        ("kept.txt", b"metadata that is not JSON\n"),
        ("kept.json", b"{"),
        ("lost.png", png((1, 2, 3))),
        ("lost.json", b"{"),
    ]
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, BytesIO(data))


TEXT = (
    b'{"text": "A first document.", "id": "one", "source": {"n": [1, 2.5, "three"]}}\n'
    b'{"text": "Na\xc3\xafve \\u00e9 and more words than one line of tokens holds."}\n'
    b'\n{"text": "cut\n'
    b'{"text": "a long number", "n": ' + b"1" * 400 + b"}\n"
    b'{"text": "bare", "n": NaN, "id": 7}\n'
    b'{"text": "again", "id": "one"}\n'
    b'{"text": " "}\n'
    b'{"\\u0074ext": "an escaped name", "id": "e\\u0301"}'
)


def zstd_frame(data):
    """One frame of `data` (under 256 bytes) as it is: RFC 8878, 3.1.1, one raw block."""
    block = (len(data) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\x20" + bytes([len(data)]) + block + data


def tokenizer_json():
    """A small tokenizer with one of most steps: normalizers, expressions, merges, added tokens."""
    letters = [chr(c) for c in range(ord("!"), 127)]
    pieces = ["<unk>", "<s>", "</s>", *letters, "th", "the", "in", "an", "do"]
    return {
        "added_tokens": [{"id": i, "content": pieces[i], "special": True, "normalized": False, "single_word": False,
                          "lstrip": False, "rstrip": False} for i in range(3)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "NFC"}, {"type": "Lowercase"}, {"type": "Strip", "strip_left": True, "strip_right": True},
            {"type": "Replace", "pattern": {"Regex": "[0-9]+"}, "content": "#"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": r"\s+|\p{L}+(?=\s)|[^\s]"}, "behavior": "Isolated", "invert": False},
            {"type": "Punctuation", "behavior": "Isolated"}, {"type": "Digits", "individual_digits": True}]},
        "post_processor": {"type": "BertProcessing", "cls": ["<s>", 1], "sep": ["</s>", 2]},
        "decoder": {"type": "Fuse"},
        "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "vocab": {piece: i for i, piece in enumerate(pieces)},
                  "merges": ["t h", "th e", "i n", "a n", "d o"]},
    }


def make_inputs(folder):
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer_json()))
    write_pairs(folder / "pairs.tar")
    (folder / "text-0.jsonl").write_bytes(TEXT)
    packed = b'{"text": "packed"}\n'
    (folder / "text-1.jsonl.gz").write_bytes(gzip.compress(packed, mtime=0))
    (folder / "text-2.jsonl.bz2").write_bytes(bz2.compress(packed))
    (folder / "text-3.jsonl.xz").write_bytes(lzma.compress(packed))
    (folder / "text-4.jsonl.zst").write_bytes(zstd_frame(packed))
    (folder / "list.txt").write_text(f"{folder}/text-0.jsonl\n")


# ---- cases ----

# Keys of the sample set: JPEG plain, progressive, with EXIF, CMYK, with a profile; PNG of 16
# bits with alpha and of a palette; WebP with losses, without and with alpha; rejects.
PAIRS = (
    {"000000000", "000000005", "000000011", "000000017", "000000018", "000000900",
     "000000901", "000000902", "000000903", "000000905"},
    {"000010003", "000010004", "000010010", "000010012", "000010014", "000000906",
     "000000907", "000000908", "000000909"},
)
FAST = ["--quiet", "--workers", "1"]


def prepare(*inputs, options=()):
    return ["prepare", *FAST, *options, "--out", "OUT", *inputs]


PACKED = ["IN/text-{1..1}.jsonl.gz", "IN/text-2.jsonl.bz2", "IN/text-3.jsonl.xz",
          "IN/text-4.jsonl.zst"]
PAIR_OPTIONS = ["--size", "64", "--max-reject-rate", "1", "--vae", "builtin"]
SEVERAL = ["--encoder", "large=vae:builtin", "--encoder", "j=pixels:jpeg:90", "--encoder", "p=pixels:png",
           "--encoder", "w=pixels:webp:90", "--size", "large=128", "--resize", "large=area"]

# Name: the case whose files are there before it (in OUT, or in SHARDS where that is named),
# and the command.
CASES = {
    "text": (None, prepare("@IN/list.txt", *PACKED)),
    "tokenizer": (None, prepare("IN/text-0.jsonl", options=["--tokenizer", "IN/tokenizer.json"])),
    "pairs": (None, prepare("IN/pairs.tar",
                            options=PAIR_OPTIONS)),
    # env: not in the encoder itself, which would only be started again
    "child": (None, prepare("IN/pairs.tar", options=[
        "--size", "32", "--encoder", "null=cmd:env -u LD_PRELOAD "
        f"{BUILD}/tests/programs/null_encoder 4"])),
    "encoders": (None, prepare("IN/pairs.tar",
                               options=[*PAIR_OPTIONS, *SEVERAL])),
    "text again": ("text", prepare("@IN/list.txt", *PACKED)),
    "text redone": ("text", prepare("@IN/list.txt", options=["--redo"])),
    "export mds": ("pairs", ["export", *FAST, "--format", "mds", "--scaled", "--compression",
                             "zstd", "--out", "OUT", "SHARDS"]),
    "export webdataset": ("pairs", ["export", *FAST, "--format", "webdataset", "--out", "OUT",
                                    "SHARDS"]),
    "export text": ("text", ["export", *FAST, "--format", "mds", "--out", "OUT", "SHARDS"]),
    "index": ("pairs", ["index", "OUT"]),
    "dump": ("pairs", ["dump", "SHARDS"]),
    "dump json": ("pairs", ["dump", "--json", "SHARDS"]),
    "dump header": ("text", ["dump", "--header", "SHARDS"]),
}


class Case:
    """A command, what it starts from, and what it must give."""

    def __init__(self, name, folder):
        self.name = name
        self.folder = folder
        before, self.command = CASES[name]
        self.before = folder / "good" / before if before else None
        self.in_place = self.before is not None and "SHARDS" not in self.command
        self.stacks = []
        self.good_stdout = b""
        self.good = {}
        self.states = set()  # of folders from which a further run has succeeded
        self.lock = threading.Lock()

    def start(self, out):
        shutil.rmtree(out, ignore_errors=True)
        if self.in_place:
            shutil.copytree(self.before, out)

    def run(self, out, **variables):
        places = {"OUT": str(out), "SHARDS": str(self.before)}
        words = [places.get(w, w.replace("IN/", f"{self.folder}/in/")) for w in self.command]
        preload = {"LD_PRELOAD": str(LIBRARY), "FAIL_ALLOCATION_WHOLE": WHOLE} if variables else {}
        return subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=TIMEOUT, check=False,
                              env={**os.environ, **preload, **variables})

    def run_undisturbed(self):
        """The files that count, and the stacks."""
        out = self.folder / "good" / self.name
        stacks = self.folder / "stacks"
        self.start(out)
        run = self.run(out, FAIL_ALLOCATION_LIST=str(stacks))
        if run.returncode != 0:
            raise SystemExit(f"{self.name}: the undisturbed run ended with {run.returncode}: "
                             f"{run.stderr.decode(errors='replace')}")
        self.good = final_files(out)
        self.good_stdout = run.stdout
        self.stacks = [Stack(line) for line in stacks.read_text().splitlines()]

    def try_stack(self, stack, out):
        """What is wrong, or None; and whether the allocation was reached."""
        told = out.with_suffix(".told")
        told.unlink(missing_ok=True)
        self.start(out)
        try:
            run = self.run(out, FAIL_ALLOCATION_AT=stack.number, FAIL_ALLOCATION_TOLD=str(told))
            problem = self.judge(stack, run, final_files(out)) or self.judge_rerun(out)
        except subprocess.TimeoutExpired:
            problem = f"no end within {TIMEOUT} s"
        return problem, told.exists()

    def judge(self, stack, run, files):
        words = run.stderr.decode(errors="replace").strip()
        if run.returncode not in (0, 1) and not (run.returncode < 0 and stack.may_crash()):
            return f"status {run.returncode}: {words}"
        if run.returncode == 1 and not re.search(MEMORY, words, re.IGNORECASE):
            return f"status 1 without a word about memory: {words}"
        for name, content in files.items():
            if self.good.get(name) != content:
                return f"status {run.returncode}, and {name} is wrong: {words}"
        if run.returncode == 0 and files.keys() != self.good.keys():
            missing = ", ".join(sorted(self.good.keys() - files.keys()))
            return f"status 0 without {missing}: {words}"
        if run.returncode == 0 and run.stdout != self.good_stdout:
            return f"status 0 with another output: {words}"
        return None

    def judge_rerun(self, out):
        state = frozenset(all_files(out).items())
        with self.lock:
            if state in self.states:
                return None
        run = self.run(out)
        words = run.stderr.decode(errors="replace").strip()
        if run.returncode != 0:
            return f"run again, it ended with {run.returncode}: {words}"
        if final_files(out) != self.good:
            return f"run again, it gave other files: {words}"
        with self.lock:
            self.states.add(state)
        return None


def content_of(path):
    """Of a manifest, what does not depend on the run."""
    data = path.read_bytes()
    if path.name.endswith((".manifest.json", ".export.json")):
        try:
            return json.dumps(json.loads(data)["result"], sort_keys=True)
        except (ValueError, KeyError):
            return data
    return data


def all_files(folder):
    """By name; a temporary one is called by what it is to be."""
    return {re.sub(r"\.tmp\..*", ".tmp", str(path.relative_to(folder))): content_of(path)
            for path in folder.rglob("*") if path.is_file()}


def final_files(folder):
    return {name: c for name, c in all_files(folder).items() if not name.endswith(".tmp")}


# ---- stacks ----


class Stack:
    """The frames of an allocation, innermost first, as [library, offset, function]."""

    def __init__(self, line):
        self.number, *frames = line.split()
        self.frames = [re.fullmatch(r"(.*)\+([0-9a-f]+):(.*)", f).groups() for f in frames]

    def may_crash(self):
        return any(library in path and function in functions
                   for path, _, function in self.frames
                   for library, functions in MAY_CRASH.items())

    def names(self):
        """Of the functions; addr2line knows the program's own."""
        for path, offset, function in self.frames:
            if path:
                yield f"{Path(path).name} {function or offset}"
                continue
            tool = subprocess.run(["addr2line", "-fCsp", "-e", PROGRAM,
                                   hex(int(offset, 16) - 1)],
                                  capture_output=True, text=True, check=False)
            yield tool.stdout.strip() or offset


def thinned(stacks):
    """Without most of those in SPARSE libraries."""
    count = {}
    for stack in stacks:
        library = next((l for l in SPARSE if l in stack.frames[0][0]), None)
        count[library] = count.get(library, 0) + 1
        if library is None or count[library] % SPARSE[library] == 0:
            yield stack


def try_all(case, stacks, pool, verbose):
    """Returns how many failed."""
    problems = {}
    n_reached = 0
    idle = [case.folder / "run" / str(i) for i in range(os.cpu_count() or 1)]
    lock = threading.Lock()

    def one(stack):
        with lock:
            out = idle.pop()
        try:
            return case.try_stack(stack, out)
        finally:
            with lock:
                idle.append(out)

    for stack, (problem, reached) in zip(stacks, pool.map(one, stacks)):
        n_reached += reached
        if problem:
            problems.setdefault(re.sub("[0-9a-f]{6,}", "#", problem), []).append(stack)
    for problem, those in problems.items():
        print(f"FAIL {case.name}: {len(those)} stacks: {problem}")
        for stack in those[:verbose]:
            print(f"    {stack.number}")
            for name in stack.names():
                print(f"        {name}")
    print(f"{'FAIL' if problems else 'PASS'} {case.name}: {len(stacks)} stacks of "
          f"{len(case.stacks)}, {n_reached} reached, "
          f"{sum(map(len, problems.values()))} failed", flush=True)
    return sum(map(len, problems.values()))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--stack")
    parser.add_argument("--show", type=int, default=3, help="stacks of each kind of failure")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    if os.environ.get("SANITIZE"):
        print("SKIP a sanitizer has an allocator of its own")
        print("0 passed, 0 failed, 1 skipped")
        return 0
    seen, results, n_stacks = set(), [], 0
    with tempfile.TemporaryDirectory() as name, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        folder = Path(name)
        for sub in ("in", "good", "run"):
            (folder / sub).mkdir()
        make_inputs(folder / "in")
        for name in CASES:
            case = Case(name, folder)
            case.run_undisturbed()
            if options.cases and name not in options.cases:
                continue
            stacks = [s for s in case.stacks if s.number not in seen]
            stacks = list(thinned(stacks))[::options.every]
            if options.stack:
                stacks = [s for s in case.stacks if s.number == options.stack]
            seen.update(s.number for s in case.stacks)
            n_stacks += len(stacks)
            results.append(try_all(case, stacks, pool, options.show))
    n_failed = sum(r > 0 for r in results)
    print(f"{n_stacks} call stacks were tried, {sum(results)} of them failed")
    print(f"{len(results) - n_failed} passed, {n_failed} failed, 0 skipped")
    return n_failed > 0


if __name__ == "__main__":
    sys.exit(main())
