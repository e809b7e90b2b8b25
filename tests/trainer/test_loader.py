# SPDX-License-Identifier: Apache-2.0
"""Dataset under PyTorch's DataLoader: 0, 2 and 4 workers, fork and spawn, give what plain
iteration gives; and the state is what was received, not what workers have ready."""
import pathlib
import sys
import tempfile

try:
    import torch
    from torch.utils.data import DataLoader, IterableDataset
    from torchdata.stateful_dataloader import StatefulDataLoader
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_documents, make_pairs

from latentmill import Dataset, ShardReader

SMALL = {"batch_size": 4, "pack": 600, "window": 17, "group": 2}


def make(folder, **more):
    return Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, **SMALL, **more)


def same(a, b):
    """Two batches: arrays or tensors, lists and integers."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        if hasattr(value, "shape"):
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(b[name])), name
        elif name == "keys":
            assert [[tuple(k) for k in keys] for keys in value] == \
                [[tuple(k) for k in keys] for keys in b[name]]
        else:
            assert value == b[name], name


def all_the_same(got, expected):
    got = list(got)
    assert len(got) == len(expected), (len(got), len(expected))
    for one, other in zip(got, expected):
        same(one, other)


def workers(folder):
    expected = list(make(folder))
    assert isinstance(make(folder), IterableDataset) and len(expected) > 8
    both = make(folder)
    all_the_same(both, expected)
    second = list(both)
    for n, context in ((0, None), (2, "fork"), (4, "fork"), (2, "spawn"), (4, "spawn")):
        loader = DataLoader(make(folder), batch_size=None, num_workers=n,
                            multiprocessing_context=context)
        all_the_same(loader, expected)
        assert isinstance(expected[0]["tokens"], torch.Tensor) is False
    loader = make(folder).loader(2)
    all_the_same(loader, expected)
    all_the_same(loader, second)
    persistent = make(folder).loader(2, persistent_workers=True)
    all_the_same(persistent, expected)
    all_the_same(persistent, second)
    print("workers 0, 2, 4; fork, spawn:", len(expected), "steps each")


def state_of_what_was_received(folder):
    expected = list(make(folder))
    for stop in (1, 3, 6):
        dataset = make(folder)
        for number, batch in enumerate(dataset.loader(2, prefetch_factor=4), 1):
            same(batch, expected[number - 1])
            if number == stop:
                break
        assert dataset.step == stop
        on = make(folder)
        on.load_state_dict(dataset.state_dict())
        all_the_same(on.loader(3), expected[stop:])
        own = make(folder)
        own.load_state_dict(make(folder).state_dict(batch))
        all_the_same(own, expected[stop:])


def epochs_of_an_own_loader(folder):
    """Its workers move on copies: set_epoch() says which epoch is next."""
    dataset = make(folder)
    expected = [batch["tokens"] for _ in range(3) for batch in dataset]
    dataset, got = make(folder), []
    loader = DataLoader(dataset, batch_size=None, num_workers=2)
    for epoch in range(3):
        dataset.set_epoch(epoch)
        got += [batch["tokens"] for batch in loader]
    assert len(got) == len(expected)
    assert all(torch.equal(a, torch.as_tensor(b)) for a, b in zip(got, expected))


def stateful_loader(folder):
    """torchdata's, without workers; the state of a worker's copy is refused."""
    expected = list(make(folder))
    for stop in (1, 5, len(expected) - 1):
        loader = StatefulDataLoader(make(folder), batch_size=None)
        for _, batch in zip(range(stop), loader):
            state = loader.state_dict()
        same(batch, expected[stop - 1])
        on = StatefulDataLoader(make(folder), batch_size=None)
        on.load_state_dict(state)
        all_the_same(on, expected[stop:])
    try:
        next(iter(StatefulDataLoader(make(folder), batch_size=None, num_workers=2)))
    except RuntimeError as error:
        assert "use Dataset.loader()" in str(error), error
        return
    raise AssertionError("workers' states were taken")


def ranks(folder):
    """Each of two ranks with two workers; then one rank goes on."""
    expected = list(make(folder))
    loaders = [make(folder, rank=rank, world_size=2).loader(2) for rank in range(2)]
    for number, batches in enumerate(zip(*loaders)):
        tokens = torch.cat([batch["tokens"] for batch in batches])
        assert torch.equal(tokens, torch.as_tensor(expected[number]["tokens"]))
    assert number + 1 == len(expected)


def open_before_the_fork(folder):
    """Plain iteration has begun, and a reader was used, before workers are forked."""
    dataset = make(folder)
    expected = list(make(folder))
    reader = ShardReader(sorted((folder / "pairs").glob("*.lms"))[0])
    keys = [record.key for record in reader]
    same(next(iter(dataset)), expected[0])
    all_the_same(DataLoader(dataset, batch_size=None, num_workers=2,
                            multiprocessing_context="fork"), expected[1:])
    assert [record.key for record in reader] == keys


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        where = pathlib.Path(temporary)
        make_pairs(where / "pairs")
        make_documents(where / "text")
        for test in (workers, state_of_what_was_received, epochs_of_an_own_loader,
                     stateful_loader, ranks, open_before_the_fork):
            test(where)
