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
    """The largest source's samples come once an epoch, but for the last few of one, which the
    next one begins with."""
    pairs, steps, last = collections.Counter(), set(), 0
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    n_epochs = max(int(epoch) for _, epoch, _, _ in rows)  # that are whole
    for step, epoch, name, key in rows:
        steps.add(int(step))
        if name.startswith("scenes") and int(epoch) < n_epochs:
            pairs[name, key] += 1
            last = max(last, int(step))
    assert steps == set(range(STEPS)), "a step is missing"
    assert n_epochs >= 2, f"only {n_epochs} whole epochs"
    assert len(pairs) == 40 and set(pairs.values()) <= {n_epochs - 1, n_epochs}
    left = sum(count < n_epochs for count in pairs.values())
    assert left < 40 * n_epochs / last, f"{left} pairs are more than a step"
    print(f"{n_epochs} whole epochs, each of 40 pairs once")


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
