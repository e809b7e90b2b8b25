# SPDX-License-Identifier: Apache-2.0
"""latentmill.Tokenizer opens what prepare opens, alone and as a data set has it, and gives its ids; dump shows its
pieces."""
import base64
import json
import os
import pathlib
import pickle
import subprocess
import tempfile

import package  # noqa: F401 - where latentmill is

from latentmill import ShardReader, Tokenizer, build_view

PROGRAM = pathlib.Path(os.environ.get("BUILD", "build")) / "latentmill"
TEXTS = ["ab abab <|end|> b", "caf\u00e9 \u732b", "<|begin|>", " a b "]
LETTERS = {**{b: chr(b) for b in [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]}}
LETTERS.update({b: chr(0x100 + i) for i, b in enumerate(b for b in range(256) if b not in LETTERS)})
MARKERS = {"bos": "<|begin|>", "eos": "<|end|>", "boi": "<|image|>", "eoi": "<|image_end|>"}
SPECIAL = {piece: 260 + i for i, piece in enumerate(MARKERS.values())}


def write_files(folder, special):
    """Both kinds, of single bytes, "ab" and "\u732b"; special: {piece: id} of the first."""
    pieces = [bytes([b]) for b in range(256)] + [b"ab", "\u732b".encode()[:2], "\u732b".encode(), b" ab"]
    (folder / "t.tiktoken").write_bytes(b"".join(base64.b64encode(piece) + b" %d\n" % i for i, piece in enumerate(pieces)))
    spelled = ["".join(LETTERS[b] for b in piece) for piece in pieces]
    cat = [LETTERS[b] for b in "\u732b".encode()]
    file = {"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, "post_processor": None,
            "added_tokens": [{"id": i, "content": piece, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
                             for piece, i in special.items()],
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
                      "fuse_unk": False, "byte_fallback": False, "vocab": {piece: i for i, piece in enumerate(spelled)},
                      "merges": [["a", "b"], cat[:2], [cat[0] + cat[1], cat[2]], [LETTERS[32], "ab"]]}}
    (folder / "model").mkdir()
    (folder / "model/tokenizer.json").write_text(json.dumps(file))


def run(*words, status=0):
    done = subprocess.run([PROGRAM, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == status, done
    return done


def prepare(out, lines, *options, status=0):
    markers = [word for name, piece in MARKERS.items() for word in (f"--{name}", piece)]
    run("prepare", "--quiet", "--out", out, *options, *markers, lines, status=status)
    return out


def check_data_set(folder, lines, out, suffix, alone, *options):
    """What a data set has of its tokenizer: the file, header, configuration, ids, and pieces in dump."""
    prepare(out, lines, *options)
    reader = ShardReader(out / "lines.lms")
    about = reader.header["tokenizer"]
    assert about["file"] == f"tokenizer-{about['sha256'][:12]}.{suffix}" and (out / about["file"]).is_file(), about
    assert {name: about[name] for name in MARKERS} == {name: SPECIAL[piece] for name, piece in MARKERS.items()}, about
    assert about["special"] == "plain" and about["tables"]["libraries"], about
    config = json.loads((out / "dataset.json").read_text())["text"]["tokenizer"]
    assert all(config[name] == SPECIAL[piece] for name, piece in MARKERS.items()), config
    assert config.get("options") == about.get("options")
    for own in (Tokenizer(out), Tokenizer(out / about["file"], header=about), pickle.loads(pickle.dumps(Tokenizer(out)))):
        assert own.markers == {name: SPECIAL[piece] for name, piece in MARKERS.items()}
        for record in reader:
            assert record.ids.tolist() == own.encode(record.caption) == alone.encode(record.caption), record.caption
            assert own.decode(record.ids) == record.caption
    shown = run("dump", out).stdout
    assert "256:ab" in shown and "258:\u732b" in shown and "195:<0xC3>" in shown, shown
    view = build_view(out, folder / "view.lmv", captions_map=lambda record: record.caption)
    assert all(view.captions(record)[0].ids.tolist() == record.ids.tolist() for record in reader)
    prepare(out, lines, *options)
    return about


def check_modes(folder, lines):
    model = ("--tokenizer", folder / "model")
    parsed = prepare(folder / "parsed", lines, *model, "--special-tokens", "parse")
    assert [SPECIAL["<|begin|>"]] in [record.ids.tolist() for record in ShardReader(parsed / "lines.lms")]
    assert Tokenizer(parsed).encode("<|begin|>") == [SPECIAL["<|begin|>"]]
    rejected = prepare(folder / "rejected", lines, *model, "--special-tokens", "reject", "--max-reject-rate", "1")
    rejects = [json.loads(line) for line in (rejected / "lines.rejects.jsonl").read_text().splitlines()]
    assert [(one["index"], one["reason"]) for one in rejects] == [(0, "special_token"), (2, "special_token")], rejects
    try:
        Tokenizer(rejected).encode("a <|end|>")
    except ValueError as error:
        assert "<|end|>" in str(error), error
    else:
        raise AssertionError("a special token is taken")
    done = subprocess.run([PROGRAM, "prepare", "--out", rejected, *map(str, model), lines], capture_output=True, text=True)
    assert done.returncode == 2 and "--special-tokens" in done.stderr and "--bos" in done.stderr, done.stderr


def check_left_out(folder, lines):
    """What a pattern does not match costs the sample, not a word of it."""
    out = folder / "left"
    run("prepare", "--quiet", "--out", out, "--tokenizer", folder / "t.tiktoken", "--pattern", "[a-z<|>]+", "--special-token", "<|b|>=300", "--bos", "<|b|>",
        "--special-token", "<|e|>=301", "--eos", "<|e|>", "--max-reject-rate", "1", lines)
    rejects = [json.loads(line) for line in (out / "lines.rejects.jsonl").read_text().splitlines()]
    assert [(one["index"], one["reason"]) for one in rejects] == [(0, "not_matched"), (1, "not_matched"), (3, "not_matched")], rejects
    assert "U+0020" in rejects[0]["detail"], rejects


def check_placed_file(out):
    """The data set's file is the one of its exact name; what stands in its place is told of."""
    file, = out.glob("tokenizer-*.json")
    (out / (file.stem + ".bak")).write_bytes(b"old")
    assert Tokenizer(out).path == str(file)
    file.rename(out / "kept")
    for put, take, kind in ((lambda: None, lambda: None, FileNotFoundError), (file.mkdir, file.rmdir, ValueError),
                            (lambda: file.symlink_to("nowhere"), file.unlink, FileNotFoundError)):
        put()
        try:
            Tokenizer(out)
        except kind as error:
            assert file.name in str(error), error
        else:
            raise AssertionError(f"no {kind.__name__}")
        take()
    (out / "kept").rename(file)


def check_advice(folder):
    """Where there is no tokenizer: prepare's words."""
    empty, several = folder / "empty", folder / "several"
    empty.mkdir()
    several.mkdir()
    (several / "a.tiktoken").touch()
    (several / "b.tiktoken").touch()
    (empty / "b").touch()
    (empty / "a").touch()
    for path, words in (("Qwen/Qwen2.5-7B", "if it is a model of the Hugging Face hub, download it first: hf download Qwen/Qwen2.5-7B "),
                        (empty, f"{empty}: is a folder without tokenizer.json, tokenizer.model or a .tiktoken file. In it: a, b"),
                        (several, f"{several}: has 2 .tiktoken files; name one of them"),
                        (folder / "none", f"No such file or directory: '{folder / 'none'}'")):
        try:
            Tokenizer(path)
        except FileNotFoundError as error:
            assert words in str(error), error
            continue
        raise AssertionError(path)


def check_class(folder):
    t = Tokenizer(folder / "model", **MARKERS)
    assert t.id("ab") == 256 and t.id("none") is None and t.shown(258) == "\u732b" and t.piece(258) != "\u732b"
    assert len(t) == 264 and t.decode([258, SPECIAL["<|end|>"]]) == "\u732b<|end|>" and t.decode([257]) == "\ufffd"
    assert t.decode_bytes([257]) == "\u732b".encode()[:2] and t("ab") == t.encode(b"ab") == [256]
    for make, kind in ((lambda: t.decode([264]), ValueError), (lambda: t.piece(264), IndexError), (lambda: t.decode([-1]), ValueError),
                       (lambda: t.decode([1 << 70]), ValueError), (lambda: Tokenizer(folder / "t.tiktoken", pattern="gpt2", named={"<|a|>": -1}), ValueError),
                       (lambda: Tokenizer(folder / "t.tiktoken", pattern="gpt2", named={"<|a|>": 1 << 40}), ValueError),
                       (lambda: Tokenizer(folder / "model", bos="none"), ValueError), (lambda: Tokenizer(folder), FileNotFoundError if len(
                           list(folder.glob("*.tiktoken"))) != 1 else ValueError), (lambda: t.encode("\ud800"), UnicodeEncodeError),
                       (lambda: Tokenizer(folder / "model", special_tokens="x"), ValueError),
                       (lambda: t.decode([1.9]), TypeError), (lambda: t.decode("12"), TypeError), (lambda: t.decode(b"12"), TypeError),
                       (lambda: t.encode(5), TypeError), (lambda: t.encode(["a"]), TypeError),
                       (lambda: Tokenizer(os.fsencode(folder / "model")), TypeError),
                       (lambda: Tokenizer(t.path, header={}), ValueError)):
        try:
            make()
        except kind as error:
            assert kind is not ValueError or str(error), error
            continue
        raise AssertionError(f"no {kind.__name__}")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        write_files(folder, SPECIAL)
        lines = folder / "lines.jsonl"
        lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
        check_data_set(folder, lines, folder / "json", "json", Tokenizer(folder / "model"), "--tokenizer", folder / "model")
        named = [word for piece, i in SPECIAL.items() for word in ("--special-token", f"{piece}={i}")]
        about = check_data_set(folder, lines, folder / "tiktoken", "tiktoken", Tokenizer(folder / "t.tiktoken", pattern="gpt2", named=SPECIAL),
                               "--tokenizer", folder / "t.tiktoken", "--pattern", "gpt2", *named)
        assert about["options"] == {"pattern": "gpt2", "special_tokens": SPECIAL}
        check_modes(folder, lines)
        check_left_out(folder, lines)
        check_placed_file(folder / "json")
        check_class(folder)
        check_advice(folder)


if __name__ == "__main__":
    main()
