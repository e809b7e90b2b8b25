# SPDX-License-Identifier: Apache-2.0
"""Long texts, of pairs and of documents, are tokenized within --decode-mem.

Eight workers, texts of one word of 1 MiB, which needs 64 MiB each, a budget of 64 MiB. The memory is
the process's largest resident size less that of the same run over short texts, and less what
the texts and their ids take until they are written.
"""
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib

import decoding

PROGRAM = os.path.join(os.environ.get("BUILD", "build"), "latentmill")
MIB = 1 << 20
TEXT = 1 << 20
N = 12
ARENAS = 8 * 4 * MIB + 16 * MIB  # what each thread's may keep at its top, and fragments


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def write_pairs(path, length):
    image = decoding.png_file(16, 16, 8, 2, zlib.compress(bytes(16 * 49)))
    with tarfile.open(path, "w") as tar:
        for i in range(N):
            add(tar, f"{i}.png", image)
            add(tar, f"{i}.txt", (str(i % 10) * length).encode())
            add(tar, f"{i}.cap", b"w" * (length - 1))


def write_documents(path, length):
    with open(path, "w") as f:
        for i in range(2 * N):
            f.write(json.dumps({"text": str(i % 10) * length}) + "\n")


def peak(folder, path):
    """In bytes; the samples must all be there."""
    out = os.path.join(folder, "out-" + os.path.basename(path))
    child = subprocess.Popen([PROGRAM, "prepare", "--quiet", "--workers", "8", "--size", "16",
                              "--decode-mem", "64M", "--out", out, path],
                             stderr=subprocess.PIPE)
    words = child.stderr.read().decode()
    status, usage = os.wait4(child.pid, 0)[1:]
    assert status == 0, words
    name = os.path.basename(path).split(".")[0]
    with open(os.path.join(out, name + ".manifest.json")) as f:
        counts = json.load(f)["result"]["inputs"][0]
    assert counts["samples"] == counts["groups"] >= N, counts
    return usage.ru_maxrss * 1024


def main():
    with open(PROGRAM, "rb") as f:
        if b"__asan_init" in f.read():
            print("sanitizers need memory of their own")
            return 77
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for suffix, write in ((".tar", write_pairs), (".jsonl", write_documents)):
            short, long = (os.path.join(folder, name + suffix) for name in ("short", "long"))
            write(short, 20)
            write(long, TEXT)
            least = peak(folder, short)
            held = peak(folder, long) - least - 2 * N * TEXT * 5
            good = held <= 64 * MIB + ARENAS
            print(f"{'ok' if good else 'FAILED'}: {suffix}: {held / MIB:.0f} MiB beside "
                  f"{least / MIB:.0f} MiB, texts and ids")
            failed |= not good
    return failed


if __name__ == "__main__":
    sys.exit(main())
