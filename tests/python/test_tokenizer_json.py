# SPDX-License-Identifier: Apache-2.0
"""Ids by tokenizer.json equal those of PyPI's tokenizers: over Qwen2.5's and CLIP's files, and over files in every
combination of components, trained here; in all modes of special tokens; on texts of all kinds. With TOKENIZERS_LONG
(make check-tokenizers) on more of them."""
import json
import pathlib
import random
import sys
import tempfile

try:
    import tokenizers  # noqa: F401
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

import tokenizing
from tokenizer_files import CL100K_OWN, SPECIAL, TYPICAL, combinations, of_word_ends, replace, split, typical
from tokenizers_referee import REJECTED, Referee
from tokenizing import DATA, LONG, corpus, dump_json, encode, shortest, tell

EMPTY = (  # patterns that match nothing at some places, there and behind what they do match
    r"\d+|(?<=[a-z])(?=[A-Z])", "[ ]+|(?=[A-Z])", " |$", r"1|\B", r"\Z| ", r"\P{L}|\B", "x*", "", r"\b|\d", "(?=a)|a", "a?b??", "(?<=b)|[aB]", "^| ", "$|\n")
findings = []


def tell_finding(text):
    findings.append(text)
    print("differs:", text, flush=True)


def ids_of(path, texts, special):
    ours = encode(path, texts, special, check=False)
    return ours if isinstance(ours, str) else [REJECTED if isinstance(one, int) else one for one in ours]


def compare(what, path, texts, special="plain", referee=None):
    """The first text of those that differ goes to the findings, made short."""
    referee = referee or Referee(path)
    if special != "parse":
        texts = [text for text in texts if not any(never in text for never in referee.never)]
    ours = ids_of(path, texts, special)
    if isinstance(ours, str):
        tell_finding(f"{what}: refused: {ours}")
        return
    bad = tokenizing.differing(texts, ours, referee.ids(texts, special))
    if not bad:
        return

    def differ(some):
        return [a != b for a, b in zip(ids_of(path, some, special), referee.ids(some, special))]

    text = min((text for text, _, _ in bad), key=len)
    text = shortest(text, differ) if len(text) < 20000 else text
    tell_finding(f"{len(bad)} of {len(texts)} texts, " + tell(
        f"{special}, {what}", text, ids_of(path, [text], special)[0], referee.ids([text], special)[0]))


def special_of(path):
    return [one["content"] for one in json.loads(pathlib.Path(path).read_text())["added_tokens"]] or SPECIAL


def check_real(folder):
    """Qwen2.5's and CLIP's own files."""
    for name in ("qwen2.5", "clip"):
        path = DATA / "tokenizers" / name / "tokenizer.json"
        if not path.is_file():
            print(f"{path} is not there")
            continue
        referee = Referee(path)
        for mode in ("plain", "parse", "reject"):
            compare(name, path, corpus(special_of(path)), mode, referee)
        texts = list(tokenizing.shared_texts())
        compare(name, path, texts if LONG else texts[::7], "plain", referee)
        compare(name, path, list(tokenizing.long_runs(10**6 if LONG else 10**4)), "plain", referee)


def check_typical(folder):
    for name in TYPICAL:
        path = dump_json(folder / f"{name}.json", typical(name))
        referee = Referee(path)
        texts = corpus(special_of(path))
        for mode in ("plain", "parse", "reject"):
            compare(name, path, texts, mode, referee)
        if LONG:
            compare(name, path, list(tokenizing.shared_texts()), "plain", referee)
        if LONG and name in ("gpt2", "llama2", "deepseek-v3"):
            compare(name, path, list(tokenizing.long_runs(10**5 if name == "llama2" else 10**6)), "plain", referee)


def check_combinations(folder):
    dice = random.Random(11)
    path = folder / "some.json"
    n = 0
    every = list(combinations(everything=LONG))
    for name, file in dice.sample(every, min(len(every), 600 if LONG else 40)):
        dump_json(path, file)
        texts = corpus(special_of(path), 60 if LONG else 40, dice.randrange(1000))
        try:
            referee = Referee(path)
        except Exception as error:
            raise AssertionError(f"the referee refuses {name}: {error}") from error
        compare(name, path, texts, dice.choice(("plain", "parse", "reject")), referee)
        n += 1
    print(f"{n} combinations", flush=True)


def check_patterns(folder):
    """Matches of nothing, and the pattern that tiktoken and tokenizers read differently."""
    numbers = of_word_ends(split(CL100K_OWN), "1234567890ab ")
    compare("tiktoken's cl100k", dump_json(folder / "numbers.json", numbers), ["12345678 ab", "1 12 123 1234 a12345"])
    dice = random.Random(12)
    texts = ["12 camelCase fooBar", "a bCamelCase", "a b", "1xyz", "1 xyz", *("".join(dice.choices("abB1 \n\u732b", k=9)) for _ in range(60))]
    for pattern in EMPTY:
        for name, file in ((f"Split {pattern}", of_word_ends(split(pattern), "abCB1x \n\u732b")),
                           (f"Replace {pattern}", of_word_ends(None, "abCB1x \n\u732b_", replace(pattern, "_", "Regex")))):
            compare(name, dump_json(folder / "empty.json", file), texts)


def check_hypothesis(folder):
    """Texts that hypothesis finds."""
    texts = []

    @settings(max_examples=2000 if LONG else 200, database=None, deadline=None, derandomize=True,
              suppress_health_check=list(HealthCheck))
    @given(st.lists(st.one_of(st.text(max_size=20), st.sampled_from(SPECIAL + tokenizing.ODD)), max_size=6).map("".join))
    def collect(text):
        texts.append("".join(c for c in text if ord(c) not in tokenizing.NEW))

    collect()
    for name in TYPICAL:
        compare(f"{name}, hypothesis", dump_json(folder / "h.json", typical(name)), texts, "parse")


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        check_real(folder)
        check_typical(folder)
        check_combinations(folder)
        check_patterns(folder)
        check_hypothesis(folder)
    return len(findings) > 0


if __name__ == "__main__":
    sys.exit(main())
