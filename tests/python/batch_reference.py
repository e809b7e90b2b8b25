# SPDX-License-Identifier: Apache-2.0
"""The arrays of a step as Python makes them, document by document: what composing them in C is
compared with. Contents of documents are made from shard/FORMAT.md alone, by shard_sequence."""
import copy
from typing import NamedTuple

import numpy as np
import shard_format
import shard_sequence

from latentmill.patches import patchify, scaled
from latentmill.sources.documents import Markers

NO_LOSS, PADDING = -100, -1
ROLES = {"bos": shard_sequence.PREDICTS, "eos": shard_sequence.PREDICTED, "boi": shard_sequence.PREDICTED,
         "eoi": shard_sequence.PREDICTS}
DTYPES = {4: ("fp16", "<f2"), 5: ("bf16", "<u2"), 6: ("fp32", "<f4")}


class Content(NamedTuple):
    """What a document is."""
    tokens: np.ndarray
    loss: np.ndarray
    images: list  # (offset, rows, columns, BOI, EOI, text follows), its latent as float32
    identity: tuple
    source: int = 0


class Piece(NamedTuple):
    """Positions start .. start + length - 1 of a document; None: unreadable."""
    content: Content | None
    start: int
    length: int


class Templated(shard_sequence.Builder):
    """Of a template instead of the plan."""

    def build(self, items):
        plan = {"rules": [{"part": "text", "see": [{}]}, {"part": "image", "see": [{"markers": False}]}]}
        for item in items:
            if item in ("text", "image"):
                part = [part["kind"] for part in self.record["parts"]].index(item == "image")
                see = shard_sequence.rule_of(plan, self.record, part)["see"][0]
                (self.see_text if item == "text" else self.see_tensor)(part, see)
            elif isinstance(item, str):
                self.marker(item, ROLES[item])
            else:
                self.put(item, shard_sequence.PREDICTS | shard_sequence.PREDICTED)
        return self


def composed(record, header, caption_first, template=None, drawn=None, window=1):
    """(tokens, loss, spans) by the builder that is written from FORMAT.md."""
    drawn = drawn or [0] * len(record["parts"])
    if template is None:
        return shard_sequence.sequence(record, header, shard_sequence.DEFAULT, caption_first, drawn, window)
    b = Templated(record, header, {"ends": "sequence"}, drawn, window).build(template)
    loss = [bool(one & 1 and other & 2) for one, other in zip(b.roles, [*b.roles[1:], 0])]
    return b.tokens, loss, b.spans


def content(record, header, caption_first, latent_of, template=None, drawn=None, window=1, source=0):
    """latent_of: a span's."""
    ids = Markers(**header["tokenizer"])
    tokens, loss, spans = composed(record, header, caption_first, template, drawn, window)
    last_text = max((s.offset for s in spans if s.kind == 0 and s.loss and s.length), default=0)
    images = [((s.offset, s.rows, s.columns, tokens[s.offset - 1:s.offset] == [ids.boi],
                tokens[s.offset + s.length:][:1] == [ids.eoi], s.offset < last_text), latent_of(s))
              for s in spans if s.kind == shard_sequence.LATENT]
    return Content(np.array(tokens, np.int32), np.array(loss, bool), images,
                   (record["name"], record["key"]), source)


def draws(record, header, options, caption, pass_number, number_of_copy):
    """A number a part, as a Dataset draws."""
    def u(purpose):
        if options.captions == "stored":
            return shard_sequence.u_of(purpose, record, 0, header["seed"])
        again = f"+{number_of_copy}" if number_of_copy else ""
        return shard_sequence.u_of(purpose + again, record, pass_number, options.seed)
    drawn, texts, images = [], 0, 0
    for part in record["parts"]:
        number = 0
        if part["kind"] == shard_format.TEXT:
            number = u(f"caption@{texts}") * len(part["alternatives"]) >> 64 if texts else max(caption, 0)
            texts += 1
        elif part["kind"] == shard_format.IMAGE:
            number, images = int(u(f"mirror@{images}") < 1 << 63), images + 1
        drawn.append(number)
    return drawn


SHARDS = {}  # by path


def document(reading, number, options):
    """The content of a document of a window whose blocks are there; None: it is lost."""
    if reading.block[number] < 0:
        return None
    at, row, d = reading.fetched(int(reading.block[number])), int(reading.row[number]), reading.documents
    if at.block.damage(row) is not None:
        return None
    path = at.shard.reader.path
    if path not in SHARDS:
        SHARDS[path] = shard_format.Shard(path)
    shard = SHARDS[path]
    record = copy.deepcopy(shard.record(int(d.position[number])))
    header = {**at.shard.reader.header}
    caption = int(d.caption[number])
    drawn = draws(record, header, options, caption, int(d.pass_number[number]), int(d.copy[number]))
    texts = [i for i, part in enumerate(record["parts"]) if part["kind"] == shard_format.TEXT]
    for i, own in zip(texts, reading.own_ids(number) or ()):
        if own is not None:
            drawn[i] = 0
            record["parts"][i]["alternatives"][0]["ids"] = own.tolist()
    if texts:
        first = record["parts"][texts[0]]["alternatives"][drawn[texts[0]]]
        first["ids"] = first["ids"][:int(d.n_caption[number])]
    view = at.source.view
    markers = view.markers if view is not None and view.markers is not None else \
        Markers(**{name: header["tokenizer"][name] for name in Markers._fields})
    header["tokenizer"] = markers._asdict()

    def latent_of(span):
        tensor = record["tensors"][span.tensor]
        name, dtype = DTYPES[tensor["dtype"]]
        raw = np.frombuffer(bytes.fromhex(tensor["data"]), dtype).reshape(tensor["dims"])
        return scaled(raw, name, *at.shard.scales[tensor["encoder"]])
    template = None
    if options.sequence and shard_sequence.pair_of(record):
        template = options.sequence.get("caption_first" if d.caption_first[number] else "image_first")
    return content(record, header, bool(d.caption_first[number]), latent_of, template, drawn,
                   options.patch or options.grid or header["patch"], int(d.source[number]))


def build(sequences, options, channels, patch_order, collapsed):
    """A step of sequences, which are lists of pieces."""
    length = options.pack or max(1, *(sum(piece.length for piece in pieces) for pieces in sequences))
    batch = Building(length)
    for pieces in sequences:
        batch.add(pieces)
    out = batch.finish(collapsed)
    if options.patch is None:
        out["latents"] = batch.latents
    else:
        empty = np.zeros((0, options.patch**2 * channels), np.float32)
        out["patches"] = np.concatenate([empty, *(
            patchify(one[None], options.patch, patch_order)[0] for one in batch.latents)])
    return out


class Building:
    """A batch's positions while it is built, as runs that are joined at its end."""

    def __init__(self, length):
        self._length = length  # of a sequence
        self._tokens = []
        self._loss = []
        self._documents = []  # doc_id or PADDING, source, positions
        self._next_token = []  # position, label beyond a piece's end
        self._spans = []
        self._n_patches = 0
        self._span_flags = []  # BOI, EOI, text_follows
        self._keys = []
        self._filler = np.zeros(length, np.int32), np.zeros(length, bool)
        self.latents = []

    def add(self, pieces):
        """One more sequence."""
        self._keys.append([])
        at = 0
        for piece in pieces:
            if piece.content is None:
                self._pad(piece.length)
            else:
                self._add_piece(at, piece.content, piece)
            at += piece.length
        self._pad(self._length - at)

    def _pad(self, n):
        tokens, loss = self._filler
        self._put(tokens[:n], loss[:n], PADDING, PADDING)

    def _put(self, tokens, loss, doc_id, source):
        self._tokens.append(tokens)
        self._loss.append(loss)
        self._documents.append((doc_id, source, len(tokens)))

    def _add_piece(self, at, content, piece):
        sequence = len(self._keys) - 1
        tokens, loss = content.tokens, content.loss
        if piece.length != len(tokens):
            tokens, loss = self._cut(tokens, loss, piece, sequence * self._length + at)
        self._put(tokens, loss, len(self._keys[-1]), content.source)
        self._keys[-1].append(content.identity)
        for (offset, rows, columns, *flags), latent in content.images:
            n = rows * columns
            self._spans.append((sequence, at + offset, n, rows, columns, self._n_patches))
            self._n_patches += n
            self._span_flags.append(flags)
            self.latents.append(latent)

    def _cut(self, tokens, loss, piece, at):
        """The piece, which begins at `at` of the batch. Its last label is beyond it."""
        end = piece.start + piece.length
        cut = loss[piece.start:end].copy()
        if cut[-1]:
            self._next_token.append((at + piece.length - 1, int(tokens[end])))
            cut[-1] = False
        return tokens[piece.start:end], cut

    def finish(self, collapsed):
        """All of a batch but its latents; a Dataset says the shapes. collapsed: the patches of an
        image share a position id."""
        shape = len(self._keys), self._length
        numbers, sources, lengths = np.array(self._documents, np.int64).T
        tokens = np.concatenate(self._tokens).reshape(shape)
        doc_ids = np.repeat(numbers.astype(np.int32), lengths).reshape(shape)
        source_ids = np.repeat(sources.astype(np.int32), lengths).reshape(shape)
        spans = np.array(self._spans, np.int32).reshape(-1, 6)
        flags = np.array(self._span_flags, bool).reshape(-1, 3)
        begins = np.ones(shape, bool)
        np.not_equal(doc_ids[:, 1:], doc_ids[:, :-1], out=begins[:, 1:])
        cu_seqlens = np.append(np.flatnonzero(begins), begins.size).astype(np.int32)
        return {
            "tokens": tokens,
            "labels": self._labels(tokens),
            "doc_ids": doc_ids,
            "position_ids": _position_ids(cu_seqlens, spans if collapsed else spans[:0], shape),
            "source_ids": source_ids,
            "image_ids": _image_ids(spans, shape),
            "cu_seqlens": cu_seqlens,
            "spans": spans,
            "span_markers": flags[:, :2],
            "text_follows": flags[:, 2],
            "keys": self._keys,
        }

    def _labels(self, tokens):
        """No document's last position has a loss of its own."""
        loss = np.concatenate(self._loss).reshape(tokens.shape)
        labels = np.full(tokens.shape, NO_LOSS, np.int64)
        np.copyto(labels[:, :-1], tokens[:, 1:], where=loss[:, :-1])
        for position, token in self._next_token:
            labels.reshape(-1)[position] = token
        return labels


def _position_ids(cu_seqlens, collapsed, shape):
    """Counted from each begin on; the patches of collapsed spans count as one."""
    if len(collapsed):
        steps = np.ones(shape, np.int32)
        for sequence, offset, length in collapsed[:, :3].tolist():
            steps[sequence, offset + 1:offset + length] = 0
        count = np.cumsum(steps.reshape(-1), dtype=np.int32)
    else:
        count = np.arange(shape[0] * shape[1], dtype=np.int32)
    count -= np.repeat(count[cu_seqlens[:-1]], np.diff(cu_seqlens))
    return count.reshape(shape)


def _image_ids(spans, shape):
    ids = np.full(shape, -1, np.int32)
    for image, (sequence, offset, length) in enumerate(spans[:, :3].tolist()):
        ids[sequence, offset:offset + length] = image
    return ids
