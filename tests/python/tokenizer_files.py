# SPDX-License-Identifier: Apache-2.0
"""tokenizer.json files in every combination of what a BPE tokenizer may have, over models that PyPI's tokenizers
trains here."""
import functools
import itertools
import json
import random

import tokenizers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizing import DATA, ODD

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K_OWN = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
QWEN2 = CL100K.replace("{1,3}", "")
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK_V3 = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def split(pattern, behaviour="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behaviour, "invert": invert}


def byte_level(use_regex, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": use_regex}


def metaspace(scheme="always", splits=True, **more):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": splits, **more}


def sequence(*several):
    return {"type": "Sequence", "pretokenizers": list(several)}


def normalizers(*several):
    return {"type": "Sequence", "normalizers": list(several)}


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


BEHAVIOURS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
STRIP = {"type": "Strip", "strip_left": True, "strip_right": True}
PREPEND = {"type": "Prepend", "prepend": "▁"}
LOWER = {"type": "Lowercase"}
DIGITS = [{"type": "Digits", "individual_digits": each} for each in (False, True)]
PUNCTUATION = [{"type": "Punctuation", "behavior": each} for each in BEHAVIOURS]

NORMALIZERS = [
    None, *({"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase")),
    replace(" ", "▁"), replace(r"\s+", " ", "Regex"), replace(r"[aeiou]+|\p{N}", "<$0>", "Regex"), replace("a", ""), replace("aa", "a"), replace("``", '"'),
    PREPEND, STRIP, {**STRIP, "strip_left": False}, {**STRIP, "strip_right": False},
    normalizers(PREPEND, replace(" ", "▁")), normalizers({"type": "NFC"}, replace(r"\s+", " ", "Regex"), LOWER),
    normalizers({"type": "NFD"}, STRIP, LOWER, replace(r"\p{M}", "", "Regex")), normalizers({"type": "NFKC"}, replace(" {2,}", "▁", "Regex")),
    normalizers(), normalizers(LOWER, {"type": "NFKD"}, PREPEND),
]
PRE_BYTE = [
    byte_level(True), byte_level(True, True), byte_level(False), byte_level(False, True),
    *(sequence(split(pattern), byte_level(False)) for pattern in (GPT2, CL100K, QWEN2, O200K, DEEPSEEK_V3, r"\p{Lu}?\p{Ll}*|\d+|\W", ".", r"\n")),
    sequence(split(CLIP, "Removed", True), byte_level(True)),
    *(sequence(split(r"\s+", behaviour, invert), byte_level(False)) for behaviour in BEHAVIOURS for invert in (False, True)),
    *(sequence(split("a", behaviour, kind="String"), byte_level(True)) for behaviour in BEHAVIOURS),
    sequence(split(r"\p{N}{1,3}"), split(r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(DEEPSEEK_V3), byte_level(False)),
    sequence(split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split(r"[\u4e00-\u9fff]+"), DIGITS[1], byte_level(False)),
    *(sequence(one, byte_level(True)) for one in [*DIGITS, *PUNCTUATION]), sequence(DIGITS[0], PUNCTUATION[1], byte_level(False, True)),
    sequence({"type": "Whitespace"}, byte_level(False)), sequence({"type": "WhitespaceSplit"}, byte_level(True, True)),
    sequence(split(r"(?<=\p{L})(?=\p{N})|\b|x*"), byte_level(False)),
]
PRE_TEXT = [
    None, *(metaspace(scheme, splits) for scheme in ("always", "never", "first") for splits in (True, False)),
    {"type": "Whitespace"}, {"type": "WhitespaceSplit"}, *DIGITS, *PUNCTUATION, split(r"\s+", "Removed"), split(GPT2),
    *(split(" ", behaviour, invert, "String") for behaviour in BEHAVIOURS for invert in (False, True)),
    sequence({"type": "WhitespaceSplit"}, DIGITS[1], PUNCTUATION[1]), sequence(metaspace(), DIGITS[1]), sequence(DIGITS[0], metaspace("always", False)),
    sequence(PUNCTUATION[1], metaspace("always", False)), sequence({"type": "Whitespace"}, split("[aeiou]", "MergedWithNext")),
    sequence(), *(sequence(one, metaspace("first", splits)) for one, splits in ((DIGITS[1], True), ({"type": "WhitespaceSplit"}, False), (metaspace(), True))),
]


@functools.cache
def material():
    """Lines to train on: of the shared texts, or of what stands in this tree."""
    lines = [line for path in ("README.md", "CONTRIBUTING.md", "shard/FORMAT.md", "Makefile", "shard/reader.c")
             for line in open(path, encoding="utf-8").read().split("\n")]
    for path in sorted((DATA / "spm").glob("*.txt")):
        lines += path.read_text(encoding="utf-8").split("\n")[:1500]
    return lines + ODD * 3


def trained(pre_tokenizer, size, unk=None, model=None, **trainer):
    made = Tokenizer(models.BPE(unk_token=unk, **(model or {})))
    if pre_tokenizer:
        made.pre_tokenizer = pre_tokenizer
    made.train_from_iterator(material(), trainers.BpeTrainer(vocab_size=size, show_progress=False, **trainer))
    return json.loads(made.to_str())


def with_bytes(file):
    """The vocabulary with the 256 pieces of bytes, which byte_fallback needs."""
    vocabulary = file["model"]["vocab"]
    for byte in range(256):
        vocabulary.setdefault(f"<0x{byte:02X}>", len(vocabulary))
    file["model"]["byte_fallback"] = True
    return file


@functools.cache
def bases(size=1500):
    """{name: (file, whether its vocabulary is of bytes)}"""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    gpt2 = trained(pre_tokenizers.ByteLevel(add_prefix_space=False), size, initial_alphabet=alphabet)
    across = trained(pre_tokenizers.Sequence([pre_tokenizers.Split(tokenizers.Regex(r"\n\n"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
                     size, initial_alphabet=alphabet)  # merges across words tell where they are cut
    llama2 = with_bytes(trained(pre_tokenizers.Metaspace(), size, "<unk>", special_tokens=["<unk>", "<s>", "</s>"], limit_alphabet=400))
    whole = trained(pre_tokenizers.Split(tokenizers.Regex(r"\n"), "isolated"), size, "<unk>", special_tokens=["<unk>"], limit_alphabet=300)
    suffix = trained(pre_tokenizers.Sequence([pre_tokenizers.Split(tokenizers.Regex(CLIP), "removed", True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
                     size, "<|endoftext|>", {"end_of_word_suffix": "</w>"}, initial_alphabet=alphabet, end_of_word_suffix="</w>", special_tokens=["<|endoftext|>"])
    prefix = trained(pre_tokenizers.Whitespace(), size, "[UNK]", {"continuing_subword_prefix": "##"}, continuing_subword_prefix="##",
                     special_tokens=["[UNK]"], limit_alphabet=300)
    return {"gpt2": (gpt2, True), "across": (across, True), "clip": (suffix, True), "llama2": (llama2, False), "whole": (whole, False), "wordpiece": (prefix, False)}


ADDED = [  # content, then what it is
    ("<|im_start|>", {}), ("<|im_end|>", {}), ("<|vision_start|>", {}), ("[MASK]", {"lstrip": True}), ("<pad>", {"rstrip": True}),
    ("<|both|>", {"lstrip": True, "rstrip": True}), ("word", {"single_word": True, "special": False}), ("Été", {"special": False, "normalized": True}),
    ("  ", {"special": False}), ("<think>", {"special": False}), ("<|IM|>", {"normalized": True}), ("cat", {"special": False, "single_word": True, "lstrip": True}),
    ("</s>", {"normalized": True}), ("<|im_start|>user", {}), ("ab ", {"special": False, "rstrip": True, "normalized": True}),
]
SPECIAL = [content for content, _ in ADDED]


def add_tokens(file, dice, n):
    """n of ADDED, of which some are pieces of the model's vocabulary already."""
    vocabulary = file["model"]["vocab"]
    added = [one for one in file["added_tokens"]]
    free = max(max(vocabulary.values()), max((one["id"] for one in added), default=0)) + 1
    known = {one["content"] for one in added}
    for content, more in dice.sample(ADDED, n):
        if content in known:
            continue
        i = vocabulary.get(content)
        if i is None:
            i, free = free, free + 1
        added.append({"id": i, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
                      "normalized": False, "special": True, **more})
    file["added_tokens"] = sorted(added, key=lambda one: one["id"])


POST = [None, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}]


def assembled(base, normalizer, pre_tokenizer, flags, dice, n_added):
    file = json.loads(json.dumps(bases()[base][0]))
    file.update(normalizer=normalizer, pre_tokenizer=pre_tokenizer, post_processor=dice.choice(POST), decoder=None)
    file["model"].update(flags)
    if dice.random() < 0.5:  # the older spelling
        merges = [" ".join(pair) for pair in file["model"]["merges"]]
        if all(merge.count(" ") == 1 for merge in merges):
            file["model"]["merges"] = merges
    add_tokens(file, dice, n_added)
    return file


def flags_of(base, dice):
    model = bases()[base][0]["model"]
    return {"ignore_merges": dice.random() < 0.4, "fuse_unk": dice.random() < 0.5,
            "byte_fallback": bool(model["byte_fallback"]) and dice.random() < 0.7}


def combinations(seed=1, everything=False):
    """(name, file): each normalizer and each pre-tokenizer with each base; everything: all pairs of the two too."""
    dice = random.Random(seed)
    for base, (_, is_bytes) in bases().items():
        pre = PRE_BYTE if is_bytes else PRE_TEXT
        pairs = list(itertools.product(NORMALIZERS, pre)) if everything else \
            [(dice.choice(NORMALIZERS), one) for one in pre] + [(one, dice.choice(pre)) for one in NORMALIZERS]
        for normalizer, pre_tokenizer in pairs:
            file = assembled(base, normalizer, pre_tokenizer, flags_of(base, dice), dice, dice.randrange(8))
            model = file["model"]
            name = json.dumps([base, normalizer, pre_tokenizer, {f: model[f] for f in ("ignore_merges", "fuse_unk", "byte_fallback")},
                               [one["content"] for one in file["added_tokens"]]], ensure_ascii=False)
            yield name, file


def of_word_ends(pre_tokenizer, characters="ab1- ", normalizer=None):
    """A file whose ids tell where a text is cut: a character at the end of a word is another piece."""
    vocabulary = {"<unk>": 0}
    for character in characters:
        for piece in (character, character + "</w>"):
            vocabulary[piece] = len(vocabulary)
    file = json.loads(Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="<unk>", end_of_word_suffix="</w>")).to_str())
    return {**file, "pre_tokenizer": pre_tokenizer, "normalizer": normalizer}


def typical(name):
    """Files as those families have them, with control tokens."""
    dice = random.Random(5)
    base, normalizer, pre, flags = {
        "gpt2": ("gpt2", None, byte_level(True), {}),
        "llama3": ("across", None, sequence(split(CL100K), byte_level(False)), {"ignore_merges": True}),
        "o200k": ("across", None, sequence(split(O200K), byte_level(False)), {}),
        "deepseek-v2": ("across", normalizers(), sequence(split(r"[\r\n]"), split(r"\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba]+"), split(r"\s?[!-/:-~\uff01-\uff0f]+"),
                                              split(r"\s+$"), split(r"[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"), DIGITS[1], byte_level(False)), {}),
        "deepseek-v3": ("across", normalizers(), sequence(split(r"\p{N}{1,3}"), split(r"[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"), split(DEEPSEEK_V3), byte_level(False)), {}),
        "llama2": ("llama2", normalizers(PREPEND, replace(" ", "▁")), None, {"fuse_unk": True, "byte_fallback": True}),
        "mistral": ("llama2", None, metaspace("first", False), {"fuse_unk": True, "byte_fallback": True}),
        "clip": ("clip", normalizers({"type": "NFC"}, replace(r"\s+", " ", "Regex"), LOWER), sequence(split(CLIP, "Removed", True), byte_level(False)), {}),
    }[name]
    return assembled(base, normalizer, pre, flags, dice, 6)


TYPICAL = ("gpt2", "llama3", "o200k", "deepseek-v2", "deepseek-v3", "llama2", "mistral", "clip")

__all__ = ["AddedToken"]
