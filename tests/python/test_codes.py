# SPDX-License-Identifier: Apache-2.0
"""Images of codes: tokens between BOI and EOI, in one space of ids with the text's."""
import pathlib
import subprocess
import tempfile

import numpy as np
import shard_format
from package import BUILD

import latentmill
from latentmill import Dataset, ShardReader
from latentmill.interop import _parts as parts_for_transfusion
from latentmill.sources.source import IncompatibleError

N, TEXT, BOS, EOS, BOI, EOI = 60, [5, 6], 1, 2, 10, 11  # of write_shapes


def write(prefix, mode=None):
    arguments = [] if mode is None else [mode]
    subprocess.run([f"{BUILD}/tests/programs/write_shapes", prefix, str(N), *arguments], check=True)
    return pathlib.Path(f"{prefix}-00000.lms")


def refused(message, kind, function, *arguments, **named):
    try:
        function(*arguments, **named)
    except kind as error:
        assert message in str(error), error
    else:
        raise AssertionError(f"no {kind.__name__}: {message}")


def wanted(path, first):
    """By key, its sequence as the page says it."""
    shard, out = shard_format.Shard(path), {}
    encoder, = shard.header["encoders"]
    ids = encoder["id_map"] or [i + (encoder["id_offset"] or 0) for i in range(encoder["codebook"])]
    for i in range(shard.count):
        record = shard.record(i)
        codes = np.frombuffer(bytes.fromhex(record["tensors"][0]["data"]), "<u2").tolist()
        image = [BOI, *(ids[code] for code in codes), EOI]
        out[record["key"]] = [BOS, *(TEXT + image if first[record["key"]] else image + TEXT), EOS]
    return out


def documents(dataset):
    """Of an epoch by key: tokens, labels, position ids."""
    out = {}
    for batch in dataset:
        assert batch["spans"].shape == (0, 6) and batch["patches"].shape == (0, 0)
        for s, keys in enumerate(batch["keys"]):
            for d, (_, key) in enumerate(keys):
                mine = batch["doc_ids"][s] == d
                out[key] = [batch[name][s][mine].tolist() for name in ("tokens", "labels", "position_ids")]
    return out


def sequences(path, vocabulary):
    dataset = Dataset(path, batch_size=2, pack=256, last="pad", caption_first=0.5, position_ids="collapsed")
    assert (dataset.vocabulary, dataset.patch_values) == (vocabulary, 0)
    found = documents(dataset)
    assert len(found) == N
    first = {key: tokens[1] != BOI for key, (tokens, _, _) in found.items()}
    assert 0.3 * N < sum(first.values()) < 0.7 * N
    sequence = wanted(path, first)
    for key, (tokens, labels, position_ids) in found.items():
        assert tokens == sequence[key], key
        assert labels == [*tokens[1:], -100], key  # each code is predicted, and its EOI
        assert position_ids == list(range(len(tokens))), key
    again = Dataset(path, batch_size=2, pack=256, last="pad", caption_first=0.5, position_ids="collapsed", patch=None)
    for one, other in zip(dataset, again):
        assert other["latents"] == [] and one["tokens"].shape == other["tokens"].shape
    return sequence


def one_by_one(path):
    """Record.sequence() and what transfusion-pytorch is given say the same."""
    for record in ShardReader(path):
        tokens = record.sequence(order="caption_first").tokens.tolist()
        parts = parts_for_transfusion(record, None, "caption_first")
        assert [kind for kind, _ in parts] == ["text", "text"]
        assert [BOS, *(id for _, part in parts for id in part.tolist()), EOS] == tokens
        image_first = parts_for_transfusion(record, None, "image_first")
        assert [part.tolist() for _, part in image_first] == [part.tolist() for _, part in reversed(parts)]


def mixtures(folder, codes, mapped):
    refused("encoder's id_map: None and 100, 97, 94", IncompatibleError, Dataset, [codes, mapped], batch_size=1)
    latents = write(folder / "latents")
    refused("images seen as: codes and latent", IncompatibleError, Dataset, {"a": codes, "b": latents}, batch_size=1)
    (folder / "set").mkdir()
    mapped.rename(folder / "set" / "shapes.lms")
    subprocess.run([f"{BUILD}/latentmill", "index", folder / "set"], check=True, capture_output=True)
    indexed = Dataset(folder / "set", batch_size=2, pack=256)
    plain = Dataset(folder / "set" / "shapes.lms", batch_size=2, pack=256)
    assert latentmill.DatasetIndex(folder / "set").columns[0].kind == "codes"
    assert documents(indexed) == documents(plain) and indexed.vocabulary == 101


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    codes, mapped = write(where / "codes", "codes"), write(where / "mapped", "mapped")
    # Codes behind nothing: the ids 0 to 9; mapped: 100, 97, ... 73.
    assert max(map(max, sequences(codes, 12).values())) == EOI
    assert max(map(max, sequences(mapped, 101).values())) == 100
    one_by_one(codes)
    one_by_one(mapped)
    mixtures(where, codes, mapped)
