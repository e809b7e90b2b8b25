# SPDX-License-Identifier: Apache-2.0
"""Every odd or broken image, through the whole program: a sample or a typed reject.

All files of shared/data/odd are packed in one tar with captions. The counts must add up,
every reason must be one of ingest/reject.h, and the process must stay within 1 GiB.
"""
import io
import json
import os
import re
import resource
import subprocess
import sys
import tarfile
import tempfile

BUILD = os.environ.get("BUILD", "build")
ODD = os.path.join(os.environ.get("LATENTMILL_SHARED", "../shared"), "data", "odd")
FIELDS = {"jpg", "jpeg", "png", "webp"}


def add(tar, name, data):
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def pack(path):
    """Returns how many images there are. The extension is the file's own, wrong or not."""
    n = 0
    with tarfile.open(path, "w") as tar:
        for folder, folders, files in os.walk(ODD):
            folders.sort()
            for file in sorted(files):
                field = file.rsplit(".", 1)[-1].lower()
                with open(os.path.join(folder, file), "rb") as f:
                    add(tar, f"{n:05d}.{field if field in FIELDS else 'bin'}", f.read())
                add(tar, f"{n:05d}.txt", file.encode())
                n += 1
    return n


def reasons():
    with open("ingest/reject.h", encoding="utf-8") as f:
        return set(re.findall(r'X\([A-Z0-9_]+, "([a-z0-9_]+)"\)', f.read()))


def main():
    if not os.path.isdir(ODD):
        print(f"{ODD} is missing")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        tar = os.path.join(folder, "odd.tar")
        n = pack(tar)
        out = os.path.join(folder, "out")
        run = subprocess.run([f"{BUILD}/latentmill", "prepare", "--quiet", "--size", "32",
                              "--max-reject-rate", "1", "--out", out, tar],
                             stderr=subprocess.PIPE, text=True)
        assert run.returncode == 0, run.stderr
        with open(os.path.join(out, "odd.manifest.json"), encoding="utf-8") as f:
            result = json.load(f)["result"]
        entry = result["inputs"][0]
        assert entry["status"] == "complete", entry
        assert entry["groups"] == n > 1000, (entry["groups"], n)
        assert entry["samples"] + sum(entry["rejects"].values()) == n, entry
        assert entry["samples"] > 600, entry
        assert set(entry["rejects"]) <= reasons(), entry["rejects"]
        dump = subprocess.run([f"{BUILD}/latentmill", "dump", "--json", out],
                              stdout=subprocess.PIPE, text=True, check=True)
        samples = [json.loads(line) for line in dump.stdout.splitlines()]
        with open(os.path.join(out, "odd.rejects.jsonl"), encoding="utf-8") as f:
            rejects = [json.loads(line) for line in f]
        places = sorted([s["source"]["index"] for s in samples] +
                        [r["index"] for r in rejects])
        assert places == list(range(n)), "an image is in two places or in none"
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        if "san" not in BUILD:
            assert peak < 1 << 20, f"{peak} KiB"
        print(f"{n} images: {entry['samples']} samples, {entry['rejects']}, {peak} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
