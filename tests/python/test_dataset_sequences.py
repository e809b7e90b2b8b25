# SPDX-License-Identifier: Apache-2.0
"""What a packed sequence holds: the referee of test_dataset_compose against hand-written cases (tokens,
labels, positions, masks, patches), and a whole batch against the records it was made from."""
import pathlib
import tempfile

import dataset_shards
import batch_reference  # behind the package's path
from batch_reference import Piece, composed
import numpy as np
import shard_sequence

from latentmill import Dataset, ShardError, ShardReader, patchify, unpatchify
from latentmill.attention import attention_mask_array, image_ids
from latentmill.sources.documents import Markers
from latentmill.options import Options, templates
from latentmill.patches import cut_patches, scaled

BOS, EOS, BOI, EOI = 1, 2, 8, 9
MARKERS = Markers(BOS, EOS, BOI, EOI)
TEXT, CONTEXT_TEXT, IMAGE, CONTEXT_IMAGE = ("text", 1), ("text", 2), ("image", 1), ("image", 2)
PAIR, DOCUMENT = (TEXT, IMAGE), (TEXT,)
_ = -100


def content(parts, ids, caption_first=True, markers=MARKERS, dims=(1, 2, 2), template=None):
    """A document of these ids (a list for each text), its images of values 0, 1, 2, 3."""
    texts = iter(ids if ids and isinstance(ids[0], list) else [ids])
    record = {"parts": [], "tensors": []}
    for number, (kind, flag) in enumerate(parts):
        if kind == "text":
            record["parts"].append({"kind": 0, "flags": flag, "role": "",
                                    "alternatives": [{"ids": next(texts)}]})
            continue
        record["parts"].append({"kind": 1, "flags": flag, "role": ""})
        record["tensors"].append({"kind": shard_sequence.LATENT, "part": number, "encoder": 0,
                                  "slot": 0, "dims": list(dims)})
    header = {"tokenizer": markers._asdict(), "encoders": [{"name": "vae", "kind": "latent", "of": "image"}]}
    latent = np.arange(4, dtype=np.float32).reshape(dims)
    return batch_reference.content(record | {"name": "n", "key": "k"}, header, caption_first, lambda span: latent,
                                   template)


def build(*contents, pack, position_ids="sequential", pieces=None, patch=1, sequences=None):
    pieces = pieces or [Piece(one, 0, len(one.tokens)) for one in contents]
    return batch_reference.build(sequences or [pieces], Options(pack=pack, patch=patch), 1, "pqc",
                                 position_ids == "collapsed")


def pairs_and_texts():
    batch = build(content(PAIR, [5, 6]), content(PAIR, [7], caption_first=False),
                  content(DOCUMENT, [3, 4]), pack=24)
    #                      BOS  5    6   BOI  p  p  p  p EOI  EOS
    assert batch["tokens"].tolist() == [[BOS, 5, 6, BOI, 0, 0, 0, 0, EOI, EOS,
                                         BOS, BOI, 0, 0, 0, 0, EOI, 7, EOS,
                                         BOS, 3, 4, EOS, 0]]
    assert batch["labels"].tolist() == [[5, 6, BOI, _, _, _, _, _, EOS, _,
                                         BOI, _, _, _, _, _, 7, EOS, _,
                                         3, 4, EOS, _, _]]
    assert batch["doc_ids"].tolist() == [[0] * 10 + [1] * 9 + [2] * 4 + [-1]]
    assert batch["position_ids"].tolist() == [[*range(10), *range(9), *range(4), 0]]
    assert batch["cu_seqlens"].tolist() == [0, 10, 19, 23, 24]
    assert batch["spans"].tolist() == [[0, 4, 4, 2, 2, 0], [0, 12, 4, 2, 2, 4]]
    assert batch["text_follows"].tolist() == [False, True]
    assert batch["patches"].tolist() == [[0], [1], [2], [3]] * 2
    assert batch["keys"] == [[("n", "k")] * 3]
    collapsed = build(content(PAIR, [5, 6]), content(DOCUMENT, [3]), pack=13,
                      position_ids="collapsed")
    assert collapsed["position_ids"].tolist() == [[0, 1, 2, 3, 4, 4, 4, 4, 5, 6, 0, 1, 2]]


def no_caption_no_markers():
    batch = build(content(PAIR, []), pack=8)
    assert batch["tokens"].tolist() == [[BOS, BOI, 0, 0, 0, 0, EOI, EOS]]
    assert batch["labels"].tolist() == [[BOI, _, _, _, _, _, EOS, _]]
    batch = build(content(PAIR, [], caption_first=False), pack=8)
    assert batch["text_follows"].tolist() == [False]
    bare = Markers(None, None, BOI, EOI)
    batch = build(content(DOCUMENT, [3, 4], markers=bare), content(DOCUMENT, [5], markers=bare),
                  pack=4)
    assert batch["tokens"].tolist() == [[3, 4, 5, 0]]
    assert batch["labels"].tolist() == [[4, _, _, _]], "a target of the next document"
    assert batch["patches"].shape == (0, 1) and batch["spans"].shape == (0, 6)


def context():
    """An edit: image as context, instruction as context, image to be made, closing text."""
    edit = (CONTEXT_IMAGE, CONTEXT_TEXT, IMAGE, TEXT)
    batch = build(content(edit, [[5, 6], [7]]), pack=17)
    assert batch["tokens"].tolist() == [[BOS, BOI, 0, 0, 0, 0, EOI, 5, 6, BOI, 0, 0, 0, 0, EOI,
                                         7, EOS]]
    assert batch["labels"].tolist() == [[_] * 8 + [BOI] + [_] * 5 + [7, EOS, _]]
    assert batch["text_follows"].tolist() == [True, True]
    assert batch["spans"].tolist() == [[0, 2, 4, 2, 2, 0], [0, 10, 4, 2, 2, 4]]
    assert batch["patches"][:, 0].tolist() == [0, 1, 2, 3] * 2
    batch = build(content((IMAGE, CONTEXT_TEXT, IMAGE), [5]), pack=15)
    assert batch["text_follows"].tolist() == [False, False], "context has no loss"
    assert batch["labels"].tolist() == [[BOI, *[_] * 6, BOI, *[_] * 5, EOS, _]]


def wide_images():
    """Left to right, top to bottom; latents of several sizes come as a list."""
    wide = content(PAIR, [5], dims=(1, 1, 4))
    batch = build(wide, content(PAIR, [5]), pack=18)
    assert batch["spans"].tolist() == [[0, 3, 4, 1, 4, 0], [0, 12, 4, 2, 2, 4]]
    pieces = [[Piece(content(PAIR, [5]), 0, 9)], [Piece(wide, 0, 9)]]
    latents = build(pack=9, patch=None, sequences=pieces)["latents"]
    assert [one.shape for one in latents] == [(1, 2, 2), (1, 1, 4)]


def cut_text():
    """BOS on the first part only, EOS on the last only; the last input of a part still has its
    target; positions begin anew."""
    text = content(DOCUMENT, [3, 4, 5, 6])
    first = build(pack=4, pieces=[Piece(text, 0, 4)])
    second = build(pack=4, pieces=[Piece(text, 4, 2)])
    assert first["tokens"].tolist() == [[BOS, 3, 4, 5]]
    assert first["labels"].tolist() == [[3, 4, 5, 6]]
    assert second["tokens"].tolist() == [[6, EOS, 0, 0]]
    assert second["labels"].tolist() == [[EOS, _, _, _]]
    assert second["position_ids"].tolist() == [[0, 1, 0, 1]]
    silent = content((CONTEXT_TEXT,), [3, 4, 5, 6])
    assert build(pack=4, pieces=[Piece(silent, 0, 4)])["labels"].tolist() == [[_] * 4]


def several_sequences():
    """Documents end where their sequence does, also where the next one has the same number."""
    text = content(DOCUMENT, [3, 4])
    batch = build(pack=4, sequences=[[Piece(text, 0, 4)], [Piece(text, 0, 4)], []])
    assert batch["cu_seqlens"].tolist() == [0, 4, 8, 12]
    assert batch["doc_ids"].tolist() == [[0] * 4, [0] * 4, [-1] * 4]
    assert batch["labels"].tolist() == [[3, 4, EOS, _]] * 2 + [[_] * 4]


def long_text():
    ids = list(range(10, 610))
    assert build(content(DOCUMENT, ids), pack=602)["labels"].tolist() == [[*ids, EOS, _]]


def damaged():
    """What could not be read is padding, and shifts nothing."""
    batch = build(pack=12, pieces=[Piece(content(DOCUMENT, [3]), 0, 3), Piece(None, 0, 5),
                                   Piece(content(DOCUMENT, [4]), 0, 3)])
    assert batch["tokens"].tolist() == [[BOS, 3, EOS, 0, 0, 0, 0, 0, BOS, 4, EOS, 0]]
    assert batch["doc_ids"].tolist() == [[0, 0, 0, -1, -1, -1, -1, -1, 1, 1, 1, -1]]
    assert batch["labels"].tolist() == [[3, EOS] + [_] * 6 + [4, EOS, _, _]]
    assert batch["cu_seqlens"].tolist() == [0, 3, 8, 11, 12]


def wrong_templates():
    for wrong in (("bos", "text"), ("image", "text", "text"), ("image", "text", "sep")):
        try:
            templates(wrong)
            raise AssertionError(wrong)
        except ValueError:
            pass


def masks():
    batch = build(content(PAIR, [5]), content(DOCUMENT, []), pack=13)
    mask = attention_mask_array(batch)
    expected = ["1............",  # BOS
                "11...........",  # 5
                "111..........",  # BOI
                "1111111......",  # patches see each other and what is before them
                "1111111......",
                "1111111......",
                "1111111......",
                "11111111.....",  # EOI
                "111111111....",  # EOS
                ".........1...",  # another document: BOS
                ".........11..",
                "...........1.",  # padding sees itself alone
                "............1"]
    assert mask.shape == (1, 1, 13, 13)
    assert ["".join(".1"[int(v)] for v in row) for row in mask[0, 0]] == expected
    marked = attention_mask_array(batch, "with_markers")[0, 0]
    assert marked[2:8, 2:8].all() and not marked[1, 2] and not marked[8:, 9:11].all()
    bare = build(content(PAIR, [5], template=("image", "text")), pack=5)
    assert image_ids(bare).tolist() == [[0, 0, 0, 0, -1]]
    for parts, inside, markers in ((("bos", "image", "text", "eos"), slice(1, 5), [False, False]),
                                   (("text", "image", "eoi"), slice(1, 6), [False, True]),
                                   (("text", "boi", "image"), slice(1, 6), [True, False])):
        batch = build(content(PAIR, [5], template=parts), pack=7)
        assert batch["span_markers"].tolist() == [markers]
        marked = attention_mask_array(batch, "with_markers")[0, 0]
        causal = np.tril(np.ones_like(marked))
        causal[inside, inside] = True
        assert (marked == causal)[:inside.stop, :inside.stop].all(), parts
    try:
        attention_mask_array({name: value[None] for name, value in batch.items()
                              if isinstance(value, np.ndarray)})
        raise AssertionError("a batch of batches was taken")
    except ValueError as error:
        assert "batch_size=None" in str(error)


def cut_latents():
    one, zero = np.ones((1, 1, 1), np.float32), np.zeros((1, 1, 1), np.float32)
    dice = np.random.default_rng(0)
    for dtype, kind in (("fp16", np.float16), ("fp32", np.float32), ("bf16", np.uint16)):
        for c, height, width, k in ((8, 32, 32, 2), (4, 8, 16, 4), (3, 6, 4, 1), (2, 5, 3, 1), (1, 8, 8, 8)):
            raw = dice.standard_normal((c, height, width)).astype(np.float32)
            raw[0, 0, :2] = 6e-8, -6e-5  # fp16 subnormals
            raw = (raw.view(np.uint32) >> 16).astype(np.uint16) if dtype == "bf16" \
                else raw.astype(kind)
            for n in (1, c):
                scale, shift = dice.random((2, n, 1, 1)).astype(np.float32)
                values = scaled(raw[None], dtype, scale, shift)
                for order in ("pqc", "cpq"):
                    expected = patchify(values, k, order)
                    out = np.empty(expected.shape[1:], np.float32)
                    cut_patches([raw], dtype, k, order, scale, shift, out)
                    assert out.tobytes() == expected[0].tobytes(), (dtype, c, k, order)
                    back = unpatchify(expected, (c, height, width), order)
                    assert (back == values).all()
            scale, shift = dice.random((2, c, 2, 2)).astype(np.float32)  # one a cell of 2 x 2
            grid = [np.tile(cell, (1, (height + 1) // 2, (width + 1) // 2)) for cell in (scale, shift)]
            values = scaled(raw[None], dtype, one, zero)
            values = (values - grid[1][:, :height, :width]) * grid[0][:, :height, :width]
            assert scaled(raw, dtype, scale, shift).tobytes() == values.tobytes(), (dtype, c)
            for order in ("pqc", "cpq"):
                expected = patchify(values, k, order)
                out = np.empty(expected.shape[1:], np.float32)
                cut_patches([raw], dtype, k, order, scale, shift, out)
                assert out.tobytes() == expected.tobytes(), (dtype, c, k, order)
    every = np.arange(1 << 16, dtype=np.uint16).reshape(1, 256, 256)  # infinities too
    for dtype, raw16 in (("fp16", every.view(np.float16)), ("bf16", every)):
        out = np.empty((1 << 14, 4), np.float32)
        cut_patches([raw16], dtype, 2, "pqc", one, zero, out)
        with np.errstate(invalid="ignore"):
            expected = patchify(scaled(raw16[None], dtype, one, zero), 2)[0]
        assert np.array_equal(out, expected, equal_nan=True), dtype
    by_hand = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)  # channel, row, column
    assert patchify(by_hand, 2, "pqc").tolist() == [[[0, 4, 1, 5, 2, 6, 3, 7]]]
    assert patchify(by_hand, 2, "cpq").tolist() == [[[0, 1, 2, 3, 4, 5, 6, 7]]]
    raw, out = np.zeros((4, 8, 8), np.float16), np.empty((2, 16, 16), np.float32)
    cut_patches([raw], "fp16", 2, "pqc", one, zero, out[0])
    small = np.ones((4, 4, 2), np.float16)
    both = np.empty((18, 16), np.float32)
    cut_patches([raw, small], "fp16", 2, "pqc", one, zero, both)
    assert (both[:16] == 0).all() and (both[16:] == 1).all()
    three = np.ones((3, 1, 1), np.float32)
    for wrong in ({"dtype": "fp32"}, {"dtype": "u16"}, {"patch": 3}, {"patch": 0}, {"out": out},
                  {"out": out[0, :8]}, {"scale": three}, {"scale": three, "shift": three},
                  {"latents": [raw[:, :0]], "out": out[0, :0]}, {"latents": [raw[0]]},
                  {"latents": [raw, raw]}, {"latents": [raw[:, :, ::2]], "out": out[0, :8]}):
        arguments = {"latents": [raw], "dtype": "fp16", "patch": 2, "order": "pqc", "scale": one,
                     "shift": zero, "out": out[0], **wrong}
        try:
            cut_patches(**arguments)
        except ValueError:
            continue
        raise AssertionError(f"sizes that do not agree were taken: {wrong.keys()}")


def against_records(folder):
    """Every pair of an epoch is the record's own, by a reader alone."""
    records = {(r.name, r.key): r for path in sorted(folder.glob("*.lms"))
               for r in ShardReader(path)}
    n = 0
    for batch in Dataset(folder, batch_size=2, pack=700, patch=4, order="stored",
                         captions="stored", patch_order="cpq"):
        image = 0
        for s, keys in enumerate(batch["keys"]):
            for d, identity in enumerate(keys):
                record, where = records[identity], batch["doc_ids"][s] == d
                tokens = batch["tokens"][s][where].tolist()
                header = ShardReader(sorted(folder.glob("*.lms"))[0]).header["tokenizer"]
                middle = [header["boi"], *[0] * 64, header["eoi"]]
                parts = [record.ids.tolist(), middle]
                if record.order == "image_first":
                    parts.reverse()
                assert tokens == [header["bos"], *sum(parts, []), header["eos"]]
                _seq, _offset, length, rows, columns, first = batch["spans"][image].tolist()
                assert (length, rows, columns) == (64, 8, 8)
                expected = patchify(record.latent_float32()[None], 4, "cpq")[0]
                assert (batch["patches"][first:first + 64] == expected).all()
                assert batch["text_follows"][image] == (record.order == "image_first")
                image, n = image + 1, n + 1
    assert n == len(records) == 40
    whole = next(iter(Dataset(folder, batch_size=2, pack=700, patch=None, grid=4,
                              position_ids="collapsed")))
    for s, offset, length in whole["spans"][:, :3]:
        assert len(set(whole["position_ids"][s, offset:offset + length])) == 1
    assert [one.shape for one in whole["latents"]] == [(8, 32, 32)] * len(whole["spans"])
    assert (whole["spans"][:, 2] == 64).all(), "positions are counted with the grid"
    several = [records[identity] for keys in whole["keys"] for identity in keys]
    assert all((a == r.latent_float32()).all() for a, r in zip(whole["latents"], several))
    single = list(Dataset(folder, batch_size=4, pack=None))
    assert len(single) == 10 and all(len(keys) == 1 for b in single for keys in b["keys"])


def own_template(folder):
    """Of pairs of either order, by the program; and of texts, by no template of theirs."""
    header = ShardReader(sorted(folder.glob("*.lms"))[0]).header
    records = {(r.name, r.key): r for path in sorted(folder.glob("*.lms")) for r in ShardReader(path)}
    for template in (("bos", "boi", "image", "eoi", 7, "text"), ("bos", "eoi", "image", "boi", "text", "eos", 7),
                     ("text", 8, 9, "image"), ("boi", "text", "eoi", "image", "eoi")):
        batch = next(iter(Dataset(folder, batch_size=4, pack=None, patch=4, order="stored", captions="stored",
                                  sequence=template)))
        for s, ((identity,), first) in enumerate(zip(batch["keys"], batch["spans"][:, 5])):
            ids = records[identity].ids.tolist()
            record = {"parts": [{"kind": 0, "flags": 1, "role": "", "alternatives": [{"ids": ids}]},
                                {"kind": 1, "flags": 1, "role": ""}],
                      "tensors": [{"kind": 1, "part": 1, "encoder": 0, "slot": 0, "dims": [8, 8, 8]}]}
            tokens, loss, spans = composed(record, header, True, template)
            labels = [following if one else _ for one, following in zip(loss, [*tokens[1:], 0])]
            assert batch["tokens"][s].tolist()[:len(tokens)] == tokens, template
            assert batch["labels"][s].tolist()[:len(tokens)] == labels, template
            image = next(span for span in spans if span.kind)
            assert batch["spans"][s].tolist() == [s, image.offset, 64, 8, 8, first]
            at = template.index("image")
            assert batch["span_markers"][s].tolist() == [template[at - 1] == "boi" and at > 0,
                                                         template[at + 1:at + 2] == ("eoi",)], template
            assert batch["text_follows"][s] == (at < template.index("text"))
            assert batch["doc_ids"][s].tolist().count(0) == len(tokens)


def not_as_long_as_said(folder):
    dataset = Dataset(folder, batch_size=1, pack=None, patch=4)
    shard = dataset._sources[0].shard(0)
    shard.lengths.__dict__.update(
        caption_first=shard.lengths.caption_first + 1, image_first=shard.lengths.image_first + 1)
    try:
        list(dataset)
    except ShardError as error:
        assert "positions, not" in str(error) and "as the index says" in str(error)
        return
    raise AssertionError("a length was taken that the index does not say")


for test in (pairs_and_texts, no_caption_no_markers, context, wide_images, cut_text,
             several_sequences, long_text, damaged, wrong_templates,
             masks, cut_latents):
    test()
with tempfile.TemporaryDirectory() as temporary:
    pairs = dataset_shards.make_pairs(pathlib.Path(temporary) / "pairs")
    against_records(pairs)
    own_template(pairs)
    not_as_long_as_said(pairs)
