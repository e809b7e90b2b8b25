# SPDX-License-Identifier: Apache-2.0
"""Random records under random plans, draws and windows: what C makes of them is what a twin
made from FORMAT.md alone does, and every reader finds the same records."""
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

from package import BUILD

try:
    import numpy as np
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
    import pyzstd
    import shard_format
    import shard_sequence
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from latentmill import Plan, ShardReader, _shard  # noqa: E402
from latentmill.columns import KINDS, part_name  # noqa: E402
from latentmill.record import ORDERS, Rendition  # noqa: E402

N = 2400
WINDOWS = (1, 2, 4, 8)
UNKNOWN = [{"part": kind, "see": []} for kind in (3, 2**32 - 1, 2**32 - 2, 2**32 - 3)]
DETERMINED = {"derandomize": True, "deadline": None, "database": None,
              "suppress_health_check": list(HealthCheck)}


def write(prefix, *arguments):
    subprocess.run([f"{BUILD}/tests/programs/write_random_shards", prefix, *map(str, arguments)], check=True)
    return sorted(pathlib.Path(prefix).parent.glob(pathlib.Path(prefix).name + "-*.lms"))


def records_of(path):
    """The reader's records, and the same as the reader of FORMAT.md has them."""
    shard = shard_format.Shard(path)
    return ShardReader(path), [r for b in range(shard.n_blocks) for r in shard.block(b)]


# ---- plans ----

def optional(strategy):
    return st.none() | strategy


def appearances(encoders):
    flags = {name: st.booleans() for name in ("loss", "visible", "advance", "markers")}
    return st.fixed_dictionaries({}, optional={
        "encoder": optional(st.sampled_from(encoders)), "output": st.sampled_from([0, 0, 0, 1, 2, 255]),
        "window": optional(st.sampled_from([1, 1, 1, 2, 8])), "row_end": optional(st.sampled_from([0, 77, 2**31 - 1])),
        "size": optional(st.fixed_dictionaries({"height": st.sampled_from([0, 100, 2**31 - 4]), "width": st.just(200)},
                                               optional={"unit": st.sampled_from([1, 1, 2, 1024])})),
        **flags})


def rules(encoders):
    return st.fixed_dictionaries(
        {"part": st.sampled_from(["text", "image", "data", "image", 3]),
         "see": st.lists(appearances(encoders), max_size=3)},
        optional={"role": optional(st.sampled_from(["", "user", "source.1_-x"])),
                  "flag": optional(st.sampled_from(["loss", "context"])), "last": st.booleans()})


def plans(encoders):
    """With a rule for everything at their end, or without."""
    ends = st.fixed_dictionaries({}, optional={"ends": st.sampled_from(["sequence", "text"])})
    others = st.sampled_from([[], UNKNOWN, shard_sequence.DEFAULT["rules"] + UNKNOWN])
    return st.builds(lambda end, own, rest: {**end, "rules": own + rest}, ends,
                     st.lists(rules(encoders), max_size=4), others)


def everything(encoders, ends, **how):
    """Each part by its own ids and every encoder."""
    see = [{"encoder": encoder["name"], **how} for encoder in encoders if encoder["kind"] not in ("waves", "strings")]
    kinds = "text", "image", "data", 3
    return {"ends": ends, "rules": [{"part": kind, "see": [{}, *see]} for kind in kinds] + UNKNOWN}


# ---- comparisons ----

def twin(record, header, plan, caption_first, drawn, window):
    try:
        return shard_sequence.sequence(record, header, plan, caption_first, drawn, window)
    except shard_sequence.Refused:
        return None


def ours(record, *arguments):
    try:
        tokens, loss, spans = record.sequence(*arguments)
    except ValueError as error:
        return None, str(error)
    assert tokens.dtype == np.uint32 and loss.dtype == bool
    return (tokens.tolist(), loss.tolist(), [tuple(span) for span in spans]), ""


def compare(record, want, header, plan, window, caption_first, drawn, arguments):
    expected = twin(want, header, plan, caption_first, drawn, window)
    got, why = ours(record, *arguments)
    if expected is None:
        assert got is None, (want["key"], plan, got)
        return why
    tokens, loss, spans = expected
    spans = [tuple(span._replace(kind=KINDS.get(span.kind, "text"))) for span in spans]
    assert got == (tokens, loss, spans), (want["key"], plan, window, why, got, expected)
    sequencer = _shard.Sequencer(arguments[0] or Plan(), window)
    length = record._reader.shard.length(record.position, sequencer, int(not caption_first), drawn)
    assert length == len(tokens), "from the index alone, by what is drawn"
    return ""


def sequences(reader, wanted):
    """A few records under each of many plans, drawn anew; a record and the parts of its index
    that are lengths."""
    header = reader.header
    records = list(reader)
    dice, seen = random.Random(3), {"equal": 0, "refused": 0}

    @settings(max_examples=250, **DETERMINED)
    @given(plans([encoder["name"] for encoder in header["encoders"]]))
    def under(plan):
        compiled = Plan(json.dumps(plan))
        assert Plan(compiled.json).json == compiled.json
        for i in dice.sample(range(len(records)), 24):
            window, want = dice.choice(WINDOWS + (1,) * 6), wanted[i]
            first, epoch = dice.random() < 0.5, dice.randrange(5)
            drawn = shard_sequence.draws(want, epoch, 3, 0.5)[1]
            order = ORDERS[0 if first else 1]
            why = compare(records[i], want, header, plan, window, first, drawn, (compiled, window, order, drawn))
            seen["refused" if why else "equal"] += 1

    under()
    assert min(seen.values()) > 300 and sum(seen.values()) > 5000, seen
    whole = [everything(header["encoders"], "text", row_end=5, markers=False, size={"height": 7, "width": 9}),
             everything(header["encoders"], "sequence", row_end=6, loss=False, output=2),
             everything(header["encoders"], "sequence")]
    for i, (record, want) in enumerate(zip(records, wanted, strict=True)):
        plan, epoch = whole[i % 3], i % 7
        first, drawn = shard_sequence.draws(want, epoch, 3, 0.5)
        arguments = Plan(json.dumps(plan)), 1, ORDERS[0 if first else 1], drawn
        why = compare(record, want, header, plan, 1, first, drawn, arguments)
        assert not why or "has no token ids" in why, why
    for record, want in zip(records, wanted, strict=True):  # as stored, under the default plan
        drawn = shard_sequence.stored_draws(want, header["seed"])
        why = compare(record, want, header, shard_sequence.DEFAULT, 1, *drawn, (None, 1))
        assert not why or any(word in why for word in ("has no rule for part", "has no token ids")), why


def draws(reader, wanted):
    """Section 7 by another library; and as arrays over records, as packing draws."""
    positions, drawn = np.arange(len(reader)), np.zeros(len(reader), np.uint64)
    for purpose, epoch, seed in (("order", 0, 7), ("caption@2", 2**64 - 1, 2**63 - 1), ("mirror@1", 10**9, 0)):
        _shard.draw(reader.shard, purpose, positions, epoch, seed, drawn)
        assert drawn.tolist() == [shard_sequence.u_of(purpose, r, epoch, seed) for r in wanted]
    record = wanted[5]
    assert _shard.draw_one("x", record["name"], record["key"], 3, 4) == shard_sequence.u_of("x", record, 3, 4)


def unmarked(path):
    """Markers that there are not are left out, BOI and EOI too, and a document's plan is checked."""
    reader, wanted = records_of(path)
    sequencer, seen = _shard.Sequencer(Plan(), 8, (None,) * 4), 0
    bare = _shard.Sequencer(Plan(), 8, (1, 2, 3, 4))
    for record, want in zip(reader, wanted):
        try:
            block, row = record._loaded(), record._row
            tokens = np.frombuffer(block.sequence(row, sequencer, -1, None)[0], np.uint32)
        except ValueError:
            continue
        marked = np.frombuffer(block.sequence(row, bare, -1, None)[0], np.uint32)
        n = sum(p["kind"] == shard_format.IMAGE for p in want["parts"])
        assert tokens.max(initial=0) < 2**31 and len(marked) - len(tokens) in range(2, 2 * n + 3, 2)
        seen += n > 0
    assert seen > 20, seen
    nope = _shard.Sequencer(Plan('{"rules": [{"part": "image", "see": [{"encoder": "nope"}]}]}'), 8)
    try:
        block.sequence(0, nope, -1, None)
    except ValueError as error:
        assert 'an encoder "nope"' in str(error)
    else:
        raise AssertionError("nope")


def misspelt(path):
    """A name that no encoder of the header has is refused where a shard is opened, and when it is used."""
    reader, plan = ShardReader(path), Plan('{"rules":[{"part":"image","see":[{"encoder":"nobody"}]}]}')
    for use in (lambda: reader[0].sequence(plan), lambda: reader.shard.measure(_shard.Sequencer(plan, 1))):
        try:
            use()
            raise AssertionError("nobody was seen")
        except ValueError as error:
            assert '"nobody", which the shard has not: its encoders are ' in str(error), error
            assert reader.header["encoders"][0]["name"] in str(error)


def measures(paths):
    """From the index alone: what lengths are made of; or which record has no place, and why."""
    chosen = [shard_sequence.DEFAULT, {"ends": "text", "rules": shard_sequence.DEFAULT["rules"] + UNKNOWN}, {
        "rules": [{"part": "text", "last": True, "see": [{"encoder": "words"}, {}, {"encoder": "states"}]},
                  {"part": "text", "see": []}, {"part": "data", "see": [{"encoder": "vector"}, {"encoder": "numbers"}]},
                  {"part": "image", "role": "user", "see": [{"encoder": "codes", "row_end": 9}, {"markers": False}]},
                  {"part": "image", "see": [{"encoder": "pixels", "window": 8, "loss": False}, {"encoder": "features"}]},
                  *UNKNOWN]}]
    counts = {"equal": 0, "refused": 0}
    for path in paths:
        reader, wanted = records_of(path)
        for plan in chosen:
            for window in WINDOWS:
                try:
                    expected = [shard_sequence.measure(r, reader.header, plan, window) for r in wanted]
                except shard_sequence.Refused:
                    expected = None
                try:
                    arrays = reader.shard.measure(_shard.Sequencer(Plan(json.dumps(plan)), window))
                    types = ("u1", "<u4", "<u4", "<u8", "<u8")
                    got = [(_shard.ARRANGEMENTS[one], *rest) for one, *rest, _ in zip(
                        *(np.frombuffer(memoryview(a), t).tolist() for a, t in zip(arrays, types)))]
                except ValueError as error:
                    got = None
                    assert str(error).startswith("record 0: "), error
                assert got == expected, (path, plan, window, got, expected)
                counts["refused" if got is None else "equal"] += 1
    assert min(counts.values()) > 200, counts


# ---- readers ----

def same_record(record, want):
    """latentmill's record and that of the reader of FORMAT.md."""
    assert (record.key, record.name, record.index) == (want["key"], want["name"], want["index"])
    assert (record.text_checksum, record.tensor_checksum) == (want["text_checksum"], want["tensor_checksum"])
    assert (ORDERS.index(record.order), record.caption_drawn) == (want["order"], want["caption_drawn"])
    assert (record.metadata or b"").decode(errors="surrogateescape") == want["metadata"]
    seen = 0
    for i, (part, p) in enumerate(zip(record.parts, want["parts"], strict=True)):
        assert (part.kind, part.role, part.loss) == (part_name(p["kind"]), p["role"], p["flags"] == 1)
        if part.kind == "text":
            assert [(a.name, a.text, None if a.ids is None else a.ids.tolist(), a.kind, a.content)
                    for a in part.alternatives] == [
                (a["name"], a.get("text"), a["ids"], a["kind"], bytes.fromhex(a.get("unknown", "")))
                for a in p["alternatives"]]
        elif part.kind == "image":
            renditions = [r for r in want["renditions"] if r["part"] == i]
            assert ([*part.original_size], part.sha256.hex()) == (p["size"], p["sha256"])
            assert [(r.mirrored, *r.target_size, *r.crop, *r.content) if isinstance(r, Rendition) else
                    (r.kind, r.content.hex()) for r in part.renditions] == [
                (r["kind"], r["unknown"]) if r["kind"] else (r["mirrored"] == 1, *[r[name] for name in shard_format.GEOMETRY[2:]])
                for r in renditions]
        else:
            assert part.content.hex() == p.get("unknown", "")
        tensors = [t for t in want["tensors"] if t["part"] == i]
        for tensor, t in zip(part.tensors, tensors, strict=True):
            assert tensor.kind == KINDS.get(t["kind"], t["kind"]) and tensor.checksum == t["checksum"]
            assert (tensor.output << 8 | tensor.mirrored << 1 | tensor.logvar, [*tensor.shape]) == (t["slot"], t["dims"])
            assert tensor.array.tobytes().hex() == t["data"]
            seen += 1
    assert seen == len(want["tensors"])


def readers(path, reader, wanted):
    """The package, the reader of FORMAT.md, zstd's program and a reader of seekable streams."""
    shard = shard_format.Shard(path)
    for record, want in zip(reader, wanted, strict=True):
        same_record(record, want)
    dice = random.Random(1)
    for i in dice.sample(range(N), 50):
        same_record(ShardReader(path, columns="text")[i], shard.record(i))
    content = b"".join(shard.frame(*place) for place in zip(
        shard.offsets, shard.index["frame_bytes"], shard.index["frame_raw_bytes"]))
    with pyzstd.SeekableZstdFile(path, "r") as file:
        assert file.read() == content
        for at in dice.sample(range(len(content)), 50):
            file.seek(at)
            assert file.read(100) == content[at:at + 100]
    if shutil.which("zstd"):
        subprocess.run(["zstd", "-t", "-q", path], check=True)
        assert subprocess.run(["zstd", "-dc", path], check=True, stdout=subprocess.PIPE).stdout == content


def dumped(path, reader):
    """`latentmill dump` shows the same latent of a record as record.latent is."""
    run = subprocess.run([f"{BUILD}/latentmill", "dump", "--json", "--latents", "none", path], check=True,
                         stdout=subprocess.PIPE)
    seen = later = 0
    for record, line in zip(reader, run.stdout.splitlines(), strict=True):
        sample, latent = json.loads(line), record.latent
        assert sample["key"] == record.key
        assert sample["caption"] == record.caption
        assert [(one.get("kind", 0), one["text"]) for one in sample["captions"]] == [
            (one.kind, one.text) for one in record.captions]
        kinds = sorted(str(part.kind) for part in record.parts if part.kind != "data")
        assert sample["kind"] == {("text",): "text", ("image", "text"): "pair"}.get(tuple(kinds), "other")
        assert (sample["latent"] or {}).get("shape") == (None if latent is None else [*latent.shape]), record.key
        if latent is not None:
            shown = next(image for image in record.images if any(
                tensor.array.tobytes() == latent.tobytes() for tensor in image.tensors))
            assert sample["source"]["sha256"] == shown.sha256.hex()
            seen, later = seen + 1, later + (shown is not record.images[0])
    assert seen > 100 and later > 5, (seen, later)


def refusals():
    """What is no plan is told."""
    for wrong, what in {
            "[]": "not a JSON object", "{": "not a JSON object", '{"rules": 1}': 'no array "rules"',
            '{"rules": [], "end": "text"}': 'no member "end"', '{"rules": [], "ends": "all"}': "neither sequence nor",
            '{"rules": [{"part": "sound", "see": []}]}': "not text, image, data or a number",
            '{"rules": [{"part": "text"}]}': 'no array "see"',
            '{"rules": [{"part": "text", "see": [{"window": -1}]}]}': 'no integer "window" in 0 to 1024',
            '{"rules": [{"part": "text", "see": [{"loss": 1}]}]}': 'no boolean "loss"',
            '{"rules": [{"part": "text", "see": [], "flag": "lost"}]}': '"flag" of a rule is not',
            '{"rules": [{"part": "text", "see": [], "role": "UPPER CASE"}]}': '"role" of a rule is not 0 to 64 bytes',
            '{"rules": [{"part": "text", "see": [{"encoder": ""}]}]}': '"encoder" is not 1 to 64 bytes',
            '{"rules": [], "rules": []}': "duplicate"}.items():
        try:
            Plan(wrong)
        except ValueError as error:
            assert what in str(error), (wrong, error)
        else:
            raise AssertionError(wrong)
    plan, other = Plan(json.dumps(shard_sequence.DEFAULT)), Plan('{"rules": []}')
    assert Plan().json == plan.json and Plan() == plan != other and plan != plan.json
    assert {Plan(), plan, other} == {other, plan} and eval(repr(plan)) == plan and repr(plan) != repr(other)
    markers(other)


def markers(plan):
    """Ids, or None; a template has ids and its own items."""
    for wrong in (-1, -7, 2**31, 2**32 + 5, 2**40, 2**64):
        for arguments in (((wrong, None, 1, 2),), ((1, None, 1, wrong),),
                          (None, ((), (), (wrong if wrong != -1 else -7,)))):
            try:
                _shard.Sequencer(plan, 1, *arguments)
            except (ValueError, OverflowError):
                continue
            raise AssertionError(arguments)
    _shard.Sequencer(plan, 1, (0, 2**31 - 1, None, None), ((-1, -6), (2**31 - 1,), ()))


def main():
    with tempfile.TemporaryDirectory() as folder:
        path, = write(os.path.join(folder, "all"), N, 1, 1 << 30, 30_000)
        reader, wanted = records_of(path)
        assert len(reader) == N and reader.shard.n_blocks > 20
        readers(path, reader, wanted)
        dumped(path, reader)
        draws(reader, wanted)
        sequences(reader, wanted)
        misspelt(path)
        unmarked(path)
        measures(write(os.path.join(folder, "one"), 250, 10**6, 1, 1))
        refusals()


if __name__ == "__main__":
    main()
