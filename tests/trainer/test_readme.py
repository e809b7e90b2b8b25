# SPDX-License-Identifier: Apache-2.0
"""The README's training loop works when it is pasted, also where workers import it, as they do
from Python 3.14 on."""
import pathlib
import re
import subprocess
import sys
import tempfile

try:
    import torch  # noqa: F401
except ImportError as missing:
    print(f"{missing.name} is not installed")
    sys.exit(77)

from documents import BUILD, make_documents, make_pairs

# What the loop names and every trainer has: a model, its optimizer, and a loss.
AROUND = """
import multiprocessing, torch
multiprocessing.set_start_method("forkserver", force=True)
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens, self.patches = torch.nn.Embedding(4098, 8), torch.nn.Linear(32, 8)
    def forward(self, batch, mask):
        assert mask.shape == (len(batch["tokens"]), 1, 4096, 4096) and mask.dtype == torch.bool
        text = self.tokens(batch["tokens"]).mean() * (batch["labels"] >= 0).float().mean()
        return text + self.patches(batch["patches"]).mean()
model = Model()
optimizer = torch.optim.SGD(model.parameters(), 0.1)
"""


def main(folder):
    page = pathlib.Path("README.md").read_text()
    loop = re.search(r"\n\n(    import os, torch\n(?:    .*\n|\n)+)", page)[1]
    loop = "\n".join(line[4:] for line in loop.splitlines())
    lines = [line for line in loop.splitlines() if line.strip()]
    assert 8 <= len(lines) <= 12 and "Dataset(" in loop, loop
    make_pairs(folder / "pairs")
    make_documents(folder / "docs").rename(folder / "text")
    script = folder / "loop.py"
    script.write_text(f"import sys; sys.path.insert(0, {str(BUILD / 'python')!r})\n{AROUND}\n{loop}\n")
    for _ in range(2):  # the second run goes on from the state of the first
        done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    state = torch.load(folder / "state.pt", weights_only=True)
    assert state["data"]["step"] > 0
    print("steps:", state["data"]["step"])


with tempfile.TemporaryDirectory() as temporary:
    main(pathlib.Path(temporary))
