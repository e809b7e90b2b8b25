# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of `latentmill prepare`, with the same ids, for views and trainers."""
from __future__ import annotations

import hashlib
import json
import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

try:
    from ._tokenizer import Tokenizer as _Native
except ImportError as error:
    raise ImportError(f"latentmill.Tokenizer needs the extension latentmill._tokenizer ({error}): build the "
                      "package where SentencePiece, PCRE2 and utf8proc are installed") from error

_MODES = ("plain", "parse", "reject")
_MARKERS = ("bos", "eos", "boi", "eoi")


class Tokenizer:
    """Opens a tokenizer.json, a SentencePiece model or a tiktoken file.

    path: a file; a folder with a tokenizer.json, a tokenizer.model or one .tiktoken file; or a
    data set of `latentmill prepare`, whose tokenizer, options and markers it then has: the rest is
    not to be given then.

    special_tokens: what the special tokens that a text spells become: "plain", text like any
    other; "parse", the tokens; "reject", a ValueError. pattern: how texts are cut into words, a
    name or a regular expression, and named: {piece: id} of special tokens, both of tiktoken files
    alone, which do not say it. bos, eos, boi, eoi: pieces, as prepare's options have them: by
    default BOS and EOS are what the file says, or None, BOI and EOI the two ids behind the last
    piece. header: what the header of a shard says of its tokenizer, which is the file at path; it says
    all of this, too.

    FileNotFoundError; ValueError where the file is none of these, or asks for what is not
    supported, or a piece is not in it."""

    bos: int | None
    eos: int | None
    boi: int
    eoi: int

    def __init__(self, path: str | os.PathLike[str], *, special_tokens: str = "plain", pattern: str | None = None,
                 named: Mapping[str, int] | None = None, bos: str | None = None, eos: str | None = None,
                 boi: str | None = None, eoi: str | None = None,
                 header: Mapping[str, Any] | None = None):
        given: dict[str, Any] = {"special_tokens": special_tokens, "pattern": pattern, "named": dict(named or {}),
                                 "bos": bos, "eos": eos, "boi": boi, "eoi": eoi}
        if special_tokens not in _MODES:
            raise ValueError(f"special_tokens is one of {', '.join(_MODES)}; not {special_tokens!r}")
        if not isinstance(os.fspath(path), str):
            raise TypeError(f"path is a str or a path of str; not {path!r}")
        self._made_of = (os.fspath(path), {**given, "header": header})
        folder = Path(path)
        if header is not None:
            if given != _NOTHING:
                raise ValueError("a header says how its tokenizer is used: give nothing else")
            self._open_as_described(folder, header)
            return
        if (folder / "dataset.json").is_file():
            if given != _NOTHING:
                raise ValueError(f"{path} is a data set, whose configuration says how its tokenizer is used: "
                                 "give nothing else")
            self._open_data_set(folder)
            return
        file = _find(folder)
        self._open(file, _read(file), special_tokens, pattern, given["named"])
        self._choose_markers({name: given[name] for name in _MARKERS})

    def _open(self, path: Path, data: bytes, special_tokens: str, pattern: str | None, named: dict[str, int]) -> None:
        self.path = str(path)
        self._native = _Native(data, self.path, _MODES.index(special_tokens), pattern, named)

    def _open_as_described(self, path: Path, about: Mapping[str, Any]) -> None:
        missing = [name for name in ("sha256", "special", "boi", "eoi") if name not in about]
        if missing:
            raise ValueError(f"the header is not what a shard says of its tokenizer: no {', '.join(missing)} in it")
        data = _read(path)
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            raise ValueError(f"{path} is damaged, or not the tokenizer of the shards beside it: copy that one there again")
        options = about.get("options") or {}
        mode = {"parsed": "parse", "rejected": "reject"}.get(about["special"], "plain")
        self._open(path, data, mode, options.get("pattern"), options.get("special_tokens", {}))
        self.bos = about.get("bos", self._native.bos)
        self.eos = about.get("eos", self._native.eos)
        self.boi, self.eoi = about["boi"], about["eoi"]

    def _open_data_set(self, folder: Path) -> None:
        about = json.loads((folder / "dataset.json").read_text())["text"]["tokenizer"]
        if about is None:
            raise ValueError(f"{folder} was made without a tokenizer (--tokenizer none)")
        suffix = {"sentencepiece": "model", "tiktoken": "tiktoken"}.get(about["kind"], "json")
        path = folder / f"tokenizer-{about['sha256'][:12]}.{suffix}"
        if not path.exists():
            raise FileNotFoundError(f"{path}, the tokenizer of the data set, is not there: copy it there again")
        self._open_as_described(path, about)

    def _choose_markers(self, pieces: Mapping[str, str | None]) -> None:
        ids = {name: None if piece is None else self._native.piece_id(piece) for name, piece in pieces.items()}
        for name, piece in pieces.items():
            if piece is not None and ids[name] is None:
                raise ValueError(f"{name}={piece!r}: the tokenizer has no such piece")
        self.bos = self._native.bos if ids["bos"] is None else ids["bos"]
        self.eos = self._native.eos if ids["eos"] is None else ids["eos"]
        n = self._native.n_pieces
        self.boi = n if ids["boi"] is None else ids["boi"]
        self.eoi = n + 1 if ids["eoi"] is None else ids["eoi"]

    def __repr__(self) -> str:
        return f"Tokenizer({self.path!r}): {self.kind}, {len(self)} pieces"

    def __reduce__(self) -> Any:
        return _again, self._made_of

    def encode(self, text: str | bytes) -> list[int]:
        """Token ids of a text, without BOS or EOS. ValueError where it spells a special token and
        these are rejected, is too hard for a regular expression of the tokenizer, or is not covered by `pattern`."""
        if not isinstance(text, (str, bytes)):
            raise TypeError(f"a text is a str or bytes; not {type(text).__name__}")
        return self._native.encode(text)

    __call__ = encode

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The text of ids, of which some may be cut within a character. ValueError: an id has no piece."""
        if isinstance(ids, (str, bytes)):
            raise TypeError(f"ids are integers; not {type(ids).__name__}")
        return self._native.decode([operator.index(i) for i in ids])

    def decode(self, ids: Iterable[int]) -> str:
        """The same, with U+FFFD for what is no UTF-8."""
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def __len__(self) -> int:
        """One above the highest id; BOI and EOI may lie above it."""
        return self._native.n_pieces

    def piece(self, i: int) -> str:
        """As the file spells it; "" for an id without one."""
        return self._native.piece(i)

    def shown(self, i: int) -> str:
        """The piece for people: the text of byte-level pieces."""
        return self._native.shown(i)

    def id(self, piece: str) -> int | None:
        """Of a piece as the file spells it; None: there is no such piece."""
        return self._native.piece_id(piece)

    @property
    def kind(self) -> str:
        """As in the header of a shard."""
        return self._native.kind

    @property
    def special(self) -> str:
        """What special tokens in a text become, as in the header of a shard."""
        return self._native.special

    @property
    def markers(self) -> dict[str, int | None]:
        """For build_view()."""
        return {"bos": self.bos, "eos": self.eos, "boi": self.boi, "eoi": self.eoi}


_NOTHING: dict[str, Any] = {"special_tokens": "plain", "pattern": None, "named": {}, "bos": None, "eos": None,
                            "boi": None, "eoi": None}


def _again(path: str, given: dict[str, Any]) -> Tokenizer:
    """For pickle."""
    return Tokenizer(path, **given)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ValueError(f"{path} is a folder, where a tokenizer's file belongs")
    return path.read_bytes()


def _find(path: Path) -> Path:
    """The file that a path stands for. Errors have prepare's words."""
    if not path.is_dir():
        if not path.exists() and not path.is_absolute() and len(path.parts) == 2 and not path.parent.is_dir():
            raise FileNotFoundError(f"{path}: No such file or directory; if it is a model of the Hugging Face hub, "
                                    f"download it first: hf download {path} tokenizer.json --local-dir {path.name}")
        return path
    for name in ("tokenizer.json", "tokenizer.model"):
        if (path / name).is_file():
            return path / name
    files = sorted(path.glob("*.tiktoken"))
    if len(files) == 1:
        return files[0]
    if files:
        raise FileNotFoundError(f"{path}: has {len(files)} .tiktoken files; name one of them")
    names = ", ".join(sorted(file.name for file in path.iterdir())[:12])
    raise FileNotFoundError(f"{path}: is a folder without tokenizer.json, tokenizer.model or a .tiktoken file. "
                            f"In it: {names or 'nothing'}")
