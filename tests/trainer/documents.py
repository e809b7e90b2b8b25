# SPDX-License-Identifier: Apache-2.0
"""Text documents for the trainer's tests: the paragraphs of this repository's own pages."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "python"))
from dataset_shards import BUILD, make_pairs, prepare  # noqa: E402, F401

PAGES = ("README.md", "CONTRIBUTING.md", "ingest/INPUTS.md", "tools/README.md", "shard/FORMAT.md", "shard/python/README.md")


def make_documents(out, shortest=80, longest=500, *options):
    """Shards of paragraphs of `shortest` to `longest` bytes, one document each."""
    out = pathlib.Path(out)
    out.mkdir(parents=True)
    with (out / "pages.jsonl").open("w") as file:
        for page in PAGES:
            for number, text in enumerate(pathlib.Path(page).read_text().split("\n\n")):
                if shortest <= len(text) <= longest:
                    file.write(json.dumps({"id": f"{page}:{number}", "text": text}) + "\n")
    return prepare(out / "shards", *options, out / "pages.jsonl")
