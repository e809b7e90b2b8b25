# SPDX-License-Identifier: Apache-2.0
"""How full packed sequences are: real photos with their captions, mixed 1:1 with text."""
import os
import pathlib
import sys
import tempfile

SHARED = pathlib.Path(os.environ.get("LATENTMILL_SHARED", "../shared")) / "data"
if not SHARED.is_dir():
    print(f"{SHARED} is missing")
    sys.exit(77)

from documents import make_documents, prepare  # noqa: E402

from latentmill import Dataset  # noqa: E402


def fill(sources, **options):
    used = total = 0
    for batch in Dataset(sources, batch_size=1, **options):
        used += int((batch["doc_ids"] >= 0).sum())
        total += batch["tokens"].size
    return used / total


with tempfile.TemporaryDirectory() as temporary:
    where = pathlib.Path(temporary)
    model = f"--tokenizer={SHARED / 'spm/mistral-v1.model'}"
    # Latents of 16 x 16 in patches of 1: 256 positions, as the usual 32 x 32 in patches of 2.
    pairs = prepare(where / "pairs", "--size", 128, model, *sorted((SHARED / "pairs").glob("*.tar")))
    text = make_documents(where / "text", 80, 1 << 20, model)
    mixed = fill({"pairs": pairs, "text": text}, pack=4096, patch=1)
    alone = fill(pairs, pack=4096, patch=1)
    print(f"fill of 4096 positions: pairs and text {mixed:.4f}, pairs alone {alone:.4f}")
    assert mixed >= 0.97 and alone >= 0.94
