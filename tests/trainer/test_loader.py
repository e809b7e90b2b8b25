# SPDX-License-Identifier: Apache-2.0
"""Dataset under PyTorch's DataLoader: 0, 2 and 4 workers, fork and spawn, give what plain
iteration gives; and the state is what was received, not what workers have ready."""
import copy
import pathlib
import pickle
import sys
import tempfile
import warnings

try:
    import numpy as np
    import torch
    from torch.utils.data import DataLoader, IterableDataset, get_worker_info
    from torchdata.stateful_dataloader import StatefulDataLoader
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_documents, make_pairs

from latentmill import Dataset, ShardReader
from latentmill.patches import cut_patches

SMALL = {"batch_size": 4, "pack": 600, "window": 17, "group": 2, "last": "pad"}


def make(folder, **more):
    return Dataset({"pairs": folder / "pairs", "text": folder / "text/shards"}, **{**SMALL, **more})


def same(a, b):
    """Two batches: arrays or tensors, lists and integers."""
    assert a.keys() == b.keys()
    for name, value in a.items():
        if hasattr(value, "shape"):
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(b[name])), name
        elif name == "keys":
            assert [[tuple(k) for k in keys] for keys in value] == \
                [[tuple(k) for k in keys] for keys in b[name]]
        elif name == "counts":
            same(value, b[name])
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


def begun_again(folder):
    """After a break, set_epoch() and load_state_dict(), one loader goes on where the Dataset
    stands; and what would break that is refused."""
    twice = make(folder)
    expected = list(twice)
    n = len(expected)
    expected += twice
    dataset = make(folder)
    loader = dataset.loader(2)
    for number, batch in enumerate(loader):
        same(batch, expected[number])
        if number == 4:
            break
    state = dataset.state_dict()
    all_the_same(loader, expected[5:n])
    dataset.set_epoch(1)
    all_the_same((without_step(b) for b in loader), [without_step(b) for b in expected[n:]])
    dataset.load_state_dict(state)
    all_the_same(loader, expected[5:n])
    dataset.loader(0, persistent_workers=False, in_order=True, batch_size=None)
    for value in ({"persistent_workers": True}, {"in_order": False}, {"batch_size": 4}):
        try:
            dataset.loader(2, **value)
            raise AssertionError(f"accepted: {value}")
        except ValueError as error:
            assert f"loader() has no {next(iter(value))}=" in str(error), error


def read_is_received(folder):
    """A loop may fetch ahead: what it has read moves the state, whichever way it was read; and an
    iteration's end. A batch that is read late does not move it back."""
    expected = list(make(folder))
    for workers in (0, 2):
        dataset = make(folder)
        loader = dataset.loader(workers)
        ahead = iter(loader)
        batches = [next(ahead) for _ in range(4)]
        assert loader.state_dict() == make(folder).state_dict() and dataset.step == 0
        for number, read, step in ((0, dict, 1), (2, lambda batch: {**batch}, 3), (1, dict, 3),
                                   (3, len, 3), (3, copy.copy, 4)):
            read(batches[number])
            assert dataset.step == step, number
        assert type(copy.copy(batches[0])) is type(pickle.loads(pickle.dumps(batches[0]))) is dict
        assert loader.state_dict(batches[1])["step"] == 2
        on = make(folder)
        on.loader().load_state_dict(loader.state_dict())
        all_the_same(on, expected[4:])
        for _ in ahead:
            pass
        assert dataset.epoch == 1 and dataset.step == len(expected)
    for read in (lambda b: b["tokens"], lambda b: b.get("tokens"), lambda b: list(b.items()), list,
                 lambda b: list(b.values()), lambda b: b | {}, lambda b: {} | b, lambda b: b.copy(),
                 lambda b: b.pop("tokens"), lambda b: same(b, expected[0])):
        dataset = make(folder)
        read(next(iter(dataset.loader())))
        assert dataset.step == 1, "a way to read was overlooked"
    left = make(folder)
    one = iter(left.loader())
    for number, batch in zip(range(3), one):
        same(batch, expected[number])
    next(one)  # is not read
    all_the_same(left.loader(), expected[3:])


def whole_in_a_model(folder):
    """A batch is a dict also for a compiled model and for what goes through its members."""
    def model(batch):
        return batch["tokens"].sum() + batch.get("labels").sum() + sum(
            value.sum() for name, value in batch.items() if name == "doc_ids")

    torch._dynamo.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    dataset = make(folder)
    for batch in dataset.loader():
        moved = torch.utils._pytree.tree_map(lambda value: value, batch)
        assert type(moved) is dict and moved["tokens"] is batch["tokens"]
        with torch._dynamo.config.patch(error_on_recompile=dataset.step > 2):
            assert compiled(batch) == model(moved)
    first = next(iter(dataset.loader()))
    assert torch.compile(model, backend="eager")(first) == model(dict(first))
    assert dataset.step == first["state"]["step"], "a compiled model's reading was overlooked"


def one_iteration_at_a_time(folder):
    """Another one ends the one in hand, as do set_epoch() and load_state_dict()."""
    expected = list(make(folder))
    for begin in (iter, lambda dataset: iter(dataset.loader()), lambda dataset: iter(dataset.loader(1))):
        dataset = make(folder)
        first, second = begin(dataset), begin(dataset)
        for number, batches in enumerate((first, first, second, second)):
            same(next(batches), expected[number])
        for move in (lambda: None, lambda: dataset.set_epoch(0),
                     lambda: dataset.load_state_dict(make(folder).state_dict())):
            move()
            try:
                next(first)
                raise AssertionError("two iterations move one Dataset")
            except RuntimeError as error:
                assert "this iteration was ended by another one of the same Dataset" in str(error)
            first = begin(dataset)
            next(first)["tokens"]


def stacked(folder):
    """A DataLoader with a batch_size is refused at its first batch; keys are tuples in any."""
    for arguments in ({"batch_size": 2}, {}, {"batch_size": 2, "num_workers": 1}):
        try:
            next(iter(DataLoader(make(folder), **arguments)))
            raise AssertionError(f"stacked: {arguments}")
        except ValueError as error:
            assert "use Dataset.loader(), or DataLoader(dataset, batch_size=None)" in str(error)
    for loader in (make(folder), make(folder).loader(), make(folder).loader(1),
                   DataLoader(make(folder), batch_size=None)):
        key = next(iter(loader))["keys"][0][0]
        assert isinstance(key, tuple) and key == (key.name, key.key), key


def lengths(folder):
    """len() where each epoch has as many steps, of Datasets, Loaders and DataLoaders."""
    for n, options in ((10, {}), (14, {"batch_size": 3, "last": "pad"}), (13, {"batch_size": 3, "last": "drop"})):
        dataset = Dataset(folder / "pairs", **{**SMALL, "last": "carry", **options, "pack": None})
        loader = dataset.loader(1)
        assert len(dataset) == len(loader) == len(DataLoader(dataset, batch_size=None)) == n
        for _ in range(2):
            assert sum(1 for _ in loader) == n
    unknown = ({"batch_size": 3, "last": "carry"}, {"pack": 600}, {"long_captions": "drop"})
    for options in unknown:
        dataset = Dataset(folder / "pairs", **{**SMALL, "pack": None, **options})
        assert dataset and dataset.loader()
        for counted in (dataset, dataset.loader(), DataLoader(dataset, batch_size=None)):
            try:
                len(counted)
                raise AssertionError("a length that is not known")
            except TypeError as error:
                assert "see Dataset.approximate_steps_per_epoch" in str(error)


def without_step(batch):
    return {**batch, "state": {**batch["state"], "step": 0}}


def random_state(folder):
    """An iteration draws nothing from torch's global generator; its workers' seeds differ from
    epoch to epoch and from rank to rank, and are the same when training goes on."""
    def seeds(dataset):
        return {int(batch["tokens"][0, 0]) for batch in dataset.loader(1)}

    torch.manual_seed(7)
    before = torch.get_rng_state()
    dataset = make(folder, transform=with_seed)
    list(dataset.loader(0))
    second = seeds(dataset)
    assert torch.equal(torch.get_rng_state(), before), "the global generator was used"
    first, on = make(folder, transform=with_seed), make(folder, transform=with_seed)
    first_seeds = seeds(first)
    on.load_state_dict(first.state_dict())
    assert seeds(on) == second != first_seeds and len(second) == 1
    assert seeds(make(folder, transform=with_seed, rank=1, world_size=2)) != first_seeds
    given = torch.Generator()
    list(dataset.loader(0, generator=given))
    assert not torch.equal(given.get_state(), torch.Generator().get_state()), "it was not used"


def with_seed(sample):
    return {**sample, "tokens": sample["tokens"] * 0 + torch.initial_seed() % 2**31}


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
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(DataLoader(dataset, batch_size=None, num_workers=2))
        list(DataLoader(make(folder), batch_size=None))
        list(make(folder).loader(2))
        try:
            list(DataLoader(make(folder), batch_size=None, num_workers=2))
        except UserWarning as warning:
            assert "use Dataset.loader(), or set_epoch() and state_dict(batch)" in str(warning)
            return
    raise AssertionError("epochs that do not go on are not warned of")


def stateful_loader(folder):
    """torchdata's, with one worker at most; states of several workers are refused, also one
    that is given to them."""
    expected = list(make(folder))
    for workers in (0, 1):
        def loader(n=workers):
            dataset = make(folder)
            dataset.set_epoch(0)
            return StatefulDataLoader(dataset, batch_size=None, num_workers=n)

        for stop in (1, 5, len(expected) - 1):
            first = loader()
            for _, batch in zip(range(stop), first):
                state = first.state_dict()
            same(batch, expected[stop - 1])
            on = loader()
            on.load_state_dict(state)
            all_the_same(on, expected[stop:])
    for call in (Dataset.state_dict, lambda dataset: dataset.load_state_dict({})):
        refusing = make(folder, transform=PartOfState(call))
        try:
            list(refusing.loader(2))
            raise AssertionError("a worker's state was taken")
        except RuntimeError as error:
            assert "use Dataset.loader(), or state_dict(batch)" in str(error), error
    try:
        next(iter(loader(2)))
    except RuntimeError as error:
        assert "use Dataset.loader()" in str(error), error
        return
    raise AssertionError("workers' states were taken")


class PartOfState:
    """A transform that asks its worker's Dataset for something."""

    def __init__(self, call):
        self.call = call

    def __call__(self, sample):
        self.call(get_worker_info().dataset)
        return sample


def ranks(folder):
    """Each of two ranks with two workers; then one rank goes on."""
    expected = list(make(folder, last="carry"))
    loaders = [make(folder, rank=rank, world_size=2, last="carry").loader(2) for rank in range(2)]
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


def flushed_subnormals(folder):
    """Those of fp16 are kept, though the CPU takes those of fp32 for 0."""
    raw = np.arange(1 << 10, dtype=np.uint16).view(np.float16).reshape(1, 32, 32)
    one, zero = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    out = np.empty((1 << 10, 1), np.float32)
    assert torch.set_flush_denormal(True)
    cut_patches([raw], "fp16", 1, "pqc", one, zero, out)
    torch.set_flush_denormal(False)
    assert (out[:, 0] == np.arange(1 << 10) / 2**24).all()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        where = pathlib.Path(temporary)
        make_pairs(where / "pairs")
        make_documents(where / "text")
        for test in (workers, state_of_what_was_received, begun_again, read_is_received,
                     whole_in_a_model, one_iteration_at_a_time, stacked, lengths, random_state,
                     epochs_of_an_own_loader, stateful_loader, ranks, open_before_the_fork,
                     flushed_subnormals):
            test(where)
