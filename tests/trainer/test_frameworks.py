# SPDX-License-Identifier: Apache-2.0
"""Dataset.loader() in Lightning, accelerate, torchdata's StatefulDataLoader and DCP: each saves
its state by the means of its own, stops anywhere, and goes on with the batch that was due."""
import logging
import pathlib
import sys
import tempfile
import warnings

try:
    import accelerate
    import lightning
    import torch
    import torch.distributed.checkpoint as dcp
    from torch.utils.data import DataLoader
    from torchdata.stateful_dataloader import StatefulDataLoader
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import make_pairs

from latentmill import Dataset

OPTIONS = {"batch_size": 3, "pack": 200, "patch": 4, "window": 17}
N = 30  # batches, over several epochs


def make(folder, **more):
    return Dataset(folder / "pairs", **{**OPTIONS, **more})


def keys(batch):
    return [[tuple(key) for key in sequence] for sequence in batch["keys"]]


def expected(folder, **more):
    """The first N batches, and where epochs end."""
    dataset, out, ends = make(folder, **more), [], []
    while len(out) < N:
        out += [keys(batch) for batch in dataset]
        ends.append(len(out))
    return out, ends


class Module(lightning.LightningModule):
    """Saves nothing of the data: that is left to Lightning, which keeps what has a state_dict()."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
        self.seen, self.ends = [], []

    def training_step(self, batch, _):
        self.seen.append(keys(batch))
        return self.layer(torch.ones(1, 1)).sum()

    def on_train_epoch_end(self):
        self.ends.append(len(self.seen))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


def trained(loader, steps, save=None, load=None):
    """The module; Lightning has saved everything in `save` behind `steps` steps in all."""
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, max_steps=steps, max_epochs=-1)
    module = Module()
    trainer.fit(module, loader, ckpt_path=load, weights_only=load and False)
    if save is not None:
        trainer.save_checkpoint(save)
    return module


def in_lightning(folder):
    """It fetches one batch ahead of a loader without a length. Stopped within an epoch, at its
    end, and behind it; the length is known, or not."""
    path = folder / "lightning.ckpt"
    for more in ({}, {"pack": None, "last": "drop"}):
        wanted, ends = expected(folder, **more)
        for workers, stop in ((0, 5), (0, ends[0] - 1), (0, ends[0]), (0, ends[0] + 1), (2, 5)):
            total = ends[1] + 3
            first = trained(make(folder, **more).loader(workers), stop, save=path)
            assert first.seen == wanted[:stop], "other batches were trained"
            rest = trained(make(folder, **more).loader(workers), total, load=path)
            got = [wanted.index(batch) for batch in rest.seen]
            assert rest.seen == wanted[stop:total], (more, workers, stop, got)
            if more == {} or stop != ends[0]:  # there it makes an epoch of one step
                assert [end + stop for end in rest.ends] == \
                    [end for end in ends[:2] if end > stop] + [total], (stop, rest.ends, ends)


def own_hooks_of_lightning(folder):
    """Dataset.state_dict() in a hook is that of the batch in hand, too."""
    wanted, _ = expected(folder)

    class Saving(Module):
        def on_train_batch_end(self, *_):
            self.state = data.state_dict()

    data = make(folder)
    trainer = lightning.Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, max_steps=5, max_epochs=-1)
    module = Saving()
    trainer.fit(module, data.loader())
    on = make(folder)
    on.load_state_dict(module.state)
    assert keys(next(iter(on))) == wanted[5] and module.state["step"] == 5


def in_accelerate(folder):
    """prepare() leaves a Loader alone; save_state() keeps what register_for_checkpointing() took."""
    wanted, _ = expected(folder)
    for workers in (0, 2):
        def begun():
            accelerator = accelerate.Accelerator(cpu=True)
            data = make(folder).loader(workers)
            model = torch.nn.Linear(1, 1)
            model, optimizer, loader = accelerator.prepare(
                model, torch.optim.SGD(model.parameters(), 1e-3), data)
            assert loader is data
            accelerator.register_for_checkpointing(loader)
            return accelerator, loader

        accelerator, loader = begun()
        for number, batch in zip(range(7), loader):
            assert keys(batch) == wanted[number]
        accelerator.save_state(folder / f"accelerate-{workers}", safe_serialization=False)
        accelerator, loader = begun()
        accelerator.load_state(folder / f"accelerate-{workers}")
        for number, batch in zip(range(7, 12), loader):
            assert keys(batch) == wanted[number]


def in_a_stateful_data_loader(folder):
    """Without workers as it is; with one, each epoch is named, or it is refused: another copy of
    the Dataset would give the first epoch again."""
    options = {"last": "drop"}
    wanted, ends = expected(folder, **options)

    def begun(workers):
        return StatefulDataLoader(make(folder, **options), batch_size=None, num_workers=workers)

    def on(workers, state):
        loader = begun(workers)
        if workers:
            loader.dataset.set_epoch(sum(end <= len(got) for end in ends))
        loader.load_state_dict(state)
        return [keys(batch) for batch in loader]

    for workers in (0, 1):
        loader, got = begun(workers), []
        for epoch in range(3):
            if workers:
                loader.dataset.set_epoch(epoch)
            for batch in loader:
                got.append(keys(batch))
                if len(got) in (4, ends[0] + 2):
                    assert on(workers, loader.state_dict()) == \
                        wanted[len(got):next(end for end in ends if end > len(got))]
        assert got == wanted[:ends[2]]
    try:
        list(begun(1))
        raise AssertionError("the first epoch would come for ever")
    except RuntimeError as error:
        assert "use Dataset.loader(), or set_epoch() before each epoch" in str(error)


def in_dcp(folder):
    """A Loader is a Stateful of torch.distributed.checkpoint."""
    wanted, ends = expected(folder)
    for stop in (0, 5, ends[0], ends[1] - 1):
        loader, number = make(folder).loader(), 0
        while number < stop:
            for batch in loader:
                assert keys(batch) == wanted[number]
                number += 1
                if number == stop:
                    break
        dcp.save({"data": loader}, checkpoint_id=folder / f"dcp-{stop}")
        on = make(folder).loader()
        dcp.load({"data": on}, checkpoint_id=folder / f"dcp-{stop}")
        assert on.state_dict() == loader.state_dict() and on.dataset.step == stop
        assert keys(next(iter(on))) == wanted[stop]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        where = pathlib.Path(temporary)
        make_pairs(where / "pairs")
        for test in (in_lightning, own_hooks_of_lightning, in_accelerate,
                     in_a_stateful_data_loader, in_dcp):
            test(where)
