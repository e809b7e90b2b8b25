# SPDX-License-Identifier: Apache-2.0
"""What a packed sequence holds, against hand-written cases: tokens, labels, positions, masks,
patches; and a whole batch against the records it was made from."""
import pathlib
import tempfile
import types

import dataset_shards
import numpy as np

from latentmill import Dataset, ShardError, ShardReader, patchify, unpatchify
from latentmill.attention import attention_mask_array, image_ids
from latentmill.batches import BatchBuilder, Piece
from latentmill.composing import Composer
from latentmill.documents import ARRANGEMENTS, Documents, Lengths, Markers, Measure, Part, Shape, Texts
from latentmill.fetching import Content, _Rows
from latentmill.options import Options, templates
from latentmill.patches import cut_patches, scaled
from latentmill.sources import OpenShard

BOS, EOS, BOI, EOI = 1, 2, 8, 9
MARKERS = Markers(BOS, EOS, BOI, EOI)
TEXT = Part("text", True, 0)
IMAGE = Part("image", True, 0, (1, 2, 2), "fp32", 0)
PAIR, DOCUMENT = Shape((TEXT, IMAGE), "pair"), Shape((TEXT,), "text")
_ = -100


def content(shape, ids, caption_first=True, markers=MARKERS, **options):
    """A document of these ids (a list for each text), its image of values 0, 1, 2, 3."""
    texts = [np.array(one, np.int32) for one in (ids if ids and isinstance(ids[0], list) else [ids])]
    latents = [np.arange(4, dtype=np.float32).reshape(1, 2, 2) for _image in shape.images]
    composer = Composer(Options(patch=1, **options), markers, 1)
    one = np.ones((1, 1, 1), np.float32)
    shard = types.SimpleNamespace(composer=composer, scales=[(one, 0 * one)],
                                  reader=types.SimpleNamespace(path="test.lms"))
    length = composer.compose(shape, caption_first, texts).length
    return Content(shard, shape, caption_first, length, texts, latents, ("n", "k"))


def build(*contents, pack, position_ids="sequential", pieces=None):
    pieces = pieces or [Piece(one, 0, one.length) for one in contents]
    return BatchBuilder(Options(pack=pack, patch=1), 1, "pqc", position_ids, None).build([pieces])


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
    shape = Shape((IMAGE._replace(loss=False), TEXT._replace(loss=False),
                   IMAGE._replace(ordinal=1), TEXT._replace(ordinal=1)), "other")
    batch = build(content(shape, [[5, 6], [7]]), pack=17)
    assert batch["tokens"].tolist() == [[BOS, BOI, 0, 0, 0, 0, EOI, 5, 6, BOI, 0, 0, 0, 0, EOI,
                                         7, EOS]]
    assert batch["labels"].tolist() == [[_] * 8 + [BOI] + [_] * 5 + [7, EOS, _]]
    assert batch["text_follows"].tolist() == [True, True]
    assert batch["spans"].tolist() == [[0, 2, 4, 2, 2, 0], [0, 10, 4, 2, 2, 4]]
    assert batch["patches"][:, 0].tolist() == [0, 1, 2, 3] * 2
    shape = Shape((IMAGE, TEXT._replace(loss=False), IMAGE._replace(ordinal=1)), "other")
    batch = build(content(shape, [5]), pack=15)
    assert batch["text_follows"].tolist() == [False, False], "context has no loss"
    assert batch["labels"].tolist() == [[BOI, *[_] * 6, BOI, *[_] * 5, EOS, _]]
    edit = Shape((IMAGE, TEXT), "other")  # beside an image that is not seen
    assert build(content(edit, [5]), pack=9)["tokens"].tolist() == \
        [[BOS, BOI, 0, 0, 0, 0, EOI, 5, EOS]], "as stored, whatever is drawn"


def wide_images():
    """Left to right, top to bottom; latents of several sizes come as a list."""
    wide = Shape((TEXT, IMAGE._replace(dims=(1, 1, 4))), "pair")
    batch = build(content(wide, [5]), content(PAIR, [5]), pack=18)
    assert batch["spans"].tolist() == [[0, 3, 4, 1, 4, 0], [0, 12, 4, 2, 2, 4]]
    whole = BatchBuilder(Options(pack=9, grid=1), 1, "pqc", "sequential", None)
    second = content(PAIR, [5])
    pieces = [[Piece(content(PAIR, [5]), 0, 9)], [Piece(second, 0, 9)]]
    assert whole.build(pieces)["latents"].tolist() == [[[[0, 1], [2, 3]]]] * 2
    second.latents[0] = second.latents[0].reshape(1, 1, 4)
    assert [one.shape for one in whole.build(pieces)["latents"]] == [(1, 2, 2), (1, 1, 4)]


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
    silent = content(Shape((TEXT._replace(loss=False),), "text"), [3, 4, 5, 6])
    assert build(pack=4, pieces=[Piece(silent, 0, 4)])["labels"].tolist() == [[_] * 4]


def several_sequences():
    """Documents end where their sequence does, also where the next one has the same number."""
    text = content(DOCUMENT, [3, 4])
    batch = BatchBuilder(Options(pack=4, patch=1), 1, "pqc", "sequential", None).build(
        [[Piece(text, 0, 4)], [Piece(text, 0, 4)], []])
    assert batch["cu_seqlens"].tolist() == [0, 4, 8, 12]
    assert batch["doc_ids"].tolist() == [[0] * 4, [0] * 4, [-1] * 4]
    assert batch["labels"].tolist() == [[3, 4, EOS, _]] * 2 + [[_] * 4]


def long_text():
    ids = list(range(10, 610))
    assert build(content(DOCUMENT, ids), pack=602)["labels"].tolist() == [[*ids, EOS, _]]


def not_as_long_as_said():
    try:
        build(content(DOCUMENT, [3, 4])._replace(length=5), pack=5)
    except ValueError as error:
        assert "n k has 4 positions, not 5" in str(error)
        return
    raise AssertionError("a length was taken that the index does not say")


def shapes():
    """What is not seen is left out, and texts and images are counted apart."""
    shard = OpenShard(*[None] * 6)
    image = (True, True, 4, (4, 8, 8), 2)
    parts = (None, (False, True), image, None, (False, False), (True, False, *image[2:]))
    other, pair, text = map(ARRANGEMENTS.index, ("other", "pair", "text"))
    shape = shard.shape_of(parts, other)
    assert [(p.kind, p.ordinal, p.loss) for p in shape.parts] == [
        ("text", 0, True), ("image", 0, True), ("text", 1, False), ("image", 1, False)]
    assert shape.images[0] == Part("image", True, 0, (4, 8, 8), "fp16", 2)
    assert shape.arrangement == "other" and shard.shape_of(parts[1:3], pair).arrangement == "pair"
    assert shard.shape_of(parts, other) is shape
    assert shard.shape_of(parts[:2], text).arrangement == "text"
    measure = Measure(Options(patch=2), MARKERS, {"caption_first": 0.5})
    three = Lengths(np.array([other], np.uint8), np.array([2]), np.array([3]), np.array([3 * 16]))
    assert [fixed.tolist() for fixed in measure.fixed(three)] == [[2 + 3 * (2 + 16)]] * 2


def other_texts():
    """Of all texts but the first the alternative that is drawn: its ids."""
    texts = Texts(np.array([0, 3, 6]), np.array([0, 2, 5, 6, 8, 11, 12]),
                  np.array([1, 2, 3, 4, 5, 6] * 2, np.uint32), np.zeros(12, np.uint32), ["txt"])
    ids = np.arange(21, dtype=np.uint32)  # of record 1, which begins a block
    block = types.SimpleNamespace(ids=ids, first_record=1, n_records=1, number=0)
    measure = types.SimpleNamespace(
        other_choices=lambda shard, texts, d: {i: [int(d.caption[i]) + 1, 0] for i in range(len(d))})
    shard = types.SimpleNamespace(
        stored_texts=texts, texts=texts, measure=measure, reader=types.SimpleNamespace(shard=None),
        ids_start=np.concatenate(([0], np.cumsum(texts.n_ids, dtype=np.int64))))
    rows = _Rows(types.SimpleNamespace(view=None), shard, block)
    documents = Documents(*[np.zeros(2, np.int64)] * 11)
    documents.position, documents.caption = np.array([1, 1]), np.array([0, 1])
    last = [15, 16, 17, 18, 19, 20]
    assert [[ids.tolist() for ids in texts]
            for texts in rows._stored_ids(documents, documents.caption)] == \
        [[[0], [6, 7, 8, 9], last], [[1, 2], [10, 11, 12, 13, 14], last]]
    block.ids, shard.reader.path = ids[:-1], "short.lms"
    try:
        next(rows._stored_ids(documents, documents.caption))
    except ShardError as error:
        assert "short.lms: block 0 has 20 token ids, its index says 21" in str(error)
    else:
        raise AssertionError("ids that the index does not know")


def damaged():
    """What could not be read is padding, and shifts nothing."""
    batch = build(pack=12, pieces=[Piece(content(DOCUMENT, [3]), 0, 3), Piece(None, 0, 5),
                                   Piece(content(DOCUMENT, [4]), 0, 3)])
    assert batch["tokens"].tolist() == [[BOS, 3, EOS, 0, 0, 0, 0, 0, BOS, 4, EOS, 0]]
    assert batch["doc_ids"].tolist() == [[0, 0, 0, -1, -1, -1, -1, -1, 1, 1, 1, -1]]
    assert batch["labels"].tolist() == [[3, EOS] + [_] * 6 + [4, EOS, _, _]]
    assert batch["cu_seqlens"].tolist() == [0, 3, 8, 11, 12]


def own_template():
    checked = templates(("bos", "boi", "image", "eoi", 7, "text"))
    batch = build(content(PAIR, [5], sequence=checked), pack=9)
    assert batch["tokens"].tolist() == [[BOS, BOI, 0, 0, 0, 0, EOI, 7, 5]]
    assert batch["labels"].tolist() == [[BOI, _, _, _, _, _, 7, 5, _]]
    second = build(content(PAIR, [5], False, sequence=checked), pack=9)
    assert (second["tokens"] == batch["tokens"]).all(), "of pairs of either order"
    odd = templates(("bos", "eoi", "image", "boi", "text", "eos", 7))
    assert build(content(PAIR, [5], sequence=odd), pack=10)["labels"].tolist() == \
        [[_] * 7 + [EOS, _, _]], "EOI is no target; BOI and EOS are no inputs of a loss"
    text = build(content(DOCUMENT, [5], sequence=templates({"text": ("text", 6)})), pack=2)
    assert text["tokens"].tolist() == [[5, 6]]
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
    bare = build(content(PAIR, [5], sequence=templates(("image", "text"))), pack=5)
    assert image_ids(bare).tolist() == [[0, 0, 0, 0, -1]]
    for parts, inside, markers in ((("bos", "image", "text", "eos"), slice(1, 5), [False, False]),
                                   (("text", "image", "eoi"), slice(1, 6), [False, True]),
                                   (("text", "boi", "image"), slice(1, 6), [True, False])):
        batch = build(content(PAIR, [5], sequence=templates(parts)), pack=7)
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
        for c, height, width, k in ((8, 32, 32, 2), (4, 8, 16, 4), (3, 6, 4, 1), (1, 8, 8, 8)):
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
    assert whole["latents"].shape == (len(whole["spans"]), 8, 32, 32)
    assert (whole["spans"][:, 2] == 64).all(), "positions are counted with the grid"
    several = [records[identity] for keys in whole["keys"] for identity in keys]
    assert all((a == r.latent_float32()).all() for a, r in zip(whole["latents"], several))
    single = list(Dataset(folder, batch_size=4, pack=None))
    assert len(single) == 10 and all(len(keys) == 1 for b in single for keys in b["keys"])


for test in (pairs_and_texts, no_caption_no_markers, context, wide_images, cut_text,
             several_sequences, long_text, not_as_long_as_said, shapes, other_texts, damaged,
             own_template, masks, cut_latents):
    test()
with tempfile.TemporaryDirectory() as temporary:
    against_records(dataset_shards.make_pairs(pathlib.Path(temporary) / "pairs"))
