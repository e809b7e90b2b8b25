# SPDX-License-Identifier: Apache-2.0
"""Only what is asked for or shown is unpacked: damage of all other tensor frames costs nothing."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import warnings

from package import BUILD

from latentmill import NONE, Dataset, DamagedError, Plan, ShardReader, _shard

CODES = Plan(json.dumps({"rules": [{"part": "text", "see": [{}]}, {"part": "data", "see": []},
                                   {"part": "image", "see": [{"encoder": "codes"}]}]}))


def write(prefix, *arguments):
    subprocess.run([f"{BUILD}/tests/programs/write_random_shards", prefix, *map(str, arguments)], check=True)
    return pathlib.Path(f"{prefix}-00000.lms")


def damaged(path, name, which):
    """A copy in which the tensor frames of some columns are damaged, and how many these are."""
    copy, n = path.with_name(f"{name}.lms"), 0
    shutil.copyfile(path, copy)
    frames = ShardReader(path).frames
    with open(copy, "r+b") as file:
        for i, column in enumerate(frames.column.tolist()):
            if column != NONE and which(frames.columns[column]):
                at = int(frames.offset[i] + frames.n_bytes[i]) - 6
                byte = os.pread(file.fileno(), 1, at)
                os.pwrite(file.fileno(), bytes([byte[0] ^ 1]), at)
                n += 1
    return copy, n


def is_shown(header, plan_encoder):
    """Columns of an encoder's first output; its name, or None: what stands for images."""
    encoder = next(i for i, one in enumerate(header["encoders"]) if one["name"] == plan_encoder)
    return lambda column: (column.encoder, column.output, column.logvar) == (encoder, 0, False)


def sequence(record, plan):
    try:
        return [values.tolist() for values in record.sequence(plan)[:2]]
    except ValueError:
        return None


def sequences(path, plan, encoder):
    """Of whole records and of those whose other tensors are lost."""
    shown = is_shown(ShardReader(path).header, encoder)
    copy, n = damaged(path, f"all-but-{encoder}", lambda column: not shown(column))
    assert n > 100
    seen = 0
    for whole, hurt in zip(ShardReader(path), map(ShardReader(copy).__getitem__, range(len(ShardReader(path))))):
        wanted = sequence(whole, plan)
        assert sequence(hurt, plan) == wanted, whole
        seen += wanted is not None and any(t.encoder != encoder for part in whole.parts for t in part.tensors)
    assert seen > 100, seen
    hurt, _ = damaged(path, f"no-{encoder}", shown)
    lost = 0
    for record in map(ShardReader(hurt).__getitem__, range(len(ShardReader(path)))):
        try:
            sequence(record, plan)
        except DamagedError:
            lost += 1
    assert (lost > 0) == (plan is CODES), "values of latents are in no sequence"


def latents(path):
    """A mean without its log-variance."""
    copy, n = damaged(path, "no-logvar", lambda column: column.logvar)
    assert n > 10
    whole, hurt = ShardReader(path), ShardReader(copy)
    for record in map(whole.__getitem__, range(len(whole))):
        if record.latent is not None:
            assert hurt[record.position].latent.tobytes() == record.latent.tobytes()
        for part, other in zip(record.parts, hurt[record.position].parts):
            for tensor, same in zip(part.tensors, other.tensors):
                assert tensor.logvar or same.array.tobytes() == tensor.array.tobytes()


def batches(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {key: (batch["tokens"][i].tobytes(), batch["patches"].shape)
                for batch in Dataset(path, batch_size=1, pack=None, patch=1, window=100, **options)
                for i, keys in enumerate(batch["keys"]) for _, key in keys}


def documents(path):
    """All of them, whatever else is damaged; without mirrored latents those that show none."""
    shown = is_shown(ShardReader(path).header, "vae")
    wanted = batches(path)
    copy, n = damaged(path, "others", lambda column: not shown(column))
    assert n > 10 and batches(copy) == wanted, "on_error is raise"
    copy, n = damaged(path, "mirrored", lambda column: column.mirrored)
    kept = batches(copy, on_error="skip")
    both = {record.key for record in ShardReader(path) if any(
        {t.mirrored for t in image.tensors if t.encoder == "vae"} == {False, True} for image in record.images)}
    assert n > 10 and kept.items() < wanted.items() and both & set(kept) and both - set(kept)


def prefetched(path):
    """A block is unpacked as far as a plan may show it, and the rest when it is asked for."""
    reader = ShardReader(path)
    shown = is_shown(reader.header, "vae")
    copy, _ = damaged(path, "prefetched", lambda column: not shown(column))
    prefetcher, shard = _shard.Prefetcher(), ShardReader(copy).shard
    prefetcher.submit(shard, 0, True, Plan())
    prefetcher.submit(shard, 0)
    block, whole = prefetcher.take(), prefetcher.take()
    assert block.errors() == [] and block.text_error() is None
    errors = whole.errors()
    assert errors and all(isinstance(error, DamagedError) for error in errors)
    for error in errors:
        try:
            block.tensor(error.frame - 1)
        except DamagedError as same:
            assert str(same) == str(error)
        else:
            raise AssertionError(error)


with tempfile.TemporaryDirectory() as folder:
    mixed = write(os.path.join(folder, "mixed"), 1000, 1, 1 << 30, 30_000)
    sequences(mixed, None, "vae")
    sequences(mixed, CODES, "codes")
    latents(mixed)
    some = write(os.path.join(folder, "some"), 400, 50, 1 << 30, 8000, "trainable")
    documents(some)
    prefetched(some)
