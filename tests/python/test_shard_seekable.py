# SPDX-License-Identifier: Apache-2.0
"""A shard is a Zstandard stream to those who know nothing of shards: zstd -t and zstd -dc
take it, and pyzstd's SeekableZstdFile seeks in it."""
import os
import random
import shutil
import subprocess
import sys
import tempfile

import pyzstd

sys.path.insert(0, os.path.dirname(__file__))
import shard_format

WRITE = os.path.join(os.environ.get("BUILD", "build"), "tests/programs/write_shards")


def main():
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "s")
        subprocess.run([WRITE, prefix, "120", "0", "32768"], check=True, stdout=subprocess.DEVNULL)
        path = prefix + "-00000.lms"
        shard = shard_format.Shard(path)
        content = b"".join(shard.frame(*place) for place in zip(
            shard.offsets, shard.index["frame_bytes"], shard.index["frame_raw_bytes"]))
        assert len(shard.offsets) > 20

        with pyzstd.SeekableZstdFile(path, "r") as file:
            assert file.seek(0, os.SEEK_END) == len(content)
            draw = random.Random(1)
            for _ in range(200):
                at = draw.randrange(len(content))
                file.seek(at)
                assert file.read(1000) == content[at:at + 1000], at
            file.seek(0)
            assert file.read() == content

        if shutil.which("zstd") is None:
            print("no zstd program")
            return 77
        subprocess.run(["zstd", "-t", "-q", path], check=True)
        assert subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout == content
    return 0


sys.exit(main())
