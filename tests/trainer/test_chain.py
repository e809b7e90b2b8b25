# SPDX-License-Identifier: Apache-2.0
"""A training under DDP that is killed: 2 processes, then 3, then 1 to the end. For each last= the
steps are those of a run that nothing broke, and no loss is NaN."""
import json
import multiprocessing
import os
import pathlib
import signal
import sys
import tempfile
import warnings

try:
    import torch
    import torch.distributed as dist
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_pairs
from dataset_shards import make_texts

from latentmill import Dataset

OPTIONS = {"batch_size": 6, "pack": 600, "patch": 4, "window": 23, "group": 2}
EPOCHS = 3


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.head = torch.nn.Embedding(5000, 8), torch.nn.Linear(8, 32)

    def forward(self, tokens):
        return self.head(self.table(tokens.clamp(0, 4999)))


def loss_of(logits, labels, last):
    """The mean over a rank's labels; with padding alone on some ranks, over those of all."""
    targets = torch.where(labels >= 0, labels % 32, -100).flatten()
    if last != "pad":
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets)
    n = (targets >= 0).sum()
    dist.all_reduce(n)
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets, reduction="sum") * dist.get_world_size() / n


def rank_of_run(folder, run, rank, world_size, workers, last, kill_at):
    """One process: trains, writes what it saw of each step and, on rank 0, a checkpoint of every
    second one; it dies at a step, or ends with the epochs."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/{run}-store", rank=rank,
                            world_size=world_size)
    data = Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, **OPTIONS, last=last,
                   rank=dist.get_rank(), world_size=dist.get_world_size())
    loader = data.loader(workers)
    model = torch.nn.parallel.DistributedDataParallel(Model())
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    checkpoint = folder / f"{last}.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        model.module.load_state_dict(saved["model"])
        loader.load_state_dict(saved["data"])
    with (folder / f"{last}-{run}-{rank}.jsonl").open("w") as seen:
        while data.epoch < EPOCHS:
            for batch in loader:
                loss = loss_of(model(batch["tokens"]), batch["labels"], last)
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                print(json.dumps([data.step, batch["keys"], loss.item()]), file=seen, flush=True)
                if data.step % 2 == 0 and rank == 0:
                    torch.save({"model": model.module.state_dict(), "data": loader.state_dict()},
                               f"{checkpoint}.new")
                    os.replace(f"{checkpoint}.new", checkpoint)
                dist.barrier()
                if data.step == kill_at:
                    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(0)  # as a training ends; gloo's threads are not waited for


def run_of(folder, run, world_size, workers, last, kill_at):
    """Its processes; then the rows of each step, of all ranks, and their losses."""
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=rank_of_run, args=(
        folder, f"{last}{run}", rank, world_size, workers, last, kill_at)) for rank in range(world_size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert kill_at or process.exitcode == 0, process.exitcode
    steps = {}
    for rank in range(world_size):
        for line in (folder / f"{last}-{last}{run}-{rank}.jsonl").read_text().splitlines():
            step, keys, loss = json.loads(line)
            assert loss == loss, f"NaN at step {step} of rank {rank}"
            steps.setdefault(step, []).extend(keys)
    return steps


def chain(folder, last):
    data = Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, **OPTIONS, last=last)
    expected, ends = {}, []
    for _ in range(EPOCHS):
        for batch in data:
            expected[data.step] = [[list(key) for key in keys] for keys in batch["keys"]]
        ends.append(data.step)
    got = run_of(folder, 1, 2, 0, last, ends[0] + 1)
    assert sorted(got) == list(range(1, ends[0] + 2))
    begin = (ends[0] + 1) // 2 * 2 + 1  # behind the checkpoint
    second = run_of(folder, 2, 3, 2, last, ends[1])
    assert sorted(second) == list(range(begin, ends[1] + 1))
    third = run_of(folder, 3, 1, 1, last, 0)
    assert sorted(third) == list(range(ends[1] // 2 * 2 + 1, ends[2] + 1))
    got |= second | third
    same = sorted if last == "pad" else list
    assert {step: same(rows) for step, rows in got.items()} == \
        {step: same(rows) for step, rows in expected.items()}, last
    print(last, "epochs end at steps", ends)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        where = pathlib.Path(temporary)
        make_pairs(where / "pairs")
        make_texts(where / "text")
        for one in ("carry", "pad", "drop"):
            chain(where, one)
