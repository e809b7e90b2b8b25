# SPDX-License-Identifier: Apache-2.0
r"""A small Transfusion in plain PyTorch: next-token loss on text, diffusion loss on image
patches, one sequence, causal attention that is bidirectional inside each image.

    build/latentmill prepare --out pairs tests/data/scenes-*.tar
    jq -Rsc 'split("\n\n")[] | {text: .}' README.md > readme.jsonl
    build/latentmill prepare --out text readme.jsonl
    python shard/python/examples/train_tiny.py --pairs pairs --text text

Minutes on a CPU. Killed at any moment, the same command goes on from the last checkpoint,
also with another --ranks: each rank's part of a step is computed in turn here, which gives
the gradient that so many processes would add up. --log gets a line for each sample that a
step trained on: step, epoch, NAME, key.
"""
import argparse
import math
import os
import sys

import torch
import torch.nn.functional as F
from torch import nn

from latentmill import Dataset, attention_mask

NOISE_STEPS = 1000
MOST_NOISE_BEFORE_TEXT = 500  # of an image whose caption is to be learned from it
DIFFUSION_WEIGHT = 5.0
PATCH, PACK, STEP = 4, 300, 6


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(),
                                 nn.Linear(4 * width, width))

    def forward(self, x, mask):
        b, n, width = x.shape
        qkv = self.qkv(self.before_attention(x)).view(b, n, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + self.out(attended.transpose(1, 2).reshape(b, n, width))
        return x + self.mlp(self.before_mlp(x))


def waves(values, width):
    """Sinusoids of positions or noise steps: [...] -> [..., width]."""
    rates = torch.exp(-math.log(10000) * torch.arange(width // 2) / (width // 2))
    angles = values[..., None].float() * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


class Transfusion(nn.Module):
    def __init__(self, vocabulary, patch_values, width=128, depth=3, heads=4):
        super().__init__()
        self.width = width
        self.token = nn.Embedding(vocabulary, width)
        self.patch_in, self.patch_out = nn.Linear(patch_values, width), nn.Linear(width, patch_values)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.logits = nn.Linear(width, vocabulary)

    def forward(self, batch, noisy, noise_step):
        """noisy: [patches, values]; noise_step: [patches]. Logits, and the noise seen."""
        x = self.token(batch["tokens"].long())
        where = patch_positions(batch)
        x[where] = self.patch_in(noisy) + self.time(waves(noise_step, self.width))
        x = x + waves(batch["position_ids"], self.width)
        mask = attention_mask(batch)
        for block in self.blocks:
            x = block(x, mask)
        x = self.norm(x)
        return self.logits(x), self.patch_out(x[where])


def patch_positions(batch):
    """bool [b, L], in the order of batch["patches"]."""
    where = torch.zeros(batch["tokens"].shape, dtype=torch.bool)
    for sequence, offset, length, *_ in batch["spans"].tolist():
        where[sequence, offset:offset + length] = True
    return where


def noised(batch, generator):
    """Noisy patches, their noise, and their noise steps: one of each image, cosine schedule."""
    patches, lengths = batch["patches"], batch["spans"][:, 2].long()
    most = torch.where(batch["text_follows"], MOST_NOISE_BEFORE_TEXT, NOISE_STEPS)
    step = (torch.rand(len(lengths), generator=generator) * most).long().repeat_interleave(lengths)
    noise = torch.randn(patches.shape, generator=generator)
    angle = (step[:, None] + 1) / NOISE_STEPS * math.pi / 2
    return angle.cos() * patches + angle.sin() * noise, noise, step


def losses(model, batch, generator):
    """Sums, and over how much: text, tokens, diffusion, patches' values."""
    noisy, noise, step = noised(batch, generator)
    logits, seen = model(batch, noisy, step)
    text = F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), reduction="sum",
                           ignore_index=-100)
    return text, int((batch["labels"] >= 0).sum()), ((seen - noise) ** 2).sum(), noise.numel()


def tensors(batch):
    return {name: torch.from_numpy(value) if hasattr(value, "dtype") else value
            for name, value in batch.items()}


class Training:
    def __init__(self, options):
        self.options = options
        torch.manual_seed(0)
        self.datasets = [
            Dataset({"pairs": options.pairs, "text": options.text}, batch_size=STEP, rank=rank,
                    world_size=options.ranks, pack=PACK, patch=PATCH, seed=options.seed)
            for rank in range(options.ranks)]
        self.model = Transfusion(self.datasets[0].vocabulary, self.datasets[0].patch_values)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-3, betas=(0.9, 0.95))
        self.history = []  # (text, diffusion) of each step
        self.resume()

    def resume(self):
        path = self.options.checkpoint
        if not os.path.exists(path):
            open(self.options.log, "w").close()
            return
        saved = torch.load(path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.history = saved["history"]
        for dataset in self.datasets:
            dataset.load_state_dict(saved["data"])
        with open(self.options.log) as file:  # what was done behind the checkpoint is lost
            lines = [line for line in file if int(line.split("\t")[0]) < len(self.history)]
        with open(self.options.log, "w") as file:
            file.writelines(lines)

    def save(self):
        temporary = self.options.checkpoint + ".tmp"
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
                    "history": self.history, "data": self.datasets[0].state_dict()}, temporary)
        os.replace(temporary, self.options.checkpoint)

    def run(self):
        with open(self.options.log, "a") as log:
            while len(self.history) < self.options.steps:
                epoch = self.datasets[0].epoch
                for batches in zip(*self.datasets, strict=True):
                    self.write_keys(log, epoch, batches)
                    self.step([tensors(batch) for batch in batches])
                    if len(self.history) % self.options.save_every == 0:
                        self.save()
                    if len(self.history) >= self.options.steps:
                        break
        self.save()

    def step(self, batches):
        number = len(self.history)
        for group in self.optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, (number + 1) / 10)
        generator = torch.Generator().manual_seed(number)
        parts = [losses(self.model, batch, generator) for batch in batches]
        text, tokens, diffusion, values = (sum(column) for column in zip(*parts))
        text, diffusion = text / max(tokens, 1), diffusion / max(values, 1)
        self.optimizer.zero_grad()
        (text + DIFFUSION_WEIGHT * diffusion).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.history.append((text.item(), diffusion.item()))
        print(f"step {number}: text {text.item():.3f}, diffusion {diffusion.item():.3f}", flush=True)

    def write_keys(self, log, epoch, batches):
        for batch in batches:
            for keys in batch["keys"]:
                for name, key in keys:
                    print(len(self.history), epoch, name, key, sep="\t", file=log)
        log.flush()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0],
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--pairs", required=True, default=argparse.SUPPRESS,
                        help="folder of shards with pairs")
    parser.add_argument("--text", required=True, default=argparse.SUPPRESS,
                        help="folder of shards with documents")
    parser.add_argument("--steps", type=int, default=300, help="train until so many were done in all")
    parser.add_argument("--ranks", type=int, default=1,
                        help="processes that a step is divided among, here in turn: 1, 2, 3 or 6")
    parser.add_argument("--seed", type=int, default=0, help="of the data's order and draws")
    parser.add_argument("--checkpoint", default="tiny.pt",
                        help="model, optimizer and the data's state; goes on from it if it exists")
    parser.add_argument("--save-every", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--log", default="tiny.log",
                        help="step, epoch, NAME and key of each sample that was trained on")
    parser.add_argument("--test", action="store_true",
                        help="fail unless both losses fell well below their start")
    return parser.parse_args()


def mean(history, which):
    return sum(entry[which] for entry in history) / len(history)


def main():
    options = arguments()
    training = Training(options)
    training.run()
    start, end = training.history[:3], training.history[-10:]
    text, diffusion = (mean(end, i) / mean(start, i) for i in range(2))
    print(f"of their start: text {text:.2f}, diffusion {diffusion:.2f}")
    if options.test and (text > 0.6 or diffusion > 0.7):
        sys.exit("the losses did not fall far enough")


if __name__ == "__main__":
    main()
