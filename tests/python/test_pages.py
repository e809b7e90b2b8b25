# SPDX-License-Identifier: Apache-2.0
"""The commands on the pages run, one after the other, each on what those before it made, with small
stand-ins for what the reader brings; what the pages show of their output is so; no sentence stands on
two pages. Each command and each piece of Python is one test; those that cannot be run say why."""
import ast
import contextlib
import io
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import dataset_shards
import test_export
import test_tokenizer_class
import zstandard

ROOT = pathlib.Path.cwd()
FOLDERS = ("", "ingest/", "tools/", "shard/", "vae_encode/", "tests/")
# README.md comes first: the others read what it makes. A page of an unpacked tree, not of a build.
PAGES = ["README.md"] + sorted({
    str(path.relative_to(ROOT)) for folder in FOLDERS for path in (ROOT / folder).glob("**/*.md" if folder else "*.md")
    if "/build/" not in str(path.relative_to(ROOT))} - {"README.md"})

COMMAND = re.compile(r"(?:build/)?latentmill |make|\.ci/run|jq |head |tar |zstd |apt |pip |python3? |sudo ")
# By their beginning: where a command or a piece of Python is run instead, or why it is not.
NOT_RUN = {
    "apt ": "installs packages of the system",
    "python3 -m venv": "installs packages from PyPI",
    "pip ": "installs packages from PyPI",
    ".ci/run": "it runs this test",
    "python shard/python/examples/train_tiny.py": "needs torch: tests/trainer/test_train_tiny.py runs it",
    "build/latentmill prepare --out flux": "needs encoders on torch: tests/encoders/test_prepare.py runs it",
    "build/latentmill dump --limit 1 flux": "the same",
    "build/latentmill export --format mds --out new-mds": "tests/python/test_readme.py runs it",
    "import os, torch": "needs torch: tests/trainer/test_readme.py runs it",
    "StreamingDataset(": "needs what people train with: tests/trainer/test_export_mds.py",
    "Dataset(": "tests/python/test_readme.py runs it",
    "gone = ": "tests/python/test_readme.py runs it",
    "build_view(": "tests/python/test_readme.py runs it",
    "image_loss = ": "tests/python/test_readme.py runs it",
    "import io": "needs encoders on torch: tests/encoders/test_all_kinds.py runs it",
}
# Arguments that make a command short, behind its beginning.
SHORTER = {"build/latentmill bench ": "--size 64 --repeats 1 "}

numbers = itertools.count(1)
failures = []


def passed(what):
    print(f"ok {next(numbers)} - {what}")


def skipped(what, why):
    print(f"not run: {what}: {why}\nok {next(numbers)} # SKIP")


def failed(what, why):
    print(f"{why}\nnot ok {next(numbers)} - {what}")
    failures.append(what)


def blocks(text):
    """The pieces of a page that are set as code."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.M | re.S)
    indented = re.findall(r"(?:\A|\n\n)((?:    .*(?:\n|\Z)|\n(?=    ))+)", text)
    return [[line[4:] for line in block.splitlines()] for block in indented] + [b.splitlines() for b in fenced]


def is_command(line):
    return COMMAND.match(line.removeprefix("$ ")) is not None


def is_python(block):
    try:
        tree = ast.parse("\n".join(block))
    except SyntaxError:
        return False
    return not all(isinstance(node, ast.Expr) and isinstance(node.value, (ast.Name, ast.Constant, ast.Dict))
                   for node in tree.body)


def instead(what):
    return next((why for start, why in NOT_RUN.items() if what.startswith(start)), None)


def check_command(line, shown):
    """`shown` is what the page has below the command, nothing where it shows no output."""
    line = re.split(r"\s+#", line)[0]
    if instead(line):
        return skipped(line, instead(line))
    if line.startswith("make"):  # .ci/run makes these
        line = f"make -n -C {ROOT} {line.removeprefix('make')}"
    for start, more in SHORTER.items():
        line = line.replace(start, start + more)
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    output = done.stdout.splitlines()
    if done.returncode != 0:
        failed(line, done.stderr)
    elif shown and output != shown:
        failed(line, f"the page shows\n{shown}\nand not\n{output}")
    else:
        passed(line)


def check_python(block, names):
    if instead(block[0]):
        return skipped(block[0], instead(block[0]))
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join(block), names)  # pylint: disable=exec-used
    passed(block[0])


def check_block(block, names):
    if not any(map(is_command, block)):
        if is_python(block):
            check_python(block, names)
        return
    begins = [i for i, line in enumerate(block) if is_command(line)]
    for i, end in zip(begins, begins[1:] + [len(block)]):
        assert block[i].startswith("$ ") or end == i + 1, f"what is this line of a page: {block[i + 1]}"
        check_command(block[i].removeprefix("$ "), block[i + 1:end])


def exported_sample():
    """What the page on export speaks of: a sample of a pair, its patches and the markers."""
    export = json.loads(pathlib.Path("mds/export.json").read_text())
    sample = next(s for s in test_export.mds_samples(pathlib.Path("mds")) if "order" in s)
    return {"sample": sample, "n": 256, **{name: export["tokenizer"][name] for name in ("bos", "eos", "boi", "eoi")}}


def bring(folder):
    """What is the reader's on the pages."""
    for name in ("tests", "shard", "README.md"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build").symlink_to(dataset_shards.BUILD)
    for vae in (folder / "sdxl-vae", folder / "FLUX.1-dev/vae"):
        vae.mkdir(parents=True)
        for path in (ROOT / "vae_encode/default").glob("*.[js]*"):
            shutil.copy(path, vae)
    shutil.copy(ROOT / "shard/default/tokenizer.model", folder)
    test_tokenizer_class.write_files(folder, {"<|im_start|>": 260, "<|im_end|>": 261, "<|vision_start|>": 262, "<|vision_end|>": 263})
    (folder / "model").rename(folder / "Qwen2.5-7B")
    (folder / "t.tiktoken").rename(folder / "emu3.tiktoken")
    shutil.copy(ROOT / "README.md", folder / "botchan.txt")
    names = subprocess.run(["tar", "tf", ROOT / dataset_shards.SAMPLE_SET[0]], capture_output=True, check=True,
                           text=True).stdout.split()[:6]
    with tempfile.TemporaryDirectory() as temporary:
        subprocess.run(["tar", "xf", ROOT / dataset_shards.SAMPLE_SET[0], *names], cwd=temporary, check=True)
        subprocess.run(["tar", "cf", folder / "part-00000.tar", *names], cwd=temporary, check=True)
    (folder / "part-000.jsonl.zst").write_bytes(zstandard.compress(b'{"text": "One document."}\n'))
    for i in range(1, 100):
        os.link(folder / "part-00000.tar", folder / f"part-{i:05}.tar")
        os.link(folder / "part-000.jsonl.zst", folder / f"part-{i:03}.jsonl.zst")


def check_mentions(page, text):
    """`make X` within a sentence is a target."""
    for target in sorted(set(re.findall(r"`make ([a-z-]+)`", text))):
        if f"\n{target}:" not in (ROOT / "Makefile").read_text():
            failed(f"{page}: make {target}", "the Makefile has no such target")


def check_reasons():
    """The page has each reason for rejects, in the order of the header."""
    reasons = (ROOT / "ingest/reject.h").read_text().partition("enum reject_reason")[0]
    rows = (ROOT / "ingest/INPUTS.md").read_text().partition("| `reason` |")[2].partition("\n\n")[0]
    if re.findall(r'X\(\w+, "(\w+)"\)', reasons) != re.findall(r"^\| `(\w+)` \|", rows, re.M):
        failed("ingest/INPUTS.md: reasons for rejects", "they are not those of ingest/reject.h")


def check_doubles(texts):
    seen = {}
    for page, text in texts.items():
        prose = re.sub(r"^    .*$", "", text, flags=re.M)
        for sentence in re.split(r"(?<=[.;])\s+|\n\n|\s*\|\s*", prose):
            sentence = " ".join(sentence.split())
            if len(sentence) > 60 and seen.setdefault(sentence, page) != page:
                failed(f"{page} and {seen[sentence]}", f"one place for each fact: {sentence}")


def main():
    test_export.PROGRAM = dataset_shards.BUILD / "latentmill"
    texts = {page: (ROOT / page).read_text() for page in PAGES}
    with tempfile.TemporaryDirectory() as temporary:
        bring(pathlib.Path(temporary))
        os.chdir(temporary)
        for page, text in texts.items():
            print(f"# {page}")
            names = {}
            for block in blocks(text):
                if block[0].startswith("caption = sample"):
                    names = exported_sample()
                check_block(block, names)
            check_mentions(page, text)
        os.chdir(ROOT)
    check_doubles(texts)
    check_reasons()
    ran = next(numbers) - 1
    print(f"1..{ran}")
    assert ran >= 20, "fewer commands than the pages had"
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
