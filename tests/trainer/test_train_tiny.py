# SPDX-License-Identifier: Apache-2.0
"""The example trains: both losses fall; killed in the middle and resumed on another number of
ranks it sees each sample once, by its log of keys."""
import collections
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

try:
    import torch  # noqa: F401
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_documents, make_pairs

EXAMPLE = "shard/python/examples/train_tiny.py"
STEPS, KILLED_AFTER = 50, 13


def command(folder, ranks, *more):
    return [sys.executable, EXAMPLE, "--pairs", str(folder / "pairs"), "--text",
            str(folder / "text/shards"), "--steps", str(STEPS), "--ranks", str(ranks),
            "--checkpoint", str(folder / "tiny.pt"), "--log", str(folder / "tiny.log"), *more]


def kill_in_the_middle(folder, environment):
    """SIGKILL once it has written the line of a step between two checkpoints."""
    training = subprocess.Popen(command(folder, 1), env=environment, stdout=subprocess.PIPE, text=True)
    for line in training.stdout:
        if line.startswith(f"step {KILLED_AFTER}:"):
            training.send_signal(signal.SIGKILL)
            break
    assert training.wait() == -signal.SIGKILL


def each_sample_once(log):
    """The largest source's samples come once an epoch; those of the other as often as others of
    it. A text may go on in the next sequence, so it is counted once a step or in two."""
    pairs, largest = collections.Counter(), collections.Counter()
    steps = set()
    for line in log.read_text().splitlines():
        step, epoch, name, key = line.split("\t")
        steps.add(int(step))
        if name.startswith("scenes"):
            pairs[int(epoch), name, key] += 1
            largest[int(epoch)] += 1
    assert steps == set(range(STEPS)), "a step is missing"
    whole = range(max(largest))
    assert len(whole) >= 2, f"only {len(whole)} whole epochs"
    for epoch in whole:
        assert largest[epoch] == 40, (epoch, largest[epoch])
    assert set(pairs.values()) == {1}
    print(f"{len(whole)} whole epochs, each of 40 pairs once")


def main():
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(os.environ["BUILD"]).resolve() / "python"),
                   "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        make_pairs(folder / "pairs")
        make_documents(folder / "text", longest=200)  # in all less than the pairs
        begin = time.monotonic()
        kill_in_the_middle(folder, environment)
        done = subprocess.run(command(folder, 3, "--test"), env=environment, capture_output=True,
                              text=True)
        print(done.stdout.splitlines()[-1] if done.stdout else done.stderr)
        assert done.returncode == 0, done.stderr
        assert "step 10:" in done.stdout and "step 9:" not in done.stdout, "not resumed from 10"
        each_sample_once(folder / "tiny.log")
        print(f"{time.monotonic() - begin:.0f} s")


main()
