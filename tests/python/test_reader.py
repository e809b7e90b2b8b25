# SPDX-License-Identifier: Apache-2.0
"""latentmill.ShardReader and Prefetcher against what write_shards says it wrote."""

import errno
import json
import multiprocessing
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from package import BUILD, PRELOADED

try:
    import numpy as np
except ImportError:
    print("no numpy")
    sys.exit(77)

import latentmill  # noqa: E402
import latentmill.lazy  # noqa: E402
import shard_format  # noqa: E402
from latentmill import DamagedError, DamageWarning, Prefetcher, Rendition, ShardReader  # noqa: E402
from latentmill.columns import Column  # noqa: E402

N = 120
DTYPES = ["u1", "<u2", "<u4", "<i4", "<f2", "<u2", "<f4"]  # bf16 as its bits


def make(folder):
    program = f"{BUILD}/tests/programs/write_shards"
    output = subprocess.run(
        [program, f"{folder}/s", str(N), str(1 << 30), str(8 << 10)],
        check=True,
        capture_output=True,
    ).stdout
    return f"{folder}/s-00000.lms", [json.loads(line) for line in output.splitlines()]


def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"{function} did not raise {kind}")


def check_tensor(tensor, want, header, first_rendition):
    assert tensor.kind == latentmill.columns.KINDS.get(want["kind"], want["kind"])
    assert tensor.encoder == header["encoders"][want["encoder"]]["name"]
    assert tensor.owner == (None if want["owner"] is None else want["owner"] - first_rendition)
    assert (tensor.logvar, tensor.mirrored, tensor.output) == (
        want["slot"] % 2 == 1, want["slot"] // 2 % 2 == 1, want["slot"] // 256)
    assert list(tensor.shape) == want["dims"]
    assert tensor.array.tobytes().hex() == want["data"]
    assert not tensor.array.flags.writeable
    assert tensor.dtype == latentmill.columns.DTYPES.get(want["dtype"], want["dtype"])
    if want["dtype"] < len(DTYPES):
        assert tensor.array.dtype == DTYPES[want["dtype"]]
        assert list(tensor.array.shape) == want["dims"]
    else:
        assert tensor.array.dtype == np.uint8


def check_rendition(rendition, want):
    if want["kind"]:
        assert (rendition.kind, rendition.content.hex()) == (want["kind"], want["unknown"] or "")
        return
    assert rendition.fit == ["crop", "pad", "stretch"][want["fit"]]
    assert rendition.mirrored == want["mirrored"]
    assert list(rendition.target_size) == want["target"]
    assert (list(rendition.crop), list(rendition.content)) == (want["crop"], want["content"])


def check_part(part, want, number, record, header):
    assert part.loss == (want["flags"] == 1) and part.role == want["role"]
    renditions = [r for r in record["renditions"] if r["part"] == number]
    first = record["renditions"].index(renditions[0]) if renditions else 0
    tensors = [t for t in record["tensors"] if t["part"] == number]
    for tensor, w in zip(part.tensors, tensors, strict=True):
        check_tensor(tensor, w, header, first)
    if want["kind"] == 0:
        assert part.kind == "text"
        for a, w in zip(part.alternatives, want["alternatives"], strict=True):
            later = w["kind"] != 0
            assert (a.name, a.text) == (w["name"], None if later else w["text"])
            assert (a.kind, a.content.hex()) == (w["kind"], w["unknown"] or "" if later else "")
            assert (None if a.ids is None else a.ids.tolist()) == w["ids"]
            assert a.ids is None or a.ids.dtype == np.uint32
    elif want["kind"] == 1:
        assert part.kind == "image"
        assert list(part.original_size) == want["source"]
        assert part.sha256.hex() == want["sha256"]
        for rendition, w in zip(part.renditions, renditions, strict=True):
            check_rendition(rendition, w)
        known = [r for r in part.renditions if isinstance(r, Rendition)]
        assert part.crop == (known[0].crop if known else None)
        assert part.target_size == (known[0].target_size if known else None)
    else:
        assert part.kind == {2: "data"}.get(want["kind"], want["kind"])
        assert part.content.hex() == want["unknown"]


def check_record(record, want):
    assert repr(record) == f"<Record {want['name']} {want['key']}, index {want['index']}>"
    assert record.key == want["key"] and record.name == want["name"]
    assert record.index == want["index"]
    assert record.order == ["caption_first", "image_first"][want["order"]]
    assert record.caption_drawn == want["caption_drawn"]
    assert (record.metadata or b"") == want["metadata"].encode()
    if record.metadata is None:
        assert record.metadata_json is None
    else:
        assert record.metadata_json["url"] == "https://example.org/"
    parts = record.parts
    header = record._reader.header
    for number, (part, w) in enumerate(zip(parts, want["parts"], strict=True)):
        check_part(part, w, number, want, header)
    assert [image.sha256 for image in record.images] == [
        part.sha256 for part in parts if part.kind == "image"]
    assert [len(text.alternatives) for text in record.texts] == [
        len(part.alternatives) for part in parts if part.kind == "text"]
    check_shortcuts(record, parts, header)


def check_shortcuts(record, parts, header):
    texts = [part for part in parts if part.kind == "text"]
    latents = [t for part in parts if part.kind == "image" for t in part.tensors
               if t.kind == "latent" and t.encoder == "small"]  # the header's first of latents
    captions = record.captions
    assert len(captions) == (len(texts[0].alternatives) if texts else 0)
    if texts:
        drawn = texts[0].alternatives[record.caption_drawn]
        assert record.caption == drawn.text
        assert (record.ids is None) == (drawn.ids is None)
        assert drawn.ids is None or (record.ids == drawn.ids).all()
    else:
        assert record.caption is None and record.ids is None
    if not latents:
        assert record.latent is None and record.logvar is None
        assert record.latent_dtype is None and record.latent_float32() is None
        return
    assert np.array_equal(record.latent, latents[0].array, equal_nan=True)
    assert record.latent.ndim == 3 and record.latent_dtype == latents[0].dtype
    raw = record.latent_float32(scaled=False)
    assert raw.dtype == np.float32 and raw.shape == record.latent.shape
    if record.latent_dtype == "bf16":
        bits = raw.view(np.uint32)
        assert ((bits >> 16) == record.latent).all() and not (bits & 0xFFFF).any()
    else:
        assert (raw == record.latent).all()
    encoder = next(e for e in header["encoders"] if e["name"] == latents[0].encoder)
    scale = np.array(encoder["scale"], "f4").reshape(-1, 1, 1)
    shift = np.array(encoder["shift"], "f4").reshape(-1, 1, 1)
    assert (record.latent_float32() == (raw - shift) * scale).all()
    if encoder["moments"] == "mean+logvar":
        assert (record.logvar == latents[1].array).all()
    else:
        assert record.logvar is None


def test_encoder_array(path):
    """What C says of the header's arrays against a decoder made from FORMAT.md alone."""
    reader = ShardReader(path)
    for i, encoder in enumerate(reader.header["encoders"]):
        for name in "scale", "shift", "id_map":
            array, stored = reader.encoder_array(i, name), encoder.get(name)
            assert (array is None) == (stored is None), (encoder["name"], name)
            if array is not None:
                assert array.tolist() == shard_format.array(stored).astype(array.dtype).tolist()
        for output, said in enumerate(encoder.get("features") or []):
            for name in "mean", "std":
                array = reader.encoder_array(i, name, output)
                assert (None if array is None else array.tolist()) == said[name]
    assert reader.encoder_array(4, "mean").tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert reader.encoder_array(4, "mean", 1) is reader.encoder_array(4, "mean", 2) is None
    windows = reader.encoder_array(2, "scale")
    assert windows.shape == (4, 2, 2) and windows.dtype == np.float32
    assert reader.scale_and_shift(1)[0].shape == (4, 1, 1)
    raises(ValueError, reader.encoder_array, 0, "median")
    raises(ValueError, reader.scale_and_shift, 3)
    raises(IndexError, reader.encoder_array, len(reader.header["encoders"]), "scale")


def test_version():
    program = subprocess.run([f"{BUILD}/latentmill", "--version"], capture_output=True, text=True)
    assert program.stdout == f"latentmill {latentmill.__version__}\n"


def test_records(path, wanted):
    reader = ShardReader(path)
    assert len(reader) == N
    assert any(t["dtype"] == 5 for w in wanted for t in w["tensors"]), "bf16"
    for record, want in zip(reader, wanted, strict=True):
        check_record(record, want)
    for i in (0, N - 1, -1, -N, 17):
        check_record(reader[i], wanted[i])
    raises(IndexError, reader.__getitem__, N)
    raises(IndexError, reader.__getitem__, -N - 1)
    raises(TypeError, reader.__getitem__, "0")
    assert reader.keys == [w["key"] for w in wanted]
    for i in (0, 5, 77):
        assert reader.by_key(wanted[i]["key"]).position == i
        assert reader.by_key(wanted[i]["key"], wanted[i]["name"]).position == i
    raises(KeyError, reader.by_key, "nobody")
    raises(KeyError, reader.by_key, wanted[0]["key"], "nowhere")
    assert "nobody" in str(raises(KeyError, reader.by_key, "nobody"))
    assert "by_key(0): a key is a string" in str(raises(TypeError, reader.by_key, 0))
    assert "NAME is a string" in str(raises(TypeError, reader.by_key, "nobody", 1))


def test_header(path):
    shard = shard_format.Shard(path)
    reader = ShardReader(path)
    assert reader.header == shard.header
    end = len(shard.data) - shard.seek_bytes
    assert reader.fingerprint == shard.data[end - 24 : end - 8].hex()
    assert reader.path == path


def test_columns(path, wanted):
    reader = ShardReader(path)
    c = reader.columns()
    assert [c.names[i] for i in c.name] == [w["name"] for w in wanted]
    assert c.index.tolist() == [w["index"] for w in wanted]
    n_ids, names, shapes, sources, part = [], [], [], [], 0
    for i, w in enumerate(wanted):
        assert c.part_start[i] == part and c.part_start[i + 1] == part + len(w["parts"])
        for number, p in enumerate(w["parts"]):
            kind = c.types[c.type[part]]
            alternatives = p["alternatives"]
            tensors = [t for t in w["tensors"] if t["part"] == number]
            assert kind.kind == latentmill.columns.part_name(p["kind"])
            assert (kind.loss, kind.role) == (p["flags"] == 1, p["role"])
            assert kind.n_alternatives == len(alternatives)
            assert [(column.encoder, column.logvar) for column, _ in kind.tensors] == [
                (t["encoder"], t["slot"] % 2 == 1) for t in tensors]
            n_ids += [
                latentmill.NO_IDS if a["ids"] is None else len(a["ids"]) for a in alternatives
            ]
            names += [a["name"] for a in alternatives]
            shapes += [t["dims"] for t in tensors]
            sources += [p["sha256"][:16]] * (p["kind"] == 1)
            part += 1
            assert c.alternative_start[part] == len(n_ids)
            assert c.tensor_start[part] == len(shapes)
    assert [c.shapes[i, 1 : 1 + c.shapes[i, 0]].tolist() for i in c.shape] == shapes
    assert c.source.astype("<u8").tobytes().hex() == "".join(sources)
    assert c.alternative_n_ids.tolist() == n_ids
    assert [c.caption_names[i] for i in c.alternative_name] == names
    for record in reader:
        i = record.position
        assert reader.shard.locate(i) == (c.block[i], c.row[i])
        assert c.block_start[c.block[i]] + c.row[i] == i
        assert record.text_checksum == c.text_checksum[i]
        assert record.tensor_checksum == c.tensor_checksum[i]
    frames = reader.frames
    assert (frames.offset[:-1] + frames.n_bytes[:-1] == frames.offset[1:]).all()
    assert frames.block.max() + 1 == reader.shard.n_blocks
    assert (frames.column == latentmill.NONE).sum() == reader.shard.n_blocks
    shard = shard_format.Shard(path)
    for name, column in {"column": "frame_column", "first_row": "frame_first_row",
                         "n_bytes": "frame_bytes", "raw_bytes": "frame_raw_bytes",
                         "checksum": "frame_checksum"}.items():
        assert getattr(frames, name).tolist() == shard.index[column], name
    assert frames.offset.tolist() == shard.offsets
    assert np.bincount(frames.block).tolist() == shard.index["block_frames"]
    assert c.tensor_checksum.tolist() == shard.index["tensor_checksum"]
    assert c.checksum.tolist() == shard.index["checksum"]
    assert Column("latent", 0, "fp16", 0, False, False) in frames.columns
    assert Column("latent", 2, "fp32", 0, False, True) in frames.columns
    assert Column("features", 4, "fp32", 1, False, False) in frames.columns
    assert Column(99, 9, 99, 0, False, False) in frames.columns


def test_read(path, wanted):
    reader = ShardReader(path)
    positions = [7, 99, 3, 7, 0, 64]
    records = reader.read(positions)
    assert [r.position for r in records] == positions
    for record in records:
        check_record(record, wanted[record.position])
    text = reader.read(positions, columns="text")
    assert [r.key for r in text] == [wanted[i]["key"] for i in positions]
    check_record(text[0], wanted[7])  # and its latent, where it is asked for
    assert reader.read([]) == []


def same_record(record, want):
    check_record(record, want)
    return True


def child(connection, record, want):
    check_record(record, want)
    connection.send(record.key)


def test_pickle(path, wanted):
    reader = ShardReader(path, columns="text", on_error="skip")
    record = pickle.loads(pickle.dumps(reader[31]))
    check_record(record, wanted[31])
    assert not record._reader._tensors and record._reader._skip
    records = pickle.loads(pickle.dumps([reader[1], reader[2]]))
    assert records[0]._reader is records[1]._reader
    other = path + ".other"
    shutil.copyfile(path, other)
    data = pickle.dumps(ShardReader(other))
    make_other = f"{BUILD}/tests/programs/write_shards"
    subprocess.run(
        [make_other, f"{path}.x", "5", str(1 << 30), "4096"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    os.replace(f"{path}.x-00000.lms", other)
    raises(latentmill.ShardError, pickle.loads, data)
    os.unlink(other)
    raises(FileNotFoundError, pickle.loads, data)


def test_processes(path, wanted):
    reader = ShardReader(path)
    record = reader[40]
    assert record.key
    for method in ("fork", "spawn"):
        context = multiprocessing.get_context(method)
        ours, theirs = context.Pipe()
        process = context.Process(target=child, args=(theirs, record, wanted[40]))
        process.start()
        assert ours.poll(60) and ours.recv() == wanted[40]["key"], method
        process.join(60)
        assert process.exitcode == 0, method
    check_record(record, wanted[40])


def block_order(reader):
    return [i * 7 % reader.shard.n_blocks for i in range(3 * reader.shard.n_blocks)]


def test_prefetcher(path, wanted):
    reader = ShardReader(path)
    assert reader.shard.n_blocks > 10
    for threads, max_bytes in ((1, 1 << 28), (4, 1 << 28), (3, 0), (2, 100_000)):
        with Prefetcher(threads, max_bytes) as prefetcher:
            for number in block_order(reader):
                prefetcher.submit(reader.shard, number, tensors=number % 2 == 0)
            assert len(prefetcher) == len(block_order(reader))
            for number in block_order(reader):
                block = prefetcher.take()
                assert block.number == number and not block.errors()
                for record in reader.records(block):
                    check_record(record, wanted[record.position])
            assert len(prefetcher) == 0
            raises(IndexError, prefetcher.take)
        raises(ValueError, prefetcher.take)
        raises(ValueError, prefetcher.submit, reader.shard, 0)
    raises(IndexError, Prefetcher().submit, reader.shard, reader.shard.n_blocks)
    raises(TypeError, Prefetcher().submit, path, 0)
    raises(ValueError, Prefetcher, threads=0)
    dropped = Prefetcher(2)  # with work pending, and its shard's last reference
    dropped.submit(ShardReader(path).shard, 0)
    del dropped


def test_prefetcher_bounds(path):
    """What does not fit is not read ahead: it is missed when the file has gone meanwhile."""
    copy = path + ".shrinking"
    frames = ShardReader(path).frames
    two_blocks = int(frames.raw_bytes[frames.block < 2].sum(dtype=int))
    for max_bytes in (0, two_blocks - 1):
        shutil.copyfile(path, copy)
        reader = ShardReader(copy)
        with Prefetcher(2, max_bytes) as prefetcher:
            for number in range(5):
                prefetcher.submit(reader.shard, number)
            time.sleep(0.1)  # for a thread that reads too much
            os.truncate(copy, 0)
            blocks = [prefetcher.take() for _ in range(5)]
        for block in blocks[1:]:
            assert isinstance(block.errors()[0], latentmill.ShardError)


def test_prefetcher_in_fork(path):
    reader = ShardReader(path)
    prefetcher = Prefetcher(2)
    for number in range(6):
        prefetcher.submit(reader.shard, number)
    assert prefetcher.take().number == 0
    pid = os.fork()
    if pid == 0:
        right = [prefetcher.take().number for _ in range(5)] == [1, 2, 3, 4, 5]
        prefetcher.submit(reader.shard, 9)
        right &= prefetcher.take().number == 9
        prefetcher.close()
        os._exit(0 if right else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert [prefetcher.take().number for _ in range(5)] == [1, 2, 3, 4, 5]
    pid = os.fork()  # nothing pending, and never used by the child
    if pid == 0:
        del prefetcher
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0


def test_prefetcher_forked_while_taking(path):
    reader = ShardReader(path)
    prefetcher = Prefetcher(2)
    stopped = threading.Event()

    def take_all():
        while not stopped.is_set():
            prefetcher.submit(reader.shard, 0)
            prefetcher.take()

    taker = threading.Thread(target=take_all)
    taker.start()
    statuses = []
    for i in range(40):  # most of them find the thread in take()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                if i % 2:
                    prefetcher.submit(reader.shard, 0)
                    prefetcher.take()
                prefetcher.close()
                status = 0
            finally:
                os._exit(status)
        statuses.append(os.waitpid(pid, 0)[1])
    stopped.set()
    taker.join()
    assert not any(statuses), statuses


def test_fork_while_another_thread_computes(path):
    inside, go = threading.Event(), threading.Event()
    real = latentmill.reader.read_columns

    def slow(shard):
        inside.set()
        go.wait()
        return real(shard)

    latentmill.reader.read_columns = slow
    thread = threading.Thread(target=ShardReader(path).columns)
    thread.start()
    inside.wait()
    latentmill.reader.read_columns = real
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        status = 1
        try:
            status = 0 if len(ShardReader(path).columns().row) == N else 1
        finally:
            os._exit(status)
    status = os.waitpid(pid, 0)[1]
    go.set()
    thread.join()
    assert status == 0, status


def test_cached_once():
    class Slow:
        @latentmill.lazy.cached_property
        def value(self):
            """Docs."""
            barrier.wait()
            return object()

    assert Slow.value.__doc__ == "Docs."
    slow, barrier, got = Slow(), threading.Barrier(4), []
    threads = [threading.Thread(target=lambda: got.append(slow.value)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 4 and all(value is slow.value for value in got)


def test_python_threads(path, wanted):
    reader = ShardReader(path)
    failures = []

    def read_all(first):
        try:
            for i in [*range(first, N, 3), *range(0, N, 17)]:
                check_record(reader[i], wanted[i])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=read_all, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_arrays_outlive_everything(path, wanted):
    reader = ShardReader(path)
    position = next(i for i, w in enumerate(wanted) if any(t["encoder"] == 0 for t in w["tensors"]))
    latent, ids = reader[position].latent, reader[position].ids
    want = latent.tobytes(), None if ids is None else ids.tolist()
    for i in range(N):
        reader[i].latent
    del reader
    assert latent.tobytes() == want[0]
    assert ids is None or ids.tolist() == want[1]


def damage(path, frame):
    """Overwrites bytes inside of a frame of the shard, as a fault of the disk would; gives
    its block."""
    frames = ShardReader(path).frames
    times = os.stat(path)
    with open(path, "r+b") as file:
        file.seek(int(frames.offset[frame]) + 20)
        file.write(b"\xaa\x55\xaa\x55")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    return int(frames.block[frame])


def test_damage(path, wanted):
    copy = path + ".damaged"
    shutil.copyfile(path, copy)
    reader = ShardReader(copy)
    frames = reader.frames
    text = int(np.flatnonzero(frames.column == latentmill.NONE)[2])
    tensor = int(np.flatnonzero(frames.column != latentmill.NONE)[-1])
    text_block, tensor_block = damage(copy, text), damage(copy, tensor)
    c = reader.columns()
    lost_text = np.flatnonzero(c.block == text_block).tolist()

    error = raises(DamagedError, lambda: list(ShardReader(copy)))
    assert error.shard == copy and (error.block, error.frame) == (text_block, 0)
    assert error.keys == [wanted[i]["key"] for i in lost_text]
    assert f"text frame of block {text_block}" in str(error) and copy in str(error)
    names, more = ", ".join(error.keys[:5]), len(error.keys) - 5
    assert str(error).endswith(
        f"; lost with it: {names} and {more} more" if more > 0 else f"; lost with it: {names}")
    raises(DamagedError, lambda: reader[lost_text[0]].key)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        skipping = ShardReader(copy, on_error="skip")
        first, second = list(skipping), list(skipping)
    assert len(caught) == 2 and all(w.category is DamageWarning for w in caught)
    assert error.keys[0] in str(caught[0].message), "named"
    kept = [r.position for r in first]
    assert kept == [r.position for r in second]
    lost = sorted(set(range(N)) - set(kept))
    lost_tensor = [i for i in lost if i not in lost_text]
    column = frames.columns[frames.column[tensor]]
    assert lost_tensor == [i for i in np.flatnonzero(c.block == tensor_block)
                           if any(column == held for j in range(*c.part_start[i : i + 2])
                                  for held, _ in c.types[c.type[j]].tensors)]
    assert set(lost_text) < set(lost) and lost_tensor
    assert {int(c.block[i]) for i in lost_tensor} == {tensor_block}
    for record in first:
        check_record(record, wanted[record.position])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        skipping = ShardReader(copy, on_error="skip")
        read = skipping.read([lost_text[0], kept[0], lost_tensor[0]])
        assert read[0] is None and read[2] is None and read[1].position == kept[0]
        only_text = list(ShardReader(copy, "text", "skip"))
        assert [r.position for r in only_text] == [i for i in range(N) if i not in lost_text]
    raises(DamagedError, ShardReader(copy).read, [lost_tensor[0]])
    raises(DamagedError, lambda: [t.array for part in ShardReader(copy)[lost_tensor[0]].parts for t in part.tensors])
    assert ShardReader(copy).read([lost_tensor[0]], "text")[0].key == wanted[lost_tensor[0]]["key"]

    prefetcher = Prefetcher()
    prefetcher.submit(reader.shard, tensor_block, tensors=False)
    assert prefetcher.take().errors() == [], "tensors that nobody asked for"
    for number in range(reader.shard.n_blocks):
        prefetcher.submit(reader.shard, number)
    for number in range(reader.shard.n_blocks):
        block = prefetcher.take()
        assert block.number == number
        errors = block.errors()
        assert len(errors) == (number in (text_block, tensor_block))
        for row in range(block.n_records):
            position = block.first_record + row
            assert (block.damage(row) is not None) == (position in lost)
        if errors and number == tensor_block:
            assert errors[0].keys == [wanted[i]["key"] for i in lost_tensor]


def test_many_open(path):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
    try:
        readers = [ShardReader(path) for _ in range(200)]
        keys = {reader[0].key for reader in readers}
        assert len(keys) == 1 and readers[0].frames and readers[0].keys
        with Prefetcher(2) as prefetcher:
            for reader in readers:
                prefetcher.submit(reader.shard, 0)
            assert not any(prefetcher.take().errors() for _ in readers)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_relative_path(path, wanted):
    folder, name = os.path.split(path)
    here = os.getcwd()
    os.chdir(folder)
    try:
        reader = ShardReader(name)
    finally:
        os.chdir(here)
    assert os.path.samefile(reader.path, path)
    check_record(reader[3], wanted[3])
    check_record(pickle.loads(pickle.dumps(reader))[3], wanted[3])
    raises(FileNotFoundError, ShardReader, name)


def test_another_file(path):
    copy = path + ".replaced"
    shutil.copyfile(path, copy)
    reader = ShardReader(copy, on_error="skip")
    os.utime(copy, ns=(0, 10**9))
    for look in (list, lambda r: r.keys, lambda r: r.fingerprint, lambda r: r[0].key):
        error = raises(latentmill.ShardError, look, reader)
        assert not isinstance(error, DamagedError)
        assert copy in str(error) and "replaced or changed" in str(error)
    os.unlink(copy)
    for look in (lambda: reader[0].latent, lambda: reader.keys):
        error = raises(FileNotFoundError, look)
        assert error.errno == errno.ENOENT and copy in str(error)


def test_damaged_meanwhile(path):
    """Frames that were whole when their block was read without tensors: the text is there, and
    is not read again; a tensor frame is missed when it is asked for."""
    copy = path + ".meanwhile"
    shutil.copyfile(path, copy)
    reader = ShardReader(copy)
    text = int(np.flatnonzero(reader.frames.column == latentmill.NONE)[1])
    block = reader.shard.block(1, False)
    assert damage(copy, text) == 1 and damage(copy, text + 1) == 1
    assert [block.row(row)[0] for row in range(block.n_records)] == reader.keys[
        block.first_record:block.first_record + block.n_records]
    error = raises(DamagedError, block.tensor, 0)
    assert (error.shard, error.block, error.frame) == (copy, 1, 1)


def test_numbers(path):
    """None wraps, and no buffer need be aligned that is not refused."""
    shard = ShardReader(path).shard
    block = shard.block(0)
    for n in (-1, 2**63, 2**64, -(2**64)):
        for take in (shard.block, shard.locate, shard.identify, block.row, block.damage,
                     block.tensor, lambda n: Prefetcher().submit(shard, n)):
            raises(IndexError, take, n)
    _shard = latentmill._shard
    for epoch, seed in ((-1, 0), (2**64, 0), (0, -1), (0, 2**64)):
        raises(OverflowError, _shard.draw_one, "order", "n", "k", epoch, seed)
        raises(OverflowError, _shard.draw, shard, "order", bytes(8), epoch, seed, bytearray(8))
    positions = np.array([5, 3, 5])
    drawn, raw = np.zeros(3, np.uint64), bytearray(25)
    _shard.draw(shard, "order", positions, 1, 2, drawn)
    unaligned = memoryview(b"." + positions.tobytes())[1:]
    _shard.draw(shard, "order", unaligned, 1, 2, memoryview(raw)[1:])
    assert raw[1:] == drawn.tobytes() and drawn[0] == drawn[2] != drawn[1]
    name, key = shard.identify(5)[1], shard.identify(5)[0]
    assert drawn[0] == _shard.draw_one("order", name, key, 1, 2)
    one, out = np.ones(1, np.float32), np.zeros(1, np.float32)
    latent = memoryview(one).cast("B").cast("f", (1, 1, 1))
    arguments = [[latent], 6, 1, True, one, one, out]
    _shard.patches(*arguments)
    odd = memoryview(bytearray(5))[1:]
    unaligned = odd.cast("H", (1, 1, 2))
    _shard.patches([unaligned], 5, 1, True, one, one, np.zeros(2, np.float32))
    for i in (4, 5, 6):
        raises(ValueError, _shard.patches, *arguments[:i], odd, *arguments[i + 1 :])
    for i, wrong in ((1, 2**32 + 6), (2, 2**64 + 1), (2, 0)):
        raises((ValueError, OverflowError), _shard.patches, *arguments[:i], wrong, *arguments[i + 1 :])


def test_refusals(path):
    folder = Path(path).parent
    raises(FileNotFoundError, ShardReader, folder / "nothing.lms")
    (folder / "text.lms").write_text("no shard")
    error = raises(latentmill.ShardError, ShardReader, folder / "text.lms")
    assert "text.lms" in str(error)
    raises(latentmill.ShardError, ShardReader, folder)
    raises(ValueError, ShardReader, path, columns="latents")
    raises(ValueError, ShardReader(path).read, [0], columns="txet")
    raises(ValueError, ShardReader, path, on_error="ignore")
    raises(TypeError, latentmill._shard.Block)
    raises(IndexError, ShardReader(path).shard.block, 1 << 20)


def main():
    with tempfile.TemporaryDirectory() as folder:
        path, wanted = make(folder)
        test_version()
        test_encoder_array(path)
        test_records(path, wanted)
        test_header(path)
        test_columns(path, wanted)
        test_read(path, wanted)
        test_pickle(path, wanted)
        test_prefetcher(path, wanted)
        test_prefetcher_bounds(path)
        test_python_threads(path, wanted)
        test_cached_once()
        if not PRELOADED:
            test_processes(path, wanted)
            test_prefetcher_in_fork(path)
            test_prefetcher_forked_while_taking(path)
            test_fork_while_another_thread_computes(path)
        test_arrays_outlive_everything(path, wanted)
        test_damage(path, wanted)
        test_many_open(path)
        test_relative_path(path, wanted)
        test_another_file(path)
        test_damaged_meanwhile(path)
        test_numbers(path)
        test_refusals(path)


if __name__ == "__main__":
    main()
